"""Replays recorded decisions under a draft, side by side in processes, and merges what they count."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.pool import Pool
from typing import Any, Final

from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.replay.replay import Replay
from attestation.appraisal.replay.tally import Tally

from bonafide.replay.decisions import RANGE, Part, batches, read_part

KEPT: Final = 50_000
"""Answers of the draft that a process keeps, about 1 KiB each: a population has more states than one function meets."""
_PATIENCE: Final = 0.2  # seconds between two looks at the progress
_GZIP_RATIO: Final = 8  # how much smaller a part of the archive is than its lines


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """What to replay. ``draft`` is Cedar text; times are Unix seconds; ``now`` the moment as of which it is judged."""

    draft: str
    now: float
    app: str | None = None
    since: float | None = None
    until: float | None = None
    sample: int = 10

    def begin(self) -> Replay:
        """A replay with nothing in it. Raises :class:`~attestation.appraisal.cedar.engine.PolicyInvalid`."""
        return Replay(
            CedarPolicy.compile(self.draft, kept=KEPT),
            now=self.now,
            app=self.app,
            since=self.since,
            until=self.until,
            sample=self.sample,
        )


@dataclass(slots=True)
class Replayed:
    """A finished replay. ``peak_bytes`` is the most memory that any of its processes held."""

    tally: Tally
    peak_bytes: int = 0
    processes: int = 1
    part_peaks: dict[int, int] = field(default_factory=dict)
    """Peak memory by process id."""


def processes_for(wanted: int | None) -> int:
    """How many processes to use: as wanted, or one for each processor of this machine; up to 64."""
    return max(1, min(wanted or os.cpu_count() or 1, 64))


def replay(
    order: ReplayOrder,
    parts: Sequence[Part],
    *,
    processes: int = 1,
    region: str | None = None,
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Replayed:
    """Replay all parts. ``progress`` is called with the bytes read so far. With one process nothing is started."""
    compressed = any(part.end is None for part in parts)
    groups = batches(parts, RANGE // _GZIP_RATIO if compressed else RANGE)
    replayed = Replayed(order.begin().take_tally(), processes=min(processes, len(groups)) or 1)
    if replayed.processes == 1:
        done = 0

        def count(read: int) -> None:
            nonlocal done
            done += read
            progress(done)

        state = _State(order.begin(), region, count)
        for group in groups:
            state.run(group)
        replayed.tally.merge(state.replay.take_tally())
        _note(replayed, os.getpid(), peak_memory())
        return replayed
    # Spawned, not forked: Cedar's threads and boto3's connections do not survive a fork.
    context = multiprocessing.get_context("spawn")
    read = context.Value("q", 0)
    with context.Pool(replayed.processes, _start, (order, region, read)) as pool:
        _gather(pool, groups, replayed, lambda: progress(read.value))
    progress(sum(part.size for part in parts))
    return replayed


def peak_memory() -> int:
    """The most memory that this process held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _gather(pool: Pool, groups: Sequence[tuple[Part, ...]], replayed: Replayed, look: Callable[[], None]) -> None:
    results = pool.imap_unordered(_run, groups)
    for _ in groups:
        while True:
            try:
                tally, process, peak = results.next(_PATIENCE)
            except multiprocessing.TimeoutError:
                look()
            else:
                break
        replayed.tally.merge(tally)
        _note(replayed, process, peak)
        look()


def _note(replayed: Replayed, process: int, peak: int) -> None:
    replayed.part_peaks[process] = max(peak, replayed.part_peaks.get(process, 0))
    replayed.peak_bytes = max(replayed.peak_bytes, peak)


@dataclass(slots=True)
class _State:
    replay: Replay
    region: str | None
    progress: Callable[[int], None]

    def run(self, group: Sequence[Part]) -> None:
        client = cache(self._s3)
        for part in group:
            for line in read_part(part, client, self.progress):
                self.replay.read(line)

    def _s3(self) -> Any:
        import boto3  # slow to import, and local replays do without

        return boto3.client("s3", region_name=self.region)


_state: _State | None = None
"""Of a worker process: its policy is compiled once, and verdicts are remembered from one part to the next."""


def _start(order: ReplayOrder, region: str | None, read: Any) -> None:
    global _state

    def count(size: int) -> None:
        with read.get_lock():
            read.value += size

    _state = _State(order.begin(), region, count)


def _run(group: Sequence[Part]) -> tuple[Tally, int, int]:
    if _state is None:
        raise RuntimeError("the process was not set up")
    _state.run(group)
    return _state.replay.take_tally(), os.getpid(), peak_memory()
