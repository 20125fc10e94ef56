"""Registering an app: what an operator says about it, checked, and written to the apps table."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from service.errors import ChangeRefused, NotKnown, Overtaken
from service.transactions import transact

if TYPE_CHECKING:
    from service.tables.audit import AuditEntry, DynamoDBAudit

_APP: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
# Team ids and the older app id prefixes are ten characters; bundle ids are those of CFBundleIdentifier.
_APPLE_APP_ID: Final = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
# Android's application ids and HarmonyOS's bundle names: segments with a dot between, each starting with a letter.
_PACKAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+\Z")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z")
_VISIBLE: Final = re.compile(r"[!-~]{1,256}\Z")
_BUILD: Final = re.compile(r"[0-9]{1,19}(\.[0-9]{1,9}){0,3}\Z")
_MAX_LISTED: Final = 64

ENVIRONMENTS: Final = ("production", "development")
PLATFORMS: Final = ("apple", "android", "harmony")
"""Platforms as reference values and known builds name them."""
UNKNOWN_BUILDS: Final = ("allow", "warn", "refuse")
"""What appraisal makes of a build that is not among the known ones."""

DEMO_APP: Final = "demo"
DEMO_APPLE_APP_ID: Final = "B0NAF1DE42.org.bonafide.demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One app as registered, on the platforms it runs on. Digests are SHA-256 in lower-case hex.

    ``audiences`` may be empty: tokens are then for the stack's own audience. ``minimum_builds`` has, by platform, the
    oldest build that is still accepted where builds are known; ``unknown_builds`` says how others are judged.
    ``play_expected`` says that the Android app sends Play Integrity tokens, so that one kept back is a finding.
    ``revision`` counts the changes of the row, 0 for an app that has none.
    """

    app: str
    apple_app_ids: tuple[str, ...] = ()
    apple_environments: tuple[str, ...] = ("production",)
    android_packages: tuple[str, ...] = ()
    android_signing_digests: tuple[str, ...] = ()
    android_verified_boot_keys: tuple[str, ...] = ()
    play_expected: bool = False
    harmony_bundle_names: tuple[str, ...] = ()
    harmony_app_ids: tuple[str, ...] = ()
    harmony_app_identifiers: tuple[str, ...] = ()
    harmony_signing_digests: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    minimum_builds: Mapping[str, str] = field(default_factory=dict)
    unknown_builds: str = "warn"
    created_at: int | None = None
    updated_at: int | None = None
    revision: int = field(default=0, compare=False)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that the app is registered for."""
        there = (self.apple_app_ids, self.android_packages, self.harmony_bundle_names)
        return tuple(platform for platform, names in zip(PLATFORMS, there, strict=True) if names)

    def check(self) -> None:
        """Raises :class:`ChangeRefused` for the first thing that cannot be right."""
        self.check_values()
        self._check_platforms()

    def _check_platforms(self) -> None:
        if not self.platforms:
            raise ChangeRefused(
                "Name at least one app id with --apple-app-id TEAMID1234.com.example.app, a package with "
                "--android-package, a bundle with --harmony-bundle, or a built app with --from."
            )
        if bool(self.android_packages) != bool(self.android_signing_digests):
            # Any app can use a package's name: without its signer every repackaged copy would be the app.
            raise ChangeRefused("An Android app needs both --android-package and --android-signer.")
        if self.play_expected and not self.android_packages:
            raise ChangeRefused(
                "--play-expected is for Android: name the app's --android-package and --android-signer."
            )
        if (self.harmony_app_ids or self.harmony_app_identifiers or self.harmony_signing_digests) and (
            not self.harmony_bundle_names
        ):
            raise ChangeRefused("A HarmonyOS app needs its bundle name: --harmony-bundle.")
        if self.harmony_bundle_names and not (self.harmony_app_ids or self.harmony_app_identifiers):
            raise ChangeRefused(
                "A HarmonyOS app needs --harmony-app-id or --harmony-app-identifier: they pin its signer."
            )

    def check_values(self) -> None:
        """The same for each value by itself, however incomplete the registration is."""
        if not _APP.match(self.app):
            raise ChangeRefused(
                f"{self.app!r} cannot be an app's name: use lower-case letters, digits, '.', '_' and '-', 64 at most."
            )
        for member in fields(self):
            if member.type == "tuple[str, ...]" and len(getattr(self, member.name)) > _MAX_LISTED:
                raise ChangeRefused(f"More than {_MAX_LISTED} {member.name.replace('_', ' ')} are too many.")
        for app_id in self.apple_app_ids:
            if not _APPLE_APP_ID.match(app_id) or len(app_id) > 166:
                raise ChangeRefused(f"{app_id!r} is not <team id>.<bundle id>, as in TEAMID1234.com.example.app.")
        for environment in self.apple_environments:
            if environment not in ENVIRONMENTS:
                raise ChangeRefused(f"{environment!r} is not an environment: {' or '.join(ENVIRONMENTS)}.")
        for package in (*self.android_packages, *self.harmony_bundle_names):
            if not _PACKAGE.match(package) or len(package) > 255:
                raise ChangeRefused(f"{package!r} is not a package or bundle name, as in com.example.app.")
        for digest in (*self.android_signing_digests, *self.android_verified_boot_keys, *self.harmony_signing_digests):
            if not _DIGEST.match(digest):
                raise ChangeRefused(f"{digest[:80]!r} is not a SHA-256 in hex: 64 digits, with or without colons.")
        for identifier in (*self.harmony_app_ids, *self.harmony_app_identifiers):
            if not _VISIBLE.match(identifier):
                raise ChangeRefused(f"{identifier[:80]!r} cannot be an app id: printable ASCII without spaces.")
        for audience in self.audiences:
            if not _VISIBLE.match(audience):
                raise ChangeRefused(f"{audience!r} cannot be an audience: printable ASCII without spaces.")
        for platform, build in self.minimum_builds.items():
            if platform not in PLATFORMS or not _BUILD.match(build):
                raise ChangeRefused(f"{platform}={build} is not a minimum build, as in android=42 or apple=1.2.3.")
        if self.unknown_builds not in UNKNOWN_BUILDS:
            raise ChangeRefused(f"Unknown builds can be met with {', '.join(UNKNOWN_BUILDS)}.")

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Registration:
        """The registration of a record. Raises ``TypeError`` for members that it does not know."""
        members: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in record.items()}
        return cls(**members)

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        record: dict[str, object] = {}
        for member in fields(self):
            value = getattr(self, member.name)
            record[member.name] = list(value) if isinstance(value, tuple) else value
        record["minimum_builds"] = dict(self.minimum_builds)
        return record


def digest_text(text: str) -> str:
    """A digest as people copy it (``keytool`` prints ``AB:CD:…``), as it is stored."""
    return text.replace(":", "").strip().lower()


# platform → member of the row → field of Registration. Members of a row that are not named here (another command's)
# stay as they are when an app is registered again.
_MEMBERS: Final[Mapping[str, Mapping[str, str]]] = {
    "apple": {"app_ids": "apple_app_ids", "environments": "apple_environments"},
    "android": {
        "packages": "android_packages",
        "signing_digests": "android_signing_digests",
        "verified_boot_keys": "android_verified_boot_keys",
    },
    "harmony": {
        "bundle_names": "harmony_bundle_names",
        "app_ids": "harmony_app_ids",
        "app_identifiers": "harmony_app_identifiers",
        "signing_digests": "harmony_signing_digests",
    },
}


_SEEN: Final = ("revision", "updated_at", "reference_values", "known_builds")
_FIRST: Final = 1
"""The revision of a row that an older release wrote, without one."""


@dataclass(frozen=True, slots=True)
class Registrations:
    """The apps table, through a boto3 DynamoDB client. With ``audit``, changes can be written down."""

    dynamodb: Any
    table: str
    clock: Callable[[], float] = time.time
    audit: DynamoDBAudit | None = None

    def put(self, registration: Registration) -> Registration:
        """Register an app, or replace what stands of one; what now stands. Raises :class:`ChangeRefused`."""
        update = self._update(registration, self._item(registration.app) or {})
        try:
            answer = self.dynamodb.update_item(**update, ReturnValues="ALL_NEW")
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise _overtaken(registration.app) from error
        return _registration(answer["Attributes"])

    def put_and_record(self, registration: Registration, entry: AuditEntry, *, seen: int) -> Registration:
        """The same together with an audit entry, or not at all. ``seen`` is the revision that the new registration was
        made from, 0 for an app that is new. The same change again, whose answer was lost, is no other one.

        Raises :class:`~service.errors.Unavailable`, too.
        """
        if self.audit is None:
            raise TypeError("a registration that is recorded needs the audit table")
        audit, item = self.audit, self._item(registration.app)
        stands = Registration(app=registration.app) if item is None else _registration(item)
        wanted = replace(registration, created_at=stands.created_at, updated_at=stands.updated_at)
        if stands.revision == seen + 1 and wanted == stands:
            return stands
        if stands.revision != seen:
            raise _overtaken(registration.app)
        parts: Any = {"app": {"Update": self._update(registration, item or {})}, "entry": audit.adding(entry)}
        if transact(self.dynamodb, parts, what="dynamodb:TransactWriteItems apps", written=lambda: audit.has(entry)):
            raise _overtaken(registration.app)
        return self.get(registration.app)

    def _update(self, registration: Registration, stood: dict[str, Any]) -> dict[str, Any]:
        registration.check()
        # A change of the row since it was read is kept: another operator's, or a build's registration.
        seen = {f":was_{name}": stood[name] for name in _SEEN if name in stood}
        values: dict[str, object] = {
            ":audiences": _texts(registration.audiences),
            ":reference_values": {"M": _reference_values(registration, _members(stood, "reference_values"))},
            ":known_builds": {"M": _known_builds(registration, _members(stood, "known_builds"))},
            ":now": {"N": str(int(self.clock()))},
            ":next": {"N": str(_revision(stood) + 1)},
        }
        return {
            "TableName": self.table,
            "Key": {"app": {"S": registration.app}},
            "UpdateExpression": "SET audiences = :audiences, reference_values = :reference_values, "
            "known_builds = :known_builds, updated_at = :now, revision = :next, "
            "created_at = if_not_exists(created_at, :now)",
            "ConditionExpression": " AND ".join(
                f"{name} = :was_{name}" if name in stood else f"attribute_not_exists({name})" for name in _SEEN
            ),
            "ExpressionAttributeValues": values | seen,
        }

    def find(self, app: str) -> Registration | None:
        """One app, or ``None`` when it is not registered."""
        item = self._item(app)
        return None if item is None else _registration(item)

    def get(self, app: str) -> Registration:
        """One app. Raises :class:`ChangeRefused` when it is not registered."""
        registration = self.find(app)
        if registration is None:
            raise NotKnown(f"No app called {app} is registered.")
        return registration

    def list(self) -> list[Registration]:
        """Every app, by name."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        return sorted((_registration(item) for page in pages for item in page["Items"]), key=lambda r: r.app)

    def _item(self, app: str) -> dict[str, Any] | None:
        answer = self.dynamodb.get_item(TableName=self.table, Key={"app": {"S": app}}, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item


def _revision(item: Mapping[str, Any]) -> int:
    if not item:
        return 0
    return int(item["revision"]["N"]) if "revision" in item else _FIRST


def _overtaken(app: str) -> Overtaken:
    return Overtaken(f"Another operator changed {app} at this moment: try again.")


def _texts(values: Iterable[str]) -> dict[str, object]:
    return {"L": [{"S": value} for value in dict.fromkeys(values)]}


def _members(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    return dict(item.get(name, {}).get("M", {}))


def _reference_values(registration: Registration, stood: dict[str, Any]) -> dict[str, Any]:
    for platform, members in _MEMBERS.items():
        if platform not in registration.platforms:
            stood.pop(platform, None)
            continue
        values = _members(stood, platform)
        values.update({member: _texts(getattr(registration, name)) for member, name in members.items()})
        if platform == "android":
            values["play_expected"] = {"BOOL": registration.play_expected}
        stood[platform] = {"M": values}
    return stood


def _known_builds(registration: Registration, stood: dict[str, Any]) -> dict[str, Any]:
    stood["unknown"] = {"S": registration.unknown_builds}
    for platform in PLATFORMS:
        facts = _members(stood, platform)
        facts.pop("minimum", None)
        if platform in registration.minimum_builds:
            facts["minimum"] = {"S": registration.minimum_builds[platform]}
        stood[platform] = {"M": facts}
    return stood


def _registration(item: dict[str, Any]) -> Registration:
    reference_values, known_builds = _members(item, "reference_values"), _members(item, "known_builds")

    def texts(attribute: Mapping[str, Any]) -> tuple[str, ...]:
        values: Sequence[Any] = attribute.get("L", ())
        return tuple(value["S"] for value in values) or tuple(attribute.get("SS", ()))

    def moment(name: str) -> int | None:
        return int(float(item[name]["N"])) if "N" in item.get(name, {}) else None

    lists = {
        name: texts(_members(reference_values, platform)[member])
        for platform, members in _MEMBERS.items()
        for member, name in members.items()
        if member in _members(reference_values, platform)
    }
    return Registration(
        app=item["app"]["S"],
        **lists,
        play_expected=_members(reference_values, "android").get("play_expected", {}).get("BOOL", False),
        audiences=texts(item.get("audiences", {})),
        minimum_builds={
            platform: _members(known_builds, platform)["minimum"]["S"]
            for platform in PLATFORMS
            if "minimum" in _members(known_builds, platform)
        },
        unknown_builds=known_builds.get("unknown", {}).get("S", "warn"),
        created_at=moment("created_at"),
        updated_at=moment("updated_at"),
        revision=_revision(item),
    )
