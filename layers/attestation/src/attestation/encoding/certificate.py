"""X.509 certificates, read just far enough to judge a chain (RFC 5280 §4.1).

Our own reader because genuine devices need it: ECDSA algorithm identifiers with a NULL parameter, critical flags
encoded as ``01``, unrelated extensions whose value is nonsense, GeneralizedTime before 2050. Reading judges nothing:
no date, name or extension is an error here unless the structure itself is broken. Signatures are ``chain``'s business.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from attestation.encoding import der
from attestation.errors import MalformedEvidence, Reason

MAX_CERTIFICATE_BYTES: Final = 16 * 1024
"""Largest certificate read, in bytes. Real ones have 0.5 to 3 KB (ML-DSA keys)."""
_MAX_EXTENSIONS: Final = 64
_MAX_SERIAL_OCTETS: Final = 64  # RFC 5280 allows 20; old devices do not always obey

BASIC_CONSTRAINTS: Final = "2.5.29.19"
KEY_USAGE: Final = "2.5.29.15"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
KEY_CERT_SIGN: Final = 0x0400
DIGITAL_SIGNATURE: Final = 0x8000

_P256_SPKI: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")


class Extension(NamedTuple):
    """One extension: whether it is critical, and the content of its OCTET STRING.

    ``ber_true`` notes a critical flag written as another octet than ``FF``, which genuine Android devices do.
    """

    critical: bool
    value: bytes
    ber_true: bool = False


class BasicConstraints(NamedTuple):
    """RFC 5280 §4.2.1.9: whether this is a CA, and how many CAs may stand below it (``None``: any number)."""

    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    ``raw`` is the whole DER, ``tbs`` the exact signed bytes, ``issuer`` and ``subject`` the DER of the Names, ``spki``
    the DER of the SubjectPublicKeyInfo, ``signature_algorithm`` the DER of the AlgorithmIdentifier (inner and outer are
    the same bytes). Dates are Unix seconds; one that cannot be read fails closed: ``not_before`` is +inf, ``not_after``
    -inf. ``duplicated`` names extensions that occur more than once; ``extensions`` holds their first occurrence.
    ``trailing`` counts octets behind the certificate, always 0 unless the caller allowed them.
    """

    raw: bytes
    tbs: bytes
    version: int
    serial: int
    issuer: bytes
    subject: bytes
    not_before: float
    not_after: float
    spki: bytes
    signature_algorithm: bytes
    signature: bytes
    extensions: Mapping[str, Extension]
    duplicated: frozenset[str]
    trailing: int = 0

    def extension(self, oid: str) -> Extension | None:
        """The extension of that name. Raises :class:`MalformedEvidence` when the certificate has two of them."""
        if oid in self.duplicated:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"certificate repeats extension {oid}")
        return self.extensions.get(oid)

    @property
    def basic_constraints(self) -> BasicConstraints | None:
        """The basic constraints, ``None`` when the certificate has none."""
        extension = self.extension(BASIC_CONSTRAINTS)
        return None if extension is None else _basic_constraints(extension.value)

    @property
    def key_usage(self) -> int | None:
        """Key usage bits (:data:`KEY_CERT_SIGN` …), ``None`` when the certificate does not restrict its key."""
        extension = self.extension(KEY_USAGE)
        return None if extension is None else _key_usage(extension.value)


# The same few values occur in every certificate of a fleet, so reading them is remembered.


@lru_cache(maxsize=64)
def _basic_constraints(value: bytes) -> BasicConstraints:
    fields = der.Reader(der.single(value, der.SEQUENCE))
    ca = fields.optional(der.BOOLEAN)
    length = fields.optional(der.INTEGER)
    fields.finish()
    return BasicConstraints(
        ca is not None and der.boolean(ca.value, strict=False),
        None if length is None else der.integer(length.value),
    )


@lru_cache(maxsize=64)
def _key_usage(value: bytes) -> int:
    return der.named_bits(der.single(value, der.BIT_STRING))


def read_certificate(data: bytes, *, allow_trailing: bool = False) -> Certificate:
    """Read one DER certificate.

    ``allow_trailing`` tolerates octets behind it (some exports of genuine Android chains have them); they are counted
    and are no part of ``raw``. Raises :class:`MalformedEvidence` when the structure is not a certificate's, or when
    the signed and the unsigned algorithm identifier differ (RFC 5280 §4.1.1.2).
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"certificate over {MAX_CERTIFICATE_BYTES} bytes")
    tag, start, stop = der.header(data, 0, len(data))
    trailing = len(data) - stop
    if trailing and not allow_trailing:
        raise MalformedEvidence(Reason.ENCODING_INVALID, f"{trailing} octet(s) behind a certificate")
    parts = der.elements(data, start, stop)
    if tag != der.SEQUENCE or [part[0] for part in parts] != _PARTS:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "not a certificate")
    (_, tbs_start, tbs_stop), (_, _, algorithm_stop), (_, signature_start, signature_stop) = parts
    algorithm = data[tbs_stop:algorithm_stop]

    fields = der.elements(data, tbs_start, tbs_stop)
    version = 1
    if fields and fields[0][0] == _VERSION_TAG:
        _, version_start, tbs_start = fields.pop(0)
        version = _version(data[version_start:tbs_start])
    if [field[0] for field in fields[:6]] != _FIELDS:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a certificate's fields are not as they should be")
    serial, inner_algorithm, issuer, validity, subject, spki = fields[:6]
    if data[serial[2] : inner_algorithm[2]] != algorithm:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "signed and unsigned signature algorithm differ")
    not_before, not_after = _validity(data, validity[1], validity[2])
    extensions, duplicated = _optional_fields(data, fields[6:])
    return Certificate(
        raw=data[:stop] if trailing else data,
        tbs=data[start:tbs_stop],
        version=version,
        serial=der.integer(data[serial[1] : serial[2]], max_octets=_MAX_SERIAL_OCTETS, strict=False),
        issuer=data[inner_algorithm[2] : issuer[2]],
        subject=data[validity[2] : subject[2]],
        not_before=not_before,
        not_after=not_after,
        spki=data[subject[2] : spki[2]],
        signature_algorithm=algorithm,
        signature=der.bit_string(data[signature_start:signature_stop]),
        extensions=extensions,
        duplicated=duplicated,
        trailing=trailing,
    )


_PARTS: Final = [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]
_VERSION_TAG: Final = der.context(0)
# serial number, signature algorithm, issuer, validity, subject, key
_FIELDS: Final = [der.INTEGER, *[der.SEQUENCE] * 5]
_UNIQUE_ID_TAGS: Final = (der.context(1, constructed=False), der.context(2, constructed=False))
_EXTENSIONS_TAG: Final = der.context(3)
_NO_DUPLICATES: Final[frozenset[str]] = frozenset()


def _version(value: bytes) -> int:
    version = der.integer(der.single(value, der.INTEGER)) + 1
    if version not in (1, 2, 3):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"certificate of version {version}")
    return version


def _optional_fields(data: bytes, fields: list[tuple[int, int, int]]) -> tuple[dict[str, Extension], frozenset[str]]:
    """What may follow the key: unique ids (RFC 5280 §4.1.2.8, ignored), then the extensions."""
    for tag in _UNIQUE_ID_TAGS:
        if fields and fields[0][0] == tag:
            fields = fields[1:]
    if not fields:
        return {}, _NO_DUPLICATES
    if len(fields) > 1 or fields[0][0] != _EXTENSIONS_TAG:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a certificate's last fields are not as they should be")
    lists = der.elements(data, fields[0][1], fields[0][2])
    if len(lists) != 1 or lists[0][0] != der.SEQUENCE:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "certificate extensions are no list")
    return _extensions(data, lists[0][1], lists[0][2])


def _extensions(data: bytes, start: int, stop: int) -> tuple[dict[str, Extension], frozenset[str]]:
    extensions: dict[str, Extension] = {}
    duplicated = _NO_DUPLICATES
    items = der.elements(data, start, stop)
    if len(items) > _MAX_EXTENSIONS:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"certificate with {len(items)} extensions")
    for tag, item_start, item_stop in items:
        parts = der.elements(data, item_start, item_stop)
        critical = ber_true = False
        if len(parts) == 3 and parts[1][0] == der.BOOLEAN:
            _, flag_start, flag_stop = parts.pop(1)
            critical = der.boolean(data[flag_start:flag_stop], strict=False)
            ber_true = critical and data[flag_start] != 0xFF
        if tag != der.SEQUENCE or len(parts) != 2:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a certificate extension is not as it should be")
        (name_tag, name_start, name_stop), (value_tag, value_start, value_stop) = parts
        if name_tag != der.OBJECT_IDENTIFIER or value_tag != der.OCTET_STRING:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a certificate extension is not as it should be")
        oid = der.object_identifier(data[name_start:name_stop])
        extension = Extension(critical, data[value_start:value_stop], ber_true)
        first = extensions.setdefault(oid, extension)
        if first is not extension:
            duplicated |= {oid}
            extensions[oid] = first._replace(critical=first.critical or critical)
    return extensions, duplicated


def _validity(data: bytes, start: int, stop: int) -> tuple[float, float]:
    times = der.elements(data, start, stop)
    if len(times) != 2:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a certificate's validity is not two times")
    (first, first_start, first_stop), (second, second_start, second_stop) = times
    return (
        _time(first, data[first_start:first_stop], math.inf),
        _time(second, data[second_start:second_stop], -math.inf),
    )


def _time(tag: int, value: bytes, unreadable: float) -> float:
    """Unix seconds of a Time (RFC 5280 §4.1.2.5), or ``unreadable``. Genuine leaves carry 1960, 1970 and 2106."""
    digits = value[:-1]
    if value[-1:] != b"Z" or not digits.isdigit():
        return unreadable
    if tag == der.UTC_TIME and len(digits) == 12:
        year = int(digits[:2])
        year += 1900 if year >= 50 else 2000
    elif tag == der.GENERALIZED_TIME and len(digits) == 14:
        year = int(digits[:4])
    else:
        return unreadable
    rest = int(digits[-10:])  # MMDDhhmmss
    try:
        return datetime(
            year,
            rest // 100_000_000,
            rest // 1_000_000 % 100,
            rest // 10_000 % 100,
            rest // 100 % 100,
            rest % 100,
            tzinfo=UTC,
        ).timestamp()
    except ValueError:
        return unreadable


def p256_point(spki: bytes) -> bytes:
    """The uncompressed point (65 bytes) of a P-256 SubjectPublicKeyInfo with a named curve (RFC 5480 §2).

    Raises :class:`MalformedEvidence` (``key-unreadable``) for any other key. Whether the point lies on the curve shows
    when the key is loaded.
    """
    if len(spki) != 91 or not spki.startswith(_P256_SPKI):
        raise MalformedEvidence(Reason.KEY_UNREADABLE, "the certificate's key is not an uncompressed P-256 point")
    return spki[26:]


def p256_spki(point: bytes) -> bytes:
    """The SubjectPublicKeyInfo of an uncompressed P-256 point: the inverse of :func:`p256_point`."""
    return _P256_SPKI + point[1:]


def certificates_from_pem(text: str) -> tuple[Certificate, ...]:
    """Every certificate of a PEM text, in order (RFC 7468 §5). Raises :class:`MalformedEvidence` when there is none."""
    certificates = []
    for block in _PEM.findall(text):
        try:
            data = binascii.a2b_base64("".join(block.split()), strict_mode=True)
        except binascii.Error as error:
            raise MalformedEvidence(Reason.ENCODING_INVALID, "PEM block is not base64") from error
        certificates.append(read_certificate(data))
    if not certificates:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "no PEM certificate found")
    return tuple(certificates)
