"""Erasing a key through the Admin API: what goes, that a block stays, and what the audit says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.errors import BonafideError
from service.aws import from_item
from service.detection.finding import Finding, Remedy
from service.errors import Reason, Rejected
from service.incidents.rows import Names, names_of
from service.tables.attested_keys import EnrolledKey

from bonafide.operator.admin_api import AdminProblem
from tests.integration.enrolled_keys import challenge, enrolled_key, renewed
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.worlds import AwsWorld, moto_world


@pytest.fixture
def world() -> Iterator[AwsWorld]:
    with moto_world() as made:
        yield made


@pytest.fixture
def admin(world: AwsWorld) -> AdminWorld:
    return admin_world(world)


@pytest.fixture
def key(world: AwsWorld) -> EnrolledKey:
    """An enrolled iPhone's, with a receipt and a country."""
    made = replace(enrolled_key(receipt=b"receipt"), home_country="DE")
    world.redemption.enrol(challenge(), made)
    return made


def everything(world: AwsWorld) -> dict[str, list[Any]]:
    """Every row of every table."""
    return {name: world.dynamodb.scan(TableName=table)["Items"] for name, table in world.tables.items()}


def naming(world: AwsWorld, key: EnrolledKey) -> dict[str, list[Any]]:
    """The rows that name a key."""
    found = {name: [row for row in rows if key.key_id in str(row)] for name, rows in everything(world).items()}
    return {name: rows for name, rows in found.items() if rows}


def erase(admin: AdminWorld, key: EnrolledKey, **body: Any) -> dict[str, Any]:
    return dict(admin.call("POST", f"/admin/erased-keys/{key.key_id}", body))


def test_nothing_of_a_key_is_left_but_that_it_was_erased(world: AwsWorld, admin: AdminWorld, key: EnrolledKey) -> None:
    other = enrolled_key(receipt=b"another")
    world.redemption.enrol(challenge(), other)
    assert naming(world, key).keys() == {"attested_keys", "receipts"}
    answer = erase(admin, key, why="asked for by its user")

    assert answer == {"key_id": key.key_id, "known": True, "blocked": False, "incidents": 0, "erased": True}
    assert naming(world, key).keys() == {"audit", "incidents"}  # that it was erased, and until when that is remembered
    (entry,) = admin.call("GET", f"/admin/audit?subject=key/{key.key_id}")["entries"]
    assert (entry["action"], entry["why"]) == ("erase-key", "asked for by its user")
    assert [len(rows) for rows in naming(world, other).values()] == [1, 1]
    with pytest.raises(BonafideError) as refusal:
        world.redemption.renew(challenge(), renewed(key, 1))
    assert refusal.value.reason is Reason.KEY_UNKNOWN


def test_it_can_be_done_again_and_takes_what_a_forgotten_row_left(
    world: AwsWorld, admin: AdminWorld, key: EnrolledKey
) -> None:
    world.dynamodb.delete_item(TableName=world.tables["attested_keys"], Key={"key_id": {"S": key.key_id}})
    for _ in range(2):
        assert erase(admin, key) == {
            "key_id": key.key_id,
            "known": False,
            "blocked": False,
            "incidents": 0,
            "erased": True,
        }
        assert naming(world, key).keys() == {"audit", "incidents"}


def test_a_dry_run_changes_nothing(world: AwsWorld, admin: AdminWorld, key: EnrolledKey) -> None:
    before = everything(world)

    assert erase(admin, key, dry_run=True) == {
        "key_id": key.key_id, "known": True, "blocked": False, "incidents": 0, "erased": False,
    }  # fmt: skip
    assert everything(world) == before


@pytest.mark.parametrize("seconds", [None, 300_000_000])
def test_a_block_is_never_erased(world: AwsWorld, admin: AdminWorld, key: EnrolledKey, seconds: int | None) -> None:
    """The attack: a blocked user asks for erasure, and enrols the same key again."""
    admin.call("POST", f"/admin/keys/{key.key_id}/block", {"reason": "farm", "seconds": seconds})
    before = naming(world, key)
    answer = erase(admin, key)
    left = naming(world, key)

    assert (answer["known"], answer["blocked"]) == (True, True)
    assert left["revocations"] == before["revocations"]
    assert len(left["audit"]) == len(before["audit"]) + 1
    (row,) = left["attested_keys"]
    assert row.keys() == {"key_id", "app", "state", "blocked", "enrolled_at", "last_seen", "expires_at"}
    shown = admin.call("GET", f"/admin/keys/{key.key_id}")
    assert (shown["state"], shown["reason"], shown["facts"]) == ("blocked", "farm", None)
    with pytest.raises(Rejected) as found:
        world.attested_keys.find(key.key_id)
    with pytest.raises(BonafideError) as again:
        world.redemption.enrol(challenge(), key)
    # The enrolment is of the year 2096, when the block for a time is over: the row stands in its way all the same.
    refused = Reason.KEY_BLOCKED if seconds is None else Reason.KEY_ALREADY_ENROLLED
    assert (found.value.reason, again.value.reason) == (Reason.KEY_BLOCKED, refused)


def test_an_erased_key_whose_block_was_lifted_is_unknown(world: AwsWorld, admin: AdminWorld, key: EnrolledKey) -> None:
    admin.call("POST", f"/admin/keys/{key.key_id}/block", {"reason": "farm"})
    erase(admin, key)
    admin.call("POST", f"/admin/keys/{key.key_id}/unblock", {})
    with pytest.raises(Rejected) as found:
        world.attested_keys.find(key.key_id)

    assert found.value.reason is Reason.KEY_UNKNOWN
    assert erase(admin, key)["blocked"] is False
    assert "attested_keys" not in naming(world, key)


def test_incidents_forget_a_key(world: AwsWorld, admin: AdminWorld, key: EnrolledKey) -> None:
    """Open ones, those that are over, and what is still to be told; the other keys stay named."""
    incidents = admin.stack.incidents
    other = "o" * 43
    now = 4_000_000_000.0

    def finding(subject: str) -> Finding:
        return Finding(
            detector="key-farm", subject=subject, app="demo", since=now - 60, last=now, title="A farm.",
            counts={"keys": 2}, keys=(key.key_id, other), issuers=("mark",), confidence=0.9, because=("two keys",),
            scope="key",
            remedy=Remedy(kind="look", text="Look."), quiet_after=600.0,
        )  # fmt: skip

    raised = incidents.raise_all([finding("one"), finding("two")], now)
    assert len(raised.changes) == 2
    incidents.end_quiet(incidents.reader.open_of("demo")[:1], now + 10_000)
    answer = erase(admin, key)
    rows = [row for row in everything(world)["incidents"] if "keys" in row]
    named = [names_of(from_item(row), incidents.seal) for row in rows]

    assert answer["incidents"] == len(rows) == 5
    assert named == [Names([other], ["mark"])] * 5
    assert [one.finding.keys for one in incidents.reader.page("demo")] == [(other,)] * 2
    assert erase(admin, key)["incidents"] == 0
    again = incidents.raise_all([finding("three")], now + 60)
    assert [(change.incident.finding.subject, change.incident.finding.keys) for change in again.changes] == [
        ("three", (other,))
    ]


def test_a_detector_that_remembers_an_erased_key_does_not_name_it_again(
    world: AwsWorld, admin: AdminWorld, key: EnrolledKey
) -> None:
    """In an incident that is open and grows, and for a key that no row knows any more."""
    incidents = admin.stack.incidents
    now = 4_000_000_000.0
    other = "o" * 43

    def finding(*keys: str, last: float, size: int) -> Finding:
        return Finding(
            detector="key-farm", subject="one", app="demo", since=now - 60, last=last, title="A farm.",
            counts={"keys": size}, keys=keys, confidence=0.9, because=(f"{size} keys",), scope="key",
            remedy=Remedy(kind="look", text="Look."), quiet_after=600.0,
        )  # fmt: skip

    incidents.raise_all([finding(key.key_id, other, last=now, size=2)], now)
    erase(admin, key)
    incidents.raise_all([finding(key.key_id, other, "p" * 43, last=now + 60, size=300)], now + 60)

    (one,) = incidents.reader.open_of("demo")
    assert (one.finding.counts, set(one.finding.keys)) == ({"keys": 300}, {other, "p" * 43})
    assert naming(world, key).keys() == {"audit", "incidents"}
    (row,) = naming(world, key)["incidents"]
    assert row.keys() == {"app", "place", "expires_at"}


@pytest.mark.parametrize("key_id", ["short", "x" * 44, "." * 43])
def test_what_is_no_key_id_is_refused(admin: AdminWorld, key_id: str) -> None:
    with pytest.raises(AdminProblem):
        admin.call("POST", f"/admin/erased-keys/{key_id}", {})
