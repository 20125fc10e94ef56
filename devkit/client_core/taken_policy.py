"""Whether a client policy that came is taken: by the root set, and never back.

What an app does with the answer of an untrusted server, and with what it finds in its own storage, which an attacker
may have written to.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import NamedTuple

from attestation.client_policy import SignedClientPolicy, open_client_policy
from attestation.errors import Reason, RejectedEvidence

from devkit.client_core.enforced_policy import EnforcedPolicy, enforced
from devkit.client_core.roots import RootSet


@unique
class Outcome(StrEnum):
    """How a policy compares with the one that is held."""

    NEWER = "newer"
    CONFIRMED = "confirmed"


class TakenPolicy(NamedTuple):
    """A policy that is good, and what it asks for."""

    outcome: Outcome
    policy: SignedClientPolicy
    rules: EnforcedPolicy


def take_policy(
    jws: str,
    *,
    root_set: RootSet,
    issuer: str,
    app: str,
    held: SignedClientPolicy | None,
    newest_seen: int,
    now: float,
) -> TakenPolicy:
    """Take ``jws`` as the policy of ``app``, or raise :class:`RejectedEvidence` and keep what is held.

    ``newest_seen`` is the highest version that this install ever verified, 0 for none, also where ``held`` was lost.
    ``now`` is the latest time that the app's clock ever showed, corrected by its offset, in Unix seconds.
    """
    policy = open_client_policy(jws, root_keys=root_set.roots, issuer=issuer, app=app, newest_seen=newest_seen, now=now)
    rules = enforced(policy.document)
    if held is None or policy.version != held.version:
        return TakenPolicy(Outcome.NEWER, policy, rules)
    if policy != held:
        raise RejectedEvidence(Reason.CLIENT_POLICY_INVALID, "a version never changes its content")
    return TakenPolicy(Outcome.CONFIRMED, policy, rules)
