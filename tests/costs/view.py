"""Measures what counting takes: bytes of tally lines, and what count_decisions reads and writes for each, over the
stand-in for AWS."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Final

import boto3
from bonafide_tokens.counting.tally import Cell, Tally
from count_decisions import count_decisions
from service.items.item_size import item_size
from service.tallies.known_apps import KnownApps
from service.tallies.table import TalliesTable

from bonafide.cost.costing import HERE
from bonafide.operator.local_account import client_arguments
from bonafide.operator.registration import Registration
from tests.costs.meter import Meter
from tests.service_stack.tally_lines import AT, delivery
from tests.service_stack.worlds import AwsWorld, ministack_world

FILE: Final = HERE / "measured_view.json"
LINES: Final = 45
"""Lines of each case: a minute and a half of one process."""

Decide = Callable[[Tally, float, int], object]


def _gate(outcome: str, why: str) -> Decide:
    def decide(tally: Tally, now: float, number: int) -> None:
        route = ("orders GET /orders", "orders POST /payments", "orders GET /orders/{order}")[number % 3]
        phone = (("ios", "9F2C"), ("android", "41"))[number % 2]
        shown = "verified" if outcome == "accepted" else "expired"
        tally.count(now, Cell("demo", outcome, why, (route, shown, *phone)), f"key-{number * 7919 % 5_000}")

    return decide


def _verifier(tally: Tally, now: float, number: int) -> None:
    model, country = ("iPhone17,1", "iPhone16,2", "iPhone15,4")[number % 3], ("NL", "DE")[number % 2]
    tally.count(now, Cell("demo", "accepted", "", ("ios", "9F2C", "iOS 26.2", model, country)), f"key-{number}")


CASES: Final[Mapping[str, tuple[str, int, Decide]]] = {
    "accepted at the gate, 400 in two seconds and process": ("authorize", 400, _gate("accepted", "")),
    "refused at the gate, 400 in two seconds and process": ("authorize", 400, _gate("refused", "token-expired")),
    "accepted at the gate, each alone": ("authorize", 1, _gate("accepted", "")),
    "refused at the gate, each alone": ("authorize", 1, _gate("refused", "token-expired")),
    "renewals, 20 in two seconds and process": ("renew", 20, _verifier),
    "renewals, each alone": ("renew", 1, _verifier),
}
"""By name: the source, decisions of two seconds in one process, and how each is made."""


def measure_view(ministack_url: str) -> dict[str, Any]:
    """What ``measured_view.json`` has."""
    world = ministack_world(ministack_url)
    world.register(Registration(app="demo", apple_app_ids=("TEAM123456.org.example.demo",)))
    meter = Meter(world.dynamodb)
    client: Any = boto3.client("dynamodb", **client_arguments(ministack_url))
    meter.attach(client)
    return {name: _measured(world, client, meter, place, *case) for place, (name, case) in enumerate(CASES.items())}


def _measured(
    world: AwsWorld, client: Any, meter: Meter, place: int, source: str, decisions: int, decide: Decide
) -> dict[str, Any]:
    begin = AT + place * 7_200
    apps = KnownApps(client, world.tables["apps"])
    table = TalliesTable(client, world.tables["tallies"], 400)
    sizes, milliseconds, reads, writes, trips, logged = [], [], [], [], [], []
    for line in _lines(source, decisions, decide, begin, f"{place:016x}"):
        event = delivery([line])
        with meter.on():
            count_decisions(event, table=table, apps=apps, now=begin + 200.0)
        sizes.append(len(line))
        milliseconds.append(meter.seconds * 1000)
        reads.append(meter.read)
        writes.append(meter.written)
        trips.append(meter.round_trips)
        logged.append(meter.logged)
    rows = world.dynamodb.scan(TableName=world.tables["tallies"])["Items"]
    own = [row for row in rows if begin - 3_600 <= int(row["place"]["S"].partition("#")[0]) < begin + 3_600]
    row_bytes = [item_size(row) for row in own if row["bucket"]["S"].split("#")[2] == "2"]
    return {
        "decisions": decisions,
        "line_bytes": round(statistics.mean(sizes)),
        "read_units": round(statistics.mean(reads), 2),
        "write_units": round(statistics.mean(writes), 2),
        "function_log_bytes": round(statistics.mean(logged)),
        "round_trips": round(statistics.mean(trips), 2),
        "processor_ms": round(statistics.median(milliseconds), 1),
        "row_bytes": round(statistics.mean(row_bytes)),
    }


def _lines(source: str, decisions: int, decide: Decide, begin: int, process: str) -> list[str]:
    """As written in the middle of a day's work: not those of a process's first decisions."""
    written: list[str] = []
    numbers, made = count(1), count()
    head = lambda _at: {"level": "INFO", "message": "tally", "id": f"{process}-{next(numbers)}", "bundle": [41, 3.2]}  # noqa: E731
    if source != "authorize":
        head = lambda _at: {"level": "INFO", "message": "tally", "id": f"{process}-{next(numbers)}"}  # noqa: E731
    tally = Tally(source, written.append, head)
    for at in range(begin, begin + 2 * (LINES + 1), 2):
        for _ in range(decisions):
            decide(tally, float(at), next(made))
    return written[1 : LINES + 1] if decisions > 1 else written[:LINES]
