"""Transactions when the network or the table misbehaves: retried without harm, bounded, never half done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from attestation.errors import Reason
from bonafide_tokens.errors import BonafideError
from service.errors import Reason as ServiceReason
from service.errors import Unavailable
from service.redemption import ATTEMPTS, DynamoDBRedemption
from service.tables.attested_keys import Enrolment

from devkit.local.provision import TABLES
from devkit.local.template import read_template
from tests.integration.enrolled_keys import challenge, enrolled_key, renewed
from tests.service_stack.faults import answering, error_answer, first, injected, losing_the_answer
from tests.service_stack.worlds import TEMPLATE, AwsWorld

pytestmark = pytest.mark.ministack

RECEIPT = bytes(range(256)) * 12
TRANSACT = "TransactWriteItems"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def cancelled(*codes: str) -> dict[str, object]:
    return {"CancellationReasons": [{"Code": code} for code in codes]}


def test_lost_answer_of_our_own_success_is_success(ministack: AwsWorld) -> None:
    """botocore sends again with the same ClientRequestToken; the database says "done", not "nonce spent"."""
    opened, key = challenge(), enrolled_key()
    with injected(ministack.dynamodb, TRANSACT, losing_the_answer()) as sent:
        ministack.redemption.enrol(opened, key)
    tokens = {json.loads(body)["ClientRequestToken"] for body in sent}
    assert (len(sent), len(tokens)) == (2, 1)
    assert ministack.attested_keys.find(key.key_id) == key


def test_repeated_call_is_not_taken_for_a_retry(ministack: AwsWorld) -> None:
    """The attack: repeat a request within DynamoDB's ten minutes of idempotency and be told "done" again."""
    opened, key = challenge(), enrolled_key()
    ministack.redemption.enrol(opened, key)
    with injected(ministack.dynamodb, TRANSACT, lambda _request: None) as sent:
        for _ in range(2):
            with pytest.raises(BonafideError) as refused:
                ministack.redemption.enrol(opened, key)
            assert refused.value.reason is ServiceReason.KEY_ALREADY_ENROLLED
    assert len({json.loads(body)["ClientRequestToken"] for body in sent}) == 2


@pytest.mark.parametrize(
    "fault",
    [
        answering(400, "TransactionCanceledException", **cancelled("None", "TransactionConflict")),
        answering(400, "TransactionCanceledException", **cancelled("ThrottlingError", "None")),
        answering(400, "TransactionCanceledException", **cancelled("None", "ProvisionedThroughputExceeded")),
        answering(400, "TransactionInProgressException"),
    ],
    ids=["conflict", "throttled", "throughput", "in-progress"],
)
def test_transaction_that_met_another_is_tried_again(
    ministack: AwsWorld, fault: Callable[[object], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contention is not a refusal; and it is given up after a few tries, with nothing written."""
    opened, key = challenge(), enrolled_key()
    waits: list[float] = []
    redemption = DynamoDBRedemption(
        ministack.dynamodb,
        ministack.nonces,
        ministack.attested_keys,  # type: ignore[arg-type]
        sleep=waits.append,
    )
    with injected(ministack.dynamodb, TRANSACT, fault), pytest.raises(Unavailable):  # type: ignore[arg-type]
        redemption.enrol(opened, key)
    assert not ministack.redemption.is_spent(opened)
    assert ministack.attested_keys.find(key.key_id) is None
    assert len(waits) == ATTEMPTS - 1
    assert sum(waits) < 1
    with injected(ministack.dynamodb, TRANSACT, first(2, fault)):  # type: ignore[arg-type]
        redemption.enrol(opened, key)
    assert ministack.attested_keys.find(key.key_id) == key


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (("ConditionalCheckFailed", "None"), ServiceReason.CHALLENGE_SPENT),
        (("ConditionalCheckFailed", "TransactionConflict"), ServiceReason.CHALLENGE_SPENT),
        (("ConditionalCheckFailed", "ConditionalCheckFailed"), ServiceReason.KEY_ALREADY_ENROLLED),
        (("None", "ConditionalCheckFailed"), ServiceReason.KEY_ALREADY_ENROLLED),
    ],
)
def test_cancellation_reasons_decide(ministack: AwsWorld, codes: tuple[str, ...], reason: Reason) -> None:
    """The key first, then the nonce; a condition that failed is final even beside a conflict."""
    fault = answering(400, "TransactionCanceledException", **cancelled(*codes))
    with injected(ministack.dynamodb, TRANSACT, fault) as sent, pytest.raises(BonafideError) as refused:
        ministack.redemption.enrol(challenge(), enrolled_key())
    assert refused.value.reason is reason
    assert len(sent) == 1


@pytest.mark.parametrize(
    "fault",
    [
        answering(400, "TransactionCanceledException", **cancelled("ValidationError", "None")),
        answering(400, "TransactionCanceledException", **cancelled("ItemCollectionSizeLimitExceeded", "None")),
        answering(400, "ValidationException"),
        answering(400, "AccessDeniedException"),
        answering(400, "ResourceNotFoundException"),
        answering(400, "IdempotentParameterMismatchException"),
    ],
    ids=["validation", "size", "expression", "denied", "no-table", "token-mismatch"],
)
def test_fault_that_another_try_cannot_help_is_unavailable_at_once(
    ministack: AwsWorld, fault: Callable[[object], object]
) -> None:
    """A wrong permission or a missing table is ours, not the client's."""
    with injected(ministack.dynamodb, TRANSACT, fault) as sent, pytest.raises(Unavailable):  # type: ignore[arg-type]
        ministack.redemption.enrol(challenge(), enrolled_key())
    assert len(sent) == 1


def test_conflict_then_spent_is_spent(ministack: AwsWorld) -> None:
    """The slower of two racers meets the faster one's transaction, tries again, and loses."""
    opened = challenge()
    ministack.redemption.enrol(opened, enrolled_key())
    conflict = first(
        1,
        lambda _request: error_answer(400, "TransactionCanceledException", **cancelled("TransactionConflict", "None")),
    )
    with injected(ministack.dynamodb, TRANSACT, conflict) as sent, pytest.raises(BonafideError) as refused:
        ministack.redemption.enrol(opened, enrolled_key())
    assert refused.value.reason is ServiceReason.CHALLENGE_SPENT
    assert len(sent) == 2


def test_copy_of_a_request_that_meets_itself_looks_before_it_tries_again(ministack: AwsWorld) -> None:
    """Two hundred copies keep conflicting with each other; the row tells all but one that they are done."""
    opened = challenge()
    key = replace(enrolled_key(), enrolment=Enrolment(opened.nonce, bytes(32)))
    ministack.redemption.enrol(opened, key)
    conflict = answering(400, "TransactionCanceledException", **cancelled("TransactionConflict", "TransactionConflict"))
    with injected(ministack.dynamodb, TRANSACT, conflict) as sent:
        assert not ministack.redemption.enrol(opened, key)
        with pytest.raises(BonafideError) as refused:
            ministack.redemption.enrol(opened, replace(key, enrolment=Enrolment(opened.nonce, b"1" * 32)))
    assert refused.value.reason is ServiceReason.KEY_ALREADY_ENROLLED
    assert len(sent) == 2


def test_rows_carry_what_time_to_live_needs(ministack: AwsWorld) -> None:
    """TTL is the clean-up: every nonce and key has its date, the nonce's well after the challenge expired."""
    opened, key = challenge(), enrolled_key(receipt=RECEIPT)
    ministack.redemption.enrol(opened, key)
    (nonce,) = ministack.dynamodb.scan(TableName=ministack.tables["nonces"])["Items"]
    assert nonce.keys() == {"nonce", "expires_at"}
    assert int(nonce["expires_at"]["N"]) == int(opened.expires_at) + 3600
    rows = ministack.dynamodb.scan(TableName=ministack.tables["attested_keys"])["Items"]
    assert [int(row["expires_at"]["N"]) for row in rows] == [key.expires_at]
    (receipt,) = ministack.dynamodb.scan(TableName=ministack.tables["receipts"])["Items"]
    assert int(receipt["expires_at"]["N"]) == key.enrolled_at + (90 + 30) * 86_400
    resources = read_template(TEMPLATE)["Resources"]
    for table in ("nonces", "attested_keys", "receipts", "trust_bundles"):
        properties = resources[TABLES[table]]["Properties"]
        assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_receipt_has_a_row_of_its_own(ministack: AwsWorld) -> None:
    """The cost: DynamoDB charges an update for the whole row, and Apple's receipt made each renewal 14 write units. A
    key that enrolled under an older release loses it at its first renewal."""
    key = enrolled_key(receipt=RECEIPT)
    table, plain = ministack.tables["attested_keys"], {"S": key.key_id}
    ministack.redemption.enrol(challenge(), key)
    kept = ministack.receipts.find(key.key_id)
    assert kept is not None
    assert (kept.receipt, kept.due_at, kept.usable_until) == (RECEIPT, key.enrolled_at, key.enrolled_at + 90 * 86_400)
    assert "receipt" not in ministack.dynamodb.get_item(TableName=table, Key={"key_id": plain})["Item"]
    ministack.dynamodb.update_item(
        TableName=table,
        Key={"key_id": plain},
        UpdateExpression="SET receipt = :old",
        ExpressionAttributeValues={":old": {"B": RECEIPT}},
    )
    ministack.redemption.renew(challenge(), renewed(key, 1))
    assert "receipt" not in ministack.dynamodb.get_item(TableName=table, Key={"key_id": plain})["Item"]


def test_enrolment_that_is_refused_keeps_no_receipt(ministack: AwsWorld) -> None:
    """All or nothing, as for the nonce and the key."""
    opened = challenge()
    ministack.redemption.enrol(opened, enrolled_key())
    with pytest.raises(BonafideError):
        ministack.redemption.enrol(opened, key := enrolled_key(receipt=RECEIPT))
    assert ministack.receipts.find(key.key_id) is None
