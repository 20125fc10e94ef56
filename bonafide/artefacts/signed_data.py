"""CMS SignedData (RFC 5652) as app packages use it: JAR signatures, Apple's profiles and code signatures, HAPs.

Checks that the content was signed by the certificate that the signer names, and that it is the content at hand; of the
certificate only that its issuers signed it as it is, as far as they are included. pyca does every
signature; it reads no SignedData itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from attestation.encoding import der
from attestation.encoding.certificate import Certificate, read_certificate
from attestation.encoding.names import names_match
from attestation.errors import AttestationError
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

MAX_BYTES: Final = 16 << 20
_MAX_CERTIFICATES: Final = 16
_MAX_SIGNERS: Final = 8
_MAX_ATTRIBUTES: Final = 32

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_DIGESTS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old JAR signatures; newer schemes are asked for where they exist
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_PSS: Final = "1.2.840.113549.1.1.10"
_NAMED_HASHES: Final = {  # signature algorithms that name a digest of their own; others sign with the signer's digest
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.1": "sha1",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
    "1.2.840.10040.4.3": "sha1",
    "2.16.840.1.101.3.4.3.2": "sha256",
}


class SignatureBroken(Exception):
    """The structure cannot be read, or the content is not what was signed. The message says which, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignerInfo:
    sid: bytes
    digest: str
    attributes: bytes | None
    algorithm: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """SignedData taken apart, nothing verified. ``content`` is ``None`` where the signature is detached."""

    content: bytes | None
    certificates: tuple[Certificate, ...]
    signers: tuple[_SignerInfo, ...]

    def verified_signers(self, content: bytes | None = None) -> tuple[Certificate, ...]:
        """Certificates of all signers of ``content`` (or of the content inside). Raises :class:`SignatureBroken`."""
        signed = self.content if content is None else content
        if signed is None or not self.signers:
            raise SignatureBroken("it has no content or no signer")
        try:
            return tuple(self._verified(signer, signed) for signer in self.signers)
        except AttestationError as error:
            raise SignatureBroken("it cannot be read") from error

    def _verified(self, signer: _SignerInfo, content: bytes) -> Certificate:
        certificate = self._certificate(signer.sid)
        message = content
        if signer.attributes is not None:
            digest = hashlib.new(signer.digest, content, usedforsecurity=False).digest()
            if not compare_digest(_message_digest(signer.attributes), digest):
                raise SignatureBroken("the content was changed after it was signed")
            # RFC 5652 §5.4: signed as a SET OF, not under its implicit tag.
            message = b"\x31" + signer.attributes[1:]
        hashing = _NAMED_HASHES.get(signer.algorithm, signer.digest)
        _check_signature(certificate.spki, signer.algorithm, hashing, signer.signature, message)
        self._check_issuers(certificate)
        return certificate

    def _check_issuers(self, certificate: Certificate) -> None:
        """Every certificate from the signer's upwards is as its issuer signed it; the signer's own must have one here.

        Otherwise the signer's certificate could be altered, and with it what is registered, its key left alone.
        """
        for length in range(_MAX_CERTIFICATES):
            issuers = [issuer for issuer in self.certificates if names_match(issuer.subject, certificate.issuer)]
            if not issuers and not length:
                raise SignatureBroken("it does not hold the issuer of its signer's certificate")
            if not issuers:
                return
            algorithm = der.object_identifier(
                der.BerReader(der.single(certificate.signature_algorithm, der.SEQUENCE))
                .expect(der.OBJECT_IDENTIFIER)
                .value
            )
            if algorithm not in _NAMED_HASHES:
                raise SignatureBroken("one of its certificates is signed by an algorithm that is not known")
            _check_signature(
                issuers[0].spki, algorithm, _NAMED_HASHES[algorithm], certificate.signature, certificate.tbs
            )
            if issuers[0].raw == certificate.raw:
                return
            certificate = issuers[0]

    def _certificate(self, sid: bytes) -> Certificate:
        found = [certificate for certificate in self.certificates if _names(sid, certificate)]
        if len(found) != 1:
            raise SignatureBroken("it does not hold its signer's certificate")
        return found[0]


def read_signed_data(data: bytes) -> SignedData:
    """Take SignedData apart. Raises :class:`SignatureBroken`."""
    try:
        if len(data) > MAX_BYTES:
            raise SignatureBroken("it is too large")
        return _read(data)
    except AttestationError as error:
        raise SignatureBroken("it cannot be read") from error


def _read(data: bytes) -> SignedData:
    reader = der.BerReader(data)
    info = der.BerReader(reader.expect(der.SEQUENCE).value)
    if der.object_identifier(info.expect(der.OBJECT_IDENTIFIER).value) != _SIGNED_DATA:
        raise SignatureBroken("it is no SignedData")
    body = der.BerReader(der.BerReader(info.expect(der.context(0)).value).expect(der.SEQUENCE).value)
    body.expect(der.INTEGER)
    body.expect(der.SET)
    encapsulated = der.BerReader(body.expect(der.SEQUENCE).value)
    encapsulated.expect(der.OBJECT_IDENTIFIER)
    explicit = encapsulated.optional(der.context(0))
    content = None if explicit is None else der.ber_octet_string(der.BerReader(explicit.value).next())
    bag = body.optional(der.context(0))
    certificates: list[Certificate] = []
    for element in der.BerReader(b"" if bag is None else bag.value):
        if len(certificates) >= _MAX_CERTIFICATES:
            raise SignatureBroken("it holds too many certificates")
        certificates.append(read_certificate(element.raw))
    body.optional(der.context(1))
    signers: list[_SignerInfo] = []
    for element in der.BerReader(body.expect(der.SET).value):
        if len(signers) >= _MAX_SIGNERS:
            raise SignatureBroken("it has too many signers")
        signers.append(_signer_info(der.BerReader(element.value)))
    return SignedData(
        content=content,
        certificates=tuple({certificate.raw: certificate for certificate in certificates}.values()),
        signers=tuple(signers),
    )


def _signer_info(fields: der.BerReader) -> _SignerInfo:
    fields.expect(der.INTEGER)
    sid = fields.next().raw
    digest = der.object_identifier(der.BerReader(fields.expect(der.SEQUENCE).value).expect(der.OBJECT_IDENTIFIER).value)
    attributes = fields.optional(der.context(0))
    algorithm = der.BerReader(fields.expect(der.SEQUENCE).value).expect(der.OBJECT_IDENTIFIER)
    signature = fields.expect(der.OCTET_STRING).value
    if digest not in _DIGESTS:
        raise SignatureBroken("its digest algorithm is not known")
    return _SignerInfo(
        sid=sid,
        digest=_DIGESTS[digest],
        attributes=None if attributes is None else attributes.raw,
        algorithm=der.object_identifier(algorithm.value),
        signature=signature,
    )


def _names(sid: bytes, certificate: Certificate) -> bool:
    """Whether a SignerIdentifier (issuer and serial number, or subject key identifier) means ``certificate``."""
    element = der.BerReader(sid).next()
    if element.tag == der.context(0, constructed=False):
        extension = certificate.extension("2.5.29.14")
        return extension is not None and der.single(extension.value, der.OCTET_STRING) == element.value
    fields = der.BerReader(element.value)
    issuer = fields.expect(der.SEQUENCE).raw
    serial = der.integer(fields.expect(der.INTEGER).value, max_octets=64, strict=False)
    return issuer == certificate.issuer and serial == certificate.serial


def _message_digest(attributes: bytes) -> bytes:
    found: list[bytes] = []
    for index, attribute in enumerate(der.BerReader(der.BerReader(attributes).next().value)):
        if index >= _MAX_ATTRIBUTES:
            raise SignatureBroken("it has too many attributes")
        fields = der.BerReader(attribute.value)
        if der.object_identifier(fields.expect(der.OBJECT_IDENTIFIER).value) == _MESSAGE_DIGEST:
            found.append(der.BerReader(fields.expect(der.SET).value).expect(der.OCTET_STRING).value)
    if len(found) != 1:
        raise SignatureBroken("it does not say what was signed")
    return found[0]


def _check_signature(spki: bytes, algorithm: str, hash_name: str, signature: bytes, message: bytes) -> None:
    hashing = _HASHES[hash_name]
    try:
        key = load_der_public_key(spki)
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(mgf=padding.MGF1(hashing), salt_length=padding.PSS.AUTO)
            key.verify(signature, message, pss if algorithm == _PSS else padding.PKCS1v15(), hashing)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashing))
        elif isinstance(key, dsa.DSAPublicKey):
            key.verify(signature, message, hashing)
        else:
            raise SignatureBroken("its signer's key is of an unknown type")
    except InvalidSignature as error:
        raise SignatureBroken("it was not signed by its signer, or was changed since") from error
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise SignatureBroken("its signer's key cannot be used") from error
