"""Carries out a schedule of faults on a site, and writes down which calls in flight each one touched.

A fault that touched nothing is no fault: it does not count.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bonafide.operator.layout import LocalStackError
from devkit.chaos.calls import Call, commits_of
from devkit.chaos.histories import History, Struck
from devkit.chaos.schedule import Fault, Kind
from devkit.chaos.site import Site
from devkit.chaos.wire import Plan

_LOOK: Final = 0.02
_GRACE: Final = 0.5
"""Seconds for which calls still count that began just before a fault was over."""
_MET_ON_WIRES: Final = {
    Kind.THROTTLE: "aws",
    Kind.LATENCY: "aws",
    Kind.TORN_CALL: "aws",
    Kind.KILL_WORKER: "aws",
    Kind.TORN_ANSWER: "verifier",
    Kind.VENDOR: "vendors",
    Kind.BUNDLE: "bundle",
}
_WHILE_IT_STANDS: Final = frozenset({Kind.VENDOR, Kind.BUNDLE})
"""Kinds that meet every call in their time, not only so many."""


@dataclass(slots=True)
class _Armed:
    """A fault that waits for its calls."""

    fault: Fault
    left: int
    touched: list[str] = field(default_factory=list)

    def meets(self, call: Call) -> bool:
        """Whether it is for this call."""
        kind, target = self.fault.kind, self.fault.target
        if _MET_ON_WIRES[kind] != call.wire or (self.left <= 0 and kind not in _WHILE_IT_STANDS):
            return False
        match kind:
            case Kind.THROTTLE:
                return call.service == target and call.pid > 0
            case Kind.LATENCY:
                return call.pid > 0
            case Kind.TORN_CALL | Kind.KILL_WORKER:
                return call.writes and call.pid > 0 and target in ("", call.function)
            case Kind.TORN_ANSWER:
                return call.name.startswith(("POST /v1/tokens", "POST /v1/attestations", "POST /admin/", "PUT /admin/"))
            case _:
                return True


class Breaker:
    """The meddler of a site's wires. ``add`` the site once it is made; then :meth:`run` the schedule."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._site: Site | None = None
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()
        self._everything = threading.Lock()
        """Held by what stops a whole part of the stack: one at a time, or nothing would be left to break."""

    def add(self, site: Site) -> None:
        """The site that is broken."""
        self._site = site

    @property
    def site(self) -> Site:
        """The site that is broken."""
        if self._site is None:
            raise RuntimeError("the breaker has no site")
        return self._site

    def begins(self, call: Call) -> Plan:
        """See :class:`~devkit.chaos.wire.Meddler`."""
        plan = Plan()
        with self._lock:
            met = next((armed for armed in self._armed if armed.meets(call)), None)
            if met is None:
                return plan
            met.left -= 1
            fault = met.fault
            met.touched.append(str(call))
        match fault.kind:
            case Kind.THROTTLE:
                plan.throttled = True
            case Kind.LATENCY if fault.early:
                plan.wait_before = fault.amount
            case Kind.LATENCY:
                plan.wait_after = fault.amount
            case Kind.TORN_CALL | Kind.TORN_ANSWER:
                plan.torn, plan.half = True, fault.half
            case Kind.KILL_WORKER if fault.early:
                plan.refused = True
                self._kill(call)
            case Kind.KILL_WORKER:
                plan.torn = plan.kill = True
            case _:
                plan.refused = True
        return plan

    def carried_out(self, call: Call, plan: Plan, status: int) -> None:
        """See :class:`~devkit.chaos.wire.Meddler`."""
        if status in (0, 200):
            commits = commits_of(
                call, self.site.wires["aws"].tables, at=time.time(), site=self.site.name, sure=status > 0
            )
            self._history.commits.extend(commits)
        if plan.kill:
            self._kill(call)

    def _kill(self, call: Call) -> None:
        if self.site.card_of(call.pid) is not None:  # one of ours, and no other process that took its number
            with suppress(OSError):
                os.kill(call.pid, signal.SIGKILL)

    def run(self, faults: Iterable[Fault], began: float, over: threading.Event) -> None:
        """Carry out ``faults``, each at its time after ``began`` (monotonic), until ``over`` is set; returns when the
        last one has ended."""
        threads = []
        for fault in faults:
            if over.wait(max(0.0, began + fault.at - time.monotonic())):
                break
            thread = threading.Thread(target=self._strike, args=(fault,), daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join(60)

    def _strike(self, fault: Fault) -> None:
        began, touched, skipped = time.time(), list[str](), ""
        by_kind: dict[Kind, Callable[[Fault, list[str]], None]] = {
            Kind.KILL_GATEWAY: self._kill_gateway,
            Kind.STOP_AWS: self._stop_aws,
            Kind.DISK: self._fill_disk,
            Kind.CLOCK: self._shift_clock,
        }
        try:
            by_kind.get(fault.kind, self._on_wires)(fault, touched)
        except (OSError, LocalStackError, ValueError, AttributeError) as error:
            skipped = f"{type(error).__name__}: {error}"
        struck = Struck(
            number=fault.number,
            kind=fault.kind.value,
            target=fault.target,
            began=began,
            ended=time.time(),
            amount=fault.amount,
            touched=tuple(touched),
            skipped=skipped,
        )
        with self._lock:
            self._history.struck.append(struck)

    def _on_wires(self, fault: Fault, touched: list[str]) -> None:
        armed = _Armed(fault, fault.calls, touched)
        with self._lock:
            self._armed.append(armed)
        left = fault.seconds
        while left > 0 and (armed.left > 0 or fault.kind in _WHILE_IT_STANDS):
            time.sleep(_LOOK)
            if not self._everything.locked():  # while all stands still there is nothing to meet
                left -= _LOOK
        with self._lock:
            self._armed.remove(armed)

    def _kill_gateway(self, _fault: Fault, touched: list[str]) -> None:
        wires = (self.site.wires["verifier"], self.site.wires["guarded"])
        with self._everything:
            self._wait_for(lambda: any(wire.in_flight() for wire in wires))
            touched += [str(call) for wire in wires for call in wire.in_flight()]
            self.site.stack.kill_gateway()
            self.site.stack.start_gateway()

    def _stop_aws(self, fault: Fault, touched: list[str]) -> None:
        wire = self.site.wires["aws"]
        with self._everything:
            self._wait_for(lambda: any(call.pid for call in wire.in_flight()))
            if fault.early:
                self.site.stack.freeze_aws(True)
                try:
                    touched += [str(call) for call in wire.in_flight() if call.pid]
                    time.sleep(fault.seconds)
                finally:
                    self.site.stack.freeze_aws(False)
            else:
                touched += [str(call) for call in wire.in_flight() if call.pid]
                self.site.stack.end_aws()
                time.sleep(fault.seconds / 2)
                self.site.stack.start_aws()

    def _fill_disk(self, fault: Fault, touched: list[str]) -> None:
        """Let the log of the busiest workers grow no more. RLIMIT_FSIZE stands for a full disk: the kernel refuses what
        goes beyond, after half a line if need be."""
        self._wait_until_all_runs()
        workers = self.site.workers()
        busy = sorted(workers, key=lambda card: card.begun, reverse=True)[:3]
        before = {card.pid: card.unwritten for card in busy}
        limited = []
        for card in busy:
            size = self.site.log_of(card.name).stat().st_size
            with suppress(ProcessLookupError):
                resource.prlimit(card.pid, resource.RLIMIT_FSIZE, (size + fault.calls * 7, resource.RLIM_INFINITY))
                limited.append(card)
        try:
            time.sleep(fault.seconds)
        finally:
            for card in limited:
                with suppress(ProcessLookupError):
                    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                    resource.prlimit(card.pid, resource.RLIMIT_FSIZE, unlimited)
        touched += [
            f"{card.unwritten - before[card.pid]} writes of {card.name}.{card.pid}"
            for card in limited
            if card.unwritten > before[card.pid]
        ]

    def _shift_clock(self, fault: Fault, touched: list[str]) -> None:
        """Move the clocks of a function's workers, those that start meanwhile left alone."""
        self._wait_until_all_runs()
        shifted = self.site.workers(fault.target)
        before = {card.pid: card.shifted for card in shifted}
        for card in shifted:
            card.offset = fault.amount
        try:
            time.sleep(fault.seconds)
        finally:
            for card in shifted:
                card.offset = 0.0
        time.sleep(_GRACE)
        for card in shifted:
            if card.shifted > before[card.pid]:
                read = card.shifted - before[card.pid]
                touched.append(f"{read} looks at the clock in calls of {card.name}.{card.pid}, {fault.amount:+g} s")

    def _wait_until_all_runs(self) -> None:
        with self._everything:
            pass

    def _wait_for(self, seen: Callable[[], bool]) -> None:
        ends = time.monotonic() + 2.0
        while not seen() and time.monotonic() < ends:
            time.sleep(0.002)
