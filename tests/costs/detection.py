"""Measures what detection takes: of the decisions of ordinary days, which the red fleet makes by seed, and of a run of
``find_incidents``. ``python -m tests.costs --check-detection`` prints it for today's detectors, by fewer decisions, and
fails above the ceiling."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import boto3
from bonafide_tokens.counting.tally import Cell, Tally
from service.detection.detection_facts import DetectionFacts
from service.detection.detectors import POPULATION_DETECTORS, TALLY_DETECTORS
from service.detection.epochs import EpochKeys, epoch_of
from service.detection.rates.window import VendorSeen
from service.detection.reading import sightings_of
from service.detection.sealed_facts import seal
from service.detection.sighting import Sighting
from service.incidents.minute import Minute
from service.incidents.outbox import Outbox
from service.incidents.running import show
from service.incidents.sealing import MemberSeal
from service.incidents.slots_table import DynamoDBSlots
from service.incidents.table import IncidentsTable
from service.incidents.windows import RegisteredBuilds, Windows
from service.tables.apps import DynamoDBApps
from service.tables.audit import DynamoDBAudit
from service.tallies.merging import parts_of
from service.tallies.reader import DynamoDBTallies
from service.tallies.table import TalliesTable
from service.tallies.tally_line import read_tally_line

from bonafide.cost.costing import HERE, MILLION, Prices
from bonafide.cost.detection_costs import CEILING, amounts_of, detection_dollars
from bonafide.operator.local_account import client_arguments
from bonafide.operator.registration import Registration
from devkit.fleet.population.scenarios import scenario
from tests.costs.meter import Meter
from tests.costs.slot_rows import SlotRows
from tests.service_stack.worlds import ministack_world

FILE: Final = HERE / "measured_detection.json"
WARMING: Final = 40_000
SIGHTINGS: Final = 80_000
"""Decisions that are measured, after those by which the detectors have seen each phone a few times."""
TOGETHER: Final = 20
"""Decisions of one delivery: of a busy stack there are more, and slots that several share are written once."""
PHONES: Final = 10_000
KEY: Final = bytes(range(32))
RUNS: Final = 60
_LINES: Final = 2_000
_RUN_AT: Final = 1_764_250_000 // 3_600 * 3_600 + 1_800


def measure_detection(ministack_url: str, shorter: int = 1) -> dict[str, Any]:
    """What ``measured_detection.json`` has: amounts for a million decisions, and for a run."""
    decisions = of_decisions(PHONES // shorter, WARMING // shorter, SIGHTINGS // shorter)
    return {"decisions": decisions, "minute": _of_a_minute(ministack_url, RUNS // shorter)}


def of_decisions(phones: int = PHONES, warming: int = WARMING, count: int = SIGHTINGS) -> dict[str, Any]:
    """What a million decisions take, as the ordinary days of so many phones have them."""
    rows = SlotRows()
    slots = DynamoDBSlots(rows, "detector_state", MemberSeal(lambda: KEY))  # type: ignore[arg-type]
    days = (labelled.sighting for labelled in scenario("ordinary-day", seed=1, phones=phones, days=60.0))
    seen = deliveries = 0
    spent = 0.0
    for those in _deliveries(islice(days, warming + count)):
        if deliveries * TOGETHER == warming:
            rows.read = rows.written = spent = 0.0
            rows.round_trips = 0
        began = time.thread_time()
        shown = show(those, POPULATION_DETECTORS, slots, now=those[-1].at, failed=_fails)
        spent += time.thread_time() - began
        assert not shown.unavailable
        deliveries += 1
    seen, deliveries = count, deliveries - warming // TOGETHER
    shown_ms = spent * 1000 / seen
    return {
        "deliveries": round(MILLION * deliveries / seen),
        "read_units": round(MILLION * rows.read / seen),
        "write_units": round(MILLION * rows.written / seen),
        "round_trips": round(MILLION * rows.round_trips / seen),
        "processor_ms": round(MILLION * (shown_ms + _reading_ms())),
        "largest_row": max(rows.sizes.values()),
    }


def _deliveries(sightings: Iterator[Sighting]) -> Iterator[Sequence[Sighting]]:
    while those := list(islice(sightings, TOGETHER)):
        yield those


def _fails(detector: str, error: Exception) -> None:
    raise AssertionError(f"{detector} failed") from error


def _reading_ms() -> float:
    """Milliseconds for a line: its JSON, its facts, its pseudonyms."""
    now = _RUN_AT
    epoch = epoch_of(now)
    facts = DetectionFacts(proved=True, issuer=b"i" * 16, issuer_kind="rkp", network=b"network", request_key=b"k" * 16)
    line = {
        "level": "INFO",
        "message": "decision",
        "action": "renew",
        "outcome": "accepted",
        "reason": "accepted",
        "request_id": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "app": "demo",
        "key_id": "k" * 43,
        "platform": "android",
        "app_build": "4207",
        "at": now,
        "os": "16",
        "model": "Pixel 9",
        "country": "DE",
        "findings": [],
        "facts": {"context": {"tier": "affirming", "signals": {}}, "principal": {"app": "demo"}},
        "detection": seal(facts, epoch=epoch, key=KEY, nonce=bytes(12)),
    }
    lines = [json.dumps(line)] * _LINES
    began = time.thread_time()
    assert sum(1 for _ in sightings_of(lines, _Keys(), now)) == _LINES
    return (time.thread_time() - began) * 1000 / _LINES


class _Keys:
    """The same keys for each epoch."""

    def of(self, _epoch: int) -> EpochKeys:
        return EpochKeys(KEY, KEY)


def _of_a_minute(ministack_url: str, runs: int) -> dict[str, Any]:
    """What a run takes, on average, for one app with rows of every source, each as large as a busy app's."""
    world = ministack_world(ministack_url)
    world.register(Registration(app="demo", apple_app_ids=("TEAM123456.org.example.demo",)))
    tables = world.tables
    _count(TalliesTable(world.dynamodb, tables["tallies"], 400))
    meter = Meter(world.dynamodb)
    client: Any = boto3.client("dynamodb", **client_arguments(ministack_url))
    meter.attach(client)
    seal_ = MemberSeal(lambda: KEY)
    slots = DynamoDBSlots(client, tables["detector_state"], seal_)
    apps = DynamoDBApps(client, tables["apps"])
    builds = RegisteredBuilds(client, tables["builds"], DynamoDBAudit(client, tables["audit"]))
    vendors = lambda _app, _now: [VendorSeen("google-status-list", "ok")]  # noqa: E731
    windows = Windows(DynamoDBTallies(client, tables["tallies"]), apps, builds, vendors, slots, POPULATION_DETECTORS)
    incidents = IncidentsTable(client, tables["incidents"], seal_, 400)
    outbox = Outbox(client, tables["incidents"], seal_)
    minute = Minute(apps, windows, TALLY_DETECTORS, slots, incidents, outbox)
    minute.run(_RUN_AT)
    with meter.on():
        for number in range(1, runs + 1):
            minute.run(_RUN_AT + 60 * number)
    return {
        "read_units": round(meter.read / runs, 2),
        "write_units": round(meter.written / runs, 2),
        "round_trips": round(meter.round_trips / runs, 2),
        "processor_ms": round(meter.seconds * 1000 / runs),
    }


def _count(table: TalliesTable) -> None:
    """Two hours of an app whose every row is full."""
    for source in ("enrol", "renew", "signal", "authorize", "beacon"):
        lines: list[str] = []
        head = lambda at, source=source: {"message": "tally", "id": f"{ord(source[0]):016x}-{int(at)}"}  # noqa: E731
        tally = Tally(source, lines.append, head)
        outcome = "reported" if source == "beacon" else "accepted"
        for at in range(_RUN_AT - 3_600, _RUN_AT + 3_600, 60):
            for number in range(64):
                facts = ("ios", f"42{number % 7:02}", f"26.{number % 5}", f"iPhone{number}", "DE")
                count = {"authorize": 4, "beacon": 4}.get(source, 5)
                shown = ("orders GET /orders", "verified", "ios", f"42{number}") if count == 4 else facts
                shown = facts[:4] if source == "beacon" else shown
                tally.count(float(at), Cell("demo", outcome, "", shown), f"key-{number}")
        tally.flush()
        read = [read_tally_line(line, now=float(_RUN_AT + 3_600)) for line in lines]
        table.add(parts_of(read, app_of=str, now=float(_RUN_AT + 3_600)))


def check(ministack_url: str) -> None:
    """Measure today's detectors, and print dollars for a million decisions; an error above the ceiling."""
    prices, total = Prices.read(), 0.0
    for name, each in amounts_of(measure_detection(ministack_url, shorter=4)).items():
        dollars = sum(detection_dollars(each, prices).values())
        total += dollars
        print(
            f"{name}: {each.read_units:,.0f} reads, {each.write_units:,.0f} writes, {each.processor_ms:,.0f} ms of a "
            f"laptop's processor: {dollars:.3f} dollars"
        )
    print(f"a million decisions: {total:.3f} dollars, of {CEILING:.2f} at most")
    if total >= CEILING:
        raise SystemExit("Detection costs too much.")
