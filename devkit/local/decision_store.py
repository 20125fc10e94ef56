"""The local stack's store of decisions: what CloudWatch, Firehose and S3 are for a deployed one.

Functions append to their logs; this follows the logs and appends each decision of enrol, renew and signal to a file for
its UTC day. It reads what was written up to half a second ago, and the rest when the stack stops; a stack that is
killed loses that half second. The store outlives the stack. It is bounded: old days go first.
"""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attestation.appraisal.replay.recorded_decision import ACTIONS, MAX_LINE

from devkit.local.log_follower import LogFollower

KEPT_DAYS: Final = 30
KEPT_BYTES: Final = 512 << 20

_EVERY: Final = 0.5  # seconds


class DecisionStore:
    """A folder with one file of decisions for each UTC day, fed from a folder of logs. Start it once, stop it once."""

    def __init__(self, logs: Path, folder: Path, *, days: int = KEPT_DAYS, size: int = KEPT_BYTES) -> None:
        self._logs = LogFollower(logs)
        self._folder = folder
        self._days = days
        self._size = size
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Follow the logs from their beginning on, beside everything else."""
        self._thread.start()

    def stop(self) -> None:
        """Read the rest; returns when it is stored."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
            self.follow()

    def follow(self) -> None:
        """Store what was logged since the last time. What cannot be read or written is left out: a full disk must not
        stop the stack."""
        found: dict[str, list[bytes]] = defaultdict(list)
        for _, lines in self._logs.new_lines():
            for line in lines:
                day = _day_of(line)
                if day is not None:
                    found[day].append(line)
        if not found:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for day, lines in found.items():
                file = self._folder / f"{day}.jsonl"
                if not file.exists() or file.stat().st_size < self._size:
                    _append(file, b"".join(lines))
            self._forget()
        except OSError:
            return

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY):
            self.follow()

    def _forget(self) -> None:
        """Remove the oldest days; the newest stays, and grows no more when it alone is too large."""
        days = sorted(self._folder.glob("*.jsonl"), reverse=True)
        held = 0
        for number, file in enumerate(days):
            held += file.stat().st_size
            if number and (number >= self._days or held > self._size):
                file.unlink()


def _day_of(line: bytes) -> str | None:
    """The day of a decision; ``None`` for any other line."""
    if b'"decision"' not in line or len(line) > MAX_LINE:
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("message") != "decision" or record.get("action") not in ACTIONS:
        return None
    try:
        return f"{datetime.fromtimestamp(record['at'], UTC):%Y-%m-%d}"
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _append(file: Path, lines: bytes) -> None:
    """In one write at the file's end, so that a reader, or a second stack, never meets half a line."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, lines)
    finally:
        os.close(descriptor)
