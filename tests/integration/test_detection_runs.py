"""What ``count_decisions`` and ``find_incidents`` do around detectors: deliveries, minutes, and what fails there."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from count_decisions import count_decisions
from service.deadline import seconds_left, within
from service.detection.detection_facts import DetectionFacts
from service.detection.detector import Folded, Looked
from service.detection.epochs import EpochKeys, epoch_of
from service.detection.rates.window import ALL_APPS, KnownBuild, TallyWindow, VendorSeen
from service.detection.sealed_facts import seal
from service.detection.sighting import Sighting
from service.errors import Unavailable
from service.incidents.incident import Change
from service.incidents.minute import FOR_TELLING, Minute
from service.incidents.watching import Watching, is_decision
from service.incidents.windows import RegisteredBuilds, Windows
from service.keys.fact_keys import DynamoDBFactKeys, FactKeyRotation
from service.keys.kms import KmsWrappingKey
from service.tables.apps import DynamoDBApps
from service.tables.known_builds import Build
from service.tallies.known_apps import KnownApps
from service.tallies.reader import DynamoDBTallies
from service.tallies.table import TalliesTable

from bonafide.operator.local_account import REGION
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.service_stack.incident_worlds import KEY, NOW, IncidentWorld, finding
from tests.service_stack.tally_lines import counts, delivery, tally_line
from tests.service_stack.worlds import AwsWorld, moto_world

AT = int(NOW) // 60 * 60 - 4
EPOCH = epoch_of(NOW)
EVENTS = Path(__file__).parents[2] / "events"
Load = Callable[[AwsWorld, str], ModuleType]


@dataclass(frozen=True)
class Keys:
    """The epoch's keys."""

    def of(self, epoch: int) -> EpochKeys | None:
        return EpochKeys(KEY, KEY) if epoch == EPOCH else None


@dataclass
class Farm:
    """Finds three keys behind one certificate."""

    name: str = "key-farm"
    version: int = 1
    scope: str = "key"
    fails: bool = False

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        return [sighting.issuer] if sighting.issuer else []

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        if self.fails:
            raise RuntimeError("a defect")
        keys = sorted({*json.loads(state or b"[]"), *(one.key_id for one in sightings)})
        named = {} if self.scope == "population" else {"keys": tuple(keys)}
        found = replace(
            finding(subject=slot, last=now, scope=self.scope, counts={"keys": len(keys)}, keys=()),
            app=sightings[0].app,
            detector=self.name,
            **named,  # type: ignore[arg-type]
        )
        return Folded(json.dumps(keys).encode(), found if len(keys) >= 3 else None, now + 3_600)


@dataclass
class Sink:
    """Notes what it took."""

    name: str = "document"
    fails: bool = False
    took: list[str] = field(default_factory=list)
    left: float = 0.0

    def take(self, changes: tuple[Change, ...], now: float) -> None:
        self.left = seconds_left()
        if self.fails:
            raise RuntimeError(f"not at {now}")
        self.took += [f"{change.incident.finding.detector} {change.what}" for change in changes]


def decision(number: int, *, app: str = "demo", at: float = NOW - 1, **members: Any) -> str:
    facts = DetectionFacts(proved=True, issuer=b"i" * 16, issuer_kind="rkp")
    line = {
        "level": "INFO",
        "message": "decision",
        "action": "enrol",
        "outcome": "accepted",
        "request_id": f"r{number}",
        "app": app,
        "key_id": f"key{number}",
        "platform": "android",
        "at": at,
        "detection": seal(facts, epoch=EPOCH, key=KEY, nonce=number.to_bytes(12)),
    }
    return json.dumps(line | members)


TALLY = tally_line(counts({}, at=AT, other={"accepted": 7}), source="enrol")


@pytest.fixture(scope="module")
def world() -> Iterator[AwsWorld]:
    with moto_world() as world:
        world.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
        yield world


@pytest.fixture
def incidents(world: AwsWorld) -> IncidentWorld:
    for name, *keys in (
        ("incidents", "app", "place"),
        ("detector_state", "slot"),
        ("tallies", "bucket", "place"),
    ):
        table = world.tables[name]
        for item in world.dynamodb.scan(TableName=table)["Items"]:
            world.dynamodb.delete_item(TableName=table, Key={key: item[key] for key in keys})
    return IncidentWorld(world)


def deliver(
    incidents: IncidentWorld, lines: Sequence[object], *detectors: Farm, sinks: Sequence[Sink] = (), client: Any = None
) -> dict[str, int]:
    world = incidents.world
    watching = Watching(
        detectors,
        replace(incidents.slots, client=client or world.dynamodb),
        incidents.table,
        lambda _now: Keys(),
        sinks,
    )
    return count_decisions(
        delivery(lines),
        table=TalliesTable(world.dynamodb, world.tables["tallies"], 400),
        apps=KnownApps(world.dynamodb, world.tables["apps"]),
        now=NOW,
        watching=watching,
    )


def counted(incidents: IncidentWorld) -> int:
    reader = DynamoDBTallies(incidents.world.dynamodb, incidents.world.tables["tallies"])
    rows = reader.rows("demo", ["enrol"], step=60, since=AT - 60, until=AT + 60)
    return sum(row.by_outcome().get("accepted", 0) for row in rows)


def test_delivery_is_counted_and_shown(incidents: IncidentWorld) -> None:
    answer = deliver(incidents, [TALLY, *map(decision, range(4)), "{}"], Farm())

    assert answer == {"Lines": 1, "Decisions": 4, "Damaged": 1}
    assert counted(incidents) == 7
    (found,) = incidents.reader.open_of("demo")
    assert (found.finding.detector, found.finding.keys) == ("key-farm", ("key0", "key1", "key2", "key3"))


def test_repeated_and_split_deliveries_are_the_same(incidents: IncidentWorld) -> None:
    lines = [TALLY, *map(decision, range(4))]
    for part in (lines[:4], lines[3:], lines, lines):
        deliver(incidents, part, Farm())

    assert counted(incidents) == 7
    (found,) = incidents.reader.open_of("demo")
    assert set(found.finding.keys) == {"key0", "key1", "key2", "key3"}
    assert [what for _, what in incidents.told()] == ["opened", "updated"]


def test_detector_that_fails_stops_neither_tallies_nor_the_others(
    incidents: IncidentWorld, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    deliver(incidents, [TALLY, *map(decision, range(3))], Farm("broken", fails=True), Farm())

    assert counted(incidents) == 7
    assert [one.finding.detector for one in incidents.reader.open_of("demo")] == ["key-farm"]
    written = capsys.readouterr().out
    assert written.count('"DetectorFailed":[1') == 1, "once for a delivery, however many decisions it cannot fold"
    assert [record.__dict__["detector"] for record in caplog.records if record.message == "detector failed"] == [
        "broken"
    ]
    assert "a defect" not in written + caplog.text


def test_slots_that_cannot_be_written_have_the_delivery_made_again(incidents: IncidentWorld) -> None:
    class Throttled:
        """A client that reads and does not write."""

        def __getattr__(self, name: str) -> Any:
            if name == "put_item":
                raise Unavailable("dynamodb:PutItem detector_state: throttled")
            return getattr(incidents.world.dynamodb, name)

    lines = [TALLY, *map(decision, range(3))]
    with pytest.raises(Unavailable, match="throttled"):
        deliver(incidents, lines, Farm(), client=Throttled())
    assert counted(incidents) == 7
    assert incidents.reader.open_of("demo") == []

    deliver(incidents, lines, Farm())
    assert counted(incidents) == 7
    assert len(incidents.reader.open_of("demo")) == 1


def test_strangers_and_the_past_are_not_shown(incidents: IncidentWorld) -> None:
    """The attack: names of apps by the thousand, and slots for each."""
    strange = [decision(number, app=f"app{number}") for number in range(3)]
    past = [decision(number, at=NOW - 86_401) for number in range(3)]

    deliver(incidents, [*strange, *past], Farm())

    assert not incidents.world.dynamodb.scan(TableName=incidents.world.tables["detector_state"])["Items"]


def test_tally_that_quotes_a_decision_is_a_tally() -> None:
    """The attack: a build called ``"message":"decision"``, whose counts are then lost."""
    assert is_decision(decision(1))
    assert not is_decision(TALLY.replace("enrol", '"decision"'))
    assert not is_decision(json.dumps({"message": "tally", "build": "decision", "x": {"message": "decision"}}))
    for text in ('"decision"', '["decision"]', '{"message":"decision"', "decision", None, 7):
        assert not is_decision(text)


def test_policies_document_is_told_at_once_of_what_policies_see(incidents: IncidentWorld) -> None:
    sink, broken = Sink(), Sink("broken", fails=True)
    detectors = (Farm(), Farm("failing-build", scope="population"))

    for _ in range(2):
        deliver(incidents, list(map(decision, range(3))), *detectors, sinks=(broken, sink))

    assert sink.took == ["key-farm opened"]
    assert sorted(what for _, what in incidents.told()) == ["opened", "opened"]


@dataclass
class Rates:
    """Finds what it is told to, and keeps the windows that it saw."""

    name: str = "spike"
    version: int = 1
    finds: bool = True
    windows: list[TallyWindow] = field(default_factory=list)
    left: float = 0.0

    def look(self, tallies: TallyWindow, state: bytes | None, now: float) -> Looked:
        self.left = seconds_left()
        self.windows.append(tallies)
        found = finding(detector="spike", app=tallies.app, scope="population", keys=(), last=now, quiet_after=600.0)
        return Looked(str(int(state or b"0") + 1).encode(), [found] if self.finds and tallies.app == "demo" else [])


def minute(incidents: IncidentWorld, rates: Rates, *sinks: Sink, client: Any = None) -> Minute:
    world = incidents.world
    tallies = DynamoDBTallies(client or world.dynamodb, world.tables["tallies"])
    audit = incidents.table.audit
    assert audit is not None
    builds = RegisteredBuilds(world.dynamodb, world.tables["builds"], audit)
    vendors: Mapping[str, str] = {"demo": "late", "other": "failing"}
    windows = Windows(
        tallies,
        world.apps,
        builds,
        lambda app, _now: [VendorSeen("google-status-list", vendors[app.app])],
        incidents.slots,
        (Farm(),),
    )
    return Minute(
        DynamoDBApps(world.dynamodb, world.tables["apps"]),
        windows,
        (rates,),
        incidents.slots,
        incidents.table,
        incidents.outbox,
        sinks,
    )


def test_minute_looks_at_tallies_ends_incidents_and_tells(incidents: IncidentWorld) -> None:
    deliver(incidents, [TALLY, *map(decision, range(3))], Farm())
    rates, sink = Rates(), Sink("events")
    run = minute(incidents, rates, sink)

    with within(1_000.0):
        assert run.run(NOW) == {"Apps": 1, "Findings": 1, "Changed": 1, "Ended": 0, "Told": 2}
    assert rates.left <= 1_000.0 - FOR_TELLING  # however slow the tables are, what is open is told
    assert sink.left > rates.left + FOR_TELLING / 2
    rates.finds = False
    with redirect_stdout(io.StringIO()) as written:
        assert run.run(NOW + 599)["Ended"] == 0
    assert '"IncidentKeyFarm":[1.0]' in written.getvalue()
    assert run.run(NOW + 600) == {"Apps": 1, "Findings": 0, "Changed": 0, "Ended": 1, "Told": 1}

    assert sink.took == ["key-farm opened", "spike opened", "spike ended"]
    window = rates.windows[0]
    assert [row.by_outcome() for row in window.minutes["enrol"]] == [{"accepted": 7}]
    assert rates.windows[1].app == ALL_APPS
    assert [row.app for row in rates.windows[1].minutes["enrol"]] == ["demo"]
    assert [vendor.state for vendor in rates.windows[1].vendors] == ["late"]
    (slot,) = {item["slot"]["S"].rpartition("#")[2] for item in _slots(incidents) if "key-farm" in item["slot"]["S"]}
    assert json.loads(window.slot("key-farm", slot) or b"") == ["key0", "key1", "key2"]
    assert window.slot("key-farm", "other") is None
    assert window.slot("unknown", slot) is None


def _slots(incidents: IncidentWorld) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = incidents.world.dynamodb.scan(TableName=incidents.world.tables["detector_state"])[
        "Items"
    ]
    return found


def test_minute_knows_builds_that_were_registered_since(incidents: IncidentWorld) -> None:
    rates = Rates(finds=False)
    run = minute(incidents, rates)
    incidents.world.register_build("demo", Build(platform="apple", build="41", parts={}))
    run.run(NOW)
    assert list(rates.windows[0].builds) == [KnownBuild("apple", "41")]

    assert isinstance(run.windows.builds, RegisteredBuilds)
    reads = incidents.world.dynamodb.query
    tables = []

    def noting(**asked: Any) -> Any:
        tables.append(asked["TableName"])
        return reads(**asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(incidents.world.dynamodb, "query", noting)
        run.run(NOW + 60)
    assert incidents.world.tables["builds"] not in tables
    assert list(rates.windows[2].builds) == [KnownBuild("apple", "41")]


def test_minute_does_what_it_can_and_says_what_it_cannot(incidents: IncidentWorld) -> None:
    """Tallies that cannot be read keep no incident from its end."""

    class Down:
        """Answers nothing."""

        def __getattr__(self, name: str) -> Any:
            raise Unavailable(f"dynamodb:{name}")

    incidents.table.raise_all([finding(since=NOW - 3_599, last=NOW - 3_599)], NOW - 1)
    rates, sink = Rates(), Sink("events")

    answer = minute(incidents, rates, sink, client=Down()).run(NOW + 1)

    assert answer == {"Apps": 1, "Findings": 0, "Changed": 0, "Ended": 1, "Told": 2}
    assert rates.windows == []
    incidents.world.dynamodb.put_item(
        TableName=incidents.world.tables["incidents"], Item={"app": {"S": "demo"}, "place": {"S": "open#damaged"}}
    )
    assert minute(incidents, rates, sink).run(NOW + 2)["Changed"] == 1


def test_functions_find_the_keys_and_tables_that_their_environment_names(
    incidents: IncidentWorld, function: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their handlers, with the events for `sam local`; what is found is told."""
    world = incidents.world
    wrapping = KmsWrappingKey(world.kms, world.wrapping_key_id, world.stack_name)
    FactKeyRotation(DynamoDBFactKeys(world.dynamodb, world.tables["fact_keys"]), wrapping).run(time.time())
    (event,) = (json.loads(path.read_text("utf-8")) for path in (EVENTS / "find_incidents").glob("*.json"))
    found = function(world, "find_incidents")
    sqs: Any = boto3.client("sqs", region_name=REGION)
    queue = sqs.create_queue(QueueName="webhooks")["QueueUrl"]
    monkeypatch.setenv("WEBHOOK_QUEUE", queue)
    found.wire().incidents.raise_all([finding(since=1.0, last=time.time() - 3_599)], time.time() - 1)
    assert incidents.world.dynamodb.scan(TableName=world.tables["incidents"])["Count"] == 2

    first = found.handler(event, None)

    assert first["Apps"] == 1
    assert first["Told"] == 1
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["document"]["type"] == "incident.opened"
    counting = function(world, "count_decisions")
    line = decision(1, at=time.time())
    assert counting.handler(delivery([line]), None) == {"Lines": 0, "Damaged": 0, "Decisions": 1}
