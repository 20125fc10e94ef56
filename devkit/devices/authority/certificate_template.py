"""Certificates as templates: every field open to change before signing, the wrong ones included.

pyca's builder refuses duplicated extensions and mismatched algorithms; hostile devices need exactly those.
Source of the structure: RFC 5280 §4.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509 import load_der_x509_certificate

from devkit.devices.authority.der_writer import (
    NULL,
    bit_string,
    boolean,
    explicit,
    integer,
    object_identifier,
    octet_string,
    sequence,
    set_of,
    time,
)

RandomBytes = Callable[[int], bytes]
"""Gives that many random bytes. ``secrets.token_bytes`` in use; tests may inject a repeatable source."""

KEY_CERT_SIGN: Final = 0x04
CRL_SIGN: Final = 0x02
DIGITAL_SIGNATURE: Final = 0x80

IssuerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
CertifiedKey = ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey
"""A key that a certificate is about: its public half is enough."""

_SIGNATURE_ALGORITHMS: Final = {
    "sha256": ("1.2.840.10045.4.3.2", hashes.SHA256()),
    "sha384": ("1.2.840.10045.4.3.3", hashes.SHA384()),
}
_RSA_ALGORITHMS: Final = {"sha256": "1.2.840.113549.1.1.11", "sha384": "1.2.840.113549.1.1.12"}
_ATTRIBUTES: Final = {
    "CN": "2.5.4.3",
    "serialNumber": "2.5.4.5",
    "C": "2.5.4.6",
    "ST": "2.5.4.8",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "title": "2.5.4.12",
}


@dataclass(frozen=True, slots=True)
class Extension:
    """One X.509 extension: dotted OID, DER value, and whether it is critical.

    ``true`` is the octet that says so: DER has ``FF``, some KeyMint implementations write ``01``.
    """

    oid: str
    value: bytes
    critical: bool = False
    true: int = 0xFF

    def encode(self) -> bytes:
        critical = boolean(True, true=self.true) if self.critical else b""
        return sequence(object_identifier(self.oid), critical, octet_string(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTemplate:
    """A certificate before it is signed. Times are Unix seconds; names and ``spki`` are DER.

    ``digest`` is ``sha256`` or ``sha384``; ``signature_algorithm`` overrides the AlgorithmIdentifier that goes with
    it, ``outer_signature_algorithm`` only the unsigned copy of it. ``validity`` overrides both times by any DER.
    """

    serial: int
    issuer: bytes
    subject: bytes
    not_before: float
    not_after: float
    spki: bytes
    extensions: tuple[Extension, ...] = ()
    digest: str = "sha384"
    version: int = 2
    signature_algorithm: bytes | None = None
    outer_signature_algorithm: bytes | None = None
    validity: bytes | None = None

    def signed_by(self, key: IssuerKey) -> bytes:
        """The certificate in DER, signed by ``key`` (ECDSA by RFC 6979: the same template gives the same bytes)."""
        oid, digest = _SIGNATURE_ALGORITHMS[self.digest]
        if isinstance(key, rsa.RSAPrivateKey):
            algorithm = self.signature_algorithm or sequence(object_identifier(_RSA_ALGORITHMS[self.digest]), NULL)
        else:
            algorithm = self.signature_algorithm or sequence(object_identifier(oid))
        extensions = explicit(3, sequence(*(e.encode() for e in self.extensions))) if self.extensions else b""
        to_be_signed = sequence(
            explicit(0, integer(self.version)) if self.version else b"",
            integer(self.serial),
            algorithm,
            self.issuer,
            self.validity or sequence(time(self.not_before), time(self.not_after)),
            self.subject,
            self.spki,
            extensions,
        )
        if isinstance(key, rsa.RSAPrivateKey):
            signature = key.sign(to_be_signed, PKCS1v15(), digest)
        else:
            signature = key.sign(to_be_signed, ec.ECDSA(digest, deterministic_signing=True))
        return sequence(to_be_signed, self.outer_signature_algorithm or algorithm, bit_string(signature))

    def without_extension(self, oid: str) -> CertificateTemplate:
        return replace(self, extensions=tuple(e for e in self.extensions if e.oid != oid))

    def with_extension(self, extension: Extension) -> CertificateTemplate:
        """The same template with ``extension`` in place of the one with its OID, or added at the end."""
        extensions = tuple(extension if e.oid == extension.oid else e for e in self.extensions)
        return replace(self, extensions=extensions if extension in extensions else (*extensions, extension))


@dataclass(frozen=True, slots=True)
class Issuer:
    """A private key and the certificate that vouches for it."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    @property
    def name(self) -> bytes:
        """The DER of its subject, which certificates issued by it repeat."""
        return load_der_x509_certificate(self.certificate).subject.public_bytes()


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """A certificate that issues others or signs tokens: its key, and the template that it is signed from."""

    key: IssuerKey
    template: CertificateTemplate

    @property
    def name(self) -> bytes:
        return self.template.subject


def basic_constraints(*, ca: bool, path_length: int | None = None) -> Extension:
    length = integer(path_length) if path_length is not None else b""
    return Extension("2.5.29.19", sequence(boolean(True) if ca else b"", length), critical=True)


def key_usage(bits: int) -> Extension:
    """``bits`` is the first octet of the BIT STRING: 0x80 digitalSignature … 0x04 keyCertSign, 0x02 cRLSign."""
    unused = (bits & -bits).bit_length() - 1
    return Extension("2.5.29.15", bit_string(bytes((bits,)), unused), critical=True)


def subject_key_identifier(spki: bytes) -> Extension:
    """SHA-1 over the key bits (RFC 5280 §4.2.1.2, method 1): a name, not a security property."""
    return Extension("2.5.29.14", octet_string(_key_identifier(spki)))


def authority_key_identifier(issuer_spki: bytes) -> Extension:
    return Extension("2.5.29.35", sequence(b"\x80\x14" + _key_identifier(issuer_spki)))


def identifiers(key: IssuerKey, issuer_key: IssuerKey) -> tuple[Extension, ...]:
    """Both key identifiers; none where a key is RSA."""
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        return ()
    return (subject_key_identifier(spki_of(key)), authority_key_identifier(spki_of(issuer_key)))


def name(*attributes: tuple[str, str]) -> bytes:
    """The DER of a Name, one attribute to a relative name, in the order given; values as UTF8String."""
    return sequence(
        *(set_of(sequence(object_identifier(_ATTRIBUTES[kind]), _text(kind, value))) for kind, value in attributes)
    )


def spki_of(key: IssuerKey | ec.EllipticCurvePublicKey) -> bytes:
    public = key if isinstance(key, ec.EllipticCurvePublicKey) else key.public_key()
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_private_key(curve: ec.EllipticCurve, random: RandomBytes) -> ec.EllipticCurvePrivateKey:
    """A private key from ``random``, by FIPS 186-5 §A.2.1 (64 bits more than needed, so the bias is negligible)."""
    order = curve.group_order
    drawn = int.from_bytes(random((order.bit_length() + 64 + 7) // 8))
    return ec.derive_private_key(drawn % (order - 1) + 1, curve)


def _text(kind: str, value: str) -> bytes:
    # countryName and serialNumber are PrintableStrings (RFC 5280 appendix A.1)
    tag = 0x13 if kind in ("C", "serialNumber") else 0x0C
    encoded = value.encode("utf-8")
    return bytes((tag, len(encoded))) + encoded


def _key_identifier(spki: bytes) -> bytes:
    public = serialization.load_der_public_key(spki)
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TypeError("key identifiers are written for elliptic curve keys only")
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return sha1(point, usedforsecurity=False).digest()
