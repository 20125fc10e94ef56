"""Archives: what is refused before anything is read from them, each with one sentence."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from bonafide.artefacts.archive import Archive, open_archive
from bonafide.artefacts.artefact import ArtefactError

from .minted_archive import directory_offset, zipped

GENUINE = {"a.txt": b"a" * 1_000, "folder/b.txt": b"b"}


def _open(content: bytes) -> Archive:
    return Archive(io.BytesIO(content), "app.apk")


def _sentence(content: bytes, *, read: str | None = None) -> str:
    with pytest.raises(ArtefactError) as refused:
        _open(content).sha256(read or "")
    return str(refused.value)


def _directory(content: bytes, change: Callable[[bytearray], None]) -> bytes:
    """``content`` with a change to the first entry of its central directory."""
    offset = directory_offset(content)
    changed = bytearray(content)
    entry = changed[offset:-22]
    change(entry)
    changed[offset:-22] = entry
    return bytes(changed)


def _put(position: int, value: bytes) -> Callable[[bytearray], None]:
    def put(entry: bytearray) -> None:
        entry[position : position + len(value)] = value

    return put


def _end(content: bytes, position: int, value: bytes) -> bytes:
    end = len(content) - 22
    return content[: end + position] + value + content[end + position + len(value) :]


def test_plain_archive_is_read(tmp_path: Path) -> None:
    """The default that every case below changes in one place."""
    path = tmp_path / "app.apk"
    path.write_bytes(zipped({**GENUINE, "empty/": b""}))
    with open_archive(path) as archive:
        assert archive.names == ("a.txt", "folder/b.txt")
        assert archive.read("folder/b.txt", limit=1) == b"b"
        assert (archive.head("a.txt", 3), "a.txt" in archive, "c.txt" in archive) == (b"aaa", True, False)


PLAIN = zipped(GENUINE)
STORED = zipped(GENUINE, deflate=False)


def _twice() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zipped([("a.txt", b"1"), ("a.txt", b"2")])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a ZIP archive"),
        (b"PK\x05\x06", "is not a ZIP archive"),
        (PLAIN[:-1], "is not a ZIP archive"),
        (PLAIN + b"x", "is not a ZIP archive"),
        (b"x" + PLAIN, "something between its directory and its end"),
        (PLAIN[: directory_offset(PLAIN)] + PLAIN[-22:], "something between its directory and its end"),
        (zipped({}), "has 0 entries"),
        (_end(PLAIN, 4, b"\1\0"), "ZIP64 archive or one in several parts"),
        (_end(PLAIN, 8, b"\1\0"), "ZIP64 archive or one in several parts"),
        (_end(PLAIN, 8, b"\xff\xff\xff\xff"), "ZIP64 archive or one in several parts"),
        (_end(PLAIN, 16, b"\xff\xff\xff\xff"), "ZIP64 archive or one in several parts"),
        (_twice(), "two entries of the same name"),
        (_directory(PLAIN, _put(0, b"PKxx")), "is a broken archive"),
        (_directory(PLAIN, _put(8, b"\1\0")), "an encrypted entry"),
        (_directory(PLAIN, _put(10, b"\x0c\0")), "neither stored nor deflated"),
        (_directory(PLAIN, _put(10, b"\0\0")), "of an impossible size"),
        (_directory(PLAIN, _put(24, b"\xff\xff\xff\x7f")), "of an impossible size"),
        (_directory(PLAIN, _put(24, b"\0\0\1\0")), "of an impossible size"),
        (_directory(PLAIN, _put(24, b"\xe9\3\0\0")), "says two different things about 'a.txt'"),
        (_directory(PLAIN, _put(16, b"\0\0\0\0")), "says two different things about 'a.txt'"),
        (_directory(PLAIN, _put(42, b"\1\0\0\0")), "says two different things about 'a.txt'"),
        (_directory(STORED, _put(24, b"\xe9\3\0\0")), "of an impossible size"),
    ],
)
def test_odd_archive_is_refused(content: bytes, sentence: str) -> None:
    """Where two readers could differ, or one could be made to work for ever."""
    assert sentence in _sentence(content)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "folder/../../evil",
        "/etc/passwd",
        "a//b",
        "./a",
        "a\\b",
        "a\nb",
        "a\x1b[31m",
        "..",
        "x" * 513,
    ],
)
def test_name_that_is_no_plain_path_is_refused(name: str) -> None:
    """Nothing is ever unpacked; such names still have no business in a built app."""
    assert "whose name is not a plain path" in _sentence(zipped([(name, b"x"), ("b", b"y")]))


def test_name_with_a_zero_byte_is_refused() -> None:
    """Readers in C stop there, others do not."""
    content = zipped({"a.txtXb": b"x"}).replace(b"a.txtXb", b"a.txt\0b")
    assert "whose name is not a plain path" in _sentence(content)


def test_entries_upon_each_other_are_refused() -> None:
    """The bomb of few bytes: a thousand names for one and the same compressed megabyte."""
    content = zipped({"a": b"x" * 500_000, "b": b"x" * 500_000})
    offset = directory_offset(content)
    second = content.index(b"PK\x01\x02", offset + 4)
    overlapping = content[: second + 42] + b"\0\0\0\0" + content[second + 46 :]
    assert "lie upon each other" in _sentence(overlapping)
    same = bytearray(overlapping)
    same[same.index(b"PK\x01\x02", offset + 4) + 46] = ord("a")
    assert "two entries of the same name" in _sentence(bytes(same))


def test_entry_into_the_directory_is_refused() -> None:
    """Data that goes on where the directory is."""
    content = zipped({"a": b"0123456789"}, deflate=False)
    size = struct.pack("<2L", 30, 30)
    changed = content.replace(struct.pack("<2L", 10, 10), size)
    assert "lie upon its directory" in _sentence(changed)


def test_content_that_does_not_match_its_check_sum_is_refused() -> None:
    """Found when it is read."""
    content = STORED.replace(b"aaaa", b"aaab", 1)
    assert _sentence(content, read="a.txt") == "a.txt in app.apk is broken."


def test_deflate_stream_that_is_none_is_refused() -> None:
    """Found when it is read."""
    start = PLAIN.index(b"a.txt") + 5
    assert "a.txt in app.apk" in _sentence(PLAIN[:start] + b"\xff" * 8 + PLAIN[start + 8 :], read="a.txt")


def test_stream_without_end_is_refused() -> None:
    """All of the content is there, and the stream could go on: readers differ in what they make of it."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    endless = stream.compress(b"x" * 100) + stream.flush(zlib.Z_SYNC_FLUSH)
    whole = zipped({"a": b"x" * 100})
    name_end = 31
    start = directory_offset(whole)
    assert start - name_end < len(endless)
    size = len(endless).to_bytes(4, "little")
    head = whole[:18] + size + whole[22:name_end]
    directory = whole[start : start + 20] + size + whole[start + 24 : -6]
    content = head + endless + directory + (name_end + len(endless)).to_bytes(4, "little") + whole[-2:]
    assert _sentence(content, read="a") == "a in app.apk is broken."


def test_stream_longer_than_it_says_is_refused() -> None:
    """The directory's size bounds what is unpacked."""
    content = zipped({"a": b"x" * 5_000_000})
    small = content.replace(struct.pack("<L", 5_000_000), struct.pack("<L", 5))
    assert _sentence(small, read="a") == "a in app.apk is broken."


def test_bomb_is_digested_in_bounded_memory() -> None:
    """Two hundred megabytes of zeros, block by block."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as entry:
        for _ in range(200):
            entry.write(bytes(1 << 20))
    opened = _open(memory.getvalue())
    tracemalloc.start()
    opened.sha256("zeros")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_small_file_that_is_large_is_refused() -> None:
    """Manifests and profiles have limits of their own."""
    archive = _open(PLAIN)
    with pytest.raises(ArtefactError, match=r"a\.txt in app\.apk is larger than 999 bytes"):
        archive.read("a.txt", limit=999)


def test_entry_that_is_absent_is_one_sentence() -> None:
    """Asked for by name."""
    with pytest.raises(ArtefactError, match=r"app\.apk has no c\.txt"):
        _open(PLAIN).read("c.txt", limit=10)


def test_file_larger_than_any_store_takes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of it is read."""
    monkeypatch.setattr("bonafide.artefacts.archive.MAX_FILE_BYTES", 100)
    assert "is larger than" in _sentence(PLAIN)


def test_total_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many entries, each within its limit."""
    monkeypatch.setattr("bonafide.artefacts.archive.MAX_TOTAL_BYTES", 1_000)
    assert "would unpack to more than" in _sentence(PLAIN)


def test_size_of_the_directory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read whole."""
    monkeypatch.setattr("bonafide.artefacts.archive.MAX_DIRECTORY_BYTES", 50)
    assert "has a directory of" in _sentence(PLAIN)


def test_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of millions would cost memory before anything is read."""
    monkeypatch.setattr("bonafide.artefacts.archive.MAX_ENTRIES", 1)
    assert "has 2 entries: from 1 to 1 are taken" in _sentence(PLAIN)
