"""The words that an appraisal policy may use: the schema's names and types, and the values that a text can have.

Cedar checks types. It does not know that ``key_storage`` is never ``"tpm"``, and a rule that compares with such a value
never fires: here such values are known. The tables are taken from the enums that make the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

from attestation.android.device_chain import Provisioning
from attestation.appraisal.builds import BuildMatch, UnknownBuilds
from attestation.appraisal.cedar.engine import schema
from attestation.appraisal.cedar.releases import SEALING_KEY_STORAGE, TIER
from attestation.appraisal.cedar.rules import RELEASE
from attestation.appraisal.cedar.statements import tokens_of
from attestation.appraisal.facts import (
    ALL_KINDS,
    APP,
    HARDWARE,
    INCIDENT_SETS,
    NAMING_DETECTORS,
    PLATFORM,
    SIGNALS,
    TEST_KIND,
)
from attestation.appraisal.result import Tier
from attestation.claims import KeyStorage, Platform
from attestation.evidence import AttestationKind, IntegrityProfile
from attestation.reference_values import Environment
from attestation.sealing.sealing_key import SealingKeyStorage

CONTEXT: Final = "context"
PRINCIPAL: Final = "principal"
APP_TYPE: Final = "App"
ACTION_TYPE: Final = "Action"
KEY_TYPES: Final = ALL_KINDS

RECORD: Final = "record"
SET: Final = "Set"

_ENVIRONMENTS: Final = frozenset({Environment.PRODUCTION, Environment.DEVELOPMENT})

_CLOSED: Final[Mapping[str, frozenset[str]]] = {
    "Apple.platform": frozenset({Platform.IOS, Platform.MACOS}),
    "Apple.key_storage": frozenset({KeyStorage.SECURE_ENCLAVE, KeyStorage.SOFTWARE}),
    "Apple.environment": _ENVIRONMENTS,
    "Android.platform": frozenset({Platform.ANDROID}),
    "Android.key_storage": frozenset({KeyStorage.STRONGBOX, KeyStorage.TEE, KeyStorage.SOFTWARE}),
    "Android.environment": _ENVIRONMENTS,
    "Android.provisioning": frozenset(map(str, Provisioning)),
    "Android.verified_boot_state": frozenset({"verified", "self-signed", "unverified", "failed"}),
    "Android.play.token": frozenset({"classic", "standard"}),
    "Android.play_skipped": frozenset({"quota", "unavailable"}),
    "Harmony.platform": frozenset({Platform.HARMONY}),
    "Harmony.key_storage": frozenset({KeyStorage.TEE, KeyStorage.SOFTWARE}),
    "Harmony.environment": _ENVIRONMENTS,
    "Harmony.kind": frozenset(map(str, AttestationKind)),
    "Harmony.boot_state": frozenset({"not-proved"}),
    "Harmony.integrity.profile": frozenset(map(str, IntegrityProfile)),
    f"{TEST_KIND}.platform": frozenset(map(str, Platform)),
    f"{TEST_KIND}.key_storage": frozenset({KeyStorage.UNPROVED}),
    f"{TEST_KIND}.environment": frozenset({Environment.TEST}),
    "context.event": frozenset({"enrol", "renew", "signal", "secret"}),
    f"context.{TIER}": frozenset({Tier.AFFIRMING, Tier.WARNING}),
    f"context.{SEALING_KEY_STORAGE}": frozenset(map(str, SealingKeyStorage)),
    "context.build.match": frozenset(map(str, BuildMatch)),
    "context.build.unknown": frozenset(map(str, UnknownBuilds)),
    **{f"context.signals.{name}.source": frozenset({HARDWARE, PLATFORM, APP}) for name in SIGNALS},
    **{f"context.{name}": frozenset(NAMING_DETECTORS) for name in INCIDENT_SETS},
}
"""Texts whose values are closed: another one never occurs."""

_FAMILIAR: Final[Mapping[str, frozenset[str]]] = {
    "Apple.chain_profile": frozenset({"strict"}),
    "Android.chain_profile": frozenset({"strict", "factory"}),
    "Harmony.chain_profile": frozenset({"strict", "simulator"}),
    "Android.key_algorithm": frozenset({"ec-p224", "ec-p256", "ec-p384", "ec-p521", "rsa", "ed25519", "x25519"}),
    "Harmony.key_algorithm": frozenset({"ec-p224", "ec-p256", "ec-p384", "ec-p521", "rsa", "sm2", "ed25519", "x25519"}),
    "Android.play.app_recognition": frozenset({"PLAY_RECOGNIZED", "UNRECOGNIZED_VERSION", "UNEVALUATED"}),
    "Android.play.device_labels": frozenset(
        {"MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY", "MEETS_VIRTUAL_INTEGRITY"}
    ),
    "Android.play.device_activity": frozenset({"LEVEL_1", "LEVEL_2", "LEVEL_3", "LEVEL_4", "UNEVALUATED"}),
    "Android.play.licensing": frozenset({"LICENSED", "UNLICENSED", "UNEVALUATED"}),
    "Android.play.play_protect": frozenset(
        {"NO_ISSUES", "NO_DATA", "POSSIBLE_RISK", "MEDIUM_RISK", "HIGH_RISK", "UNEVALUATED"}
    ),
    "Android.play.apps_detected": frozenset(
        {f"{origin}_{does}" for origin in ("KNOWN", "UNKNOWN") for does in ("CAPTURING", "OVERLAYS", "CONTROLLING")}
        | {"KNOWN_INSTALLED", "UNKNOWN_INSTALLED"}
    ),
    "Harmony.app_mode": frozenset({"release", "debug"}),
    "Harmony.key_origin": frozenset({"generated"}),
    "Harmony.integrity.details": frozenset({"root", "unlocked", "jailbreak", "emulator", "attack"}),
    "Apple.findings": frozenset(
        {
            "apple-access-list-unjudged", "apple-app-id-differs", "apple-authenticator-data-unread",
            "apple-validation-category-unread",
        }
    ),
    "Android.findings": frozenset(
        {
            "application-id-contradicted", "application-signer-unproved", "batch-certificate-not-ca",
            "ber-boolean-true", "creation-time-implausible", "crl-pointer-unreadable", "der-set-unsorted",
            "der-tags-unsorted", "ecdsa-null-parameters", "factory-certificate-expired", "leaf-issuer-name-differs",
            "leaf-outside-its-dates", "octets-behind-certificate", "play-verdict-unread",
            "provisioning-info-unreadable",
        }
    ),
    "Harmony.findings": frozenset(
        {
            "harmony-app-mode-unknown", "harmony-attestation-version-unknown", "harmony-claims-unread",
            "harmony-device-identified", "harmony-device-integrity-signer-unclear", "harmony-issued-on-device",
            "harmony-key-origin-unknown", "harmony-revocation-unchecked", "harmony-signer-unpinned",
            "harmony-simulator",
        }
    ),
}  # fmt: skip
"""Texts whose known values are these, while vendors and later releases may add others."""


class Member(NamedTuple):
    """An attribute of a record or an entity."""

    shape: Shape
    required: bool


class Shape(NamedTuple):
    """A type. ``kind`` is ``String``, ``Long``, ``Bool``, ``Set`` (with ``element``), ``record`` (with ``members``) or
    an entity type's name."""

    kind: str
    members: Mapping[str, Member] = {}
    element: Shape | None = None

    def __str__(self) -> str:
        return f"Set<{self.element}>" if self.kind == SET else self.kind


class Vocabulary(NamedTuple):
    """What the schema names. ``keys`` has the attributes of each type of key, ``release`` is the context of rules about
    secrets, ``context`` that of all others."""

    keys: Mapping[str, Shape]
    context: Shape
    release: Shape

    def shapes(self, path: tuple[str, ...], kinds: frozenset[str], *, releases: bool = False) -> list[Shape]:
        """What ``path`` (``principal``, ``play``, ``token``) can be, for keys of these types; empty when unknown.
        ``releases``: in a rule about secrets."""
        if path[0] == PRINCIPAL:
            starts = [self.keys[kind] for kind in KEY_TYPES if kind in kinds]
        else:
            starts = [self.release if releases else self.context] if path[0] == CONTEXT else [Shape(RECORD)]
        found = [member.shape for member in (_follow(start, path[1:]) for start in starts) if member is not None]
        return list({str(shape) + ",".join(shape.members): shape for shape in found}.values())

    def member(self, path: tuple[str, ...], kind: str) -> Member | None:
        """The attribute that ``path`` leads to for one type of key, in whichever rule; ``None`` where there is none."""
        if path[0] == PRINCIPAL:
            return _follow(self.keys[kind], path[1:])
        return _follow(self.release, path[1:]) if path[0] == CONTEXT else None

    def paths(self) -> Iterator[tuple[str, tuple[str, ...], Member]]:
        """Every attribute: who has it (a type of key, or ``context``), its path from there, and what it is."""
        for owner, shape in (*self.keys.items(), (CONTEXT, self.context)):
            yield from ((owner, path, member) for path, member in _below(shape, ()))


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary of the schema that ships."""
    reader = _SchemaReader(str(schema()))
    return Vocabulary({kind: reader.entities[kind] for kind in KEY_TYPES}, reader.context, reader.release)


def closed_values(path: tuple[str, ...], kind: str) -> frozenset[str] | None:
    """All values that the text or set at ``path`` can have for a key of this type; ``None`` when that is not known."""
    return _CLOSED.get(_name(path, kind))


def familiar_values(path: tuple[str, ...], kind: str) -> frozenset[str] | None:
    """The values known so far of a text or set to which others may come."""
    return _FAMILIAR.get(_name(path, kind))


def _name(path: tuple[str, ...], kind: str) -> str:
    return ".".join((kind, *path[1:]) if path[0] == PRINCIPAL else path)


def _follow(shape: Shape, path: tuple[str, ...]) -> Member | None:
    member: Member | None = Member(shape, required=True)
    for step in path:
        member = None if member is None else member.shape.members.get(step)
    return member


def _below(shape: Shape, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Member]]:
    for name, member in shape.members.items():
        yield (*path, name), member
        yield from _below(member.shape, (*path, name))


class _SchemaReader:
    """Reads a schema as Cedar prints it. Not a parser of foreign input: it is our own file, checked by Cedar."""

    def __init__(self, text: str) -> None:
        self._words = [token.text for token in tokens_of(text)]
        self._types = self._declared("type")
        self.entities = {
            name: self._shape(at + 1)[0] if self._words[at] == "=" else Shape(RECORD)
            for name, at in self._declared("entity").items()
        }
        self.context = self._context_behind(0)
        release = f'"{RELEASE}"'
        self.release = self._context_behind(self._words.index(release)) if release in self._words else self.context

    def _context_behind(self, at: int) -> Shape:
        return self._shape(self._words.index(CONTEXT, at) + 2)[0]

    def _declared(self, keyword: str) -> dict[str, int]:
        """Where each declaration goes on behind its name."""
        words = [";", *self._words]
        return {words[at + 2]: at + 2 for at in range(len(words) - 2) if words[at] == ";" and words[at + 1] == keyword}

    def _shape(self, at: int) -> tuple[Shape, int]:
        word = self._words[at]
        if word == SET:
            element, end = self._shape(at + 2)
            return Shape(SET, element=element), end + 1
        if word in self._types:
            return self._shape(self._types[word] + 1)[0], at + 1
        if word != "{":
            return Shape(word), at + 1
        members: dict[str, Member] = {}
        at += 1
        while self._words[at] != "}":
            name = self._words[at].strip('"')
            required = self._words[at + 1] != "?"
            shape, at = self._shape(at + (2 if required else 3))
            members[name] = Member(shape, required)
            at += self._words[at] == ","
        return Shape(RECORD, members), at + 1
