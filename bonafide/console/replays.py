"""Replays that the page asked for: each in a thread of its own, with its progress, until it is done or cancelled."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bonafide.console.messages import Refused
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import sentence_of
from bonafide.replay.apart import compare
from bonafide.replay.decisions import Part, bucket_of_stack, parts_of_bucket, parts_of_path

if TYPE_CHECKING:
    from attestation.appraisal.replay.tally import Tally


MAX_RUNNING: Final = 2
MAX_KEPT: Final = 16
SAMPLE: Final = 20

_ALONE: Final = 8 << 20
"""Bytes of decisions up to which one process is quicker than several."""


class _Cancelled(Exception):
    """The page does not want it any more."""


@dataclass(slots=True)
class Job:
    """One replay. ``done`` and ``total`` are bytes of recorded decisions; ``state`` is as the contract names it."""

    state: str = "running"
    done: int = 0
    total: int | None = None
    result: Mapping[str, Any] | None = None
    problem: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def to_record(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "result": self.result,
            "problem": self.problem,
        }


@dataclass(slots=True)
class Replays:
    """The replays of one console. ``decisions`` is the folder that a local stack records in."""

    deployment: Deployment
    decisions: Path
    clock: Callable[[], float] = time.time
    _jobs: dict[str, Job] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, *, app: str, appraisal: str, since: float) -> str:
        """Begin one over the decisions of ``app`` since then (Unix seconds); its id. Raises :class:`Refused`."""
        job = Job()
        with self._lock:
            if sum(job.state == "running" for job in self._jobs.values()) >= MAX_RUNNING:
                raise Refused(429, "console-busy", f"{MAX_RUNNING} replays are running: cancel one, or wait.")
            for old in [name for name, one in self._jobs.items() if one.state != "running"][: -MAX_KEPT or None]:
                del self._jobs[old]
            name = secrets.token_hex(8)
            self._jobs[name] = job
        threading.Thread(target=self._run, args=(job, app, appraisal, since), daemon=True, name="replay").start()
        return name

    def job(self, name: str) -> Job:
        """The replay of that id. Raises :class:`Refused`."""
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise Refused(404, "console-no-replay", "The console knows no such replay: it may have been restarted.")
        return job

    def cancel(self, name: str) -> None:
        """End it at its next look. Raises :class:`Refused`."""
        self.job(name).cancelled.set()

    def end(self) -> None:
        """Cancel all."""
        with self._lock:
            for job in self._jobs.values():
                job.cancelled.set()

    def _run(self, job: Job, app: str, appraisal: str, since: float) -> None:
        try:
            tally = self._replayed(job, app, appraisal, since)
            from bonafide.replay.report import summary

            result = summary(tally, None)
        except _Cancelled:
            job.problem, job.state = "The replay was cancelled.", "failed"
        except Exception as error:
            job.problem, job.state = _sentence(error), "failed"
        else:
            job.result, job.state = result, "done"

    def _replayed(self, job: Job, app: str, appraisal: str, since: float) -> Tally:
        from bonafide.replay.replaying import ReplayOrder, processes_for, replay  # loads Cedar

        now = self.clock()
        order = ReplayOrder(draft=appraisal, now=now, app=app, since=since, until=now, sample=SAMPLE)
        order.begin()  # a draft that is no policy is said before anything is listed
        parts = self._parts(order.since, order.until)
        job.total = sum(part.size for part in parts)

        def progress(done: int) -> None:
            job.done = min(done, job.total or done)
            if job.cancelled.is_set():
                raise _Cancelled

        progress(0)
        processes = 1 if job.total <= _ALONE else processes_for(None)
        tally = replay(order, parts, processes=processes, region=self.deployment.region, progress=progress).tally
        progress(job.total)
        return tally

    def apart(self, *, app: str, facts: Mapping[str, str], since: float) -> dict[str, Any]:
        """What recorded decisions tell of devices with these facts, beside all others. Raises :class:`Refused`."""
        try:
            parts = self._parts(since, self.clock())
            found = compare(parts, facts, app=app, since=since, s3=lambda: self.deployment.aws("s3"))
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            raise Refused(422, "console-no-replay", sentence) from error
        return found.to_record()

    def _parts(self, since: float | None, until: float | None) -> list[Part]:
        if self.deployment.is_local:
            return parts_of_path(self.decisions, since=since, until=until)
        s3, bucket = self.deployment.aws("s3"), bucket_of_stack(self.deployment)
        return parts_of_bucket(s3, bucket, since=since, until=until)


def _sentence(error: Exception) -> str:
    from attestation.appraisal.cedar.engine import PolicyInvalid

    if isinstance(error, PolicyInvalid):
        return f"The draft is no policy: {error}"
    return sentence_of(error) or f"The replay failed: {type(error).__name__}."
