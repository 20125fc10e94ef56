"""Who signed an APK, by APK Signature Schemes v2, v3 and v3.1, and that nothing in it was changed since.

Every signature and every digest is checked, and so is the proof of rotation (v3's lineage), in which each certificate
vouches for the next. Which of the signers a device would name is for ``apk_selection``; that a signer is *ours* is the
operator's word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, NamedTuple

from attestation.encoding.certificate import read_certificate
from attestation.errors import AttestationError
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from bonafide.artefacts.android.signing_block import SCHEME_V2, SCHEME_V3, SCHEME_V31, SigningBlock, content_digests
from bonafide.artefacts.archive import Archive
from bonafide.artefacts.artefact import ArtefactError
from bonafide.artefacts.length_prefixed import BrokenStructure, LengthPrefixed

_MAX_SIGNERS: Final = 10
_MAX_ITEMS: Final = 32
_MAX_ROTATIONS: Final = 32
_LAST_LEVEL: Final = 0x7FFFFFFF

_STRIPPING_PROTECTION: Final = 0xBEEFF00D
_PROOF_OF_ROTATION: Final = 0x3BA06F8C
_ROTATION_MIN_SDK: Final = 0x559F8B02
_ROTATION_ON_DEV_RELEASE: Final = 0xC2A6B3BA
_HYBRID_MIN_SDK: Final = 0xBF940529
_LINEAGE_VERSION: Final = 1

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
class BlockSigner:
    """One signer of a scheme in the block, verified.

    ``levels`` are the first and the last API level that the signer is for, and ``lineage`` its certificates, oldest
    first, the signer's own last. ``for_preview`` marks a signer for a system under development: a release whose API
    level is the first of ``levels`` passes it over.
    """

    certificate: bytes
    digests: Mapping[int, bytes]
    attributes: Mapping[int, bytes]
    levels: tuple[int, int]
    lineage: tuple[bytes, ...]

    @property
    def for_preview(self) -> bool:
        return _ROTATION_ON_DEV_RELEASE in self.attributes

    def is_for(self, level: int) -> bool:
        return self.levels[0] <= level <= self.levels[1]


def signers_of(archive: Archive, block: SigningBlock) -> dict[str, list[BlockSigner]]:
    """Every signer in the block, by scheme (``v2``, ``v3``, ``v3.1``), oldest scheme first.

    Raises :class:`ArtefactError` for a signature that does not verify, for content that was changed, and for a
    signature that was removed.
    """
    schemes = (("v2", SCHEME_V2), ("v3", SCHEME_V3), ("v3.1", SCHEME_V31))
    found: dict[str, list[BlockSigner]] = {}
    for scheme, number in schemes:
        if number in block.values:
            try:
                found[scheme] = _read_signers(block.values[number], scheme, archive.name)
            except BrokenStructure as error:
                raise ArtefactError(f"{archive.name} has a broken signature (scheme {scheme}).") from error
    _check_nothing_was_stripped(found, archive.name)
    if found:
        _check_content(archive, block, found)
    return found


def _read_signers(value: bytes, scheme: str, name: str) -> list[BlockSigner]:
    reader = LengthPrefixed(value)
    signers = [_read_signer(item, scheme, name) for item in reader.nested().items(_MAX_SIGNERS)]
    reader.finish()
    if not signers:
        raise BrokenStructure
    return signers


def _read_signer(signer: LengthPrefixed, scheme: str, name: str) -> BlockSigner:
    signed_data = signer.prefixed()
    levels = (0, _LAST_LEVEL) if scheme == "v2" else (signer.number(), signer.number())
    signatures = [(item.number(), item.prefixed()) for item in signer.nested().items(_MAX_ITEMS)]
    public_key = signer.prefixed()
    signer.finish()

    signed = LengthPrefixed(signed_data)
    digests = [(item.number(), item.prefixed()) for item in signed.nested().items(_MAX_ITEMS)]
    certificates = [item.rest() for item in signed.nested().items(_MAX_ITEMS)]
    signed_levels = levels if scheme == "v2" else (signed.number(), signed.number())
    attributes = [(item.number(), item.rest()) for item in signed.nested().items(_MAX_ITEMS)]
    # What follows in v2 is padding of old tools, and signed.

    # As devices do: the same algorithms in the same order. Twice the same would leave it to the reader which counts.
    algorithms = [number for number, _ in signatures]
    if algorithms != [number for number, _ in digests] or not _distinct(algorithms):
        raise BrokenStructure
    if not certificates or not signatures or not _distinct([number for number, _ in attributes]):
        raise BrokenStructure
    if levels != signed_levels or levels[0] > levels[1]:
        raise BrokenStructure
    verified = False
    for number, signature in signatures:
        if number in ALGORITHMS:  # one that is not known belongs to a newer system; another must vouch
            _verify(number, public_key, signature, signed_data, f"{name} is not signed as it says (scheme {scheme}).")
            verified = True
    if not verified:
        raise ArtefactError(f"{name} is signed by algorithms that are not known (scheme {scheme}).")
    if not compare_digest(_spki_of(certificates[0], name), public_key):
        raise ArtefactError(f"{name} is signed by another key than its certificate's (scheme {scheme}).")
    return BlockSigner(
        certificate=certificates[0],
        digests=dict(digests),
        attributes=dict(attributes),
        levels=levels,
        lineage=_lineage(dict(attributes).get(_PROOF_OF_ROTATION), certificates[0], name),
    )


def _distinct(numbers: list[int]) -> bool:
    return len(set(numbers)) == len(numbers)


def _check_nothing_was_stripped(found: Mapping[str, list[BlockSigner]], name: str) -> None:
    """A newer signature that was taken away, for older rules to apply, has left its mark in the older one; and one that
    was added beside a v3 signature is not announced there."""
    sentence = f"{name} was signed by scheme %s as well, and that signature was removed."
    for signer in found.get("v2", ()):
        if signer.attributes.get(_STRIPPING_PROTECTION, b"")[:4] == b"\3\0\0\0" and "v3" not in found:
            raise ArtefactError(sentence % "v3")
    if any(_HYBRID_MIN_SDK in signer.attributes for scheme in ("v3", "v3.1") for signer in found.get(scheme, ())):
        raise ArtefactError(sentence % "v3.2")
    announced = {s.attributes[_ROTATION_MIN_SDK] for s in found.get("v3", ()) if _ROTATION_MIN_SDK in s.attributes}
    if "v3.1" not in found:
        if announced:
            raise ArtefactError(sentence % "v3.1")
        return
    first = min(signer.levels[0] for signer in found["v3.1"])
    if announced != {first.to_bytes(4, "little")}:
        raise ArtefactError(f"{name} has a signature (scheme v3.1) that its signature by scheme v3 does not announce.")


def _check_content(archive: Archive, block: SigningBlock, found: Mapping[str, list[BlockSigner]]) -> None:
    signers = [signer for block_signers in found.values() for signer in block_signers]
    algorithms = {ALGORITHMS[n].digest for signer in signers for n in signer.digests if n in ALGORITHMS}
    actual = content_digests(archive, block, algorithms)
    for signer in signers:
        for number, digest in signer.digests.items():
            if number in ALGORITHMS and not compare_digest(digest, actual[ALGORITHMS[number].digest]):
                raise ArtefactError(f"{archive.name} was changed after it was signed.")


def _lineage(value: bytes | None, signer: bytes, name: str) -> tuple[bytes, ...]:
    """The certificates of the proof of rotation, oldest first, the last one the signer's own; just that without one."""
    if value is None:
        return (signer,)
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
            node.finish()
            signed = LengthPrefixed(signed_data)
            certificate, algorithm = signed.prefixed(), signed.number()
            signed.finish()
            if certificates:
                sentence = f"{name} has a lineage of signing certificates that was forged."
                if algorithm != announced or certificate in certificates:
                    raise ArtefactError(sentence)
                _verify(algorithm, _spki_of(certificates[-1], name), signature, signed_data, sentence)
            certificates.append(certificate)
            announced = next_algorithm
    except BrokenStructure as error:
        raise ArtefactError(f"{name} has a broken lineage of signing certificates.") from error
    if not certificates or certificates[-1] != signer:
        raise ArtefactError(f"{name} has a lineage of signing certificates that does not end with its signer.")
    return tuple(certificates)


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
