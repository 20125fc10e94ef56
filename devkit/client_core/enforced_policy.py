"""A client policy's document as an app reads it: what it does not know it ignores, what it knows it reads strictly.

The opposite of publishing, which refuses what it does not know: an installed app meets documents that are years newer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from attestation.appraisal.builds import build_order
from attestation.appraisal.facts import SIGNALS
from attestation.errors import Reason, RejectedEvidence

from devkit.client_core.pins import PinSet

FORMAT: Final = 1
DETECTORS: Final = frozenset(SIGNALS)
"""The detectors that this client knows; a document may name more."""

PLATFORMS: Final = frozenset({"ios", "macos", "android", "harmony"})
_REACTIONS: Final = frozenset({"report", "warn", "block", "wipe"})
_MODES: Final = frozenset({"keep-last", "must-be-current"})
_REFRESH: Final = range(60, 7 * 86_400 + 1)
_STALE: Final = range(300, 90 * 86_400 + 1)
_VERSIONS: Final = range(1, 1 << 53)
_PIN: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\Z")
_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?\Z")
_REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")

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
    pins: tuple[PinSet, ...] = ()
    secrets: Mapping[str, int] = field(default_factory=dict)
    """The least version of each secret that the app uses."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Verifiers by the name of their region, beside those that are built in."""

    def allows_build(self, platform: str, build: str | None) -> bool:
        """Whether ``build`` may go on. A build that is no number must not slip past a minimum."""
        least, at_hand = build_order(self.minimum_builds.get(platform, "")), build_order(build or "")
        return platform not in self.minimum_builds or (least is not None and at_hand is not None and at_hand >= least)


NOTHING_ENFORCED: Final = EnforcedPolicy()
"""What an app does that has no policy yet: report what it sees."""


def enforced(document: Mapping[str, object]) -> EnforcedPolicy:
    """The document as rules. Raises :class:`RejectedEvidence` (``client-policy-invalid``) for a format of the future,
    or a member that is known and of another type or value: half a policy is none."""
    if type(document.get("format")) is not int or document["format"] != FORMAT:
        raise _refused("a format that this app does not know")
    stale: Mapping[str, Any] = _member(document, "stale", dict, {})
    return EnforcedPolicy(
        refresh_seconds=_within(document, "refresh_seconds", _REFRESH, NOTHING_ENFORCED.refresh_seconds),
        must_be_current=_one_of(stale, "mode", _MODES, "keep-last") == "must-be-current",
        stale_after=_within(stale, "after_seconds", _STALE, NOTHING_ENFORCED.stale_after),
        minimum_builds=_minimum_builds(document),
        features_off=frozenset(name for name, off in _members(document, "kill_switches", bool).items() if off),
        reactions=_reactions(_member(document, "detectors", dict, {})),
        pins=tuple(_pin_set(pin_set) for pin_set in _member(document, "pins", list, [])),
        secrets={
            name: _within(secret, "minimum_version", _VERSIONS, 1)
            for name, secret in _members(document, "secrets", dict).items()
        },
        regions=_regions(document),
    )


def _minimum_builds(document: Mapping[str, object]) -> dict[str, str]:
    members: Mapping[str, object] = _member(document, "minimum_builds", dict, {})
    builds = {name: _member(members, name, str, "") for name in members if name in PLATFORMS}
    if not all(build_order(build) for build in builds.values()):
        raise _refused("a minimum build is no number")
    return builds


def _reactions(detectors: Mapping[str, object]) -> dict[str, str | None]:
    return {name: _reaction(_member(detectors, name, dict, {})) for name in detectors if name in DETECTORS}


def _reaction(detector: Mapping[str, Any]) -> str | None:
    reaction = _one_of(detector, "reaction", _REACTIONS, "report")
    return reaction if _member(detector, "enabled", bool, True) else None


def _pin_set(members: object) -> PinSet:
    if type(members) is not dict:
        raise _refused("a pin set is no object")
    host, pins = members.get("host"), members.get("spki_sha256")
    if type(host) is not str or not _HOST.match(host):
        raise _refused("a pin set has no host")
    if type(pins) is not list or not pins or not all(type(pin) is str and _PIN.match(pin) for pin in pins):
        raise _refused("a pin is no SHA-256 in base64")
    return PinSet(
        host, _member(members, "include_subdomains", bool, False), frozenset(pins), _seconds(members.get("expires"))
    )


def _seconds(text: object) -> float:
    if type(text) is not str or not _TIME.match(text):
        raise _refused("expires is no date")
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _refused("expires is no date") from None


def _regions(document: Mapping[str, object]) -> dict[str, str]:
    regions = _members(document, "regions", str)
    if not all(_REGION.match(name) and is_verifier_url(url) for name, url in regions.items()):
        raise _refused("a region has no name, or no https URL")
    return regions


def is_verifier_url(url: str) -> bool:
    """Whether a verifier may be addressed so: https, a host, no user, query, fragment or slash at the end."""
    try:
        parts = urlsplit(url)
        return (
            url.startswith("https://")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and url.isascii()
            and url.isprintable()
            and not set(url) & set("?#@\\ ")
            and not url.endswith("/")
        )
    except ValueError:
        return False


def _refused(detail: str) -> RejectedEvidence:
    return RejectedEvidence(Reason.CLIENT_POLICY_INVALID, detail)


def _member(members: Mapping[str, object], name: str, kind: type[_T], default: _T) -> _T:
    value = members.get(name, default)
    if type(value) is not kind:
        raise _refused(f"{name} is not of its type")
    return value


def _within(members: Mapping[str, object], name: str, bounds: range, default: int) -> int:
    value = _member(members, name, int, default)
    if value not in bounds:
        raise _refused(f"{name} is out of bounds")
    return value


def _one_of(members: Mapping[str, object], name: str, known: frozenset[str], default: str) -> str:
    value = _member(members, name, str, default)
    if value not in known:
        raise _refused(f"{name} has a value that this app does not know")
    return value


def _members(document: Mapping[str, object], name: str, kind: type[_T]) -> dict[str, _T]:
    members: dict[str, Any] = _member(document, name, dict, {})
    return {inner: _member(members, inner, kind, kind()) for inner in members}
