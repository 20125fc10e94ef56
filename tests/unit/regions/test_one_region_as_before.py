"""A stack of one region writes, seals and answers what it did before stacks could have several."""

from __future__ import annotations

from unittest.mock import Mock

from attestation.challenge import issue_challenge
from service.aws import from_item
from service.receipts.risk_notes import DynamoDBRiskNotes
from service.regions.homes import ONE_REGION
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey

from tests.service_stack.memory_stack import NOW, MemoryStack
from tests.unit.regions.two_regions import redeem

RENEWING = (
    "SET #counter = :counter, #claims = :claims, #seen = :seen, #expires = :expires, #state = :active "
    "REMOVE #blocked, #enrolment, #receipt, #again",
    "#counter < :counter AND (#state = :active OR #blocked.#until <= :seen) AND #app = :app AND #expires > :seen",
)


def _enrolled(stack: MemoryStack) -> EnrolledKey:
    stack.enrol(stack.installation())
    (row,) = stack.attested_keys.rows.values()
    return row


def test_challenge_is_sealed_as_ever() -> None:
    """The text is one that was issued before homes were."""
    issued = issue_challenge(app="demo", key=bytes(range(32)), random=bytes(range(16)), now=1_790_000_000.0)
    assert issued == "AQBqsTuAKpdRbDVLaISM2wABAgMEBQYHCAkKCwwNDg4uBn4b19yGrSDzWfD9ERZ9"


def test_rows_of_keys_name_no_region() -> None:
    key = _enrolled(MemoryStack())
    table = DynamoDBAttestedKeys(Mock(), "keys")
    put = table.enrolling(key)["Put"]
    assert "region" not in put["Item"]
    update = table.renewing(key)["Update"]
    assert (update["UpdateExpression"], update["ConditionExpression"]) == RENEWING
    assert "region" not in str(update)


def test_rows_of_keys_name_the_region_that_has_a_name() -> None:
    """And a row that has moved meanwhile is not written."""
    key = _enrolled(MemoryStack())
    table = DynamoDBAttestedKeys(Mock(), "keys", region="eu")
    assert from_item(table.enrolling(key)["Put"]["Item"])["region"] == "eu"
    update = table.renewing(key)["Update"]
    assert "#region = :region" in update["UpdateExpression"]
    assert update["ConditionExpression"].endswith("attribute_not_exists(#region)")
    assert ":home" not in update["ExpressionAttributeValues"]


def test_apples_metric_is_noted_on_keys_of_this_region() -> None:
    """A region that was lost and came back has receipts of keys that live elsewhere now."""
    asked = {}
    for region in ("", "eu"):
        client = Mock()
        DynamoDBRiskNotes(DynamoDBAttestedKeys(client, "keys", region=region)).note_risk("k", "demo", 3, 7)
        asked[region] = client.update_item.call_args.kwargs
    usual = "#app = :app AND (attribute_not_exists(#risk) OR #risk.#at < :at)"
    assert asked[""]["ConditionExpression"] == usual
    assert "region" not in str(asked[""])
    assert asked["eu"]["ConditionExpression"] == usual + " AND (attribute_not_exists(#region) OR #region = :region)"
    assert asked["eu"]["ExpressionAttributeValues"][":region"] == {"S": "eu"}


def test_signing_keys_and_documents_are_as_ever() -> None:
    stack = MemoryStack()
    assert {"token-1", "challenge-1"} == stack.signing_keys.rows.keys()
    assert {row.region for row in stack.signing_keys.rows.values()} == {None}
    assert ONE_REGION.view((), None).label() == ""


def test_key_of_a_row_without_a_region_is_served() -> None:
    stack = MemoryStack()
    phone = stack.installation()
    stack.enrol(phone)
    reads = stack.signing_keys.calls
    assert redeem(stack, phone, stack.challenge())["statusCode"] == 200
    assert stack.signing_keys.calls - reads <= 1  # what rings read anyway
    assert stack.now == NOW
