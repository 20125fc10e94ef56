"""The tables of incidents and of detectors' states: opened, changed, ended, closed, told, and sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from service.detection.finding import incident_id
from service.detection.slots import Held, Slot
from service.errors import ChangeRefused, NotKnown, Unavailable
from service.incidents.incident import HELD, Change, State
from service.incidents.sealing import MemberSeal
from service.incidents.slots_table import DynamoDBSlots
from service.tables.audit import AuditEntry

from tests.service_stack.incident_worlds import FINDING, NOW, IncidentWorld, finding
from tests.service_stack.worlds import AwsWorld, moto_world

ID = incident_id(FINDING)
SLOT = Slot("demo", "key-farm", 1, "rkp/abc")


@pytest.fixture(scope="module")
def world() -> Iterator[AwsWorld]:
    with moto_world() as world:
        yield world


@pytest.fixture
def incidents(world: AwsWorld) -> IncidentWorld:
    for name, *keys in (("incidents", "app", "place"), ("detector_state", "slot"), ("audit", "subject", "entry")):
        table = world.tables[name]
        for item in world.dynamodb.scan(TableName=table)["Items"]:
            world.dynamodb.delete_item(TableName=table, Key={key: item[key] for key in keys})
    return IncidentWorld(world)


def entry(at: float = NOW) -> AuditEntry:
    return AuditEntry(subject="app/demo", at=at, who="arn:ann", action="close-incident", why="our own test")


def test_finding_opens_an_incident_that_is_read_as_it_is(incidents: IncidentWorld) -> None:
    raised = incidents.table.raise_all([FINDING], NOW)

    (found,) = incidents.reader.open_of("demo")
    assert found.finding == FINDING
    assert (found.id, found.state, found.opened_at) == (ID, State.OPEN, NOW)
    assert incidents.reader.of_id("demo", ID) == found
    assert [change.what for change in raised.changes] == ["opened"]
    assert incidents.told() == [(ID, "opened")]
    assert found.to_record()["remedy"] == {
        "kind": "rule",
        "text": "Lower their trust.",
        "rule": "permit (principal, action, resource);",
        "command": "",
    }


def test_same_findings_again_write_nothing(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)
    (before,) = incidents.reader.open_of("demo")

    raised = incidents.table.raise_all([FINDING, FINDING], NOW + 300)

    (after,) = incidents.reader.open_of("demo")
    assert after.revision == before.revision
    assert raised.changes == []
    assert incidents.told() == [(ID, "opened")]


def test_findings_of_one_delivery_and_one_id_open_one_incident(incidents: IncidentWorld) -> None:
    raised = incidents.table.raise_all([FINDING, finding(last=NOW, keys=("k3",))], NOW)

    assert len(raised.changes) == 1
    assert incidents.reader.open_of("demo")[0].finding.keys == ("k3", "k1", "k2")


def test_growth_is_told_tenfold(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)
    incidents.table.raise_all([finding(last=NOW, counts={"keys": 600})], NOW + 5)

    assert [what for _, what in incidents.told()] == ["opened", "grew"]


def test_incident_ends_when_nothing_new_comes_and_opens_again(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)
    until = FINDING.last + FINDING.quiet_after

    assert incidents.table.end_quiet(incidents.reader.open_of("demo"), until - 1) == []
    (ended,) = incidents.table.end_quiet(incidents.reader.open_of("demo"), until)

    assert ended.incident.state is State.ENDED
    assert incidents.reader.open_of("demo") == []
    found = incidents.reader.of_id("demo", ID)
    assert found is not None
    assert (found.state, found.ended_at, found.closed) == (State.ENDED, until, None)
    # What it rested on already opens nothing; something new does, at once.
    assert incidents.table.raise_all([FINDING], until + 1).changes == []
    again = incidents.table.raise_all([finding(last=until + 2)], until + 3)
    assert [change.what for change in again.changes] == ["opened"]
    assert [one.opened_at for one in incidents.reader.page("demo")] == [until + 3, NOW]


def test_end_leaves_an_incident_that_changed_meanwhile(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)
    seen = incidents.reader.open_of("demo")
    incidents.table.raise_all([finding(last=NOW + 3_599)], NOW + 3_599)

    assert incidents.table.end_quiet(seen, NOW + 3_600) == []
    assert len(incidents.reader.open_of("demo")) == 1


def test_operator_closes_and_it_stays_closed_for_a_day(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)

    shut = incidents.table.close("demo", ID, by="arn:ann", reason="our own test", now=NOW + 60, entry=entry())

    found = incidents.reader.of_id("demo", ID)
    assert found is not None
    assert found.closed == shut.closed
    assert found.state is State.CLOSED
    assert incidents.table.audit is not None
    assert [one.action for one in incidents.table.audit.newest("app/demo")] == ["close-incident"]
    until = NOW + 60 + HELD
    new = finding(last=until - 1, quiet_after=HELD)
    assert incidents.table.raise_all([new], until - 1).changes == []
    assert [change.what for change in incidents.table.raise_all([new], until).changes] == ["opened"]
    assert [what for _, what in incidents.told()] == ["opened", "closed", "opened"]


def test_what_is_ten_times_what_was_closed_is_told_all_the_same(incidents: IncidentWorld) -> None:
    """The attack: a small false alarm is made, an operator closes it, and a flood follows within the day."""
    incidents.table.raise_all([finding(counts={"keys": 6})], NOW)
    incidents.table.close("demo", ID, by="arn:ann", reason="our own test", now=NOW + 60, entry=entry())

    assert incidents.table.raise_all([finding(counts={"keys": 59}, last=NOW + 90)], NOW + 90).changes == []
    (change,) = incidents.table.raise_all([finding(counts={"keys": 60}, last=NOW + 120)], NOW + 120).changes
    assert (change.what, change.incident.finding.counts) == ("opened", {"keys": 60})


def test_closing_what_is_over_or_unknown_changes_nothing(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)
    incidents.table.close("demo", ID, by="arn:ann", reason="x", now=NOW, entry=entry())

    with pytest.raises(ChangeRefused, match="closed already"):
        incidents.table.close("demo", ID, by="arn:bob", reason="x", now=NOW, entry=entry())
    with pytest.raises(NotKnown):
        incidents.table.close("demo", "key-farm-00", by="arn:bob", reason="x", now=NOW, entry=entry())


def test_finding_of_all_apps_is_in_no_apps_partition(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([finding(app="", detector="vendor-trouble", scope="population", keys=())], NOW)

    assert incidents.reader.open_of("demo") == []
    (found,) = incidents.reader.open_of("-")
    assert found.to_record()["app"] == "-"


def test_windows_and_pages(incidents: IncidentWorld) -> None:
    for number in range(5):
        incidents.table.raise_all([finding(subject=f"s{number}", last=NOW + number)], NOW + 10 * number)
    two = incidents.reader.open_of("demo")[1:3]
    incidents.table.end_quiet(two, NOW + 4_000)

    def opened_at(since: float | None = None, until: float | None = None) -> list[float]:
        return [one.opened_at - NOW for one in incidents.reader.page("demo", since=since, until=until)]

    assert opened_at() == [40, 30, 20, 10, 0]
    assert opened_at(since=NOW + 10, until=NOW + 30) == [20, 10]
    assert opened_at(since=NOW + 50) == []
    assert opened_at(since=NOW + 30, until=NOW + 10) == []
    first = incidents.reader.page("demo", limit=2)
    rest = incidents.reader.page("demo", limit=9, before=f"{round(first[-1].opened_at * 1000):014d}#{first[-1].id}")
    assert [one.opened_at - NOW for one in (*first, *rest)] == [40, 30, 20, 10, 0]
    assert incidents.reader.page("demo", before="#nonsense") == []


def test_app_holds_so_many_open_incidents_of_a_detector_and_no_more(
    incidents: IncidentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.incidents.table.MAX_OPEN", 4)
    many = [finding(subject=f"s{number}") for number in range(7)]

    raised = incidents.table.raise_all([*many, finding(detector="clone-storm")], NOW)

    assert raised.left_out == ["key-farm"] * 3
    assert len(incidents.reader.open_of("demo")) == 5


def test_damaged_row_stops_no_other_incident(incidents: IncidentWorld) -> None:
    incidents.table.raise_all([FINDING], NOW)
    incidents.world.dynamodb.update_item(
        TableName=incidents.world.tables["incidents"],
        Key={"app": {"S": "demo"}, "place": {"S": f"open#{ID}"}},
        UpdateExpression="SET finding = :x",
        ExpressionAttributeValues={":x": {"S": "{"}},
    )

    raised = incidents.table.raise_all([finding(last=NOW), finding(subject="other")], NOW)

    assert [change.incident.finding.subject for change in raised.changes] == ["other"]
    assert [error.what for error in raised.unavailable] == ["a row of the incidents table cannot be read"]
    assert [one.finding.subject for one in incidents.reader.open_of("demo")] == ["other"]


def test_who_is_named_stands_sealed_in_both_tables(incidents: IncidentWorld) -> None:
    name = "wpT7dUWYl2mUFVBqqmMwqkhA7lGb3aBLkZIEvt2DNn0"
    incidents.table.raise_all([finding(keys=(name,))], NOW)
    incidents.slots.write(SLOT, name.encode(), Held(None, ""), NOW + 60, NOW)

    for table in ("incidents", "detector_state"):
        text = str(incidents.world.dynamodb.scan(TableName=incidents.world.tables[table])["Items"])
        assert name not in text
        assert name.encode().hex() not in text
    assert incidents.reader.open_of("demo")[0].finding.keys == (name,)
    stranger = MemberSeal(lambda: bytes(32))
    elsewhere = DynamoDBSlots(incidents.world.dynamodb, incidents.world.tables["detector_state"], stranger)
    assert elsewhere.read([SLOT], NOW)[SLOT].state is None
    with pytest.raises(Unavailable):
        DynamoDBSlots(
            incidents.world.dynamodb, incidents.world.tables["detector_state"], MemberSeal(lambda: None)
        ).read([SLOT], NOW)


def test_slot_is_written_by_one_and_read_until_its_time(incidents: IncidentWorld) -> None:
    slots, none = incidents.slots, Held(None, "")
    assert slots.read([SLOT], NOW) == {SLOT: none}
    assert slots.write(SLOT, b"one", none, NOW + 60, NOW)
    assert not slots.write(SLOT, b"two", none, NOW + 60, NOW)

    held = slots.read([SLOT], NOW, newest=True)[SLOT]
    assert held.state == b"one"
    assert slots.read([SLOT], NOW + 62)[SLOT] == Held(None, held.revision)
    assert slots.write(SLOT, b"two", held, NOW + 90, NOW)
    assert not slots.write(SLOT, None, held, 0, NOW)
    assert slots.write(SLOT, None, slots.read([SLOT], NOW)[SLOT], 0, NOW)
    assert slots.read([SLOT], NOW) == {SLOT: none}
    assert slots.write(SLOT, None, none, 0, NOW)


def test_sealed_state_stands_for_its_own_row_alone(incidents: IncidentWorld) -> None:
    other = SLOT._replace(name="rkp/xyz")
    incidents.slots.write(SLOT, b"state", Held(None, ""), NOW + 60, NOW)
    table = incidents.world.tables["detector_state"]
    row = incidents.world.dynamodb.get_item(TableName=table, Key={"slot": {"S": "demo#key-farm#1#rkp/abc"}})["Item"]
    incidents.world.dynamodb.put_item(TableName=table, Item={**row, "slot": {"S": "demo#key-farm#1#rkp/xyz"}})

    assert incidents.slots.read([other], NOW)[other].state is None


@dataclass
class Sink:
    """Takes changes, but fails as often as it shall."""

    name: str
    fails: int = 0
    took: list[str] = field(default_factory=list)

    def take(self, changes: tuple[Change, ...], now: float) -> None:
        if self.fails:
            self.fails -= 1
            raise RuntimeError(f"not at {now}")
        self.took += [f"{change.incident.finding.subject} {change.what}" for change in changes]


def test_each_sink_takes_each_change_also_where_another_fails(incidents: IncidentWorld) -> None:
    events, webhooks = Sink("events"), Sink("webhooks", fails=2)
    failed: list[str] = []

    def tell(now: float) -> int:
        return incidents.outbox.tell([events, webhooks], now=now, failed=lambda name, _error: failed.append(name))

    incidents.table.raise_all([FINDING], NOW)
    assert tell(NOW) == 0
    incidents.table.raise_all([finding(subject="second")], NOW + 60)
    assert [tell(NOW + 60), tell(NOW + 120)] == [2, 0]

    assert events.took == webhooks.took == ["rkp/abc opened", "second opened"]
    assert failed == ["webhooks"] * 2
    assert incidents.told() == []


@dataclass
class Choosy(Sink):
    """Cannot take what is told of some subjects, and fails at the first of them, as the sinks of a stack do."""

    refuses: tuple[str, ...] = ()

    def take(self, changes: tuple[Change, ...], now: float) -> None:
        for change in changes:
            if change.incident.finding.subject in self.refuses:
                raise RuntimeError(f"not at {now}")
            super().take((change,), now)


def test_change_that_cannot_be_told_keeps_no_other_back(incidents: IncidentWorld) -> None:
    mail = Choosy("mail", refuses=("s1",))
    for number in range(4):
        incidents.table.raise_all([finding(subject=f"s{number}")], NOW + number)

    told = [incidents.outbox.tell([mail], now=NOW + at, failed=lambda *_: None) for at in range(3)]

    assert told == [3, 0, 0]
    assert set(mail.took) == {"s0 opened", "s2 opened", "s3 opened"}
    assert len(mail.took) <= 4  # what stood before it is not told again each minute
    assert [what for _, what in incidents.told()] == ["opened"]


def test_sink_that_is_gone_does_not_silence_the_others(
    incidents: IncidentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.incidents.outbox.MAX_TOLD", 2)
    archive, webhooks = Sink("archive", fails=1_000), Sink("webhooks")
    for number in range(7):
        incidents.table.raise_all([finding(subject=f"s{number}")], NOW + number)

    for at in range(4):
        assert incidents.outbox.tell([archive, webhooks], now=NOW + at, failed=lambda *_: None) == 0

    assert webhooks.took == [f"s{number} opened" for number in range(7)]


def test_what_names_no_key_opens_fewer_incidents(incidents: IncidentWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.incidents.table.MAX_OPEN_OF_NETWORKS", 2)
    storm = {"detector": "replay-storm", "keys": ()}
    networks = [finding(subject=f"network/{number}", scope="network", **storm) for number in range(5)]

    raised = incidents.table.raise_all(networks, NOW)
    app = incidents.table.raise_all([finding(subject="app", scope="population", **storm), FINDING], NOW)

    assert raised.left_out == ["replay-storm"] * 3
    assert not app.left_out
    assert len(incidents.reader.open_of("demo")) == 4
