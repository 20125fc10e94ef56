"""App Attest receipts: the PKCS#7 envelope (RFC 5652) around Apple's list of typed fields, open to change.

Apple writes most receipts in BER with indefinite lengths and the content cut every 1000 bytes, some in definite
form; the signature has no signed attributes and covers the content octets themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate

from devkit.devices.authority.certificate_template import Issuer
from devkit.devices.authority.der_writer import (
    NULL,
    explicit,
    indefinite,
    integer,
    object_identifier,
    octet_string,
    octet_string_in_segments,
    sequence,
    set_of,
)

SEGMENT: Final = 1000
"""Bytes per piece of the content in Apple's indefinite-length receipts."""

DATA: Final = object_identifier("1.2.840.113549.1.7.1")
SIGNED_DATA: Final = object_identifier("1.2.840.113549.1.7.2")
SHA256_ALGORITHM: Final = sequence(object_identifier("2.16.840.1.101.3.4.2.1"), NULL)
ECDSA_SHA256_ALGORITHM: Final = sequence(object_identifier("1.2.840.10045.4.3.2"))

APP_ID, ATTESTED_KEY, CLIENT_HASH, TOKEN, TYPE, ENVIRONMENT = 2, 3, 4, 5, 6, 7
CREATED_AT, RISK_METRIC, NOT_BEFORE, EXPIRES_AT = 12, 17, 19, 21


@unique
class ReceiptForm(StrEnum):
    """How the envelope is encoded."""

    SEGMENTED = "segmented"
    DEFINITE = "definite"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerInfo:
    """One signature of a receipt (RFC 5652 §5.3). ``signed_attributes`` is the DER of an implicit [0], or empty;
    ``unsigned_attributes`` that of an implicit [1]."""

    issuer: bytes
    serial: int
    signature: bytes
    digest_algorithm: bytes = SHA256_ALGORITHM
    signature_algorithm: bytes = ECDSA_SHA256_ALGORITHM
    signed_attributes: bytes = b""
    unsigned_attributes: bytes = b""
    version: int = 1

    def encode(self) -> bytes:
        return sequence(
            integer(self.version),
            sequence(self.issuer, integer(self.serial)),
            self.digest_algorithm,
            self.signed_attributes,
            self.signature_algorithm,
            octet_string(self.signature),
            self.unsigned_attributes,
        )

    @classmethod
    def over(cls, content: bytes, signer: Issuer) -> SignerInfo:
        """``signer``'s signature over ``content``, named by the issuer and serial of its certificate."""
        certificate = load_der_x509_certificate(signer.certificate)
        return cls(
            issuer=certificate.issuer.public_bytes(),
            serial=certificate.serial_number,
            signature=signer.key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDraft:
    """A receipt before it is sealed.

    ``fields`` are (type, value) pairs in their order of appearance; ``signer_infos`` replaces the one signature by
    ``signer`` that :meth:`seal` makes, ``content`` the octets that are put into the envelope (after signing).
    """

    fields: tuple[tuple[int, bytes], ...]
    signer: Issuer
    certificates: tuple[bytes, ...]
    form: ReceiptForm = ReceiptForm.SEGMENTED
    signer_infos: tuple[SignerInfo, ...] | None = None
    content: bytes | None = None

    def encode_fields(self) -> bytes:
        """The signed content: a SET of (type, version 1, value), not sorted."""
        return set_of(*(sequence(integer(kind), integer(1), octet_string(value)) for kind, value in self.fields))

    def with_field(self, kind: int, value: bytes | str | None) -> ReceiptDraft:
        """The draft with one field changed, or left out for ``None``; a field it lacked is added at the end."""
        kept = [(k, v) for k, v in self.fields if k != kind]
        if value is not None:
            position = next((i for i, (k, _) in enumerate(self.fields) if k == kind), len(kept))
            kept.insert(position, (kind, value.encode("utf-8") if isinstance(value, str) else value))
        return replace(self, fields=tuple(kept))

    def seal(self) -> bytes:
        """The receipt's bytes."""
        signed = self.encode_fields()
        infos = (SignerInfo.over(signed, self.signer),) if self.signer_infos is None else self.signer_infos
        content = signed if self.content is None else self.content
        tail = set_of(*(info.encode() for info in infos))
        if self.form is ReceiptForm.DEFINITE:
            return sequence(
                SIGNED_DATA,
                explicit(
                    0,
                    sequence(
                        integer(1),
                        set_of(SHA256_ALGORITHM),
                        sequence(DATA, explicit(0, octet_string(content))),
                        explicit(0, *self.certificates),
                        tail,
                    ),
                ),
            )
        return indefinite(
            0x30,
            SIGNED_DATA,
            indefinite(
                0xA0,
                indefinite(
                    0x30,
                    integer(1),
                    set_of(SHA256_ALGORITHM),
                    indefinite(0x30, DATA, indefinite(0xA0, octet_string_in_segments(content, SEGMENT))),
                    indefinite(0xA0, *self.certificates),
                    tail,
                ),
            ),
        )


def attest_fields(
    *, app_id: str, leaf: bytes, client_data_hash: bytes, token: str, environment: str, created_at: float
) -> tuple[tuple[int, bytes], ...]:
    """The fields of the receipt inside an attestation, in Apple's order."""
    return (
        (APP_ID, app_id.encode("utf-8")),
        (ATTESTED_KEY, leaf),
        (CLIENT_HASH, client_data_hash),
        (TOKEN, token.encode("ascii")),
        (TYPE, b"ATTEST"),
        (ENVIRONMENT, environment.encode("ascii")),
        (CREATED_AT, timestamp(created_at)),
        (EXPIRES_AT, timestamp(created_at, timedelta(days=90))),
    )


def exchanged_fields(
    attest: Mapping[int, bytes], *, risk_metric: int, created_at: float
) -> tuple[tuple[int, bytes], ...]:
    """The fields of a receipt got from Apple's exchange for the one in an attestation.

    The client hash comes back mangled, as from Apple: read as UTF-8, every bad byte a replacement character.
    """
    return (
        (RISK_METRIC, str(risk_metric).encode("ascii")),
        (TYPE, b"RECEIPT"),
        (APP_ID, attest[APP_ID]),
        (ATTESTED_KEY, attest[ATTESTED_KEY]),
        (CLIENT_HASH, attest[CLIENT_HASH].decode("utf-8", "replace").encode("utf-8")),
        (TOKEN, attest[TOKEN]),
        (ENVIRONMENT, attest[ENVIRONMENT]),
        (CREATED_AT, timestamp(created_at)),
        (NOT_BEFORE, timestamp(created_at, timedelta(days=1))),
        (EXPIRES_AT, timestamp(created_at, timedelta(days=90))),
    )


def timestamp(unix_seconds: float, later: timedelta = timedelta(0)) -> bytes:
    """RFC 3339 in milliseconds, with trailing zeros of the fraction cut as Apple does (one digit stays)."""
    moment = datetime.fromtimestamp(round(unix_seconds, 3), UTC) + later
    fraction = f"{moment.microsecond // 1000:03d}".rstrip("0") or "0"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z".encode("ascii")
