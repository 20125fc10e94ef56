"""The signing block of a HarmonyOS package: who signed it, by which profile, and that nothing was changed since.

The block lies between the files and the central directory, as in an APK, but is made otherwise: a table of sub-blocks,
their content, and a head at the end. One sub-block is CMS over the digest of everything else (the same chunks as an
APK's, followed by the other sub-blocks); another is the provisioning profile, CMS over JSON. The layout is that of
OpenHarmony's published signing tool and installer. It was not held against a package that a store delivered: none was
at hand. A package whose block is made in another way is refused, never half understood.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any, Final

from attestation.encoding.certificate import Certificate

from bonafide.artefacts.android.signing_block import SigningBlock, content_chunks, digest_of_chunks
from bonafide.artefacts.archive import Archive
from bonafide.artefacts.artefact import ArtefactError
from bonafide.artefacts.length_prefixed import BrokenStructure, LengthPrefixed
from bonafide.artefacts.signed_data import SignatureBroken, SignedData, read_signed_data

SIGNATURE: Final = 0x20000000
PROFILE: Final = 0x20000002

MAX_BLOCK_BYTES: Final = 32 << 20
_MAX_SUB_BLOCKS: Final = 16
_HEAD: Final = struct.Struct("<LQ16sL")
_ENTRY: Final = struct.Struct("<3L")
_MAGICS: Final = (b"<hap sign block>", b"HAP Sig Block 42")
_CONTENT_VERSION: Final = 2
# Identifiers of signature algorithms; the digest of the content is the one that goes with the signature.
_DIGESTS: Final = {
    number: digest
    for family in (0x101, 0x104, 0x201, 0x301)
    for number, digest in zip(range(family, family + 3), ("sha256", "sha384", "sha512"), strict=True)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HapSignature:
    """What a sound signing block says: the certificate that signed the package, the profile's JSON, the certificate
    that signed the profile, and those that came with it."""

    signer: Certificate
    profile: Mapping[str, Any]
    profile_signer: Certificate
    profile_certificates: tuple[Certificate, ...]


def verify_hap_signature(archive: Archive) -> HapSignature:
    """Verify the package's signature and its profile's. Raises :class:`ArtefactError`."""
    block, sub_blocks = _sub_blocks(archive)
    if SIGNATURE not in sub_blocks:
        raise ArtefactError(f"{archive.name} is not signed.")
    if PROFILE not in sub_blocks:
        raise ArtefactError(f"{archive.name} has no provisioning profile.")
    signed, signer = _opened(sub_blocks[SIGNATURE], f"{archive.name} is not signed as it says")
    try:
        algorithm, digest = _content_digest(signed.content or b"")
    except BrokenStructure as error:
        raise ArtefactError(f"{archive.name} has a broken signature.") from error
    others = [value for number, value in sub_blocks.items() if number != SIGNATURE]
    chunks = digest_of_chunks(content_chunks(archive, block), algorithm)
    if not compare_digest(hashlib.new(algorithm, chunks + b"".join(others)).digest(), digest):
        raise ArtefactError(f"{archive.name} was changed after it was signed.")
    profile, profile_signer = _opened(
        sub_blocks[PROFILE], f"{archive.name} has a provisioning profile that is not sound"
    )
    return HapSignature(
        signer=signer,
        profile=_json(profile.content or b"", archive.name),
        profile_signer=profile_signer,
        profile_certificates=profile.certificates,
    )


def _sub_blocks(archive: Archive) -> tuple[SigningBlock, dict[int, bytes]]:
    stop = archive.directory_offset
    if stop < _HEAD.size:
        raise ArtefactError(f"{archive.name} is not signed.")
    count, size, magic, _ = _HEAD.unpack(archive.raw(stop - _HEAD.size, stop))
    if magic not in _MAGICS:
        raise ArtefactError(f"{archive.name} is not signed.")
    offset = stop - size
    if count > _MAX_SUB_BLOCKS or not _HEAD.size + count * _ENTRY.size <= size <= MAX_BLOCK_BYTES or offset < 0:
        raise ArtefactError(f"{archive.name} has a signing block of an impossible size.")
    content = archive.raw(offset, stop - _HEAD.size)
    sub_blocks: dict[int, bytes] = {}
    end = count * _ENTRY.size
    for index in range(count):
        number, length, start = _ENTRY.unpack_from(content, index * _ENTRY.size)
        # One behind the other as the signing tool writes them: the signature covers nothing that lies between.
        if number in sub_blocks or start != end or start + length > len(content):
            raise ArtefactError(f"{archive.name} has a broken signing block.")
        sub_blocks[number] = content[start : start + length]
        end = start + length
    if end != len(content):
        raise ArtefactError(f"{archive.name} has a broken signing block.")
    return SigningBlock(offset, sub_blocks), sub_blocks


def _opened(value: bytes, sentence: str) -> tuple[SignedData, Certificate]:
    try:
        signed = read_signed_data(value)
        (signer,) = signed.verified_signers()
    except (SignatureBroken, ValueError) as error:
        raise ArtefactError(f"{sentence}: {error}.") from error
    return signed, signer


def _content_digest(content: bytes) -> tuple[str, bytes]:
    """Algorithm and digest in the signed content: version, number of digests, and one digest."""
    reader = LengthPrefixed(content)
    version, count = reader.number(), reader.number()
    pair = reader.nested()
    reader.finish()
    algorithm, digest = pair.number(), pair.prefixed()
    pair.finish()
    if version != _CONTENT_VERSION or count != 1 or algorithm not in _DIGESTS:
        raise BrokenStructure
    return _DIGESTS[algorithm], digest


def _json(content: bytes, name: str) -> Mapping[str, Any]:
    try:
        profile = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{name} has a provisioning profile that cannot be read.") from error
    if not isinstance(profile, dict):
        raise ArtefactError(f"{name} has a provisioning profile that cannot be read.")
    return profile
