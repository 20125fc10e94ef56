"""A publication reads what it names and little more, whatever the revocations table holds, in new rows or old."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from service.aws import to_item
from service.tables import older_revocations
from service.tables.attested_keys import EnrolledKey
from service.tables.blocked_keys import LISTED, LONGEST_TOKEN_LIFE, SHARDS, listed_row, listed_until, place_of
from service.tables.blocking import DynamoDBBlocking
from service.tables.older_revocations import OlderRevocations
from service.tables.revocations import MAX_LISTED, DynamoDBRevocations, ReadRevocations

from tests.integration.enrolled_keys import challenge, enrolled_key
from tests.service_stack.faults import injected
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
RULE = "policy 12: hooking-tool"
PERSON = "arn:aws:iam::111122223333:user/anna"
NOW = int(time.time())


def blocking_of(world: AwsWorld) -> DynamoDBBlocking:
    tables = world.tables
    return DynamoDBBlocking(world.dynamodb, tables["attested_keys"], tables["revocations"], lambda _seconds: None)


def revocations_of(world: AwsWorld) -> DynamoDBRevocations:
    return DynamoDBRevocations(world.dynamodb, world.tables["revocations"])


def blocked_keys(world: AwsWorld, later: float = 0, **more: int) -> frozenset[str]:
    status = revocations_of(world).statuses(NOW + later, **more).get("demo")
    return status.blocked_keys if status else frozenset()


def enrolled(world: AwsWorld) -> EnrolledKey:
    key = enrolled_key(enrolled_at=NOW, last_seen=NOW, expires_at=NOW + LISTED)
    world.redemption.enrol(replace(challenge(), expires_at=NOW + 300), key)
    return key


def write(world: AwsWorld, rows: list[dict[str, Any]]) -> None:
    for begin in range(0, len(rows), 25):
        requests: Any = [{"PutRequest": {"Item": to_item(row)}} for row in rows[begin : begin + 25]]
        world.dynamodb.batch_write_item(RequestItems={world.tables["revocations"]: requests})


def new_rows(count: int, *, age: int, by: str = RULE) -> list[dict[str, Any]]:
    return [
        listed_row(place_of(key_id, at=NOW - age, by=by), app="demo", at=NOW - age, until=None)
        for key_id in (f"{age:06d}{number:037d}" for number in range(count))
    ]


def old_row(key_id: str, *, at: int, by: str = PERSON, until: int | None = None) -> dict[str, Any]:
    """As the release before wrote it."""
    why = {"at": at, "until": until, "reason": "", "by": by}
    return {"app": "demo", "revoked": f"key:{key_id}", **why, "expires_at": listed_until(at=at, until=until)}


def taken_over(world: AwsWorld) -> None:
    """The release was deployed two days ago: nothing of an older one is looked for any more."""
    for now in (NOW - 2 * LISTED, NOW):
        OlderRevocations(world.dynamodb, world.tables["revocations"]).take_over(now, {})


@contextmanager
def requests(world: AwsWorld) -> Iterator[dict[str, list[str]]]:
    """The bodies of requests that read the table."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                injected(world.dynamodb, name, lambda _request: None, table=world.tables["revocations"])
            )
            for name in ("Scan", "Query")
        }


@pytest.mark.long
def test_what_a_publication_reads_does_not_grow_with_the_table(ministack: AwsWorld) -> None:
    """The failure: with 0.4 % of the phones blocked no bundle is published any more, and all is denied."""
    taken_over(ministack)
    seen = []
    for age in range(1, 4):
        write(ministack, new_rows(2_000, age=LONGEST_TOKEN_LIFE - age))
        with requests(ministack) as sent:
            named = blocked_keys(ministack, most=1_000)
        assert len(named) == 1_000
        assert not sent["Scan"]
        seen.append(len(sent["Query"]))
    # One for the times before which tokens are refused, one for persons, and one or two for each partition of rules.
    assert max(seen) <= 2 + 2 * SHARDS


def test_newest_block_is_named_among_many(ministack: AwsWorld) -> None:
    """And a person's before all that rules blocked, however long ago."""
    taken_over(ministack)
    write(ministack, new_rows(3_000, age=60))
    by_rule, by_person = enrolled(ministack), enrolled(ministack)
    blocking_of(ministack).block(by_person.key_id, by=PERSON, now=NOW - 3_600)
    assert blocking_of(ministack).block_automatically(by_rule.key_id, by=RULE, now=NOW, reason="x", seconds=3_600)
    assert blocked_keys(ministack, most=2) == {by_rule.key_id, by_person.key_id}
    assert blocked_keys(ministack, most=1) == {by_person.key_id}
    assert {by_rule.key_id, by_person.key_id} < blocked_keys(ministack, most=MAX_LISTED)


def test_every_key_with_a_living_token_is_named_while_there_is_room(ministack: AwsWorld) -> None:
    """Of those whose tokens have all expired, only the newest are read."""
    taken_over(ministack)
    living = new_rows(1_500, age=LONGEST_TOKEN_LIFE - 60)
    write(ministack, living)
    write(ministack, new_rows(1_500, age=LISTED // 2))
    named = blocked_keys(ministack)
    assert {row["revoked"].partition("/")[2] for row in living} <= named
    assert not blocked_keys(ministack, later=LISTED)


def test_block_for_a_time_that_a_person_shortens_or_lifts_leaves_no_row_behind(ministack: AwsWorld) -> None:
    """The failure: a key is let in again, and the gate goes on refusing it by a row that is never deleted."""
    blocking, key = blocking_of(ministack), enrolled(ministack)
    blocking.block_automatically(key.key_id, by=RULE, now=NOW - 900, reason="x", seconds=3_600)
    blocking.block_automatically(key.key_id, by=RULE, now=NOW - 600, reason="x", seconds=7_200)
    blocking.block(key.key_id, by=PERSON, now=NOW - 300)
    blocking.block_automatically(key.key_id, by=RULE, now=NOW - 200, reason="x", seconds=7_200)
    blocking.block(key.key_id, by=PERSON, now=NOW - 100, seconds=60)
    status = revocations_of(ministack).statuses(NOW - 100)["demo"]
    assert status.blocked_until[key.key_id] == NOW - 40
    blocking.block_automatically(key.key_id, by=RULE, now=NOW, reason="x", seconds=3_600)
    assert revocations_of(ministack).statuses(NOW)["demo"].blocked_until[key.key_id] == NOW + 3_600
    blocking.unblock(key.key_id, now=NOW)
    left = revocations_of(ministack).statuses(NOW)
    assert not left or left["demo"].blocked_until[key.key_id] <= NOW  # a row of a block that has ended harms no key


@pytest.mark.parametrize("by", [PERSON, RULE])
def test_rows_of_an_older_release_are_honoured(ministack: AwsWorld, by: str) -> None:
    """Also when there was no publication before, and with their end."""
    moment = NOW + 500
    rows = [old_row("a" * 43, at=NOW - 60, by=by), old_row("b" * 43, at=NOW - 60, by=by, until=NOW + 60)]
    gone = old_row("c" * 43, at=NOW - 2 * LISTED, by=by)
    write(ministack, [*rows, gone, {"app": "demo", "revoked": "tokens", "not_before": moment, "at": 1, "by": by}])
    for _ in range(2):
        status = revocations_of(ministack).statuses(NOW)["demo"]
        assert status.blocked_keys == {"a" * 43, "b" * 43}
        assert status.blocked_until == {"b" * 43: NOW + 60}
        assert status.tokens_not_before == moment
    taken_over(ministack)
    assert revocations_of(ministack).statuses(NOW)["demo"].tokens_not_before == moment


@pytest.mark.parametrize("by", [PERSON, RULE])
def test_publisher_honours_rows_of_an_older_release_and_writes_none(ministack: AwsWorld, by: str) -> None:
    """The same statuses before and after rotation took the rows over, and also of a key that has a row of each form."""
    moment, table = NOW + 500, ministack.tables["revocations"]
    rows = [old_row("a" * 43, at=NOW - 60, by=by), old_row("b" * 43, at=NOW - 60, by=by, until=NOW + 60)]
    both = [old_row("d" * 43, at=NOW - 60, by=by, until=NOW + 60)]
    both.append(listed_row(place_of("d" * 43, at=NOW - 60, by=by), app="demo", at=NOW - 60, until=None))
    write(ministack, [*rows, *both, {"app": "demo", "revoked": "tokens", "not_before": moment, "at": 1, "by": by}])
    publisher = ReadRevocations(ministack.dynamodb, table)
    stood = ministack.dynamodb.scan(TableName=table)["Items"]
    found = publisher.statuses(NOW)
    assert ministack.dynamodb.scan(TableName=table)["Items"] == stood
    assert found["demo"].blocked_keys == {"a" * 43, "b" * 43, "d" * 43}
    assert found["demo"].blocked_until == {"b" * 43: NOW + 60}
    assert found["demo"].tokens_not_before == moment
    assert revocations_of(ministack).statuses(NOW) == found == publisher.statuses(NOW)


def test_key_that_an_older_release_blocked_can_be_unblocked(ministack: AwsWorld) -> None:
    """Before its row was taken over, and after."""
    blocking = blocking_of(ministack)
    for read_between in (False, True):
        key = enrolled(ministack)
        old = old_row(key.key_id, at=NOW - 60)
        facts = {"at": {"N": str(NOW - 60)}, "by": {"S": PERSON}, "reason": {"S": ""}, "idle": {"N": "3600"}}
        ministack.dynamodb.update_item(
            TableName=ministack.tables["attested_keys"],
            Key={"key_id": {"S": key.key_id}},
            UpdateExpression="SET #state = :state, #blocked = :blocked",
            ExpressionAttributeNames={"#state": "state", "#blocked": "blocked"},
            ExpressionAttributeValues={":state": {"S": "blocked"}, ":blocked": {"M": facts}},
        )
        write(ministack, [old])
        if read_between:
            assert key.key_id in blocked_keys(ministack)
        blocking.unblock(key.key_id, now=NOW)
        assert key.key_id not in blocked_keys(ministack)


def test_row_that_was_prolonged_since_is_not_shortened_by_the_old_one(ministack: AwsWorld) -> None:
    """A rule blocks a key again before the publication that would take its old row over."""
    new = listed_row(place_of("d" * 43, at=NOW - 60, by=RULE), app="demo", at=NOW - 60, until=None)
    write(ministack, [old_row("d" * 43, at=NOW - 60, by=RULE, until=NOW + 60), new])
    assert revocations_of(ministack).statuses(NOW)["demo"].blocked_until == {}


def test_pass_goes_on_where_it_stopped(ministack: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table full of old rows stops no publication: each takes some over, until none is left."""
    write(ministack, [old_row(f"{number:043d}", at=NOW - 60) for number in range(60)])
    scan = ministack.dynamodb.scan
    monkeypatch.setattr(ministack.dynamodb, "scan", lambda **more: scan(**{**more, "Limit": 20}))
    ticks = itertools.count(0.0, older_revocations.PATIENCE)
    counts = []
    for _ in range(8):
        OlderRevocations(ministack.dynamodb, ministack.tables["revocations"], lambda: next(ticks)).take_over(NOW, {})
        counts.append(
            ministack.dynamodb.query(
                TableName=ministack.tables["revocations"],
                KeyConditionExpression="app = :app",
                ExpressionAttributeValues={":app": {"S": "demo"}},
                Select="COUNT",
            )["Count"]
        )
    assert counts[0] > counts[1] > 0
    assert counts[-1] == 0
    assert len(blocked_keys(ministack)) == 60
