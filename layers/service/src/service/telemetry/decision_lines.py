"""Lines of a file or object with decision records, plain or gzipped, whatever state it is in.

What cannot be read is told as ``None`` and counted by the replay: one truncated object must not keep a million
decisions from being judged. No line is held that is longer than any decision record can be.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from attestation.appraisal.replay.recorded_decision import MAX_LINE

_GZIP: Final = b"\x1f\x8b"
_READ_AHEAD: Final = 1 << 20


def decision_lines(stream: BinaryIO) -> Iterator[str | None]:
    """The lines of a whole file; ``None`` in place of each one that cannot be read."""
    buffered = io.BufferedReader(cast(io.RawIOBase, stream), _READ_AHEAD)
    if buffered.peek(2)[:2] != _GZIP:
        for line, _ in sized_lines(buffered):
            yield line
        return
    try:
        with gzip.GzipFile(fileobj=buffered) as content:
            for line, _ in sized_lines(cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, content), _READ_AHEAD))):
                yield line
    except (OSError, EOFError, zlib.error):
        yield None  # cut off, or no gzip after all; what came before counts


def sized_lines(stream: BinaryIO) -> Iterator[tuple[str | None, int]]:
    """Each line with the number of bytes that it took."""
    while data := stream.readline(MAX_LINE):
        taken = len(data)
        line: str | None
        try:
            line = data.decode("utf-8")
        except UnicodeDecodeError:
            line = None
        if taken == MAX_LINE and not data.endswith(b"\n"):
            line = None
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                taken += len(rest)
            taken += len(rest)
        yield line, taken
