"""One scenario, played: phones and stacks step by step, and what was counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from bonafide_tokens.gate.bundle_keeper import REFRESH_BESIDE_AFTER
from bonafide_tokens.pacing.paced import Paced
from service.policies.app_states import REMEMBERED

from devkit.simulation.phones.clients import Floats, life_of
from devkit.simulation.phones.cohorts import Cohorts
from devkit.simulation.phones.events import MOST, Events
from devkit.simulation.phones.fetches import PolicyFetches
from devkit.simulation.phones.recorder import Recorder
from devkit.simulation.region import gates
from devkit.simulation.region.limits import Limits
from devkit.simulation.region.pacing import PacedEnrolments
from devkit.simulation.region.service_times import Service
from devkit.simulation.region.stack import Stack
from devkit.simulation.scenarios import HOUR, Scenario
from devkit.simulation.usage import DAY, Usage

LOST_INSTALL: Final = HOUR
_POINTS: Final = 600
_INSTALLS_DECAY: Final = HOUR / 3.0


class Population(Protocol):
    """Phones of a region, as events or as cohorts."""

    recorder: Recorder
    elsewhere: bool
    told: float

    def step(self, installs: float = 0.0, knowing: float = 1.0) -> None:
        """One step."""

    def publish(self) -> None:
        """Every token of this moment is an older one."""

    @property
    def in_use(self) -> float:
        """Phones in use."""

    @property
    def waiting(self) -> float:
        """Of them, those that wait for their next attempt."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is simulated, apart from what happens.

    ``life`` is seconds that a token lives, ``renew_after`` what answers say of renewals; ``pace`` is enrolments a
    second that are admitted, 0 for any; ``remembered`` how long busy processes go by the rows of an app; ``paced`` is
    the grace of a publication, and ``at_once`` the share of honest phones that its predicates name all the same.
    """

    limits: Limits
    services: Mapping[str, Service]
    usage: Usage
    life: int = 300
    renew_after: int | None = None
    pace: float = 0.0
    remembered: float = REMEMBERED
    paced: Paced | None = None
    at_once: float = 0.0
    writes_before: float | None = None


@dataclass
class Run:
    """What came of it. ``rows`` are a curve, by column."""

    scenario: str
    phones: int
    method: str
    seconds: float
    stacks: tuple[Stack, ...]
    recorder: Recorder
    rows: list[dict[str, float]] = field(default_factory=list)
    refused_keys: Floats = field(default_factory=lambda: np.zeros(0))
    gate_processes: float = 0.0
    peaks: dict[str, float] = field(default_factory=dict)

    def routes(self) -> dict[str, float]:
        """Requests in all, by route."""
        names = {name for stack in self.stacks for name in stack.offered}
        return {name: sum(stack.offered[name] for stack in self.stacks) for name in sorted(names)}

    def refused(self) -> dict[str, float]:
        """Requests that were turned away, by what did it."""
        names = {name for stack in self.stacks for name, used in stack.used.items() if used.refused > 0.5}
        return {name: sum(stack.used[name].refused for stack in self.stacks) for name in names}


def simulate(
    name: str,
    scenario: Scenario,
    phones: int,
    model: Model,
    *,
    seed: int = 1,
    as_cohorts: bool | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> Run:
    """Play ``scenario`` with ``phones``. ``progress`` hears from 0 to 1. Up to :data:`MOST` phones are events."""
    if as_cohorts is None:
        as_cohorts = phones > MOST
    play = _Play(scenario, phones, model, seed, as_cohorts)
    run = Run(name, phones, "cohorts" if as_cohorts else "events", scenario.seconds, play.stacks, play.recorder)
    for number in range(play.steps):
        play.step(number, run)
        if number % 64 == 0:
            progress(number / play.steps)
    play.finish(run)
    progress(1.0)
    return run


class _Play:
    def __init__(self, scenario: Scenario, phones: int, model: Model, seed: int, as_cohorts: bool) -> None:
        self.scenario, self.model = scenario, model
        self.step_seconds = scenario.step
        self.warm = int(scenario.warm / scenario.step)
        self.steps = self.warm + int(scenario.seconds / scenario.step)
        self.chance = np.random.default_rng(seed)
        self.recorder = Recorder()
        life = life_of(model.life, model.renew_after)
        each = phones / scenario.regions
        before = model.writes_before
        if before is None:
            before = busiest_renewals(each, model.usage, life.renew_from) * model.services["renewals"].write_units / 2
        self.stacks = tuple(
            Stack(
                model.limits,
                model.services,
                before,
                PacedEnrolments(model.pace) if model.pace else None,
                model.remembered,
            )
            for _ in range(scenario.regions)
        )
        start = scenario.start - scenario.warm
        self.start = start
        self.install_total = scenario.installs * phones
        self.populations: list[Population]
        if as_cohorts:
            cohorts = [
                Cohorts(each, model.usage, life, scenario.step, self.steps, start, stack, self.recorder)
                for stack in self.stacks
            ]
            if len(cohorts) > 1:
                cohorts[0].adopting = cohorts[1]
            self.populations = list(cohorts)
        else:
            room = int(1.1 * self.install_total / len(self.stacks)) + 10
            events = [
                Events(int(each), model.usage, life, scenario.step, start, stack, self.recorder, seed + place, room)
                for place, stack in enumerate(self.stacks)
            ]
            if len(events) > 1:
                events[0].adopting = self.stacks[1]
            self.populations = list(events)
        self.fetches = PolicyFetches(scenario.step, self.steps)
        self.passing = 1.0
        self.knowing: Floats | None = None
        self.refusals: Floats | None = None
        self.condemned = 0.0
        self.wrong_used = self.wrong_resting = 0.0
        self.row: dict[str, float] = {}
        self.row_before: dict[str, float] = {}
        self.row_steps = max(1, (self.steps - self.warm) // _POINTS)

    def step(self, number: int, run: Run) -> None:
        """One step of everything."""
        at, seconds = (number - self.warm) * self.step_seconds, self.step_seconds
        if number == self.warm:
            self.recorder.is_on = True
            for stack in self.stacks:
                stack.is_measured = True
        for place, stack in enumerate(self.stacks):
            stack.condition = self.scenario.condition(at) if place == 0 else stack.condition
            if place == 0 and at >= 0:
                stack.strangers = {route: rate * seconds for route, rate in self.scenario.strangers(at).items()}
            stack.begin(self.start + number * seconds, seconds)
        self._publication(at, run)
        adopted = self.scenario.adopted_at
        self.populations[0].elsewhere = adopted is not None and at >= adopted
        used = sum(population.in_use for population in self.populations)
        self._bundles(used, run)
        installs = self._installs(at) / len(self.populations)
        for population in self.populations:
            population.step(installs, self._share_knowing(at))
        self.fetches.step(sum(population.told for population in self.populations), self.stacks[-1])
        self._clocks(at, used)
        for stack in self.stacks:
            stack.end()
        if number >= self.warm:
            self._note(number - self.warm, at, used, run)

    def finish(self, run: Run) -> None:
        """What is known at the end."""
        record = self.recorder
        late = record.enrolments.above(LOST_INSTALL)
        old_enough = self._installed_until(self.scenario.seconds - LOST_INSTALL)
        record.lost_installs = late + max(0.0, old_enough - record.enrolled)
        if self.scenario.publishes_at is not None:
            run.refused_keys = self._knowing_gates(20_000, run)

    def _knowing_gates(self, count: int, run: Run) -> Floats:
        """Seconds from the publication until each of ``count`` processes knows, sorted."""
        rate = max(1.0, run.peaks.get("guarded", 1.0)) / max(1.0, run.gate_processes)
        return np.sort(gates.delays(count, max(0.02, self.passing), rate, self.chance, self.model.remembered))

    def _publication(self, at: float, run: Run) -> None:
        when = self.scenario.publishes_at
        if when is None:
            return
        if self.knowing is None and at >= when:
            for population in self.populations:
                population.publish()
            self.knowing = self._knowing_gates(10_000, run)
            grace = 0.0 if self.model.paced is None else float(self.model.paced.seconds)
            self.refusals = gates.refusals(gates.judge(self.model.paced, gates.honest_token()), grace)
        if self.refusals is not None:
            paced = float(np.searchsorted(self.refusals, at - when, side="right")) / len(self.refusals)
            condemned = self.model.at_once + (1.0 - self.model.at_once) * paced
            for population in self.populations:
                if isinstance(population, Cohorts):
                    rest = 1.0 - self.condemned
                    population.condemn((condemned - self.condemned) / rest if rest > 1e-12 else 0.0)
                elif isinstance(population, Events) and condemned > self.condemned:
                    population.condemn_until(condemned)
            self.condemned = condemned

    def _share_knowing(self, at: float) -> float:
        when = self.scenario.publishes_at
        if self.knowing is None or when is None:
            return 0.0
        return float(np.searchsorted(self.knowing, at - when, side="right")) / len(self.knowing)

    def _bundles(self, used: float, run: Run) -> None:
        """Authorizers fetch the trust bundle, each process for itself, from the first region that answers."""
        rate = used / self.model.usage.call_every
        busy = rate * self.model.services["guarded"].seconds
        processes = max(1.0, math.ceil(busy + 3.0 * math.sqrt(busy)))
        polls = min(processes, rate) / REFRESH_BESIDE_AFTER * self.step_seconds
        served = self.stacks[-1].serve("bundles", polls)
        self.passing = 0.9 * self.passing + 0.1 * (served.passed / polls if polls > 0 else 1.0)
        if self.recorder.is_on:
            run.gate_processes = max(run.gate_processes, processes)
            run.peaks["guarded"] = max(run.peaks.get("guarded", 0.0), rate)

    def _installed_until(self, at: float) -> float:
        whole = 1.0 - math.exp(-HOUR / _INSTALLS_DECAY)
        return self.install_total * (1.0 - math.exp(-min(max(at, 0.0), HOUR) / _INSTALLS_DECAY)) / whole

    def _installs(self, at: float) -> float:
        return self._installed_until(at + self.step_seconds) - self._installed_until(at)

    def _clocks(self, at: float, used: float) -> None:
        """Phones with a wrong clock: the gate refuses the first proof, and its answer sets the offset right."""
        when, usage = self.scenario.clocks_at, self.model.usage
        if when is None:
            return
        phones = sum(p.phones for p in self.populations if isinstance(p, Cohorts | Events))
        if when <= at < when + 60.0:
            set_now = self.scenario.clocks * self.step_seconds / 60.0
            self.wrong_used += set_now * used
            self.wrong_resting += set_now * (phones - used)
        ended = self.wrong_used * (1.0 - math.exp(-self.step_seconds / usage.use_seconds))
        woken = self.wrong_resting * (1.0 - math.exp(-self.step_seconds * usage.wakes_a_second(at + self.start)))
        told = self.wrong_used * (1.0 - math.exp(-self.step_seconds / usage.call_every))
        self.wrong_used += woken - ended - told
        self.wrong_resting += ended - woken
        if self.recorder.is_on:
            self.recorder.sent_back += told

    def _note(self, number: int, at: float, used: float, run: Run) -> None:
        """A point of the curve for each few steps; what is a rate is their mean."""
        row, record = self.row, self.recorder
        now = {
            **{f"{route}_offered": total for route, total in run.routes().items()},
            "refused": sum(run.refused().values()),
            "calls": record.calls,
            "failed_calls": record.failed_calls,
            "sent_back": record.sent_back,
            "renewed": record.renewed,
            "enrolled": record.enrolled,
            "refusals": record.refusals,
        }
        for name, total in now.items():
            rate = (total - row.get(name, 0.0)) / self.step_seconds
            run.peaks[name] = max(run.peaks.get(name, 0.0), rate)
        self.row = now
        concurrency = sum(stack.concurrency for stack in self.stacks)
        run.peaks["concurrency"] = max(run.peaks.get("concurrency", 0.0), concurrency)
        if (number + 1) % self.row_steps == 0:
            span = self.row_steps * self.step_seconds
            rates = {name: (total - self.row_before.get(name, 0.0)) / span for name, total in now.items()}
            waiting = sum(population.waiting for population in self.populations)
            run.rows.append(
                {"seconds": at + self.step_seconds, "in_use": used, "waiting": waiting, "concurrency": concurrency}
                | rates
            )
            self.row_before = now


def busiest_renewals(phones: float, usage: Usage, every: float) -> float:
    """Renewals a second in the busiest hour of an ordinary day, about."""
    at = usage.busiest_hour * HOUR
    return phones * (usage.in_use(at) / every + usage.uses_a_day / DAY * (1.0 + usage.swing))
