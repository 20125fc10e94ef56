"""Blocks by a rule and blocks by a person meet in one row: the longer one stands, in either order."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from bonafide_tokens.errors import BonafideError, Reason
from bonafide_tokens.token import VerifiedToken
from service.errors import NotKnown, Unavailable
from service.tables.attested_keys import EnrolledKey
from service.tables.blocking import DynamoDBBlocking
from service.tables.revocations import LONGEST_TOKEN_LIFE, DynamoDBRevocations

from tests.integration.enrolled_keys import challenge, enrolled_key, renewed
from tests.service_stack.faults import answering, injected
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
HOUR = 3_600
DAY = 86_400


@pytest.fixture
def now() -> int:
    """The test's one moment."""
    return int(time.time())


@pytest.fixture
def key(ministack: AwsWorld, now: int) -> EnrolledKey:
    """A key that enrolled just now and may idle for a day."""
    key = enrolled_key(enrolled_at=now, last_seen=now, expires_at=now + DAY)
    ministack.redemption.enrol(replace(challenge(), expires_at=now + 300), key)
    return key


@pytest.fixture
def blocking(ministack: AwsWorld) -> DynamoDBBlocking:
    """The adapter under test."""
    tables = ministack.tables
    return DynamoDBBlocking(ministack.dynamodb, tables["attested_keys"], tables["revocations"], lambda _seconds: None)


def token_of(key: EnrolledKey, issued_at: int) -> VerifiedToken:
    return VerifiedToken(
        "demo", key.key_id, "ios", "affirming", "1", 1, "jti", issued_at, issued_at + 300, "thumbprint"
    )


def by_rule(blocking: DynamoDBBlocking, key: EnrolledKey, now: float, seconds: int = HOUR) -> bool:
    return blocking.block_automatically(
        key.key_id, by="policy 12: hooking-tool", now=now, reason="hooking-tool", seconds=seconds
    )


def test_automatic_block_names_its_rule(blocking: DynamoDBBlocking, key: EnrolledKey, now: int) -> None:
    """An operator who looks later sees which rule of which policy did it, and when it ends."""
    assert by_rule(blocking, key, now)
    status = blocking.show(key.key_id)
    assert (status.blocked_by, status.reason) == ("policy 12: hooking-tool", "hooking-tool")
    assert (status.blocked_at, status.blocked_until) == (now, now + HOUR)


def test_block_for_a_time_is_listed_with_its_end(
    ministack: AwsWorld, blocking: DynamoDBBlocking, key: EnrolledKey, now: int
) -> None:
    """Tokens from before are refused for as long as they could live, tokens from after it are good at once."""
    by_rule(blocking, key, now, seconds=60)
    table = DynamoDBRevocations(ministack.dynamodb, ministack.tables["revocations"])
    for later in (0, 59, 61, LONGEST_TOKEN_LIFE - 1):
        status = table.statuses(now + later)["demo"]
        with pytest.raises(BonafideError) as refused:
            status.require(token_of(key, now + 59), now=now + later)
        assert refused.value.reason is Reason.KEY_BLOCKED
        status.require(token_of(key, now + 60), now=now + later)
    assert not table.statuses(now + LONGEST_TOKEN_LIFE)


@pytest.mark.parametrize("seconds", [None, HOUR, 2 * HOUR])
def test_automatic_block_never_shortens_a_persons(
    blocking: DynamoDBBlocking, key: EnrolledKey, now: int, seconds: int | None
) -> None:
    """The attack: report a signal whose rule blocks for an hour, and be free of a block for good after it."""
    before = blocking.block(key.key_id, by="somebody", now=now, reason="cloned", seconds=seconds)
    assert not by_rule(blocking, key, now)
    assert blocking.show(key.key_id) == before


def test_automatic_block_prolongs_a_shorter_one(blocking: DynamoDBBlocking, key: EnrolledKey, now: int) -> None:
    """And the key still has its idle period after it."""
    blocking.block(key.key_id, by="somebody", now=now, seconds=60)
    assert by_rule(blocking, key, now)
    status = blocking.show(key.key_id)
    assert status.blocked_until == now + HOUR
    assert status.expires_at == now + HOUR + DAY


def test_key_renews_after_an_automatic_block_and_can_be_blocked_again(
    ministack: AwsWorld, blocking: DynamoDBBlocking, key: EnrolledKey, now: int
) -> None:
    """The block ends by itself; nothing of it is in the way of the next one."""
    by_rule(blocking, key, now, seconds=60)
    ministack.redemption.renew(challenge(), renewed(key, 1, last_seen=now + 61, expires_at=now + DAY))
    assert blocking.show(key.key_id).state == "active"
    assert by_rule(blocking, key, now + 62, seconds=60)


def test_person_and_rules_at_the_same_moment_leave_the_persons_block(
    blocking: DynamoDBBlocking, key: EnrolledKey, now: int
) -> None:
    """Sixteen reports race with an operator who blocks permanently: in either order, the block is permanent."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        reports = [pool.submit(by_rule, blocking, key, now + at % 4) for at in range(16)]
        blocking.block(key.key_id, by="somebody", now=now, reason="cloned")
        for report in reports:
            report.exception()
    status = blocking.show(key.key_id)
    assert (status.blocked_until, status.blocked_by) == (None, "somebody")


def test_key_that_is_gone_and_tables_that_are_down_are_told_apart(
    ministack: AwsWorld, blocking: DynamoDBBlocking, key: EnrolledKey, now: int
) -> None:
    """One is an answer, the other asks for another try."""
    with pytest.raises(NotKnown):
        by_rule(blocking, replace(key, key_id="K" * 43), now)
    down = answering(500, "InternalServerError")
    with injected(ministack.dynamodb, "TransactWriteItems", down), pytest.raises(Unavailable):
        by_rule(blocking, key, now)
