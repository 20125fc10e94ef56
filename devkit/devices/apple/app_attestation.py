"""App Attest attestation objects and assertions as drafts: every part open to change before it is sealed.

Structure: WebAuthn's attestation object with format ``apple-appattest`` (Apple, "Validating apps that connect to
your server"), and what genuine objects show beyond that page.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.generations import DAY, AppleGeneration, encode_properties
from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    Extension,
    Issuer,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)
from devkit.devices.authority.der_writer import explicit, object_identifier, octet_string, sequence

FORMAT: Final = "apple-appattest"
AAGUID_PRODUCTION: Final = b"appattest" + bytes(7)
AAGUID_DEVELOPMENT: Final = b"appattestdevelop"

NONCE_OID: Final = "1.2.840.113635.100.8.2"
KEY_PROPERTIES_OID: Final = "1.2.840.113635.100.8.5"
ACCESS_CONTROL_OID: Final = "1.2.840.113635.100.8.6"
OS_INFORMATION_OID: Final = "1.2.840.113635.100.8.7"
EXTENDED_KEY_USAGE_OID: Final = "2.5.29.37"
APP_ATTEST_PURPOSE: Final = "1.2.840.113635.100.4.24"

ATTESTED_DATA_FLAG: Final = 0x40
"""Set in attestations, and in assertions too, where no attested data follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatorData:
    """The binary head of an attestation. ``tail`` is whatever follows the COSE key: iOS 27's extension map."""

    app_id_hash: bytes
    aaguid: bytes
    credential_id: bytes
    cose_key: bytes
    counter: int = 0
    flags: int = ATTESTED_DATA_FLAG
    tail: bytes = b""
    credential_id_length: int | None = None

    def encode(self) -> bytes:
        length = len(self.credential_id) if self.credential_id_length is None else self.credential_id_length
        return b"".join(
            (
                self.app_id_hash,
                bytes((self.flags,)),
                self.counter.to_bytes(4),
                self.aaguid,
                length.to_bytes(2),
                self.credential_id,
                self.cose_key,
                self.tail,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationDraft:
    """An attestation before it is sealed.

    ``leaf`` already carries the nonce over ``authenticator_data``; :meth:`with_authenticator_data` changes both
    together, as an attacker with Apple's help would, while ``replace`` breaks the bond between them.
    """

    authenticator_data: bytes
    client_data_hash: bytes
    leaf: CertificateTemplate
    issuer: Issuer
    issuers: tuple[bytes, ...]
    receipt: bytes
    fmt: str = FORMAT

    @property
    def leaf_certificate(self) -> bytes:
        return self.leaf.signed_by(self.issuer.key)

    def with_authenticator_data(self, data: AuthenticatorData | bytes) -> AttestationDraft:
        """The draft with other authenticator data, and the nonce of the leaf made to fit."""
        encoded = data if isinstance(data, bytes) else data.encode()
        leaf = self.leaf.with_extension(nonce_extension(nonce_over(encoded, self.client_data_hash)))
        return replace(self, authenticator_data=encoded, leaf=leaf)

    def statement(self) -> dict[str, object]:
        return {"x5c": [self.leaf_certificate, *self.issuers], "receipt": self.receipt}

    def seal(self) -> bytes:
        """The attestation object: one CBOR map in Apple's order."""
        return cbor2.dumps({"fmt": self.fmt, "attStmt": self.statement(), "authData": self.authenticator_data})


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionDraft:
    """An assertion before it is sealed. The signature covers the *nonce as a message*: it is hashed twice."""

    app_id_hash: bytes
    counter: int
    client_data_hash: bytes
    key: ec.EllipticCurvePrivateKey
    flags: int = ATTESTED_DATA_FLAG
    tail: bytes = b""

    @property
    def authenticator_data(self) -> bytes:
        return self.app_id_hash + bytes((self.flags,)) + self.counter.to_bytes(4) + self.tail

    def sign(self) -> bytes:
        nonce = nonce_over(self.authenticator_data, self.client_data_hash)
        return self.key.sign(nonce, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def seal(self) -> bytes:
        return cbor2.dumps({"signature": self.sign(), "authenticatorData": self.authenticator_data})


def nonce_over(authenticator_data: bytes, client_data_hash: bytes) -> bytes:
    return sha256(authenticator_data + client_data_hash).digest()


def nonce_extension(nonce: bytes) -> Extension:
    return Extension(NONCE_OID, sequence(explicit(1, octet_string(nonce))))


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, whose SHA-256 Apple calls the key identifier."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def cose_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """The key as COSE_Key (RFC 9053 §7.1.1): EC2, ES256, P-256, in the 77 bytes that Apple writes."""
    numbers = key.public_numbers()
    return encode_map({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})


def encode_map(members: Mapping[object, object]) -> bytes:
    """CBOR with the members in the order given."""
    file = io.BytesIO()
    cbor2.CBOREncoder(file, canonical=False).encode(dict(members))
    return file.getvalue()


def extension_map(generation: AppleGeneration, *, category: int, bundle_version: str) -> bytes:
    """What iOS 27 writes after authenticator data, although the flag that announces extensions stays clear."""
    if not generation.extension_map:
        return b""
    value = category if generation.category_as_integer else category.to_bytes(4, "little")
    return encode_map({"apple_validation_category_01": value, "apple_bundle_version_01": bundle_version})


def leaf_template(
    *,
    key: ec.EllipticCurvePublicKey,
    issuer: Issuer,
    generation: AppleGeneration,
    app_id: str,
    nonce: bytes,
    now: float,
) -> CertificateTemplate:
    """The attestation leaf as Apple writes it: valid from a day before, extensions in the genuine order."""
    not_before = int(now - DAY)
    extensions = [basic_constraints(ca=False), key_usage(0xF0)]
    if generation.extended_key_usage:
        extensions.append(Extension(EXTENDED_KEY_USAGE_OID, sequence(object_identifier(APP_ATTEST_PURPOSE))))
    extensions += [
        Extension(KEY_PROPERTIES_OID, encode_properties(generation.key_properties, app_id)),
        Extension(OS_INFORMATION_OID, encode_properties(generation.os_information, app_id)),
        nonce_extension(nonce),
    ]
    if generation.access_control is not None:
        value = sequence(explicit(3, octet_string(generation.access_control)))
        extensions.append(Extension(ACCESS_CONTROL_OID, value))
    return CertificateTemplate(
        serial=int(now * 1000),  # Apple's serials are the millisecond of issue
        issuer=issuer.name,
        subject=name(
            ("CN", sha256(point_of(key)).hexdigest()),
            ("OU", "Bonafide Software Certification"),
            ("O", "Bonafide Software Devices, not Apple"),
            ("ST", "Test"),
        ),
        not_before=not_before,
        not_after=not_before + generation.leaf_lifetime,
        spki=spki_of(key),
        extensions=tuple(extensions),
        digest="sha256",
    )
