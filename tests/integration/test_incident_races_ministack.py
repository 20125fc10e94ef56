"""Deliveries at the same time, on tables whose transactions are isolated: one incident, every sighting, one end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import boto3
import pytest
from service.aws_attempts import keep_deadline
from service.detection.detector import Folded
from service.detection.finding import incident_id
from service.detection.sighting import Sighting
from service.detection.slots import Slot
from service.errors import ChangeRefused, Overtaken
from service.incidents.incident import State
from service.incidents.running import show
from service.incidents.slots_table import DynamoDBSlots
from service.tables.audit import AuditEntry

from bonafide.operator.local_account import client_arguments
from tests.service_stack.incident_worlds import FINDING, NOW, IncidentWorld, finding
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
THREADS = 6
ID = incident_id(FINDING)


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What all give that begin at the same moment."""
    ready = Barrier(count)

    def begin(number: int) -> Any:
        ready.wait(30)
        return work(number)

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(begin, range(count)))


def test_racing_deliveries_open_one_incident_and_tell_it_once(ministack: AwsWorld) -> None:
    incidents = IncidentWorld(ministack)
    writers = [incidents.writer() for _ in range(THREADS)]

    raised = together(
        THREADS, lambda number: writers[number].raise_all([finding(last=NOW - number, counts={"keys": 41})], NOW)
    )

    assert [error for each in raised for error in each.unavailable] == []
    assert [what for _, what in incidents.told()] == ["opened"]
    assert len(incidents.reader.open_of("demo")) == 1


def test_closing_and_racing_findings_leave_it_closed(ministack: AwsWorld) -> None:
    """Whoever comes first: a finding never opens what an operator closed at the same moment."""
    incidents = IncidentWorld(ministack)
    incidents.table.raise_all([FINDING], NOW)
    writers = [incidents.writer() for _ in range(THREADS)]

    def work(number: int) -> object:
        if number:
            new = finding(last=NOW + number, counts={"keys": 100 * number})
            return writers[number].raise_all([new], NOW + number)
        entry = AuditEntry(subject="app/demo", at=NOW, who="ann", action="close-incident")
        try:
            return writers[0].close("demo", ID, by="ann", reason="ours", now=NOW + 1, entry=entry)
        except Overtaken:
            return None

    closed, *_ = together(THREADS, work)

    found = incidents.reader.of_id("demo", ID)
    assert found is not None
    assert (found.state is State.CLOSED) is (closed is not None)
    assert [one.id for one in incidents.reader.open_of("demo")] == ([] if closed else [ID])
    assert [what for _, what in incidents.told()].count("opened") == 1


def test_of_racing_operators_one_closes(ministack: AwsWorld) -> None:
    incidents = IncidentWorld(ministack)
    incidents.table.raise_all([FINDING], NOW)
    writers = [incidents.writer() for _ in range(THREADS)]

    def work(number: int) -> bool:
        entry = AuditEntry(subject="app/demo", at=NOW, who=f"op{number}", action="close-incident")
        try:
            writers[number].close("demo", ID, by=f"op{number}", reason="ours", now=NOW + 1, entry=entry)
        except ChangeRefused:
            return False
        return True

    assert sum(together(THREADS, work)) == 1
    assert incidents.table.audit is not None
    assert len(incidents.table.audit.newest("app/demo")) == 1
    assert [what for _, what in incidents.told()] == ["opened", "closed"]


@dataclass(frozen=True)
class Counter:
    """Remembers ids."""

    name: str = "counter"
    version: int = 1

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        return [sighting.issuer]

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        seen = sorted({*json.loads(state or b"[]"), *(f"{slot}{each.id}" for each in sightings)})
        return Folded(json.dumps(seen).encode(), None, now + 60)


def test_racing_deliveries_lose_no_sighting_and_see_none_twice(ministack: AwsWorld) -> None:
    incidents = IncidentWorld(ministack)

    def sighting(number: int) -> Sighting:
        return Sighting(
            at=NOW,
            app="demo",
            source="enrol",
            outcome="accepted",
            proved=True,
            platform="android",
            issuer="device",
            id=str(number),
            why="",
            key_id="",
            app_build="",
            os="",
            model="",
            country="",
        )

    def work(number: int) -> object:
        client = boto3.client("dynamodb", **client_arguments(str(ministack.endpoint_url)))
        keep_deadline(client)
        slots = DynamoDBSlots(client, ministack.tables["detector_state"], incidents.seal)
        for _again in range(2):
            those = [sighting(number), sighting(number + 100)]
            shown = show(those, [Counter()], slots, now=NOW, failed=lambda name, error: pytest.fail(f"{name}: {error}"))
            assert shown.unavailable == []
        return None

    together(THREADS, work)

    slot = Slot("demo", "counter", 1, "device")
    state = incidents.slots.read([slot], NOW, newest=True)[slot].state
    assert state is not None
    assert len(json.loads(state)) == 2 * THREADS
