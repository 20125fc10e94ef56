"""APKs of ours that have scheme v1 alone, with something put where that scheme does not look: each has one reason.

Scheme v1 covers what entries hold. The attack of 2017 put a DEX file in front of the first entry; there are other
places.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Final

import pytest

from .conftest import NotTaken, Read
from .minted_apk import OWNER, STRANGER, Apk, JarSignature
from .minted_archive import directory_offset

ALONE: Final = Apk(blocks={})
GENUINE: Final = ALONE.build()
EVIL: Final = b"dex\n035\0evil"
HIDDEN: Final = "something between its entries that its signature does not cover"


def _inserted(content: bytes, at: int, more: bytes) -> bytes:
    """``more`` put in before the directory, and every offset behind it moved."""
    start = directory_offset(content)
    directory = bytearray(content[start:-22])
    position = 0
    while position < len(directory):
        offset = int.from_bytes(directory[position + 42 : position + 46], "little")
        if offset >= at:
            directory[position + 42 : position + 46] = (offset + len(more)).to_bytes(4, "little")
        sizes = struct.unpack_from("<3H", directory, position + 28)
        position += 46 + sum(sizes)
    end = content[-22:-6] + (start + len(more)).to_bytes(4, "little") + content[-2:]
    return content[:at] + more + content[at:start] + bytes(directory) + end


def _second_entry(content: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return sorted(info.header_offset for info in archive.infolist())[1]


def _rewritten(content: bytes, change: Callable[[zipfile.ZipInfo], None], *, comment: bytes = b"") -> bytes:
    """The same entries by another tool, with ``change`` made to the first one's description."""
    memory = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(memory, "w") as target:
        for index, info in enumerate(source.infolist()):
            fresh = zipfile.ZipInfo(info.filename, info.date_time)
            fresh.compress_type = zipfile.ZIP_DEFLATED
            if index == 0:
                change(fresh)
            target.writestr(fresh, source.read(info))
        target.comment = comment
    return memory.getvalue()


def _extra(extra: bytes) -> Callable[[zipfile.ZipInfo], None]:
    return lambda info: setattr(info, "extra", extra)


def _behind_the_stream(content: bytes) -> bytes:
    """The first entry's deflated stream is followed by more, within the size that the archive says."""
    body = bytearray(content)
    name, extra = struct.unpack_from("<2H", body, 26)
    compressed = int.from_bytes(body[18:22], "little")
    start = directory_offset(content)
    grown = _inserted(content, 30 + name + extra + compressed, EVIL)
    body = bytearray(grown)
    for position in (18, start + len(EVIL) + 20):
        body[position : position + 4] = (compressed + len(EVIL)).to_bytes(4, "little")
    return bytes(body)


def _local_method(content: bytes) -> bytes:
    """The first entry is stored, says its local header alone."""
    return content[:8] + b"\0\0" + content[10:]


def _local_name(content: bytes) -> bytes:
    return content[:30] + b"B" + content[31:]


def _local_encrypted(content: bytes) -> bytes:
    return content[:6] + bytes([content[6] | 1]) + content[7:]


def _hidden_entry() -> bytes:
    """An entry that the directory does not know, as tools that walk from header to header would find it."""
    deflated = zlib.compress(EVIL)[2:-4]
    head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, zlib.crc32(EVIL), len(deflated), len(EVIL), 12, 0)
    return head + b"classes9.dex" + deflated


def _local_extra(content: bytes) -> bytes:
    """An extra field in the first entry's local header alone."""
    extra = struct.pack("<2H", 0x7777, len(EVIL)) + EVIL
    name_size = int.from_bytes(content[26:28], "little")
    grown = _inserted(content, 30 + name_size, extra)
    return grown[:28] + len(extra).to_bytes(2, "little") + grown[30:]


def _directory_extra(content: bytes) -> bytes:
    """An extra field in the directory's first entry alone."""
    extra = struct.pack("<2H", 0x7777, len(EVIL)) + EVIL
    start = directory_offset(content)
    name_end = start + 46 + int.from_bytes(content[start + 28 : start + 30], "little")
    grown = content[: start + 30] + len(extra).to_bytes(2, "little") + content[start + 32 : name_end] + extra
    size = int.from_bytes(content[-10:-6], "little") + len(extra)
    return grown + content[name_end:-10] + size.to_bytes(4, "little") + content[-6:]


class _Pipe(io.RawIOBase):
    """A pipe, into which entries are written with data descriptors."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.content += piece
        return len(piece)


def _piped(content: bytes) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            target.writestr(zipfile.ZipInfo(info.filename), source.read(info), zipfile.ZIP_DEFLATED)
    return bytes(pipe.content)


def _without_descriptor(content: bytes, instead: bytes) -> bytes:
    """The first data descriptor's 16 bytes replaced by as many."""
    position = content.index(b"PK\7\x08")
    return content[:position] + instead + content[position + 16 :]


PIPED: Final = _piped(GENUINE)
DESCRIPTOR: Final = PIPED[PIPED.index(b"PK\7\x08") :][:16]

POISONED = {
    "something in place of a data descriptor": (
        _without_descriptor(PIPED, (EVIL + EVIL)[:16]),
        f"{HIDDEN}: before 'classes.dex'",
    ),
    "data descriptor that says another size": (
        _without_descriptor(PIPED, DESCRIPTOR[:12] + b"evil"),
        f"{HIDDEN}: before 'classes.dex'",
    ),
    "extra field in a local header": (
        _local_extra(GENUINE),
        f"{HIDDEN}: a comment or an extra field of 'AndroidManifest.xml'",
    ),
    "extra field in the directory": (
        _directory_extra(GENUINE),
        f"{HIDDEN}: a comment or an extra field of 'AndroidManifest.xml'",
    ),
    "code in front of the first entry": (_inserted(GENUINE, 0, EVIL), f"{HIDDEN}: before 'AndroidManifest.xml'"),
    "zero bytes in front of the first entry": (_inserted(GENUINE, 0, bytes(8)), f"{HIDDEN}: before 'Android"),
    "code between two entries": (_inserted(GENUINE, _second_entry(GENUINE), EVIL), f"{HIDDEN}: before 'classes.dex'"),
    "entry that the directory does not know": (
        _inserted(GENUINE, _second_entry(GENUINE), _hidden_entry()),
        f"{HIDDEN}: before 'classes.dex'",
    ),
    "more zero bytes than alignment needs": (
        _inserted(GENUINE, _second_entry(GENUINE), bytes(70_000)),
        f"{HIDDEN}: before 'classes.dex'",
    ),
    "code before the directory": (
        _inserted(GENUINE, directory_offset(GENUINE), EVIL),
        f"{HIDDEN}: before its directory",
    ),
    "signing block whose magic is broken": (
        _inserted(GENUINE, directory_offset(GENUINE), struct.pack("<Q", 24) + b"APK Sig Block 43"),
        f"{HIDDEN}: before its directory",
    ),
    "comment at the end": (_rewritten(GENUINE, lambda _: None, comment=EVIL), f"{HIDDEN}: a comment at its end"),
    "comment of an entry": (
        _rewritten(GENUINE, lambda info: setattr(info, "comment", EVIL)),
        f"{HIDDEN}: a comment or an extra field of 'AndroidManifest.xml'",
    ),
    "extra field": (
        _rewritten(GENUINE, _extra(struct.pack("<2H", 0x7777, len(EVIL)) + EVIL)),
        f"{HIDDEN}: a comment or an extra field of 'AndroidManifest.xml'",
    ),
    "alignment that is none": (
        _rewritten(GENUINE, _extra(struct.pack("<3H", 0xD935, 2 + len(EVIL), 4) + EVIL)),
        f"{HIDDEN}: a comment or an extra field of 'AndroidManifest.xml'",
    ),
    "code behind a deflated stream": (_behind_the_stream(GENUINE), "AndroidManifest.xml in app.apk is broken"),
    "method that differs in the local header": (
        _local_method(GENUINE),
        "says two different things about 'AndroidManifest.xml'",
    ),
    "name that differs in the local header": (
        _local_name(GENUINE),
        "says two different things about 'AndroidManifest.xml'",
    ),
    "flag that differs in the local header": (
        _local_encrypted(GENUINE),
        "says two different things about 'AndroidManifest.xml'",
    ),
    # META-INF, which nothing covers.
    "second signature": (
        ALONE.with_(v1_beside=(JarSignature(identity=STRANGER, name="META-INF/EVIL.SF"),)).build(),
        f"is signed by {STRANGER.digest}, which is not registered for demo",
    ),
    "second signature in small letters": (
        ALONE.with_(v1_beside=(JarSignature(identity=STRANGER, name="META-INF/evil.sf"),)).build(),
        f"is signed by {STRANGER.digest}, which is not registered for demo",
    ),
    "second signature in a folder": (
        ALONE.with_(v1_beside=(JarSignature(identity=STRANGER, name="META-INF/deep/EVIL.SF"),)).build(),
        "has a signature in an odd place: META-INF/deep/EVIL.",
    ),
    "second signature of the same name but for case": (
        ALONE.with_(v1_beside=(JarSignature(identity=STRANGER, name="META-INF/cert.sf"),)).build(),
        "has two entries under META-INF/ whose names differ in case alone",
    ),
    "second manifest but for case": (
        ALONE.with_(
            after_signing=lambda files: {**files, "META-INF/manifest.mf": files["META-INF/MANIFEST.MF"]}
        ).build(),
        "has two entries under META-INF/ whose names differ in case alone",
    ),
    "signature of nothing": (
        ALONE.with_(after_signing=lambda files: {**files, "META-INF/EVIL.RSA": b"x"}).build(),
        "has a signature of nothing: META-INF/EVIL.RSA",
    ),
}


@pytest.mark.parametrize("name", POISONED)
def test_poisoned_file_is_not_taken(not_taken: NotTaken, name: str) -> None:
    """The app is registered from the genuine file; the other one registers neither a signer nor a build."""
    poisoned, reason = POISONED[name]
    assert reason in not_taken(poisoned, genuine=GENUINE)


def test_file_that_nothing_covers_is_named(read: Read) -> None:
    """Old tools leave files under META-INF/ out of the manifest; no device checks them, so the operator is told."""
    assert "No signature covers these files of it: META-INF/services/x." in read(GENUINE).remarks


@pytest.mark.parametrize(
    "content",
    [
        GENUINE,
        _rewritten(GENUINE, lambda _: None),
        _rewritten(GENUINE, _extra(struct.pack("<3H", 0xD935, 4, 4) + bytes(2))),
        _rewritten(GENUINE, _extra(struct.pack("<2H", 0xCAFE, 0))),
        _inserted(GENUINE, _second_entry(GENUINE), bytes(3)),
    ],
)
def test_alignment_and_marks_of_tools_are_read(read: Read, content: bytes) -> None:
    """What zipalign and jar write is no payload."""
    assert read(content).signing_digests == (OWNER.digest,)


@pytest.mark.parametrize(
    "content",
    [
        PIPED,
        # Without its magic number, as some tools write it; then alignment.
        _without_descriptor(PIPED, DESCRIPTOR[4:] + bytes(4)),
    ],
)
def test_data_descriptors_are_read(read: Read, content: bytes) -> None:
    """Tools that write without seeking put check sum and sizes behind the content."""
    assert read(content).signing_digests == (OWNER.digest,)
