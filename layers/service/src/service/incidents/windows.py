"""Reads what detectors over tallies look at: an app's rows of the last minutes and hours, its builds, the vendors.

Queries of one app each, in number by its sources and not by its users. Builds are read whole once an hour, as a row of
one can take hundreds of kilobytes; those registered since are in the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from service.aws import DynamoDBClient, query_rows
from service.detection.detector import PopulationDetector
from service.detection.rates.window import (
    ALL_APPS,
    SOURCES,
    KnownBuild,
    TallyWindow,
    VendorSeen,
    spans,
    window_of,
)
from service.detection.slots import Slot, Slots
from service.errors import Unavailable
from service.tables.apps import Apps, RegisteredApp
from service.tables.audit import DynamoDBAudit, app_subject
from service.tallies.rows import Tallies, TallyRow
from service.telemetry.decisions import log_unavailable

BUILDS_KEPT: Final = 3_600.0
"""Seconds after which an app's builds are read whole again."""
_NEW_BUILDS: Final = 100
_BADNESS: Final = ("unknown", "ok", "late", "failing")


@dataclass(slots=True)
class RegisteredBuilds:
    """The builds of apps, with the times of their registration."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit
    _known: dict[str, tuple[float, dict[KnownBuild, float]]] = field(default_factory=dict, init=False, repr=False)

    def of(self, app: str, now: float) -> dict[KnownBuild, float]:
        """The registered builds of an app. Raises :class:`~service.errors.Unavailable`."""
        read_at, builds = self._known.get(app, (0.0, {}))
        if not 0 <= now - read_at < BUILDS_KEPT:
            read_at, builds = now, self._all(app)
            self._known[app] = read_at, builds
        for entry in self.audit.newest(app_subject(app), limit=_NEW_BUILDS, since=read_at - 60.0):
            if entry.action == "register-build":
                build = KnownBuild(str(entry.details.get("platform", "")), str(entry.details.get("build", "")))
                builds.setdefault(build, entry.at)
        return builds

    def _all(self, app: str) -> dict[KnownBuild, float]:
        rows = query_rows(
            self.client,
            self.table,
            "app = :app",
            {":app": app},
            called="builds",
            ProjectionExpression="build, registered_at",
        )
        named = ((row["build"].partition("#"), float(row["registered_at"])) for row in rows)
        return {KnownBuild(platform, number): at for (platform, _, number), at in named}


@dataclass(frozen=True, slots=True)
class Windows:
    """Reads windows. ``vendors`` says how those do that vouch for an app; ``detectors`` are those over sightings, whose
    states a window may ask for."""

    tallies: Tallies
    apps: Apps
    builds: RegisteredBuilds
    vendors: Callable[[RegisteredApp, float], Sequence[VendorSeen]]
    slots: Slots
    detectors: Sequence[PopulationDetector]

    def of(self, apps: Sequence[str], now: float) -> dict[str, TallyWindow]:
        """The window of each app, and of all together. An app whose rows cannot be read now has none, and is in none:
        it is looked at a minute later."""
        found: dict[str, TallyWindow] = {}
        every: list[TallyRow] = []
        vendors: dict[str, VendorSeen] = {}
        for app in apps:
            try:
                rows = self._rows(app, now)
                registered = self.apps.find(app)
                if registered is None:
                    continue
                builds = self.builds.of(app, now) if _has_builds(registered) else {}
                for vendor in self.vendors(registered, now):
                    vendors[vendor.name] = _worse(vendors.get(vendor.name), vendor)
            except Unavailable as error:
                log_unavailable(error.what)
                continue
            every += rows
            found[app] = window_of(app, rows, now, builds=builds, slot=self._slot_of(app, now))
        if found:
            found[ALL_APPS] = window_of(ALL_APPS, every, now, vendors=tuple(vendors.values()))
        return found

    def _rows(self, app: str, now: float) -> list[TallyRow]:
        return [
            row
            for span in spans(now)
            for row in self.tallies.rows(app, SOURCES, step=span.step, since=span.since, until=span.until)
        ]

    def _slot_of(self, app: str, now: float) -> Callable[[str, str], bytes | None]:
        versions = {detector.name: detector.version for detector in self.detectors}

        def read(detector: str, name: str) -> bytes | None:
            if detector not in versions:
                return None
            slot = Slot(app, detector, versions[detector], name)
            return self.slots.read([slot], now)[slot].state

        return read


def _has_builds(app: RegisteredApp) -> bool:
    return any(known.registered for known in app.builds.by_platform.values())


def _worse(before: VendorSeen | None, vendor: VendorSeen) -> VendorSeen:
    if before is None or _BADNESS.index(vendor.state) > _BADNESS.index(before.state):
        return vendor
    return before
