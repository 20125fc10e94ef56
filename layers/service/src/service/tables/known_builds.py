"""The builds table: which builds of an app its owner released, and what they are made of.

One row per app and build: a build's parts can take hundreds of kilobytes, and a renewal reads the one it is about.
Whether any build is known at all, and the oldest accepted one, stand with the app, so that an app without builds costs
no further read.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from attestation.appraisal.builds import (
    PLATFORM_NAMES,
    BuildComparison,
    BuildMatch,
    KnownBuild,
    KnownBuilds,
    UnknownBuilds,
    build_of,
    compare_build,
    require_not_retired,
)
from attestation.claims import Claims
from attestation.client_data import ClientData

from service.aws import DynamoDBClient, get_row, to_item, unavailable_on_failure
from service.errors import ChangeRefused, NotKnown, Overtaken, Unavailable
from service.remembered import Moment
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact

MAX_PARTS_BYTES: Final = 350_000
"""An item of DynamoDB holds 400 KB; the rest is for everything else in the row."""

_ATTEMPTS: Final = 5
_REMEMBERED: Final = 600.0
"""Seconds that a build is remembered."""
_MOST_REMEMBERED: Final = 32
_MAX_SORT_KEY: Final = 1024
"""Bytes of a DynamoDB sort key ("Quotas in Amazon DynamoDB")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One known build. ``parts`` maps a part's name to every SHA-256 (hex) that it may have."""

    platform: str
    build: str
    version_name: str | None = None
    parts: Mapping[str, tuple[str, ...]]
    registered_at: int | None = None
    updated_at: int | None = None

    def joined(self, other: Build) -> Build:
        """This build with another artefact of it: each part may be as either has it."""
        parts = dict(self.parts)
        for name, digests in other.parts.items():
            parts[name] = tuple(dict.fromkeys((*parts.get(name, ()), *digests)))
        return replace(self, parts=parts, version_name=other.version_name or self.version_name)

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "platform": self.platform,
            "build": self.build,
            "version_name": self.version_name,
            "parts": {name: list(digests) for name, digests in self.parts.items()},
            "registered_at": self.registered_at,
            "updated_at": self.updated_at,
        }


def build_key(app: str, platform: str, build: str) -> dict[str, Any]:
    """The key of a build's row."""
    return {"app": {"S": app}, "build": {"S": f"{platform}#{build}"}}


def build_of_item(item: Mapping[str, Any]) -> Build:
    """The build of a row as DynamoDB gives it."""
    platform, _, number = item["build"]["S"].partition("#")
    return Build(
        platform=platform,
        build=number,
        version_name=item["version_name"]["S"] or None,
        parts={name: tuple(digests) for name, digests in json.loads(item["parts"]["S"]).items()},
        registered_at=int(item["registered_at"]["N"]),
        updated_at=int(item["updated_at"]["N"]),
    )


@dataclass(frozen=True, slots=True)
class BuildRegister:
    """The builds table, and in the apps table whether an app has any, as operators change them."""

    client: DynamoDBClient
    table: str
    apps_table: str
    audit: DynamoDBAudit

    def put(self, app: str, build: Build, entry: AuditEntry) -> Build:
        """Register a build, or add another artefact to it, together with an audit entry; what stands now.

        Raises :class:`~service.errors.ChangeRefused`, and :class:`~service.errors.Unavailable`.
        """
        if build.platform not in PLATFORM_NAMES.values() or not _is_sort_key(f"{build.platform}#{build.build}"):
            raise ChangeRefused(f"{build.platform} {build.build[:64]!r} is no build: a platform and a number.")
        for _ in range(_ATTEMPTS):
            stood = self._find(app, build)
            wanted = build if stood is None else stood.joined(build)
            if stood is not None and stood == wanted:
                return stood
            if self._written(app, stood, wanted, entry):
                return self._find(app, build) or wanted
        raise Overtaken(f"Build {build.build} of {app} keeps changing: try again.")

    def _find(self, app: str, build: Build) -> Build | None:
        with unavailable_on_failure("dynamodb:GetItem builds"):
            answer = self.client.get_item(
                TableName=self.table, Key=build_key(app, build.platform, build.build), ConsistentRead=True
            )
        return build_of_item(answer["Item"]) if "Item" in answer else None

    def _written(self, app: str, stood: Build | None, wanted: Build, entry: AuditEntry) -> bool:
        """False when another artefact was joined to it at this moment."""
        parts = json.dumps(wanted.parts, separators=(",", ":"))
        if len(parts) > MAX_PARTS_BYTES:
            raise ChangeRefused(
                f"Build {wanted.build} has {len(wanted.parts)} parts, more than a row can hold: "
                f"register without native libraries of platforms that the app does not measure."
            )
        values: dict[str, object] = {":parts": parts, ":version_name": wanted.version_name or "", ":now": int(entry.at)}
        condition = "attribute_not_exists(app)"
        if stood is not None:
            condition, values[":seen"] = "parts = :seen", json.dumps(stood.parts, separators=(",", ":"))
        together: Any = {
            "build": {
                "Update": {
                    "TableName": self.table,
                    "Key": build_key(app, wanted.platform, wanted.build),
                    "UpdateExpression": "SET parts = :parts, version_name = :version_name, updated_at = :now, "
                    "registered_at = if_not_exists(registered_at, :now)",
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": to_item(values),
                }
            },
            "app": {
                "Update": {
                    "TableName": self.apps_table,
                    "Key": {"app": {"S": app}},
                    "UpdateExpression": "SET known_builds.#platform.registered = :registered",
                    "ConditionExpression": "attribute_exists(known_builds.#platform)",
                    "ExpressionAttributeNames": {"#platform": wanted.platform},
                    "ExpressionAttributeValues": {":registered": {"BOOL": True}},
                }
            },
            "entry": self.audit.adding(entry),
        }
        what = "dynamodb:TransactWriteItems builds"
        failed = transact(self.client, together, what=what, written=lambda: self.audit.has(entry))
        if "app" in failed:
            raise NotKnown(f"No app called {app} is registered, or by an older release: register it again.")
        return not failed


class Builds(Protocol):
    """Where use cases look a build up."""

    def find(self, app: str, platform: str, build: str) -> KnownBuild | None:
        """The build of that number, or ``None``. Raises :class:`~service.errors.Unavailable`."""

    def recalled(self, app: str, platform: str, build: str) -> KnownBuild | None:
        """The build as it was found a while ago, without a read; ``None`` where nothing is remembered.

        A build only grows, by parts and by digests of them: what matches it as it was matches it as it is.
        """


@dataclass(frozen=True, slots=True)
class DynamoDBBuilds:
    """:class:`Builds` in DynamoDB. ``bonafide app register --from`` writes the rows.

    One row is read by all renewals of a release, and can take hundreds of kilobytes: a partition gives a few hundred
    such reads a second. So builds are remembered, those asked for last. Safe to share between threads.
    """

    client: DynamoDBClient
    table: str
    _known: OrderedDict[tuple[str, str, str], tuple[KnownBuild, Moment]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def recalled(self, app: str, platform: str, build: str) -> KnownBuild | None:
        with self._lock:
            found = self._known.get((app, platform, build))
        return None if found is None or found[1].age(time.time()) >= _REMEMBERED else found[0]

    def find(self, app: str, platform: str, build: str) -> KnownBuild | None:
        if not _is_sort_key(f"{platform}#{build}"):
            return None
        key, read = {"app": app, "build": f"{platform}#{build}"}, "parts"
        row = get_row(self.client, self.table, key, called="builds", consistent=False, ProjectionExpression=read)
        if row is None:
            return None
        try:
            parts = {name: tuple(digests) for name, digests in json.loads(row["parts"]).items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unavailable(f"build {platform} {build} of app {app} is registered wrongly") from None
        found = KnownBuild(build=build, parts=parts)
        with self._lock:
            self._known[app, platform, build] = found, Moment.at(time.time())
            self._known.move_to_end((app, platform, build))
            while len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return found


def _is_sort_key(text: str) -> bool:
    """Whether a row can have this name. The attack: a build number that DynamoDB refuses, and each such request is an
    error of ours."""
    try:
        return len(text.encode("utf-8")) <= _MAX_SORT_KEY
    except UnicodeEncodeError:  # half a surrogate pair
        return False


@dataclass(frozen=True, slots=True)
class BuildExpectations:
    """What the apps table says of an app's builds, by platform (``apple``, ``android``, ``harmony``)."""

    by_platform: Mapping[str, KnownBuilds] = field(default_factory=dict)

    def compare(self, builds: Builds, *, app: str, claims: Claims, client_data: ClientData) -> BuildComparison | None:
        """How the build at hand compares with the known ones; ``None`` where nothing is expected of it.

        ``claims`` are what the evidence of this request proves. Raises :class:`~service.errors.Unavailable`, and
        :class:`~attestation.errors.RejectedEvidence` for a build that was retired.
        """
        platform = PLATFORM_NAMES[claims.platform]
        expected = self.by_platform.get(platform)
        if expected is None:
            return None
        build = build_of(claims, client_data)
        require_not_retired(build, expected)
        if not expected.registered or not build:
            return compare_build(build, client_data.measurements, expected)
        recalled = builds.recalled(app, platform, build)
        if recalled is not None:
            compared = compare_build(build, client_data.measurements, replace(expected, build=recalled))
            if compared is not None and compared.match is BuildMatch.KNOWN:
                return compared
        # No other verdict is by what was: another artefact of this build may have been registered since.
        expected = replace(expected, build=builds.find(app, platform, build))
        return compare_build(build, client_data.measurements, expected)


def read_build_expectations(members: object, where: str) -> BuildExpectations:
    """The expectations in an app's ``known_builds``: ``unknown`` and, by platform, {``registered``, ``minimum``,
    ``retired``}.

    ``where`` is how an operator knows the row. Raises :class:`~service.errors.Unavailable` for one that says something
    else: a minimum read only in part would let in what its owner excluded.
    """
    try:
        known: Mapping[str, Any] = _of_type(members, Mapping)
        unknown = UnknownBuilds(known.get("unknown", UnknownBuilds.WARN))
        return BuildExpectations(
            {
                platform: KnownBuilds(
                    registered=_of_type(known[platform].get("registered", False), bool),
                    minimum=_of_type(known[platform].get("minimum"), str, type(None)),
                    unknown=unknown,
                    retired=tuple(_of_type(build, str) for build in _of_type(known[platform].get("retired", []), list)),
                )
                for platform in dict.fromkeys(PLATFORM_NAMES.values())
                if platform in known
            }
        )
    except (TypeError, ValueError, AttributeError):
        raise Unavailable(f"{where} is registered wrongly: known_builds cannot be read") from None


def _of_type(value: Any, *types: type) -> Any:
    if not isinstance(value, types):
        raise TypeError
    return value
