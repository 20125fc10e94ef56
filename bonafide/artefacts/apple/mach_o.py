"""Mach-O, as far as a build's baseline needs it: the code of the 64-bit ARM slice, and where its signature lies.

The App Store encrypts an app's executable pages (FairPlay) and signs them anew, so a file's digest changes on the way
to the device. The code itself does not: section ``__text`` in memory is what the developer built, on every device.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bonafide.artefacts.artefact import ArtefactError

_THIN: Final = 0xFEEDFACF
_FAT: Final = 0xCAFEBABE
_ARM64: Final = 0x0100000C
_SEGMENT: Final = 0x19
_CODE_SIGNATURE: Final = 0x1D
_ENCRYPTION: Final = 0x2C
_MAX_SLICES: Final = 16
_MAX_COMMANDS: Final = 4096
_MAX_SECTIONS: Final = 256

_FAT_ENTRY: Final = struct.Struct(">5L")
_HEADER: Final = struct.Struct("<7L4x")
_COMMAND: Final = struct.Struct("<2L")
_SEGMENT_COMMAND: Final = struct.Struct("<2L16s4Q4L")
_SECTION: Final = struct.Struct("<16s16s2Q8L")
_RANGE: Final = struct.Struct("<2L2L")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The 64-bit ARM slice of a Mach-O file. ``signed`` is all that a signature covers; ``signature`` is empty where
    there is none; ``code_digest`` (hex) is ``None`` for encrypted code, whose digest on the device would be another."""

    signed: bytes
    code_digest: str | None
    signature: bytes


def is_mach_o(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (4 bytes) is Mach-O of a kind that iOS runs."""
    return head in (_THIN.to_bytes(4, "little"), _FAT.to_bytes(4, "big"))


def read_slice(data: bytes, name: str) -> Slice:
    """The 64-bit ARM slice of ``data``; ``name`` is for the sentence. Raises :class:`ArtefactError`."""
    try:
        return _read(_arm64(data))
    except (struct.error, _BrokenError) as error:
        raise ArtefactError(f"{name} is no executable for iOS that can be read.") from error


class _BrokenError(Exception):
    pass


def _arm64(data: bytes) -> bytes:
    if data[:4] != _FAT.to_bytes(4, "big"):
        return data
    count = int.from_bytes(data[4:8], "big")
    if count > _MAX_SLICES:
        raise _BrokenError
    entries = [_FAT_ENTRY.unpack_from(data, 8 + index * _FAT_ENTRY.size) for index in range(count)]
    found = [(offset, size) for kind, _, offset, size, _ in entries if kind == _ARM64]
    if len(found) != 1:  # of two, which one runs depends on the device
        raise _BrokenError
    return _within(data, *found[0])


def _read(data: bytes) -> Slice:
    magic, kind, _, _, count, commands_size, _ = _HEADER.unpack_from(data)
    if magic != _THIN or kind != _ARM64 or count > _MAX_COMMANDS:
        raise _BrokenError
    position, end = _HEADER.size, _HEADER.size + commands_size
    code: bytes | None = None
    signed, signature, encrypted = data, b"", False
    for _ in range(count):
        command, size = _COMMAND.unpack_from(data, position)
        if size < _COMMAND.size or position + size > min(end, len(data)):
            raise _BrokenError
        if command == _SEGMENT:
            code = _text_section(data[position : position + size], data) or code
        elif command == _CODE_SIGNATURE:
            _, _, offset, length = _RANGE.unpack_from(data, position)
            # One signature, at the end: nothing covers what would follow it.
            if signature or offset + length != len(data):
                raise _BrokenError
            signed, signature = data[:offset], data[offset:]
        elif command == _ENCRYPTION:
            encrypted = encrypted or int.from_bytes(data[position + 16 : position + 20], "little") != 0
        position += size
    digest = None if encrypted or code is None else sha256(code).hexdigest()
    return Slice(signed=signed, code_digest=digest, signature=signature)


def _text_section(command: bytes, data: bytes) -> bytes | None:
    _, _, segment, *_, count, _ = _SEGMENT_COMMAND.unpack_from(command)
    if segment.rstrip(b"\0") != b"__TEXT":
        return None
    if count > _MAX_SECTIONS:
        raise _BrokenError
    for index in range(count):
        section, _, _, size, offset, *_ = _SECTION.unpack_from(command, _SEGMENT_COMMAND.size + index * _SECTION.size)
        if section.rstrip(b"\0") == b"__text":
            return _within(data, offset, size)
    return None


def _within(data: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(data):
        raise _BrokenError
    return data[offset : offset + size]
