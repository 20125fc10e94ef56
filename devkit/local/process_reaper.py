"""Ends process sessions; as a program, ends those of a parent that is gone.

Run by path with only the standard library (`python -I -S process_reaper.py`). Standard input names the sessions to
watch, one line each, `+leader` or `-leader`; its end, which the kernel brings about however the parent dies, is the
signal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

GRACE = 3.0  # seconds between SIGTERM and SIGKILL


def session_members(leaders: Collection[int]) -> set[int]:
    """Process ids that belong to the sessions of these leaders, the leaders themselves included.

    A session rather than a process group: the Lambda runtime emulator gives its runtime a group of its own.
    """
    proc = Path("/proc")
    if proc.joinpath("self").exists():
        pids = [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
    else:  # macOS
        listing = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=False)
        pids = [int(pid) for pid in listing.stdout.split()]
    members = set()
    for pid in pids:
        with suppress(OSError):
            if os.getsid(pid) in leaders and not _is_zombie(pid):
                members.add(pid)
    return members


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def end_sessions(leaders: Collection[int], grace: float = GRACE) -> None:
    """Ask every process of these sessions to end, then make it, `grace` seconds later."""
    if not leaders:
        return
    _signal(leaders, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while session_members(leaders) and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal(leaders, signal.SIGKILL)


def _signal(leaders: Collection[int], number: signal.Signals) -> None:
    for pid in session_members(leaders):
        with suppress(OSError):
            os.kill(pid, number)


def main() -> None:
    """Watch standard input; at its end, end the sessions that are still listed."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    leaders: set[int] = set()
    for line in sys.stdin:
        (leaders.add if line.startswith("+") else leaders.discard)(int(line[1:]))
    end_sessions(leaders)


if __name__ == "__main__":
    main()
