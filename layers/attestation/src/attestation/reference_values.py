"""Reference values: what *we* expect of an app. Data with an owner, never constants in a verifier (RFC 9334 §8.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Environment(StrEnum):
    """Which App Attest environment made a key. TestFlight, App Store and enterprise builds use ``PRODUCTION``."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleReferenceValues:
    """What App Attest evidence must show.

    ``app_ids`` are full ids, ``<team id or app id prefix>.<bundle id>``; one app may have several (another team
    during a transfer, an App Clip). ``environments`` are those whose keys may enrol.
    """

    app_ids: tuple[str, ...]
    environments: frozenset[Environment] = frozenset({Environment.PRODUCTION})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceValues:
    """What we expect of one registered app, by platform. ``None`` means: not registered for that platform."""

    apple: AppleReferenceValues | None = None
