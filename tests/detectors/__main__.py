"""``python -m tests.detectors``: what the population's detectors find among 10,000 phones, and whom they name falsely.

    python -m tests.detectors [--seeds N] [--first SEED] [--phones N] [--svg FILE] [SCENARIO ...]

The thresholds were frozen before seeds from 1001 on were looked at; seeds below 1000 were for tuning. The whole run, 20
seeds, takes about half an hour of one processor. Exit code 1 where a goal for farms is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.detection.detector import PopulationDetector
from service.detection.population.attestation_broker import AttestationBroker
from service.detection.population.clone_storm import CloneStorm
from service.detection.population.key_farm import LEAST, KeyFarm
from service.detection.population.leaked_keybox import LeakedKeybox
from service.detection.population.replay_storm import ReplayStorm

from tests.detectors.curve import Scored, area, curve, drawing
from tests.detectors.intervals import resampled, resampled_share, wilson
from tests.detectors.judging import Outcome, judged

FIRST = 1_001
NAMING: dict[str, Callable[[], PopulationDetector]] = {
    "farm": KeyFarm,
    "keybox": LeakedKeybox,
    "ios-broker": AttestationBroker,
    "broker-slow": AttestationBroker,
    "broker-moving": AttestationBroker,
    "broker-careful": AttestationBroker,
    "clones": CloneStorm,
    "replays": ReplayStorm,
}
"""Which detector is to name which scenario."""
AT_ONCE = ("farm", "clones", "replays")
"""What is to be named within a minute; of the others, decisions are shown every two minutes."""
ENROLMENTS = ("farm", "keybox")
"""Told by enrolments alone: of renewals, which cost most of the time, a tenth are enough."""
RHYTHM = ("broker-careful", "broker-moving")
"""Brokers that are told by rhythm and place alone, nearly: they relay in half a second."""


@dataclass(slots=True)
class Summary:
    """What became of a scenario in all runs. ``found`` and ``false`` are (keys, of) of each run, ``delays`` seconds."""

    found: list[tuple[int, int]] = field(default_factory=list)
    false: list[tuple[int, int]] = field(default_factory=list)
    delays: list[list[float]] = field(default_factory=list)
    opened: list[list[float]] = field(default_factory=list)

    def add(self, scenario: str, outcome: Outcome) -> None:
        names = outcome.warned if scenario == "keybox" else outcome.named
        self.found.append((len(names.keys() & outcome.hostile.keys()), len(outcome.hostile)))
        self.false.append((len(names.keys() & outcome.genuine.keys()), len(outcome.genuine)))
        self.delays.append(_delays(scenario, outcome, names))
        first = min((at for at, _ in outcome.incidents.values()), default=None)
        self.opened.append([] if first is None else [first - outcome.first_hostile])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; 0 if farms are found as they should be."""
    given = _arguments(arguments)
    print(f"{given.phones} phones, seeds {given.first} to {given.first + given.seeds - 1}\n")
    print(f"{'':16}{'hostile keys named':>32}{'genuine keys named':>34}   {'delay, median [95 %]':30}")
    good, curves = True, {}
    for name in given.scenarios:
        began, summary, scored = time.process_time(), Summary(), Scored()
        keys: tuple[list[str], list[str]] = [], []
        for seed in range(given.first, given.first + given.seeds):
            detectors = [NAMING[name](), *([scored] if name in RHYTHM else [])]
            outcome = judged(
                name,
                seed,
                detectors,
                phones=given.phones,
                delivery=10 if name in AT_ONCE else 120,
                use=0.1 if name in ENROLMENTS else 1.0,
            )
            summary.add(name, outcome)
            keys[0].extend(outcome.hostile)
            keys[1].extend(outcome.genuine)
        _show(name, summary, time.process_time() - began)
        if name in RHYTHM:
            curves[name] = curve(scored.scores, *keys)
            print(f"{'':16}area under the ROC curve {area(scored.scores, *keys):.3f}; found at the false share of")
            print(
                "".join(f"{'':16}{100 * share:6.2f} %  {100 * found:5.1f} %\n" for share, found in curves[name]), end=""
            )
        good &= name != "farm" or _farms_are_found(summary)
        sys.stdout.flush()
    if given.svg and curves:
        given.svg.write_text(drawing(curves), "utf-8")
    return 0 if good else 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.detectors")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--phones", type=int, default=10_000)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=list(NAMING))
    return parser.parse_args(arguments)


def _delays(scenario: str, outcome: Outcome, names: dict[str, float]) -> list[float]:
    """Seconds until a key is named: after the fifth enrolment under its certificate for farms, else after its first
    sighting."""
    if scenario != "farm":
        return [at - outcome.hostile[key] for key, at in names.items() if key in outcome.hostile]
    fifth: dict[str, float] = {}
    counts: dict[str, int] = {}
    for key, at in sorted(outcome.hostile.items(), key=lambda item: item[1]):
        issuer = outcome.issuers[key]
        counts[issuer] = counts.get(issuer, 0) + 1
        if counts[issuer] == LEAST:
            fifth[issuer] = at
    opened: dict[str, float] = {}
    for key, at in names.items():
        if key in outcome.hostile:
            issuer = outcome.issuers[key]
            opened[issuer] = min(at, opened.get(issuer, at))
    return [opened[issuer] - fifth[issuer] for issuer in opened]


def _farms_are_found(summary: Summary) -> bool:
    found, hostile = map(sum, zip(*summary.found, strict=True))
    false, genuine = map(sum, zip(*summary.false, strict=True))
    return found >= 0.95 * hostile and false <= 0.001 * genuine


def _show(name: str, summary: Summary, seconds: float) -> None:
    shares = []
    for runs in (summary.found, summary.false):
        hits, of = map(sum, zip(*runs, strict=True))
        low, high = resampled_share(runs) if hits and hits < of else wilson(hits, of)
        shares.append(f"{hits}/{of} {100 * hits / max(of, 1):.2f} % [{100 * low:.2f}, {100 * high:.2f}]")
    delay = "{:.0f} s [{:.0f}, {:.0f}]".format(*resampled(summary.delays))
    print(f"{name:16}{shares[0]:>32}{shares[1]:>34}   {delay:24}", end="")
    opened = [value for run in summary.opened for value in run]
    named = f"{len(opened)} of {len(summary.opened)}"
    print(
        f"incident in {named}, {resampled(summary.opened)[0]:.0f} s after the first act   ({seconds:.0f} s)", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
