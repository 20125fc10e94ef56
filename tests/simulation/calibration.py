"""``python -m tests.simulation.calibration``: the model beside a local stack, at loads of a throttle that was set.

    python -m tests.simulation.calibration [--rate 10] [--warm 60] [--seconds 120] [--loads 0.5 0.9 1.3]

A stack is started whose renewals are throttled, and so many phones are enrolled that they renew at 0.2, 0.5, 0.9 and
1.3 times that rate. They are real to it: keys, signatures and waits of their own. The model takes from the first load
how long a request takes, and nothing else; the other loads it has to predict. Exit code 1 where throughput or attempts
differ by more than a tenth (``--tolerance``: a short run has chance in it). Times are printed and not judged: they are
the laptop's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bonafide.operator.deployment import from_facts
from bonafide.operator.layout import Layout
from devkit.client_core.token_life import token_life
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.run import PATIENCE, make_scene, register_apps
from devkit.fleet.scenario import Scene
from devkit.simulation.latencies import Latencies
from devkit.simulation.models import model
from devkit.simulation.phones.clients import Floats
from devkit.simulation.region.limits import Throttle
from devkit.simulation.run import Model, Run, simulate
from devkit.simulation.scenarios import Scenario
from devkit.simulation.usage import DAY, Usage
from devkit.stack.stack import LocalStack
from tests.simulation.real_phones import Counted, RealPhone, RealPhones
from tests.stack_ports import own_ports

LIFE: Final = 60
"""Seconds that a token lives: the least that the template takes, so that a minute has more than one renewal of each."""
CALIBRATED_AT: Final = 0.2
STEP: Final = 0.1
"""Seconds of a step of the model. In one of a second, a bucket of so few requests would seem larger than it is."""
SEEDS: Final = (1, 2, 3)
_FOREVER: Final = 1e7
ALWAYS: Final = Usage(uses_a_day=0.999 * DAY / _FOREVER, use_seconds=_FOREVER, swing=0.0, ios=0.0, android=1.0)
"""Android phones that are in use all the time."""
_OPEN: Final = {"ChallengeRate": "1000", "ChallengeBurst": "2000", "EnrolmentRate": "1000", "EnrolmentBurst": "2000"}


class Figures(NamedTuple):
    """Of one load: tokens a second, the share of requests that were turned away, attempts for each token that was
    wanted, and seconds until a token was there."""

    tokens: float
    turned_away: float
    attempts: float
    p50: float
    p99: float


def measured(counted: Counted, seconds: float) -> Figures:
    """Those of real phones."""
    p50, p99 = np.quantile(counted.tokens, (0.5, 0.99)) if counted.tokens else (0.0, 0.0)
    return Figures(
        counted.passed / seconds,
        counted.turned_away / max(1, counted.passed + counted.turned_away),
        (counted.wanted + counted.turned_away) / max(1, counted.wanted),
        float(p50),
        float(p99),
    )


def predicted(phones: int, played: Model, requests: Sequence[float], *, warm: float, seconds: float) -> Figures:
    """Those of the model, for requests that take as long as ``requests`` did: the mean of a few populations."""
    scenario = Scenario(about="A throttle that was set.", seconds=seconds, warm=warm, step=STEP)
    renewals = replace(played.services["renewals"], seconds=float(np.median(requests)))
    calibrated = replace(played, services={**played.services, "renewals": renewals})
    runs = [simulate("", scenario, phones, calibrated, seed=seed, as_cohorts=False) for seed in SEEDS]
    several = [_figures(run, _drawn(run.recorder.renewals, requests), seconds) for run in runs]
    return Figures(*(float(np.mean(figures)) for figures in zip(*several, strict=True)))


def _figures(run: Run, taken: Floats, seconds: float) -> Figures:
    record = run.recorder
    return Figures(
        record.renewed / seconds,
        record.refusals / max(1.0, record.renewed + record.refusals),
        record.attempts,
        float(np.quantile(taken, 0.5)),
        float(np.quantile(taken, 0.99)),
    )


def _drawn(latencies: Latencies, requests: Sequence[float]) -> Floats:
    """The model's waits with each request's time drawn from those that were seen, instead of their median."""
    chance = np.random.default_rng(1)
    shares = np.linspace(0.0005, 0.9995, 1_000)
    waits = np.array([latencies.quantile(share) for share in shares]) - float(np.median(requests))
    drawn: Floats = np.maximum(0.0, np.repeat(waits, 20)) + chance.choice(np.array(requests), 20 * len(shares))
    return drawn


def throttled(rate: float) -> Model:
    """The model of a stack whose renewals have this throttle and a burst of twice as many."""
    played = model(Layout.of_this_project().template, usage=ALWAYS)
    throttles = {**played.limits.throttles, "renewals": Throttle(rate, 2 * rate)}
    return replace(played, limits=replace(played.limits, throttles=throttles), life=LIFE)


def phones_at(load: float, rate: float) -> int:
    """How many phones renew at ``load`` times ``rate``, were none turned away."""
    life = token_life({"token": "t", "expires_in": LIFE})
    return round(load * rate * (life.renew_from + life.renew_until) / 2)


def enrolled(scene: Scene, count: int) -> list[RealPhone]:
    """So many phones with keys of their own."""

    patient = replace(scene.client, patience=PATIENCE)

    def enrol(_number: int) -> RealPhone:
        installation = scene.android()
        session = patient.attest(installation)
        return RealPhone(installation, session.next_challenge, time.monotonic())

    with ThreadPoolExecutor(4) as several:
        return list(several.map(enrol, range(count)))


def loads_of_a_stack(
    rate: float, loads: Sequence[float], *, warm: float, seconds: float
) -> Iterator[tuple[float, int, Counted]]:
    """Each load on one stack, one after the other: the load, how many phones, and what was counted."""
    parameters = {
        **_OPEN,
        "RenewalRate": f"{rate:g}",
        "RenewalBurst": f"{2 * rate:g}",
        "TokenLifetimeSeconds": str(LIFE),
    }
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(root=Layout.of_this_project().root, run_folder=Path(folder))
        with LocalStack(layout=layout, ports=own_ports(), parameters=parameters) as stack:
            deployment = from_facts(stack.facts)
            register_apps(deployment)
            scene = make_scene(deployment, DeviceAuthority.load_or_create(layout.authority))
            phones = enrolled(scene, max(phones_at(load, rate) for load in loads))
            spread = token_life({"token": "t", "expires_in": LIFE}).renew_until
            for number, load in enumerate(loads):
                some = phones[: phones_at(load, rate)]
                run = RealPhones(replace(scene.client, patience=0.0), some, spread=spread, seed=number)
                yield load, len(some), run.run(warm=warm, seconds=seconds)


def main() -> int:
    """Print both, side by side."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.calibration")
    parser.add_argument("--rate", type=float, default=10.0, help="renewals a second that pass")
    parser.add_argument("--warm", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--loads", type=float, nargs="+", default=[0.5, 0.9, 1.3])
    parser.add_argument("--tolerance", type=float, default=0.1, help="of throughput and attempts, as a share")
    given = parser.parse_args()
    played, requests, wrong = throttled(given.rate), list[float](), 0
    heads = (f"{'load':>5} {'phones':>6}  {'':6}", f"{'tokens/s':>8} {'turned away':>11} {'attempts':>8}")
    print(*heads, f"{'p50 s':>7} {'p99 s':>7}")
    for load, phones, counted in loads_of_a_stack(
        given.rate, [CALIBRATED_AT, *given.loads], warm=given.warm, seconds=given.seconds
    ):
        seen = measured(counted, given.seconds)
        _print(f"{load:5.0%} {phones:6d}  stack ", seen)
        if counted.others:
            print(
                f"      answers that were neither tokens nor 429: {sorted(set(counted.others))}, {len(counted.others)}"
            )
            wrong += 1
        if not requests:
            requests = counted.requests
            print(
                f"{'':13} calibrated: a request takes {np.median(requests) * 1000:.0f} ms, the slowest hundredth "
                f"{np.quantile(requests, 0.99) * 1000:.0f} ms"
            )
            continue
        told = predicted(phones, played, requests, warm=given.warm, seconds=given.seconds)
        _print(f"{'':13} model ", told)
        wrong += (
            abs(told.tokens / seen.tokens - 1) > given.tolerance
            or abs(told.attempts / seen.attempts - 1) > given.tolerance
        )
    print("as predicted" if not wrong else f"{wrong} loads differ by more than {given.tolerance:.0%}")
    return 1 if wrong else 0


def _print(begin: str, one: Figures) -> None:
    print(
        f"{begin} {one.tokens:8.2f} {one.turned_away:11.1%} {one.attempts:8.2f} {one.p50:7.2f} {one.p99:7.1f}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
