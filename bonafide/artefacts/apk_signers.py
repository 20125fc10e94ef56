"""Who signed an APK, by APK Signature Schemes v2, v3 and v3.1, and that nothing in it was changed since.

Every signature and every digest is checked, and so is the proof of rotation (v3's lineage), in which each certificate
vouches for the next. Nothing says who a certificate belongs to: that this is *our* signer is the operator's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple

from attestation.certificate import read_certificate
from attestation.errors import AttestationError
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .apk_signing_block import SCHEME_V2, SCHEME_V3, SCHEME_V31, SigningBlock, content_digests
from .archive import Archive
from .artefact import ArtefactError, Signer
from .length_prefixed import BrokenStructure, LengthPrefixed

_MAX_SIGNERS: Final = 10
_MAX_ITEMS: Final = 32
_MAX_ROTATIONS: Final = 32

_STRIPPING_PROTECTION: Final = 0xBEEFF00D
_PROOF_OF_ROTATION: Final = 0x3BA06F8C
_ROTATION_MIN_SDK: Final = 0x559F8B02
_LINEAGE_VERSION: Final = 1
_RELEASES: Final = {24: "7", 28: "9", 33: "13"}

_SHA256, _SHA512 = hashes.SHA256(), hashes.SHA512()


class _Algorithm(NamedTuple):
    """One signature algorithm: which digest of the content goes with it, its key type, and how it is verified."""

    digest: str
    key: type[rsa.RSAPublicKey] | type[ec.EllipticCurvePublicKey] | type[dsa.DSAPublicKey]
    verify: Callable[[object, bytes, bytes], None]


def _pss(hashing: hashes.HashAlgorithm) -> Callable[[object, bytes, bytes], None]:
    scheme = padding.PSS(mgf=padding.MGF1(hashing), salt_length=hashing.digest_size)
    return lambda key, signature, data: key.verify(signature, data, scheme, hashing)  # type: ignore[attr-defined]


def _pkcs1(hashing: hashes.HashAlgorithm) -> Callable[[object, bytes, bytes], None]:
    return lambda key, signature, data: key.verify(signature, data, padding.PKCS1v15(), hashing)  # type: ignore[attr-defined]


def _ecdsa(hashing: hashes.HashAlgorithm) -> Callable[[object, bytes, bytes], None]:
    return lambda key, signature, data: key.verify(signature, data, ec.ECDSA(hashing))  # type: ignore[attr-defined]


def _dsa(hashing: hashes.HashAlgorithm) -> Callable[[object, bytes, bytes], None]:
    return lambda key, signature, data: key.verify(signature, data, hashing)  # type: ignore[attr-defined]


ALGORITHMS: Final[Mapping[int, _Algorithm]] = {
    0x0101: _Algorithm("sha256", rsa.RSAPublicKey, _pss(_SHA256)),
    0x0102: _Algorithm("sha512", rsa.RSAPublicKey, _pss(_SHA512)),
    0x0103: _Algorithm("sha256", rsa.RSAPublicKey, _pkcs1(_SHA256)),
    0x0104: _Algorithm("sha512", rsa.RSAPublicKey, _pkcs1(_SHA512)),
    0x0201: _Algorithm("sha256", ec.EllipticCurvePublicKey, _ecdsa(_SHA256)),
    0x0202: _Algorithm("sha512", ec.EllipticCurvePublicKey, _ecdsa(_SHA512)),
    0x0301: _Algorithm("sha256", dsa.DSAPublicKey, _dsa(_SHA256)),
    0x0421: _Algorithm("verity", rsa.RSAPublicKey, _pkcs1(_SHA256)),
    0x0423: _Algorithm("verity", ec.EllipticCurvePublicKey, _ecdsa(_SHA256)),
    0x0425: _Algorithm("verity", dsa.DSAPublicKey, _dsa(_SHA256)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _BlockSigner:
    """One signer of a block, its signatures verified; its digests are still to be held against the content."""

    certificate: bytes
    digests: Mapping[int, bytes]
    attributes: Mapping[int, bytes]
    min_sdk: int = 0


def signers_of(archive: Archive, block: SigningBlock) -> tuple[Signer, ...]:
    """Everyone who signed by a scheme of the block, and the certificates that a lineage adds.

    Raises :class:`ArtefactError` for a signature that does not verify and for content that was changed.
    """
    schemes = (("v2", SCHEME_V2), ("v3", SCHEME_V3), ("v3.1", SCHEME_V31))
    found: dict[str, list[_BlockSigner]] = {}
    for scheme, number in schemes:
        if number in block.values:
            try:
                found[scheme] = _read_signers(block.values[number], scheme, archive.name)
            except BrokenStructure as error:
                raise ArtefactError(f"{archive.name} has a broken signature (scheme {scheme}).") from error
    if not found:
        return ()
    _check_nothing_was_stripped(found, archive.name)
    _check_content(archive, block, found)
    signers: list[Signer] = []
    for scheme, block_signers in found.items():
        for signer in block_signers:
            release = _RELEASES.get(signer.min_sdk, f"API {signer.min_sdk}")
            since = f"from Android {release}" if scheme == "v3.1" else ""
            signers.append(Signer(digest=sha256(signer.certificate).hexdigest(), scheme=scheme, detail=since))
        for signer in block_signers:
            signers.extend(
                Signer(digest=sha256(certificate).hexdigest(), scheme=scheme, detail="earlier in its lineage")
                for certificate in _lineage(signer, archive.name)[:-1]
            )
    return tuple(signers)


def _read_signers(value: bytes, scheme: str, name: str) -> list[_BlockSigner]:
    reader = LengthPrefixed(value)
    signers = [_read_signer(item, scheme, name) for item in reader.nested().items(_MAX_SIGNERS)]
    reader.finish()
    if not signers:
        raise BrokenStructure
    return signers


def _read_signer(signer: LengthPrefixed, scheme: str, name: str) -> _BlockSigner:
    signed_data = signer.prefixed()
    sdk = (signer.number(), signer.number()) if scheme != "v2" else None
    signatures = {item.number(): item.prefixed() for item in signer.nested().items(_MAX_ITEMS)}
    public_key = signer.prefixed()
    signer.finish()

    signed = LengthPrefixed(signed_data)
    digests = {item.number(): item.prefixed() for item in signed.nested().items(_MAX_ITEMS)}
    certificates = [item.rest() for item in signed.nested().items(_MAX_ITEMS)]
    signed_sdk = (signed.number(), signed.number()) if scheme != "v2" else None
    attributes = {item.number(): item.rest() for item in signed.nested().items(_MAX_ITEMS)}
    # What follows in v2 is padding of old tools, and signed.

    if not certificates or not signatures or digests.keys() != signatures.keys() or sdk != signed_sdk:
        raise BrokenStructure
    verified = False
    for number, signature in signatures.items():
        if number in ALGORITHMS:  # one that is not known belongs to a newer scheme; another must vouch
            _verify(number, public_key, signature, signed_data, f"{name} is not signed as it says (scheme {scheme}).")
            verified = True
    if not verified:
        raise ArtefactError(f"{name} is signed by algorithms that are not known (scheme {scheme}).")
    if not compare_digest(_spki_of(certificates[0], name), public_key):
        raise ArtefactError(f"{name} is signed by another key than its certificate's (scheme {scheme}).")
    return _BlockSigner(
        certificate=certificates[0], digests=digests, attributes=attributes, min_sdk=0 if sdk is None else sdk[0]
    )


def _check_nothing_was_stripped(found: Mapping[str, list[_BlockSigner]], name: str) -> None:
    """A newer signature that was taken away, for older rules to apply, has left its mark in the older one."""
    sentence = f"{name} was signed by scheme %s as well, and that signature was removed."
    for signer in found.get("v2", ()):
        if signer.attributes.get(_STRIPPING_PROTECTION, b"")[:4] == b"\3\0\0\0" and "v3" not in found:
            raise ArtefactError(sentence % "v3")
    for signer in found.get("v3", ()):
        if _ROTATION_MIN_SDK in signer.attributes and "v3.1" not in found:
            raise ArtefactError(sentence % "v3.1")


def _check_content(archive: Archive, block: SigningBlock, found: Mapping[str, list[_BlockSigner]]) -> None:
    signers = [signer for block_signers in found.values() for signer in block_signers]
    algorithms = {ALGORITHMS[n].digest for signer in signers for n in signer.digests if n in ALGORITHMS}
    actual = content_digests(archive, block, algorithms)
    for signer in signers:
        for number, digest in signer.digests.items():
            if number in ALGORITHMS and not compare_digest(digest, actual[ALGORITHMS[number].digest]):
                raise ArtefactError(f"{archive.name} was changed after it was signed.")


def _lineage(signer: _BlockSigner, name: str) -> list[bytes]:
    """The certificates of the proof of rotation, oldest first, the last one the signer's own; just that without one."""
    value = signer.attributes.get(_PROOF_OF_ROTATION)
    if value is None:
        return [signer.certificate]
    certificates: list[bytes] = []
    try:
        reader = LengthPrefixed(value)
        if reader.number() != _LINEAGE_VERSION:
            raise ArtefactError(f"{name} has a lineage of signing certificates that is too new to be read.")
        announced = 0
        for node in reader.items(_MAX_ROTATIONS):
            signed_data = node.prefixed()
            node.number()  # flags: what an older key may still do
            next_algorithm = node.number()
            signature = node.prefixed()
            signed = LengthPrefixed(signed_data)
            certificate, algorithm = signed.prefixed(), signed.number()
            if certificates:
                sentence = f"{name} has a lineage of signing certificates that was forged."
                if algorithm != announced or certificate in certificates:
                    raise ArtefactError(sentence)
                _verify(algorithm, _spki_of(certificates[-1], name), signature, signed_data, sentence)
            certificates.append(certificate)
            announced = next_algorithm
    except BrokenStructure as error:
        raise ArtefactError(f"{name} has a broken lineage of signing certificates.") from error
    if not certificates or certificates[-1] != signer.certificate:
        raise ArtefactError(f"{name} has a lineage of signing certificates that does not end with its signer.")
    return certificates


def _verify(number: int, spki: bytes, signature: bytes, data: bytes, sentence: str) -> None:
    algorithm = ALGORITHMS.get(number)
    try:
        key = load_der_public_key(spki)
        if algorithm is None or not isinstance(key, algorithm.key):
            raise ArtefactError(sentence)
        algorithm.verify(key, signature, data)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise ArtefactError(sentence) from error


def _spki_of(certificate: bytes, name: str) -> bytes:
    try:
        return read_certificate(certificate).spki
    except AttestationError as error:
        raise ArtefactError(f"{name} has a signing certificate that cannot be read.") from error
