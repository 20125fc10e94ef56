"""A built app's ZIP archive, opened with suspicion.

Installers of three systems and their tools read ZIP files each in its own way; attacks live in the difference. So an
archive is taken only when there is nothing to differ about: one central directory that ends where the end record says,
every name once and plain, every entry where no other is, stored or deflated, and no larger than it says.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from bonafide.artefacts.artefact import ArtefactError

MAX_FILE_BYTES: Final = 4 << 30
MAX_ENTRIES: Final = 65_000
MAX_DIRECTORY_BYTES: Final = 64 << 20
MAX_ENTRY_BYTES: Final = 2 << 30
MAX_TOTAL_BYTES: Final = 8 << 30
MAX_NAME_CHARACTERS: Final = 512
_MAX_RATIO: Final = 1_100  # deflate cannot exceed 1032:1; a declared size beyond that is a lie
_BLOCK: Final = 1 << 20

_END_OF_DIRECTORY: Final = b"PK\x05\x06"
_END_RECORD: Final = struct.Struct("<4s4H2LH")
_LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
_DESCRIPTOR: Final = struct.Struct("<3L")
_DESCRIPTOR_MAGIC: Final = b"PK\x07\x08"
_DATA_DESCRIPTOR: Final = 0x08
_ENCRYPTED: Final = 0x01
_NAME_IN_UTF8: Final = 0x800
_COMPARED_FLAGS: Final = _ENCRYPTED | _DATA_DESCRIPTOR | _NAME_IN_UTF8
_EXTRA: Final = struct.Struct("<2H")
_ALIGNMENT: Final = 0xD935
_JAR_MARK: Final = 0xCAFE
_MAX_PADDING: Final = 1 << 16

_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    ValueError,
    OverflowError,
)


class Archive:
    """One archive, checked when opened. Offsets are those of APK signing: the central directory and the end record."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self._file = file
        file.seek(0, 2)
        self.size = file.tell()
        if self.size > MAX_FILE_BYTES:
            raise ArtefactError(f"{name} is larger than {MAX_FILE_BYTES >> 30} GiB.")
        self.end_offset, self.directory_offset = _find_end(file, self.size, name)
        try:
            self._zip = zipfile.ZipFile(file)
            self.entries = {info.filename: info for info in self._zip.infolist()}
            self._starts: dict[str, int] = {}
            self._check_entries()
        except _BROKEN as error:
            raise ArtefactError(f"{name} is a broken archive: its directory cannot be read.") from error

    @property
    def names(self) -> tuple[str, ...]:
        """Every file's name, in the order of the directory; folders left out."""
        return tuple(name for name in self.entries if not name.endswith("/"))

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str, *, limit: int) -> bytes:
        """One small entry whole. Raises :class:`ArtefactError` when it is absent, broken or over ``limit`` bytes."""
        info = self._info(name)
        if info.file_size > limit:
            raise ArtefactError(f"{name} in {self.name} is larger than {limit} bytes.")
        return b"".join(self._blocks(info))

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of one entry, at most ``size``."""
        return next(self._blocks(self._info(name), size), b"")[:size]

    def sha256(self, name: str) -> str:
        """SHA-256 of one entry's content, in hex."""
        digest = hashlib.sha256()
        for block in self._blocks(self._info(name)):
            digest.update(block)
        return digest.hexdigest()

    def digest(self, name: str, algorithm: str) -> bytes:
        """Another digest of one entry's content, for old JAR signatures."""
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for block in self._blocks(self._info(name)):
            digest.update(block)
        return digest.digest()

    def raw(self, start: int, stop: int) -> bytes:
        """Bytes of the file itself."""
        self._file.seek(start)
        return self._file.read(stop - start)

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self.entries.get(name)
        if info is None:
            raise ArtefactError(f"{self.name} has no {name}.")
        return info

    def _blocks(self, info: zipfile.ZipInfo, size: int = _BLOCK) -> Iterator[bytes]:
        """An entry's content in blocks of at most ``size`` bytes. What is stored is what is meant to the last byte:
        nothing may follow the end of a deflated stream."""
        stored = info.compress_type == zipfile.ZIP_STORED
        read = check_sum = 0
        try:
            for block in self._stored(info, size) if stored else self._inflated(info, size):
                read += len(block)
                check_sum = zlib.crc32(block, check_sum)
                if read > info.file_size:
                    break
                yield block
        except zlib.error as error:
            raise ArtefactError(f"{info.filename} in {self.name} is broken.") from error
        if check_sum != info.CRC or read > info.file_size:
            raise ArtefactError(f"{info.filename} in {self.name} is broken.")
        if read != info.file_size:
            raise ArtefactError(f"{info.filename} in {self.name} is not of the size that the directory says.")

    def _stored(self, info: zipfile.ZipInfo, size: int) -> Iterator[bytes]:
        start = self._starts[info.filename]
        stop = start + info.compress_size
        for position in range(start, stop, size):
            yield self.raw(position, min(position + size, stop))

    def _inflated(self, info: zipfile.ZipInfo, size: int) -> Iterator[bytes]:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        for piece in self._stored(info, _BLOCK):
            if stream.eof:
                raise zlib.error
            pending = piece
            while True:
                block = stream.decompress(pending, size)
                pending = stream.unconsumed_tail
                if block:
                    yield block
                if not pending and len(block) < size:
                    break
        if not stream.eof or stream.unused_data:
            raise zlib.error

    def _check_entries(self) -> None:
        infos = self._zip.infolist()
        if self._zip.start_dir != self.directory_offset:
            raise ArtefactError(f"{self.name} has something in front of its archive.")
        if not 0 < len(infos) <= MAX_ENTRIES:
            raise ArtefactError(f"{self.name} has {len(infos)} entries: from 1 to {MAX_ENTRIES} are taken.")
        if len(self.entries) != len(infos):
            # Two entries of one name: one reader checks the first, another runs the second (Android's bug 8219321).
            raise ArtefactError(f"{self.name} has two entries of the same name.")
        total = 0
        for info in infos:
            self._check_entry(info)
            total += info.file_size
        if total > MAX_TOTAL_BYTES:
            raise ArtefactError(f"{self.name} would unpack to more than {MAX_TOTAL_BYTES >> 30} GiB.")
        self._check_places(infos)

    def _check_entry(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        shown = repr(name[:80])
        if (
            not name
            or len(name) > MAX_NAME_CHARACTERS
            or name.startswith("/")
            or "\\" in name
            or not name.isprintable()
            or info.orig_filename != name
            or any(part in ("", ".", "..") for part in name.removesuffix("/").split("/"))
        ):
            raise ArtefactError(f"{self.name} has an entry whose name is not a plain path: {shown}.")
        if info.flag_bits & _ENCRYPTED:
            raise ArtefactError(f"{self.name} has an encrypted entry: {shown}.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArtefactError(f"{self.name} has an entry that is neither stored nor deflated: {shown}.")
        bomb = info.file_size > MAX_ENTRY_BYTES or info.file_size > info.compress_size * _MAX_RATIO + 64
        if bomb or (info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size):
            raise ArtefactError(f"{self.name} has an entry of an impossible size: {shown}.")

    def _check_places(self, infos: list[zipfile.ZipInfo]) -> None:
        """Every entry has its own place before the directory, and its local header says what the directory says."""
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end:
                # Overlapping entries: a few megabytes that unpack to petabytes.
                raise ArtefactError(f"{self.name} has entries that lie upon each other.")
            flags, sizes, name, start = self._local_header(info)
            later = flags & _DATA_DESCRIPTOR and sizes == (0, 0, 0)
            if (
                (flags ^ info.flag_bits) & _COMPARED_FLAGS
                or name != info.orig_filename.encode("utf-8" if flags & _NAME_IN_UTF8 else "cp437")
                or not (later or sizes == (info.CRC, info.compress_size, info.file_size))
            ):
                raise ArtefactError(f"{self.name} says two different things about {info.filename[:80]!r}.")
            self._starts[info.filename] = start
            end = start + info.compress_size
        if end > self.directory_offset:
            raise ArtefactError(f"{self.name} has entries that lie upon its directory.")

    def _local_header(self, info: zipfile.ZipInfo) -> tuple[int, tuple[int, int, int], bytes, int]:
        """Flags, check sum and sizes, name, and where the content begins."""
        after = info.header_offset + _LOCAL_HEADER.size
        magic, _, flags, method, _, _, *sizes, name_size, extra_size = _LOCAL_HEADER.unpack(
            self.raw(info.header_offset, after)
        )
        if magic != b"PK\x03\x04" or method != info.compress_type:
            raise ArtefactError(f"{self.name} says two different things about {info.filename[:80]!r}.")
        name = self.raw(after, after + name_size)
        return flags, (sizes[0], sizes[1], sizes[2]), name, after + name_size + extra_size

    def check_nothing_is_hidden(self) -> None:
        """The file is its entries and its directory, and nothing else: for signatures that cover only what entries
        hold. Between entries may lie data descriptors and zero bytes, in extra fields alignment.

        Raises :class:`ArtefactError`. The attack: code in front of the first entry (Android's bug 64211847), between
        two, in an extra field or a comment.
        """
        sentence = f"{self.name} has something between its entries that its signature does not cover"
        end = 0
        for info in sorted(self._zip.infolist(), key=lambda info: info.header_offset):
            gap = self.raw(end, info.header_offset)
            if any(gap) or len(gap) > _MAX_PADDING or (gap and not end):
                raise ArtefactError(f"{sentence}: before {info.filename[:80]!r}.")
            flags, _, name, start = self._local_header(info)
            extra = self.raw(info.header_offset + _LOCAL_HEADER.size + len(name), start)
            if info.comment or not (_is_alignment(extra) and _is_alignment(info.extra)):
                raise ArtefactError(f"{sentence}: a comment or an extra field of {info.filename[:80]!r}.")
            end = start + info.compress_size
            if flags & _DATA_DESCRIPTOR:
                end += self._descriptor_size(info, end)
        gap = self.raw(end, self.directory_offset)
        if any(gap) or len(gap) > _MAX_PADDING:
            raise ArtefactError(f"{sentence}: before its directory.")
        if self._zip.comment:
            raise ArtefactError(f"{sentence}: a comment at its end.")

    def _descriptor_size(self, info: zipfile.ZipInfo, position: int) -> int:
        descriptor = _DESCRIPTOR.pack(info.CRC, info.compress_size, info.file_size)
        for expected in (_DESCRIPTOR_MAGIC + descriptor, descriptor):
            if self.raw(position, position + len(expected)) == expected:
                return len(expected)
        return 0


def _is_alignment(extra: bytes) -> bool:
    """Whether an extra field only moves the content to where it should begin, or marks a JAR; zipalign writes zeros."""
    while any(extra):
        if len(extra) < _EXTRA.size:
            return False
        kind, size = _EXTRA.unpack_from(extra)
        value, extra = extra[_EXTRA.size : _EXTRA.size + size], extra[_EXTRA.size + size :]
        if len(value) != size or not ((kind == _ALIGNMENT and not any(value[2:])) or (kind == _JAR_MARK and not size)):
            return False
    return True


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open and check an archive. Raises :class:`ArtefactError`, ``OSError``."""
    with path.open("rb") as file:
        yield Archive(file, path.name)


def _find_end(file: IO[bytes], size: int, name: str) -> tuple[int, int]:
    """Offsets of the end record and of the central directory, which must lie right before it."""
    tail_offset = max(0, size - _END_RECORD.size - 0xFFFF)
    file.seek(tail_offset)
    tail = file.read()
    position = tail.rfind(_END_OF_DIRECTORY)
    while position >= 0:
        if len(tail) - position >= _END_RECORD.size:
            _, disk, directory_disk, here, entries, length, offset, comment = _END_RECORD.unpack_from(tail, position)
            if position + _END_RECORD.size + comment == len(tail):
                if disk or directory_disk or here != entries or 0xFFFFFFFF in (length, offset) or entries == 0xFFFF:
                    raise ArtefactError(f"{name} is a ZIP64 archive or one in several parts, which no store takes.")
                if offset + length != tail_offset + position:
                    raise ArtefactError(f"{name} has something between its directory and its end.")
                if length > MAX_DIRECTORY_BYTES:
                    raise ArtefactError(f"{name} has a directory of {length} bytes, which is too large.")
                return tail_offset + position, offset
        position = tail.rfind(_END_OF_DIRECTORY, 0, position)
    raise ArtefactError(f"{name} is not a ZIP archive, or only a part of one.")
