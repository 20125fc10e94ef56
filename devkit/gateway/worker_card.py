"""A worker's card: a small file in shared memory by which a test bed sees a worker at work, moves its clock, and counts
what it could not write.

The worker makes it (:func:`install`) and counts its calls there; the test bed opens it by the worker's process id, also
when the worker was killed: what a process wrote into shared memory before it died, stays. Standard library only, since
workers see nothing else of this project.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CLOCK = struct.Struct("d")
_NUMBER = struct.Struct("Q")
_OFFSET, _BEGUN, _ENDED, _SHIFTED, _UNWRITTEN, _SIZE = 0, 8, 16, 24, 32, 40


class WorkerCard:
    """One worker's card. ``name`` is the function's, ``pid`` the worker's process."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        self.name, _, pid = path.name.rpartition(".")
        self.pid = int(pid)
        with path.open("w+b" if new else "r+b") as file:
            if new:
                file.write(bytes(_SIZE))
                file.flush()
            self._memory = mmap.mmap(file.fileno(), _SIZE)

    @property
    def offset(self) -> float:
        """Seconds by which the worker's clock is ahead."""
        return float(_CLOCK.unpack_from(self._memory, _OFFSET)[0])

    @offset.setter
    def offset(self, seconds: float) -> None:
        _CLOCK.pack_into(self._memory, _OFFSET, seconds)

    @property
    def begun(self) -> int:
        """Calls that the worker took up."""
        return self._read(_BEGUN)

    @property
    def at_work(self) -> bool:
        """Whether the worker has a call in its hands, or died with one."""
        return self._read(_BEGUN) > self._read(_ENDED)

    @property
    def shifted(self) -> int:
        """How often the clock was read, during calls, while it was wrong."""
        return self._read(_SHIFTED)

    @property
    def unwritten(self) -> int:
        """Writes of calls that failed."""
        return self._read(_UNWRITTEN)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around each call of the worker."""
        self.note(_BEGUN)
        try:
            yield
        finally:
            self.note(_ENDED)

    def note(self, where: int) -> None:
        """Count one more."""
        _NUMBER.pack_into(self._memory, where, self._read(where) + 1)

    def time(self) -> float:
        """The worker's clock (Unix seconds)."""
        offset = self.offset
        if offset and self.at_work:
            self.note(_SHIFTED)
        return _REAL_TIME() + offset

    def time_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.time() * 1e9)

    def write(self, text: str) -> int:
        """Write to standard error as a file that may be full: half of a text can arrive, as on a disk."""
        data = text.encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(2, data) :]
        except OSError:
            if self.at_work:
                self.note(_UNWRITTEN)
            raise
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def _read(self, where: int) -> int:
        return int(_NUMBER.unpack_from(self._memory, where)[0])


_REAL_TIME = time.time


def install(folder: str) -> WorkerCard:
    """Give this process a card in ``folder``, its clock, its output, and its name in what the AWS SDK sends. To be
    called before anything of the function is imported: ``from time import time`` keeps what it got."""
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function")
    card = WorkerCard(Path(folder) / f"{name}.{os.getpid()}", new=True)
    os.environ["AWS_SDK_UA_APP_ID"] = f"{name}.{os.getpid()}"[:50]
    clock: Any = time
    clock.time, clock.time_ns = card.time, card.time_ns
    output: Any = card
    sys.stdout = output
    return card


def cards(folder: Path, wanted: Callable[[str, int], bool] = lambda _name, _pid: True) -> list[WorkerCard]:
    """The cards of all workers that ever ran with ``folder``, the dead ones too; of those that are ``wanted`` by their
    function's name and process id."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name, _, pid = path.name.rpartition(".")
        try:
            if wanted(name, int(pid)):
                found.append(WorkerCard(path))
        except (OSError, ValueError):  # being made at this moment
            continue
    return found
