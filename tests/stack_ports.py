"""Ports of the tests' stacks: rows that no other test and no outgoing connection takes between choice and use."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path
from typing import BinaryIO

from bonafide.operator.layout import Ports, is_free

# Below what Linux gives outgoing connections (32768 and up), so that none of the suite's thousands lands on one.
_FIRST, _END, _STEP = 20_000, 32_700, 10
_locks: list[BinaryIO] = []


def own_ports(*, example: bool = True) -> Ports:
    """Free ports that are this process's until it ends, each time others; without those of the example on request."""
    folder = Path(tempfile.gettempdir()) / "bonafide-test-ports"
    folder.mkdir(exist_ok=True)
    for first in range(_FIRST, _END, _STEP):
        lock = (folder / str(first)).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if not all(is_free(port) for port in range(first, first + _STEP)):
            lock.close()
            continue
        _locks.append(lock)
        row = Ports.in_a_row(first)
        return row if example else Ports(row.verifier, row.guarded, row.aws, row.functions)
    raise AssertionError("no row of ten ports is free")
