"""Decisions sent through everything that counts, and what became of them compared with what was sent.

Lines of real tallies, in deliveries of random order; some come again, some were torn (the function died between two
rows) and come again, from several functions at once; over the stand-in for AWS.
"""

from __future__ import annotations

import io
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import boto3
from count_decisions import count_decisions
from service.aws_attempts import keep_deadline
from service.errors import Unavailable
from service.tallies.known_apps import KnownApps
from service.tallies.reader import DynamoDBTallies
from service.tallies.rows import OUTCOMES, Cell, TallyRow, Why
from service.tallies.table import TalliesTable

from bonafide.operator.local_account import client_arguments
from bonafide.operator.registration import Registration
from tests.service_stack.tally_lines import AT, delivery
from tests.service_stack.worlds import ministack_world
from tests.tallies.decisions import Processes, without_facts

STANDARD_ERROR = 0.0325


class Dying:
    """A client whose process ends at one of the next writes."""

    def __init__(self, client: Any, writes: int) -> None:
        self._client, self._left = client, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_item(self, **arguments: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Died
        return self._client.put_item(**arguments)


class Died(BaseException):
    """The process ended. No code of the function sees it coming."""


@dataclass(frozen=True, slots=True)
class Result:
    """What was found, of so many decisions, lines and deliveries; differences are to be none."""

    decisions: int
    lines: int
    deliveries: int
    repeated: int
    torn: int
    seconds: float
    totals: int
    reasons: int
    cells: int
    cells_compared: int
    beyond: int
    worst_error: float
    mean_error: float
    estimates: int

    @property
    def holds(self) -> bool:
        """Whether nothing differs, and estimates are as good as they are said to be."""
        differences = self.totals + self.reasons + self.cells + self.beyond
        return not differences and self.mean_error <= 1.2 * STANDARD_ERROR and self.worst_error <= 5 * STANDARD_ERROR

    def table(self) -> str:
        """For a person."""
        sizes = f"{self.lines:,} lines, {self.deliveries:,} deliveries: {self.repeated:,} repeated, {self.torn:,} torn"
        return "\n".join(
            (
                f"{self.decisions:,} decisions in {sizes}; {self.seconds:.0f} s",
                f"{'':44}differences",
                f"{'totals by source, outcome and bucket':44}{self.totals:>11,}",
                f"{'outcome and reason':44}{self.reasons:>11,}",
                f"{f'cells, {self.cells_compared:,} within their number':44}{self.cells:>11,}",
                f"{'cells beyond it that count too much':44}{self.beyond:>11,}",
                f"unique keys, {self.estimates:,} estimates: error {self.mean_error:.2%} (root mean square), "
                f"worst {self.worst_error:.2%}; stated {STANDARD_ERROR:.2%}",
            )
        )


def run(ministack_url: str, processes: Processes, *, functions: int = 4, seed: int = 1) -> Result:
    """Count everything, and compare."""
    world = ministack_world(ministack_url)
    world.register(Registration(app="demo", apple_app_ids=("TEAM123456.org.example.demo",)))
    began = time.monotonic()
    draw = random.Random(seed)
    lines = list(processes.lines())
    events = [delivery(some) for some in _batches(lines, draw)]
    again = draw.sample(range(len(events)), len(events) // 4)
    torn = set(draw.sample(range(len(events)), len(events) // 8))
    order, died = [*range(len(events)), *again], len(torn)
    draw.shuffle(order)
    _deliver(world.tables, str(world.endpoint_url), [events[place] for place in order], order, torn, functions)
    client: Any = world.dynamodb
    reader = DynamoDBTallies(client, world.tables["tallies"])
    seconds = time.monotonic() - began
    return _compared(reader, processes, len(lines), len(order), len(again), died, seconds)


def _batches(lines: Sequence[str], draw: random.Random) -> list[Sequence[str]]:
    batches, place = [], 0
    while place < len(lines):
        size = draw.randint(1, 4)
        batches.append(lines[place : place + size])
        place += size
    return batches


def _deliver(
    tables: Mapping[str, str], url: str, events: Sequence[object], order: Sequence[int], torn: set[int], functions: int
) -> None:
    lock, left = threading.Lock(), iter(list(zip(events, order, strict=True)))

    def function(number: int) -> None:
        client: Any = boto3.client("dynamodb", **client_arguments(url))
        keep_deadline(client)
        apps, draw = KnownApps(client, tables["apps"]), random.Random(number)
        while True:
            with lock:
                found = next(left, None)
                dies = found is not None and found[1] in torn
                if found is not None:
                    torn.discard(found[1])
            if found is None:
                return
            if dies:
                try:
                    _count(found[0], Dying(client, draw.randrange(4)), tables, apps)
                except (Died, Unavailable):
                    pass
            while True:
                try:
                    _count(found[0], client, tables, apps)
                    break
                except Unavailable:
                    continue

    # The metrics of each delivery stay out of the table that a person reads.
    with redirect_stdout(io.StringIO()), ThreadPoolExecutor(max_workers=functions) as pool:
        list(pool.map(function, range(functions)))


def _count(event: object, client: Any, tables: Mapping[str, str], apps: KnownApps) -> None:
    done = count_decisions(event, table=TalliesTable(client, tables["tallies"], 400), apps=apps, now=AT + 600.0)
    if done["Damaged"]:
        raise AssertionError("a line of ours is damaged")


def _compared(
    reader: DynamoDBTallies, processes: Processes, lines: int, deliveries: int, repeated: int, torn: int, seconds: float
) -> Result:
    totals = reasons = cells = compared = beyond = 0
    errors: list[float] = []
    for source in ("authorize", "enrol"):
        for step in (2, 60, 3600):
            window = {"step": step, "since": AT - 3_600, "until": AT + processes.seconds + 3_600}
            found: dict[int, TallyRow] = {row.at: row for row in reader.rows("demo", [source], **window)}
            wanted = _by_step(processes, source, step)
            for at in found.keys() | wanted.keys():
                sent, row = wanted.get(at, Counter[Cell]()), found.get(at) or TallyRow("demo", source, step, at)
                totals += _differences(_summed(sent, lambda cell: cell.outcome), Counter(row.by_outcome()))
                reasons += _differences(_summed(sent, lambda cell: Why(cell.outcome, cell.why)), Counter(row.by_why()))
                if source == "authorize":
                    compared += len(sent)
                    cells += _differences(sent, Counter(row.cells))
                beyond += sum(
                    times > sent[cell] for cell, times in row.cells.items() if not without_facts(source, cell)
                )
                if step == 2:
                    for outcome in OUTCOMES[source]:
                        keys = processes.sent.keys.get((source, at, outcome))
                        if keys:
                            errors.append(row.keys[outcome].estimate() / len(keys) - 1)
    return Result(
        decisions=sum(sent.total() for sent in processes.sent.cells.values()),
        lines=lines,
        deliveries=deliveries,
        repeated=repeated,
        torn=torn,
        seconds=seconds,
        totals=totals,
        reasons=reasons,
        cells=cells,
        cells_compared=compared,
        beyond=beyond,
        worst_error=max(map(abs, errors)),
        mean_error=math.sqrt(sum(error**2 for error in errors) / len(errors)),
        estimates=len(errors),
    )


def _by_step(processes: Processes, source: str, step: int) -> dict[int, Counter[Cell]]:
    found: dict[int, Counter[Cell]] = {}
    for (of, at), cells in processes.sent.cells.items():
        if of == source:
            found.setdefault(at - at % step, Counter()).update(cells)
    return found


def _summed(cells: Counter[Cell], name: Any) -> Counter[Any]:
    found = Counter[Any]()
    for cell, times in cells.items():
        found[name(cell)] += times
    return found


def _differences(wanted: Counter[Any], found: Counter[Any]) -> int:
    return sum(wanted[name] != found[name] for name in wanted.keys() | found.keys())
