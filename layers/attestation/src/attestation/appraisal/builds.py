"""Known builds: which builds of an app its owner released, and what they are made of.

The comparison is with what the app *says* of itself (client data), so it can lower trust and never raise it: code that
runs inside a manipulated app can send the measurements of the genuine one. What cannot be talked round is the number
in an attestation, so that number counts for more than the app's own wherever evidence carries one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from attestation.claims import Claims, Platform
from attestation.client_data import ClientData
from attestation.errors import Reason, RejectedEvidence

PLATFORM_NAMES: Final[Mapping[Platform, str]] = {
    Platform.IOS: "apple",
    Platform.MACOS: "apple",
    Platform.ANDROID: "android",
    Platform.HARMONY: "harmony",
}
"""Under which name an app's builds are registered; those of reference values."""

MAX_DIFFERING: Final = 8
"""Most names of differing parts that a comparison carries."""

_NUMBER: Final = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9}){0,3}\Z")
_CODE: Final = re.compile(r"\.(?:dex|abc|so)\Z|\Atext:|(?:\A|[:/])libs?/")


@unique
class UnknownBuilds(StrEnum):
    """How an app's owner wants builds judged that cannot be recognised: the dial of one app."""

    ALLOW = "allow"
    WARN = "warn"
    REFUSE = "refuse"


@unique
class BuildMatch(StrEnum):
    """How the app at hand compares with the builds that its owner registered.

    ``UNMEASURED``: the build is known, but the app sent no measurement of itself.
    """

    KNOWN = "known"
    UNKNOWN = "unknown"
    UNMEASURED = "unmeasured"
    DIFFERS = "differs"
    DOWNGRADED = "downgraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBuild:
    """One released build. ``parts`` maps a part's name to every SHA-256 (lower-case hex) that it may have: one build
    is often several files (a base and its splits, one per store)."""

    build: str
    parts: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBuilds:
    """What is known of an app's builds on one platform, as far as the build at hand is concerned.

    ``registered`` says whether any build is; ``build`` is the one with the number at hand, if it is among them;
    ``minimum`` the oldest number still accepted; ``retired`` are numbers that their owner withdrew.
    """

    registered: bool = False
    build: KnownBuild | None = None
    minimum: str | None = None
    unknown: UnknownBuilds = UnknownBuilds.WARN
    retired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildComparison:
    """The verdict on one build, for policies. ``build`` is the number that was judged, ``differing`` names the first
    parts that are not as released, and ``unknown`` is the owner's dial."""

    match: BuildMatch
    build: str | None
    differing: tuple[str, ...] = ()
    unknown: UnknownBuilds = UnknownBuilds.WARN


def build_of(claims: Claims, client_data: ClientData) -> str | None:
    """The number of the build at hand: the one that this request's evidence proves, else the one the app states.

    ``claims`` are those of the evidence in this request, not yet laid over an enrolment's: an app is updated between
    two renewals, so the number in an old attestation says nothing about today.
    """
    return _proved_build(claims) or client_data.app_build


def _proved_build(claims: Claims) -> str | None:
    if claims.apple is not None:
        return claims.apple.bundle_version
    if claims.format == "android-key-attestation" and claims.android is not None:
        version = claims.android.package_version
        return str(version) if version > 0 else None
    return None  # no evidence of HarmonyOS names the app's build


def require_not_retired(build: str | None, known: KnownBuilds) -> None:
    """Raises :class:`~attestation.errors.RejectedEvidence` (``build-retired``) for a build that its owner withdrew.

    Whatever a policy says: a withdrawn build has one right answer. The number is compared as one, so that ``041`` is no
    way around ``41``.
    """
    if build is not None and any(same_build(build, retired) for retired in known.retired):
        raise RejectedEvidence(Reason.BUILD_RETIRED, f"build {build[:64]} was retired")


def same_build(one: str, other: str) -> bool:
    """Whether two texts are one build's number."""
    order = build_order(one)
    return one == other or (order is not None and order == build_order(other))


def compare_build(build: str | None, measurements: Mapping[str, str], known: KnownBuilds) -> BuildComparison | None:
    """Compare the build at hand with the known ones; ``None`` where the owner said nothing about builds.

    Measurements may be fewer than the known parts: an app measures what it can reach. A measured piece of code that the
    build does not have is a difference, an added library or dex file; another name that it does not have is no news of
    the build but of the app's way of measuring, and leaves it unmeasured as far as it goes.
    """
    if not known.registered and known.minimum is None:
        return None
    if known.build is not None and (differing := _differing(measurements, known.build.parts)):
        return BuildComparison(
            match=BuildMatch.DIFFERS, build=build, differing=differing[:MAX_DIFFERING], unknown=known.unknown
        )
    if known.minimum is not None and not _reaches(build, known.minimum):
        return BuildComparison(match=BuildMatch.DOWNGRADED, build=build, unknown=known.unknown)
    if not known.registered:
        return None
    if known.build is None:
        match = BuildMatch.UNKNOWN
    else:
        match = BuildMatch.KNOWN if measurements.keys() & known.build.parts.keys() else BuildMatch.UNMEASURED
    return BuildComparison(match=match, build=build, unknown=known.unknown)


def _differing(measurements: Mapping[str, str], parts: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    # Public values, and a verdict that tells the app nothing it did not say itself: no constant time is needed.
    return tuple(
        name
        for name, digest in sorted(measurements.items())
        if (digest not in parts[name] if name in parts else _CODE.search(name) is not None)
    )


def build_order(build: str) -> tuple[int, ...] | None:
    """A build's number for comparing: ``42``, ``1.10`` after ``1.9``; ``None`` for a text that is no number."""
    if not _NUMBER.match(build):
        return None
    numbers = [int(part) for part in build.split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _reaches(build: str | None, minimum: str) -> bool:
    """Whether ``build`` is ``minimum`` or newer. A number that cannot be read must not slip past the minimum."""
    at_hand, least = build_order(build or ""), build_order(minimum)
    return at_hand is not None and (least is None or at_hand >= least)
