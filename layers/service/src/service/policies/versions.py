"""Policy versions: what is published for an app, and what is in force of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from hashlib import sha256
from typing import NamedTuple

from attestation.appraisal.cohort import in_rollout

from service.tables.audit import AuditEntry


@unique
class Effect(StrEnum):
    """When a policy takes effect: for each key as it renews, or for all at once, because older tokens are refused."""

    NEXT_RENEWAL = "next-renewal"
    NOW = "now"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One version of an app's policy, without its documents. Written once.

    ``by`` is the ARN of its author, ``approved_by`` that of the second person, where one was needed. ``at`` is Unix
    seconds. ``rollout`` is the percentage that it started with. ``based_on`` is the latest version that its author saw;
    ``restores`` the version whose documents it brings back, for a rollback. ``digest`` identifies the documents.
    ``has_client`` says whether there is a client policy. A proposal has the same members; its ``version`` is the
    proposal's own number, and ``promotes`` the version whose rollout it would raise to ``rollout``.
    """

    app: str
    version: int
    why: str
    by: str
    at: int
    effect: Effect
    rollout: int
    based_on: int
    digest: str
    has_client: bool
    restores: int | None = None
    promotes: int | None = None
    approved_by: str = ""

    @property
    def client_version(self) -> int:
        """The number by which apps know its client policy; 0 when it has none."""
        return self.version if self.has_client else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """A version with its documents: Cedar text, JSON text, and the client policy as apps get it, signed (empty for
    none, and in a proposal: what one person alone wants must not exist with a signature)."""

    version: PolicyVersion
    appraisal: str
    client: str
    client_jws: str = ""


class Canary(NamedTuple):
    """A version on its way: in force for ``rollout`` percent of an app's keys."""

    version: int
    rollout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyHead:
    """What is in force for an app. Version 0 is what holds where nothing was published.

    ``latest`` is the highest version that was ever given out, ``stable`` the one in force for everybody outside
    ``canary``, ``previous`` the one that was stable before it, ``withdrawn`` whether a rollback took that one back
    (``None`` in rows of older releases). ``proposal`` is the number of the proposal that waits
    for a second person, ``proposals`` how many there ever were. ``tokens_from`` (Unix seconds) is the not-before that
    came with the last change that took effect at once: no token judged by a policy of this head may be dated earlier,
    and none judged by an earlier head can be dated later. ``revision`` counts the changes of this row.
    """

    app: str
    latest: int = 0
    stable: int = 0
    previous: int | None = None
    withdrawn: bool | None = None
    canary: Canary | None = None
    proposal: int | None = None
    proposals: int = 0
    tokens_from: int = 0
    revision: int = 0

    def in_force(self, install: str) -> int:
        """The version in force for an install: a key_id, or the hash that names an install before it has a key."""
        if self.canary is not None and in_rollout(self.app, install, self.canary.rollout):
            return self.canary.version
        return self.stable


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyMove:
    """One change of what is in force: from the head ``read`` to ``head``, which it writes together with ``added`` (a
    new version), ``proposed`` (a new proposal) and the audit ``entry``, or not at all.

    ``not_before`` (Unix seconds) refuses older tokens of the app from then on; it never goes back.
    """

    read: PolicyHead
    head: PolicyHead
    entry: AuditEntry
    added: StoredPolicy | None = None
    proposed: StoredPolicy | None = None
    not_before: int | None = None


def digest_of(appraisal: str, client: str) -> str:
    """What identifies a pair of documents: hexadecimal SHA-256."""
    first, second = (text.encode("utf-8", "surrogatepass") for text in (appraisal, client))
    return sha256(b"%d:%b%b" % (len(first), first, second)).hexdigest()
