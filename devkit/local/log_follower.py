"""Reads what is appended to a folder's logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

_READ: Final = 4 << 20


class LogFollower:
    """The logs of one folder, each from its beginning on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[Path, tuple[int, int]] = {}  # the file's number, and how far it is read

    def new_lines(self) -> Iterator[tuple[Path, list[bytes]]]:
        """The lines that were written to each log since the last time, whole ones only. A log that cannot be read is
        left out until it can."""
        for log in sorted(self._folder.glob("*.log")):
            try:
                lines = self._of(log)
            except OSError:
                continue
            if lines:
                yield log, lines

    def _of(self, log: Path) -> list[bytes]:
        found = log.stat()
        file_number, place = self._places.get(log, (found.st_ino, 0))
        if found.st_size < place or found.st_ino != file_number:
            place = 0  # a new log of the same name
        lines: list[bytes] = []
        with log.open("rb") as file:
            file.seek(place)
            while piece := file.read(_READ):
                whole = piece.rfind(b"\n") + 1
                if not whole and len(piece) < _READ:
                    break  # the end of a line that is still being written
                whole = whole or len(piece)  # no line of ours is as long
                lines += piece[:whole].splitlines(keepends=True)
                place += whole
                file.seek(place)
        self._places[log] = found.st_ino, place
        return lines
