"""A draft replayed over generated decisions: how long, how much memory, and whether remembering verdicts changes any.

``python -m tests.benchmarks.bench_replay`` replays 1,000,000 decisions with two processes, as the issue asks; a number
as argument, or in BONAFIDE_BENCH_DECISIONS, replays fewer. The records are written first, as gzipped files like those
of Firehose, and that time is shown apart.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.cedar.releases import Release
from attestation.appraisal.facts import Facts
from attestation.appraisal.replay.recorded_decision import read_decisions
from attestation.appraisal.replay.replay import Replay
from attestation.appraisal.replay.tally import Change
from attestation.appraisal.result import Finding

from bonafide.replay.decisions import parts_of_path
from bonafide.replay.replaying import KEPT, ReplayOrder, peak_memory, replay
from tests.benchmarks.extent import budget
from tests.benchmarks.recorded_population import START, RecordedPopulation

DECISIONS = 1_000_000
PROCESSES = 2
BUDGET = 60
FILES = 64
SAMPLE = 1000
NOW = START + 8 * 86_400

DRAFT_CHANGES = """
// What the draft changes: a threat becomes a reason, an old system too, and one build is watched.
@id("screen-captured")
forbid (principal, action, resource) when { context.signals has "screen-capture" };

@id("android-patch-level-ancient")
@advice("update-os")
forbid (principal is Android, action, resource)
when { principal has patch_age_months && principal.patch_age_months > 30 };

@id("build-4110")
@mode("observe")
forbid (principal, action, resource) when { context has app_build && context.app_build == "4110" };
"""


def draft() -> str:
    """The default policy and three rules more."""
    return default_policy().text + DRAFT_CHANGES


def write_records(folder: Path, decisions: int, *, files: int, share: tuple[int, int] = (0, 1)) -> None:
    """Write every ``share[1]``-th of ``files`` gzipped files, from ``share[0]`` on."""
    population = RecordedPopulation()
    for number in range(share[0], files, share[1]):
        first, last = (decisions * edge // files for edge in (number, number + 1))
        with gzip.open(folder / f"part-{number:04d}.jsonl.gz", "wt", compresslevel=1, encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in population.lines(first, last, decisions))


class OneByOne:
    """A policy that remembers nothing: every decision is evaluated."""

    def __init__(self, policy: CedarPolicy) -> None:
        self._policy = policy

    def judge(self, facts: Facts, *, now: float | None) -> tuple[Finding, ...]:
        self._policy.forget()
        return self._policy.judge(facts, now=now)

    def releases(self, facts: Facts, secrets: Sequence[str], *, now: float | None) -> tuple[Release, ...]:
        return self._policy.releases(facts, secrets, now=now)


def compare(folder: Path, sample: int) -> tuple[int, int]:
    """Judge ``sample`` decisions, drawn from all files, with and without remembering: how many, how many differ."""
    chance = random.Random(6)
    files = sorted(folder.iterdir())
    remembering = Replay(CedarPolicy.compile(draft()), now=NOW)
    plain = Replay(OneByOne(CedarPolicy.compile(draft())), now=NOW)
    judged = differing = 0
    while judged < sample:
        with gzip.open(chance.choice(files), "rt", encoding="utf-8") as file:
            drawn = chance.sample(file.readlines(), k=max(1, sample // len(files) + 1))
        for line in drawn[: sample - judged]:
            for decision in read_decisions(line):
                judged += 1
                differing += remembering.add(decision) != plain.add(decision)
    return judged, differing


def remembered(folder: Path, *, files: int) -> tuple[int, int]:
    """How many decisions of the first files one process judges, and for how many of them it asks Cedar."""
    policy = CedarPolicy.compile(draft(), kept=KEPT)
    replaying, evaluated = Replay(policy, now=NOW), 0
    for path in sorted(folder.iterdir())[:files]:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                before = len(policy._judged)
                replaying.read(line)
                evaluated += len(policy._judged) != before
    return replaying.tally.replayed.decisions, evaluated


def one_by_one(folder: Path, sample: int) -> tuple[float, float]:
    """Microseconds of processor time per decision without remembering: the whole, and the evaluation alone."""
    policy = OneByOne(CedarPolicy.compile(draft()))
    plain = Replay(policy, now=NOW)
    with gzip.open(min(folder.iterdir()), "rt", encoding="utf-8") as file:
        lines = [line for line, _ in zip(file, range(sample), strict=False)]
    for line in lines[:200]:
        plain.read(line)
    begin = time.process_time()
    for line in lines:
        plain.read(line)
    whole = (time.process_time() - begin) / len(lines) * 1e6
    facts = [decision.facts for line in lines for decision in read_decisions(line) if decision.facts is not None]
    begin = time.process_time()
    for each in facts:
        policy.judge(each, now=NOW)
    return whole, (time.process_time() - begin) / len(facts) * 1e6


def main() -> int:
    """Write, replay, compare, print. Non-zero when a remembered verdict differs."""
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ.get("BONAFIDE_BENCH_DECISIONS", DECISIONS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.monotonic()
        writers = [
            multiprocessing.get_context("spawn").Process(
                target=write_records, args=(folder, decisions), kwargs={"files": FILES, "share": (number, PROCESSES)}
            )
            for number in range(PROCESSES)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(
            f"written         {decisions:>10,} decisions, {size >> 20} MiB gzipped, in {time.monotonic() - begin:.1f} s"
        )
        _replay(folder, decisions)
        judged, evaluated = remembered(folder, files=4)
        print(f"remembered      {1 - evaluated / judged:>10.1%} of the first {judged:,} verdicts of one process")
        judged, differing = compare(folder, SAMPLE)
        print(f"sample          {judged:>10,} judged again one by one, without memory: {differing} differ")
        whole, alone = one_by_one(folder, SAMPLE)
        print(f"without memory  {whole:>10.0f} µs a decision, {alone:.0f} of them the policy: ", end="")
        print(f"{whole * DECISIONS / PROCESSES / 1e6:.0f} s for {DECISIONS:,} on {PROCESSES} cores")
    return 1 if differing else 0


def _replay(folder: Path, decisions: int) -> None:
    order = ReplayOrder(draft=draft(), now=NOW)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent, begin = children.ru_utime + children.ru_stime, time.monotonic()
    done = replay(order, parts_of_path(folder, since=None, until=None), processes=PROCESSES)
    seconds = time.monotonic() - begin
    tally = done.tally
    scaled = seconds * DECISIONS / decisions
    print(f"replayed        {tally.read:>10,} decisions in {seconds:.1f} s with {done.processes} processes", end="")
    print(f", {tally.read / seconds:,.0f} a second; {DECISIONS:,} in {scaled:.0f} s, ", end="")
    print(budget(f"budget {BUDGET} s", scaled, BUDGET))
    # The machine may be shared: processor time is what the work itself took, waiting for others left out.
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = times.ru_utime + times.ru_stime - spent
    print(f"processor time  {busy:>10.1f} s in all: {busy / PROCESSES * DECISIONS / decisions:.0f} s of two idle cores")
    peaks = ", ".join(f"{peak >> 20} MiB" for peak in sorted(done.part_peaks.values()))
    print(f"peak memory     {peaks} in the processes, {peak_memory() >> 20} MiB in the one that merges")
    counts = {change.value: tally.changes[change] for change in Change}
    for name, count in counts.items():
        print(f"{name:<15} {count.decisions:>10,} decisions of {count.keys.count():,} keys")
    print(f"not replayable  {sum(tally.not_replayable.values()):>10,} {json.dumps(tally.not_replayable)}")


if __name__ == "__main__":
    sys.exit(main())
