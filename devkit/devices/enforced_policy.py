"""A client policy's document as an app reads it: what it does not know it ignores, what it knows it reads strictly.

The opposite of publishing, which refuses what it does not know: an installed app meets documents that are years newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from attestation.appraisal.builds import build_order
from attestation.errors import Reason, RejectedEvidence

FORMAT: Final = 1
_REACTIONS: Final = frozenset({"report", "warn", "block", "wipe"})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcedPolicy:
    """What the app does. Times in seconds; ``reactions`` by signal, ``None`` for a detector that is off."""

    refresh_seconds: int = 3_600
    must_be_current: bool = False
    stale_after: int = 7 * 86_400
    minimum_builds: Mapping[str, str] = field(default_factory=dict)
    features_off: frozenset[str] = frozenset()
    reactions: Mapping[str, str | None] = field(default_factory=dict)
    secrets: Mapping[str, int] = field(default_factory=dict)
    """The least version of each secret that the app uses."""

    def allows_build(self, platform: str, build: str | None) -> bool:
        """Whether ``build`` may go on. A build that is no number must not slip past a minimum."""
        least, at_hand = build_order(self.minimum_builds.get(platform, "")), build_order(build or "")
        return platform not in self.minimum_builds or (least is not None and at_hand is not None and at_hand >= least)


NOTHING_ENFORCED: Final = EnforcedPolicy()
"""What an app does that has no policy yet: report what it sees."""


def enforced(document: Mapping[str, object]) -> EnforcedPolicy:
    """The document as rules. Raises :class:`RejectedEvidence` (``client-policy-invalid``) for a format of the future,
    or a member that is known and of another type: half a policy is none."""
    if document.get("format") != FORMAT:
        raise RejectedEvidence(Reason.CLIENT_POLICY_INVALID, "a format that this app does not know")
    stale: Mapping[str, Any] = _member(document, "stale", dict, {})
    return EnforcedPolicy(
        refresh_seconds=_member(document, "refresh_seconds", int, NOTHING_ENFORCED.refresh_seconds),
        must_be_current=_member(stale, "mode", str, "keep-last") == "must-be-current",
        stale_after=_member(stale, "after_seconds", int, NOTHING_ENFORCED.stale_after),
        minimum_builds=_members(document, "minimum_builds", str),
        features_off=frozenset(name for name, off in _members(document, "kill_switches", bool).items() if off),
        reactions={name: _reaction(detector) for name, detector in _members(document, "detectors", dict).items()},
        secrets={
            name: _member(secret, "minimum_version", int, 1)
            for name, secret in _members(document, "secrets", dict).items()
        },
    )


def _reaction(detector: Mapping[str, Any]) -> str | None:
    reaction = _member(detector, "reaction", str, "report")
    if reaction not in _REACTIONS:
        raise RejectedEvidence(Reason.CLIENT_POLICY_INVALID, "a reaction that this app does not know")
    return reaction if _member(detector, "enabled", bool, True) else None


def _member(members: Mapping[str, object], name: str, kind: type[_T], default: _T) -> _T:
    value = members.get(name, default)
    if type(value) is not kind:
        raise RejectedEvidence(Reason.CLIENT_POLICY_INVALID, f"{name} is not of its type")
    return value


def _members(document: Mapping[str, object], name: str, kind: type[_T]) -> dict[str, _T]:
    members: dict[str, Any] = _member(document, name, dict, {})
    return {inner: _member(members, inner, kind, kind()) for inner in members}
