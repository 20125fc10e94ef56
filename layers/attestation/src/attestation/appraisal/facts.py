"""Facts: what an appraisal policy may look at, in the shape of its Cedar schema. JSON-ready, and nothing identifying.

Ages are computed here, in whole units rounded up, so that a rule's ``> 24`` means exactly "older than 24 hours";
without a time there are none. Numbers beyond 64 bits (some devices write such) are cut to the nearest that Cedar holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, NamedTuple

from attestation.appraisal.builds import BuildComparison
from attestation.appraisal.policy import AppraisalContext
from attestation.claims import (
    AndroidClaims,
    AppleClaims,
    Claims,
    HarmonyClaims,
    HarmonyIntegrityClaims,
    Platform,
    PlayClaims,
)
from attestation.client_data import Signal

KINDS: Final[Mapping[Platform, str]] = {
    Platform.IOS: "Apple",
    Platform.MACOS: "Apple",
    Platform.ANDROID: "Android",
    Platform.HARMONY: "Harmony",
}
"""The Cedar entity type of each platform's keys."""

TEST_KIND: Final = "Test"
"""That of keys that enrolled with a test pass, whatever their platform: no vendor says anything of them."""

ALL_KINDS: Final = (*dict.fromkeys(KINDS.values()), TEST_KIND)

SIGNALS: Final = (
    "debugger", "hooking", "memory-dump", "root", "jailbreak", "emulator", "overlay", "screen-capture",
    "accessibility-abuse", "app-clone", "repackaged", "automation",
)  # fmt: skip
"""The signals that the schema knows by name."""

INCIDENTS: Final = "incidents"
INCIDENT_WARNINGS: Final = "incident_warnings"
INCIDENT_SETS: Final = (INCIDENTS, INCIDENT_WARNINGS)
"""The facts that name detectors. Most decisions have none, and records leave empty ones out."""

NAMING_DETECTORS: Final = ("apple-fraud-metric", "attestation-broker", "clone-storm", "key-farm", "leaked-keybox")
"""Detectors whose incidents can name a key. The others speak of builds, reasons and vendors, or of what any stranger
can send again: a policy sees none of that."""

HARDWARE: Final = "hardware"
PLATFORM: Final = "platform"
APP: Final = "app"

PLAY_UNREAD: Final = "play-verdict-unread"
SIGNER_UNCLEAR: Final = "harmony-device-integrity-signer-unclear"

_PLAY_APPS: Final = {
    "UNKNOWN_CAPTURING": "screen-capture",
    "UNKNOWN_OVERLAYS": "overlay",
    "UNKNOWN_CONTROLLING": "accessibility-abuse",
}
_HARMONY_DETAILS: Final = {
    "root": "root",
    "unlocked": "root",
    "unlock": "root",
    "jailbreak": "jailbreak",
    "emulator": "emulator",
}
_KNOWN: Final = frozenset(SIGNALS)
_MOST: Final = 2**63 - 1
_FIRST_PATCH_YEAR: Final = 2015  # Android's monthly patch levels began then
_HIGH_RISK: Final = "HIGH_RISK"

# What policies see of each kind of claims under its own name. Nothing else is: claims may identify a device.
_APPLE: Final = (
    "receipt_verified", "os_build", "validation_category", "bundle_version", "full_security", "risk_metric",
)  # fmt: skip
_ANDROID: Final = (
    "attestation_version", "keymint_version", "security_level", "key_security_level", "provisioning",
    "verified_boot_state", "device_locked", "verified_boot_key", "boot_key_listed", "origin", "purposes",
    "key_algorithm", "user_authentication", "packages", "package_version", "signing_digests", "unknown_tags",
    "play_expected", "strongbox_certified", "verified_boot_hash", "os_patch_level", "vendor_patch_level",
    "boot_patch_level", "certificates_issued", "manufacturer", "play_skipped",
)  # fmt: skip
_PLAY: Final = (
    "token", "signing_digests", "device_labels", "location_spoofing", "testing", "requested_by", "app_recognition",
    "package", "version_code", "sdk_version", "device_activity", "licensing", "play_protect", "apps_detected",
)  # fmt: skip
_HARMONY: Final = (
    "kind", "bundle_name", "key_algorithm", "boot_state", "simulator", "app_identifier", "app_mode", "key_origin",
    "key_origin_level", "key_manager_level", "key_purposes", "model", "device_security_level",
)  # fmt: skip
_INTEGRITY: Final = (
    "profile", "basic_integrity", "details", "bundle_name", "signing_digests", "unread", "app_id", "version",
    "advice",
)  # fmt: skip


class Facts(NamedTuple):
    """One decision's facts. ``kind`` is the entity type of the key, ``app`` the registered app, ``claims`` the key's
    attributes, ``context`` those of the request. Both mappings are JSON-ready and as the schema says."""

    kind: str
    app: str
    key_id: str
    claims: Mapping[str, object]
    context: Mapping[str, object]

    def to_record(self) -> dict[str, object]:
        """JSON-ready, for decision records."""
        return {
            "kind": self.kind,
            "app": self.app,
            "key_id": self.key_id,
            "claims": dict(self.claims),
            "context": {name: fact for name, fact in self.context.items() if fact or name not in INCIDENT_SETS},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> Facts:
        """The facts that :meth:`to_record` wrote, in this release or one that knew no incidents. Raises
        :class:`ValueError` for anything else."""
        kind, app, key_id = record.get("kind"), record.get("app"), record.get("key_id")
        claims, context = record.get("claims"), record.get("context")
        texts = isinstance(kind, str) and isinstance(app, str) and isinstance(key_id, str)
        if texts and kind in ALL_KINDS and isinstance(claims, Mapping) and isinstance(context, Mapping):
            return cls(str(kind), str(app), str(key_id), claims, {INCIDENTS: [], INCIDENT_WARNINGS: [], **context})
        raise ValueError("the record is not of one decision's facts")


def facts_of(context: AppraisalContext) -> Facts:
    """The facts of one appraisal."""
    claims, client_data = context.claims, context.client_data
    request: dict[str, object] = {
        "signals": _signals(claims, () if client_data is None else client_data.signals),
        "event": context.event,
        "client_policy_version": 0 if client_data is None else client_data.client_policy_version,
        INCIDENTS: sorted(context.incidents),
        INCIDENT_WARNINGS: sorted(context.incident_warnings),
    }
    if client_data is not None:
        request |= _members(client_data, ("app_build", "os", "model"))
    _put(request, "country", context.country)
    if context.build is not None:
        request["build"] = _build(context.build)
    return Facts(_kind_of(claims), context.app, claims.key_id, _attributes(claims, context.now), request)


def _kind_of(claims: Claims) -> str:
    return KINDS[claims.platform] if claims.test_pass is None else TEST_KIND


def patch_month(level: int | None) -> int | None:
    """A patch level (YYYYMM or YYYYMMDD) as months since year 0; ``None`` when absent, 0 or no such month."""
    if level is None:
        return None
    if level > 999_999:
        level //= 100
    year, month = divmod(level, 100)
    return year * 12 + month if _FIRST_PATCH_YEAR <= year < 2100 and 1 <= month <= 12 else None


def _attributes(claims: Claims, now: float | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "format": claims.format,
        "platform": claims.platform.value,
        "app_id": claims.app_id,
        "key_storage": claims.key_storage.value,
        "environment": claims.environment.value,
        "chain_profile": claims.chain_profile,
        "findings": [*claims.findings, *_of_verdicts(claims)],
    }
    facts |= _members(claims, ("anchor", "counter", "os_version"))
    kind = _kind_of(claims)
    # Claims of a platform without its own part prove nothing. Apple's part has defaults; the others' attributes are
    # missing then, and a policy that reads one refuses.
    if kind == "Apple":
        _apple(facts, claims.apple or AppleClaims())
    elif kind == "Android" and claims.android is not None:
        _android(facts, claims.android, now)
    elif kind == "Harmony" and claims.harmony is not None:
        _harmony(facts, claims.harmony, now)
    return facts


def _of_verdicts(claims: Claims) -> Iterable[str]:
    """Findings that depend on the verdict that came with the key: the next verdict removes them."""
    if claims.android is not None and claims.android.play is not None and claims.android.play.unread:
        yield PLAY_UNREAD
    if claims.harmony is not None and claims.harmony.integrity is not None and claims.harmony.integrity.signer_is_ca:
        yield SIGNER_UNCLEAR


def _apple(facts: dict[str, object], apple: AppleClaims) -> None:
    facts |= _members(apple, _APPLE)


def _android(facts: dict[str, object], android: AndroidClaims, now: float | None) -> None:
    facts |= _members(android, _ANDROID)
    if android.os_version is not None:
        facts["os_version_number"] = _number(android.os_version)
    patched = patch_month(android.os_patch_level)
    facts["patch_known"] = patched is not None
    if patched is not None and now is not None:
        facts["patch_age_months"] = _month_of(now) - patched
    if android.play is not None:
        facts["play"] = _play(android.play, now)


def _play(play: PlayClaims, now: float | None) -> dict[str, object]:
    facts = _members(play, _PLAY)
    facts["location_high_risk"] = any(label.startswith(_HIGH_RISK) for label in play.location_spoofing)
    if now is not None:
        facts["age_hours"] = _hours(now - play.requested_at)
    return facts


def _harmony(facts: dict[str, object], harmony: HarmonyClaims, now: float | None) -> None:
    facts |= _members(harmony, _HARMONY)
    facts["signed_app_id"] = harmony.app_id
    facts["claim_levels"] = [f"{name}={level}" for name, level in harmony.claim_levels.items()]
    if harmony.integrity is not None:
        facts["integrity"] = _integrity(harmony.integrity, now)


def _integrity(integrity: HarmonyIntegrityClaims, now: float | None) -> dict[str, object]:
    facts = _members(integrity, _INTEGRITY)
    if now is not None:
        facts["age_hours"] = _hours(now - integrity.checked_at)
    return facts


def _build(build: BuildComparison) -> dict[str, object]:
    facts: dict[str, object] = {
        "match": build.match.value,
        "unknown": build.unknown.value,
        "differing": list(build.differing),
    }
    _put(facts, "build", build.build)
    return facts


def _signals(claims: Claims, reported: Iterable[Signal]) -> dict[str, object]:
    """Every signal by name, with the highest source that says it. Unknown names are kept together."""
    signals: dict[str, object] = {}
    other: list[str] = []
    for signal in reported:
        if signal.name in _KNOWN:
            said: dict[str, object] = {"source": APP, "reported": True}
            _put(said, "detail", signal.detail)
            signals.setdefault(signal.name, said)
        else:
            other.append(signal.name)
    for name, source in _derived(claims):
        earlier: Any = signals.get(name, {"reported": False})
        signals[name] = {**earlier, "source": source}
    if other:
        signals["other"] = other
    return signals


def _derived(claims: Claims) -> Iterable[tuple[str, str]]:
    """Threats that attested hardware or a vendor's verdict speaks of; the higher source last."""
    android, harmony = claims.android, claims.harmony
    if android is not None:
        if android.play is not None:
            for label in android.play.apps_detected or ():
                if label in _PLAY_APPS:
                    yield _PLAY_APPS[label], PLATFORM
        self_signed_and_listed = android.verified_boot_state == "self-signed" and android.boot_key_listed
        if not android.device_locked or not (android.verified_boot_state == "verified" or self_signed_and_listed):
            yield "root", HARDWARE
    if harmony is not None and harmony.integrity is not None:
        for detail in harmony.integrity.details:
            if detail in _HARMONY_DETAILS:
                yield _HARMONY_DETAILS[detail], PLATFORM


def _put(facts: dict[str, object], name: str, value: object) -> None:
    if value is not None:
        facts[name] = value


def _members(claims: object, names: Iterable[str]) -> dict[str, object]:
    """The members of those names that are not ``None``, as Cedar has them."""
    said = ((name, getattr(claims, name)) for name in names)
    return {name: _plain(value) for name, value in said if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    return _number(value) if isinstance(value, int) else value


def _number(value: int) -> int:
    return value if -_MOST <= value <= _MOST else _MOST if value > 0 else -_MOST


def _hours(seconds: float) -> int:
    """Whole hours, rounded up: exactly those that a comparison of seconds with ``hours * 3600`` would tell."""
    if not isfinite(seconds):
        return _MOST
    hours, rest = divmod(seconds, 3600)
    return _number(int(hours) + (rest > 0))


def _month_of(now: float) -> int:
    moment = datetime.fromtimestamp(now, UTC)
    return moment.year * 12 + moment.month
