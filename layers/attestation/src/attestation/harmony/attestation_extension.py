"""The attestation extension of HUKS certificates: reading only, nothing here is judged.

Structure and names follow OpenHarmony's own verifier (``security_certificate_framework``,
``attestation_cert_ext.c``) and Huawei's guide to device attestation:

    HuaweiAttestation ::= SEQUENCE { version INTEGER, claim AttestationClaim, ... }
    AttestationClaim  ::= SEQUENCE { securityLevel INTEGER, type OBJECT IDENTIFIER, value ANY }

Claims come in any order. A known one occurs once. One that a verdict rests on (:data:`DECISIVE`) must have its own type
and size; of the others, one in another form counts as absent and is named in :attr:`AttestationStatement.unread`.
Unknown ones are kept by name, and mean nothing. So does a version that is not known here: what has the known structure
is read, and policy is told. The extension is read from its raw bytes: a certificate library would stumble over
unrelated extensions that genuine devices write wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from attestation.encoding import der
from attestation.encoding.certificate import Certificate
from attestation.encoding.jose import read_json_object
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence

_ARC: Final = "1.3.6.1.4.1.2011.2.376"
DEVICE_EXTENSIONS: Final = f"{_ARC}.1."
"""The prefix of all extensions that Huawei gives to devices and attested keys, known here or not."""
ATTESTATION: Final = f"{_ARC}.1.3"
"""The extension of an attested key's certificate."""
DEVICE_SECURITY_LEVEL: Final = f"{_ARC}.1.1"
"""An extension of device certificates (non-anonymous chains)."""

CHALLENGE: Final = "challenge"
APPLICATION: Final = "application"
KEY_ORIGIN: Final = "key-origin"
KEY_MANAGER: Final = "key-manager"
KEY_PURPOSE: Final = "key-purpose"
MODEL: Final = "model"

MAX_CLAIMS: Final = 128
MAX_CHALLENGE_BYTES: Final = 128
KNOWN_VERSION: Final = 0
"""The version of every genuine attestation seen so far."""
_MAX_TEXT: Final = 256
_MAX_DEVICE_LEVEL: Final = 5


class _Kind(NamedTuple):
    """A known claim: its name here, the tags its value may have, and the exact octets where they are fixed."""

    name: str
    tags: tuple[int, ...] = (der.OCTET_STRING,)
    octets: int | None = None


_TEXT: Final = (der.UTF8_STRING,)
_FLAG: Final = (der.BOOLEAN,)
_KNOWN: Final[Mapping[str, _Kind]] = {
    f"{_ARC}.2.1.1": _Kind(KEY_PURPOSE, octets=4),
    f"{_ARC}.2.1.2": _Kind("key-alias"),
    f"{_ARC}.2.1.3": _Kind(APPLICATION, (der.SEQUENCE,)),
    f"{_ARC}.2.1.4": _Kind(CHALLENGE),
    f"{_ARC}.2.1.5": _Kind(KEY_ORIGIN, octets=4),
    f"{_ARC}.2.1.8": _Kind("digest", octets=4),
    f"{_ARC}.2.1.9": _Kind("signature-padding", octets=4),
    f"{_ARC}.2.1.10": _Kind("encryption-padding", octets=4),
    f"{_ARC}.2.1.11": _Kind("secure-sign", octets=4),
    f"{_ARC}.2.2.2.4": _Kind("os-version"),
    f"{_ARC}.2.2.2.5": _Kind("security-level-information"),
    f"{_ARC}.2.2.2.6": _Kind(KEY_MANAGER, octets=16),
    f"{_ARC}.2.2.2.7": _Kind("purpose", (der.INTEGER,)),
    f"{_ARC}.2.2.2.8": _Kind("id-padding", _FLAG),
    f"{_ARC}.2.2.2.9": _Kind("nonce", (der.OCTET_STRING, der.UTF8_STRING)),
    f"{_ARC}.2.2.4.8": _Kind(MODEL, _TEXT),
    **{
        f"{_ARC}.2.2.4.{number}": _Kind(f"device-{name}", _TEXT)
        for number, name in (
            (1, "imei"),
            (2, "meid"),
            (3, "serial"),
            (4, "brand"),
            (5, "device"),
            (6, "product"),
            (7, "manufacturer"),
            (9, "soc"),
            (10, "udid"),
        )
    },
    f"{_ARC}.2.4.1.3": _Kind("group-rsa-pss", _FLAG),
    f"{_ARC}.2.4.1.5": _Kind("group-ecdsa-or-sm2", _FLAG),
    f"{_ARC}.2.4.2.2": _Kind("group-rsa-oaep", _FLAG),
    f"{_ARC}.2.4.2.3": _Kind("group-rsa-oaep-mgf1", _FLAG),
}
DECISIVE: Final = frozenset({CHALLENGE, APPLICATION, KEY_ORIGIN, KEY_MANAGER})
"""The claims that a verdict rests on: in any other form than the documented one, the attestation cannot be read."""
DEVICE_IDENTIFIERS: Final = frozenset(
    f"device-{name}" for name in ("imei", "meid", "serial", "soc", "udid")
)  # names of single devices, which nothing here reads out
_HAP: Final = f"{_ARC}.2.1.3.1"


@dataclass(frozen=True, slots=True)
class Application:
    """The HarmonyOS package that asked for the attestation, in the operating system's words.

    ``app_id`` is ``<bundle name>_<base64 of the signing key>``. The last two are absent before API 20.
    """

    bundle_name: str
    app_id: str
    app_identifier: str | None
    app_mode: str | None


@dataclass(frozen=True, slots=True)
class AttestationStatement:
    """What one attestation extension says: values and levels of the known claims by name, and the OIDs of others.

    ``unread`` names known claims whose value came in another form than the documented one: they have a level, but no
    value. ``version`` is the writer's word, :data:`KNOWN_VERSION` or another.
    """

    values: Mapping[str, bytes]
    levels: Mapping[str, int]
    unknown: tuple[str, ...]
    unread: tuple[str, ...]
    version: int

    @property
    def challenge(self) -> bytes:
        """The bytes that the app passed. Raises :class:`MalformedEvidence` when there are none, or too many."""
        challenge = self.values.get(CHALLENGE)
        if challenge is None:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the attestation has no challenge")
        if not 0 < len(challenge) <= MAX_CHALLENGE_BYTES:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"a challenge of {len(challenge)} bytes")
        return challenge

    def application(self) -> Application:
        """The attesting app.

        Raises :class:`MalformedEvidence`, or :class:`RejectedEvidence` (``app-mismatch``) for an attestation to a
        system service or another kind of caller.
        """
        value = self.values.get(APPLICATION)
        if value is None:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the attestation names no application")
        fields = der.Reader(value)
        kind = der.object_identifier(fields.expect(der.OBJECT_IDENTIFIER).value)
        document = fields.expect(der.OCTET_STRING).value
        fields.finish()
        if kind != _HAP:
            raise RejectedEvidence(Reason.APP_MISMATCH, "attested for something else than an app")
        members = read_json_object(document)
        bundle_name, app_id = (_member(members, name) for name in ("bundleName", "appId"))
        if bundle_name is None or app_id is None:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the application has no bundleName or no appId")
        identifier = members.get("appIdentifier")
        if type(identifier) is int:  # the same digits, and no other identifier's
            members["appIdentifier"] = str(identifier)
        return Application(bundle_name, app_id, _member(members, "appIdentifier"), _member(members, "appMode"))

    def number(self, name: str) -> int | None:
        """A number that HUKS writes as four octets, the lowest first."""
        value = self.values.get(name)
        return None if value is None else int.from_bytes(value, "little")

    def text(self, name: str) -> str | None:
        """A short printable text; any other counts as absent, because it ends up in claims and on terminals."""
        value = self.values.get(name)
        text = None if value is None or len(value) > _MAX_TEXT else der.text(value)
        return text if text and text.isprintable() else None


def read_statement(leaf: Certificate) -> AttestationStatement:
    """Read the attestation extension of ``leaf``.

    Raises :class:`MalformedEvidence`, or :class:`RejectedEvidence`: ``attestation-missing``; ``claim-repeated`` for a
    second extension or a second claim of a known kind.
    """
    if ATTESTATION in leaf.duplicated:
        raise RejectedEvidence(Reason.CLAIM_REPEATED, "the certificate carries more than one attestation")
    extension = leaf.extensions.get(ATTESTATION)
    if extension is None:
        raise RejectedEvidence(Reason.ATTESTATION_MISSING, "the first certificate attests nothing")
    data = extension.value
    tag, start, stop = der.header(data, 0, len(data))
    if tag != der.SEQUENCE or stop != len(data):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the attestation is not one SEQUENCE")
    items = der.elements(data, start, stop)
    if not items or items[0][0] != der.INTEGER:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the attestation has no version")
    version = der.integer(data[items[0][1] : items[0][2]])
    if len(items) > 1 + MAX_CLAIMS:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"an attestation of {len(items) - 1} claims")
    return _statement(version, data, items[1:])


_CLAIM: Final = [der.INTEGER, der.OBJECT_IDENTIFIER]


def _statement(version: int, data: bytes, items: list[tuple[int, int, int]]) -> AttestationStatement:
    values: dict[str, bytes] = {}
    levels: dict[str, int] = {}
    unknown, unread = [], []
    for tag, start, stop in items:
        parts = der.elements(data, start, stop)
        if tag != der.SEQUENCE or len(parts) != 3 or [part[0] for part in parts[:2]] != _CLAIM:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a claim is not a level, a type and a value")
        (_, level_start, level_stop), (_, oid_start, oid_stop), (value_tag, value_start, value_stop) = parts
        level = der.integer(data[level_start:level_stop])
        oid = der.object_identifier(data[oid_start:oid_stop])
        if not 0 <= level <= 0xFF:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"a claim of security level {level}")
        kind = _KNOWN.get(oid)
        if kind is None:
            unknown.append(oid)
            continue
        if kind.name in levels:
            raise RejectedEvidence(Reason.CLAIM_REPEATED, f"the attestation says {kind.name} twice")
        levels[kind.name] = level
        try:
            values[kind.name] = _value(kind, value_tag, data[value_start:value_stop])
        except MalformedEvidence:
            if kind.name in DECISIVE:
                raise
            unread.append(kind.name)
    return AttestationStatement(values, levels, tuple(unknown), tuple(unread), version)


def _value(kind: _Kind, tag: int, value: bytes) -> bytes:
    if tag not in kind.tags:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"claim {kind.name} has tag {tag:#x}")
    if kind.octets is not None and len(value) != kind.octets:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"claim {kind.name} has {len(value)} octets")
    if tag == der.UTF8_STRING:
        der.text(value)
    elif tag == der.INTEGER:
        der.integer(value)
    elif tag == der.BOOLEAN:
        der.boolean(value)
    return value


def _member(members: Mapping[str, object], name: str) -> str | None:
    value = members.get(name)
    if value is None:
        return None
    if type(value) is not str or not 0 < len(value) <= 2 * _MAX_TEXT or not value.isprintable():
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"application member {name} is no short text")
    return value


def read_device_security_level(certificate: Certificate) -> int | None:
    """The level that a device certificate states of its device, 0 to 5; ``None`` where it states none.

    ``SEQUENCE { version INTEGER (0 | 1), level ENUMERATED }``. Raises :class:`MalformedEvidence`.
    """
    extension = certificate.extension(DEVICE_SECURITY_LEVEL)
    if extension is None:
        return None
    fields = der.Reader(der.single(extension.value, der.SEQUENCE))
    version = der.integer(fields.expect(der.INTEGER).value)
    level = der.integer(fields.expect(der.ENUMERATED).value)
    fields.finish()
    if version not in (0, 1) or not 0 <= level <= _MAX_DEVICE_LEVEL:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a device security level that is none")
    return level
