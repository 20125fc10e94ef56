"""The APK Signing Block: where it lies, what is in it, and the digests that it holds over the rest of the file.

Android's documentation of APK Signature Scheme v2 describes block and digests; v3 and v3.1 share both
(source.android.com/docs/security/features/apksigning).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bonafide.artefacts.archive import Archive
from bonafide.artefacts.artefact import ArtefactError
from bonafide.artefacts.length_prefixed import BrokenStructure, LengthPrefixed

SCHEME_V2: Final = 0x7109871A
SCHEME_V3: Final = 0xF05368C0
SCHEME_V31: Final = 0x1B93AD61

MAX_BLOCK_BYTES: Final = 32 << 20
_SCHEME_V32: Final = 0x70E1C89F
_PADDING: Final = 0x42726577
# What tools and Google Play put beside the signatures, and no Android takes for one: the list of dependencies, Play's
# own data, and source stamps (which say where a file comes from, never who signed it).
_NO_SIGNATURES: Final = frozenset({0x504B4453, 0x2146444E, 0x2B09189E, 0x6DFF800D})
_MAX_PAIRS: Final = 64
_MAGIC: Final = b"APK Sig Block 42"
_FOOTER: Final = struct.Struct("<Q16s")
_CHUNK: Final = 1 << 20
_PAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class SigningBlock:
    """The block at ``offset`` of the file; ``values`` by id."""

    offset: int
    values: Mapping[int, bytes]


def find_signing_block(archive: Archive) -> SigningBlock | None:
    """The signing block before the central directory, or ``None``. Raises :class:`ArtefactError`."""
    stop = archive.directory_offset
    if stop < _FOOTER.size + 8:
        return None
    size, magic = _FOOTER.unpack(archive.raw(stop - _FOOTER.size, stop))
    if magic != _MAGIC:
        return None
    offset = stop - size - 8
    if not _FOOTER.size <= size <= MAX_BLOCK_BYTES or offset < 0:
        raise ArtefactError(f"{archive.name} has an APK Signing Block of an impossible size.")
    try:
        block = LengthPrefixed(archive.raw(offset, stop - _FOOTER.size))
        block.expect(size)
        found = SigningBlock(offset, dict(_pairs(block)))
    except BrokenStructure as error:
        raise ArtefactError(f"{archive.name} has a broken APK Signing Block.") from error
    _check_ids(found.values, archive.name)
    return found


def _check_ids(values: Mapping[int, bytes], name: str) -> None:
    """Nothing covers the block itself, so what lies in it must be known: an id that is not may be a signature that a
    newer Android prefers to all others, as v3.2 was before Android 17."""
    if _SCHEME_V32 in values:
        raise ArtefactError(f"{name} is signed by scheme v3.2 (hybrid, Android 17), which cannot be verified here yet.")
    known = {SCHEME_V2, SCHEME_V3, SCHEME_V31, _PADDING} | _NO_SIGNATURES
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ArtefactError(f"{name} has something in its APK Signing Block that is not known: id 0x{unknown[0]:08x}.")
    if any(values.get(_PADDING, b"")):
        raise ArtefactError(f"{name} has something in the padding of its APK Signing Block.")
    if not values.keys() & {SCHEME_V2, SCHEME_V3, SCHEME_V31}:
        raise ArtefactError(f"{name} has an APK Signing Block without a signature.")


def _pairs(block: LengthPrefixed) -> Iterator[tuple[int, bytes]]:
    seen: set[int] = set()
    while not block.at_end:
        size = block.long()
        pair = LengthPrefixed(block.take(size))
        number = pair.number()
        # Two blocks of one scheme: which one counts would depend on the reader.
        if number in seen or len(seen) >= _MAX_PAIRS:
            raise BrokenStructure
        seen.add(number)
        yield number, pair.rest()


def content_digests(archive: Archive, block: SigningBlock, algorithms: Iterable[str]) -> dict[str, bytes]:
    """The digests of everything but the block, by algorithm: ``sha256``, ``sha512`` and ``verity``."""
    return {
        algorithm: _verity(content_chunks(archive, block))
        if algorithm == "verity"
        else digest_of_chunks(content_chunks(archive, block), algorithm, top=True)
        for algorithm in sorted(set(algorithms))
    }


def content_chunks(archive: Archive, block: SigningBlock) -> Iterator[bytes]:
    """Everything but the block, in chunks of 1 MiB that do not cross from files to directory to end record."""
    for start, stop in ((0, block.offset), (archive.directory_offset, archive.end_offset)):
        for position in range(start, stop, _CHUNK):
            yield archive.raw(position, min(position + _CHUNK, stop))
    end = bytearray(archive.raw(archive.end_offset, archive.size))
    # The end record counts as it would be without the block: the directory begins where the block does.
    end[16:20] = block.offset.to_bytes(4, "little")
    yield bytes(end)


def digest_of_chunks(chunks: Iterable[bytes], algorithm: str, *, top: bool = False) -> bytes:
    """Each chunk's digest behind their count, and with ``top`` the digest of that."""
    digests = [hashlib.new(algorithm, b"\xa5" + len(chunk).to_bytes(4, "little") + chunk).digest() for chunk in chunks]
    listed = b"\x5a" + len(digests).to_bytes(4, "little") + b"".join(digests)
    return hashlib.new(algorithm, listed).digest() if top else listed


def _verity(chunks: Iterable[bytes]) -> bytes:
    """Root of the fs-verity tree over the same content, salted with eight zero bytes, and the content's size."""
    level: list[bytes] = []
    pending, size = b"", 0

    def pages(data: bytes) -> Iterator[bytes]:
        for position in range(0, len(data), _PAGE):
            yield hashlib.sha256(bytes(8) + data[position : position + _PAGE].ljust(_PAGE, b"\0")).digest()

    for chunk in chunks:
        size += len(chunk)
        pending += chunk
        whole = len(pending) // _PAGE * _PAGE
        level.extend(pages(pending[:whole]))
        pending = pending[whole:]
    level.extend(pages(pending))
    while True:
        level = list(pages(b"".join(level)))
        if len(level) == 1:
            return level[0] + size.to_bytes(8, "little")
