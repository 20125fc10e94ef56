"""Enrolments that are sent again while they are under way, through the functions as wired in Lambda."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode
from service import aws
from service.tables.blocking import DynamoDBBlocking

from devkit.devices.installation import Installation
from tests.integration.storage_races import RACERS, ROUNDS, Race, new_installation, outcomes, race
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.faults import injected, losing_the_answer
from tests.service_stack.worlds import AwsWorld

__all__ = ["race"]
pytestmark = pytest.mark.ministack
ATTESTATIONS = "/v1/attestations"
Load = Callable[[AwsWorld, str], ModuleType]


def attestation(race: Race, installation: Installation) -> dict[str, Any]:
    return rest_event("POST", ATTESTATIONS, installation.attestation_body(installation.client_data(race.challenge())))


def changed(event: dict[str, Any], spaces: int) -> dict[str, Any]:
    """The same request in other bytes."""
    return {**event, "body": event["body"] + " " * spaces}


def test_identical_requests_at_once_enrol_one_key_and_all_get_its_token(race: Race) -> None:
    """A phone that sends again and again in a tunnel: one key, one nonce, and no copy hears that it is done for."""
    for played in range(1, ROUNDS + 1):
        installation = new_installation()
        answers = race.run(race.appraise, [attestation(race, installation)] * RACERS)
        assert outcomes(answers) == {(201, ""): RACERS}
        assert (race.count("nonces"), race.count("attested_keys"), race.count("receipts")) == (played,) * 3
        claims = [json.loads(b64url_decode(json_of(answer)["token"].split(".")[1])) for answer in answers]
        assert {claim["key_id"] for claim in claims} == {installation.bonafide_key_id}
        assert len({json.dumps(claim["cnf"], sort_keys=True) for claim in claims}) == 1
        assert len({claim["jti"] for claim in claims}) == RACERS


def test_of_requests_that_differ_by_a_byte_one_enrols(race: Race) -> None:
    """The others are told to renew: their key is known, whichever of them was first."""
    for played in range(1, ROUNDS + 1):
        event = attestation(race, new_installation())
        answers = race.run(race.appraise, [changed(event, spaces) for spaces in range(RACERS)])
        assert outcomes(answers) == {(201, ""): 1, (409, "key-enrolled"): RACERS - 1}
        assert {json_of(answer).get("action") for answer in answers} == {None, "renew"}
        assert (race.count("nonces"), race.count("attested_keys"), race.count("receipts")) == (played,) * 3


def test_lost_answers_of_the_transaction_cost_nothing(race: Race, ministack: AwsWorld) -> None:
    """DynamoDB writes, and no attempt of the SDK hears of it: the row says so, and so does the same request again."""
    installation = new_installation()
    event = attestation(race, installation)
    with injected(aws.dynamodb(), "TransactWriteItems", losing_the_answer(3)):
        assert race.appraise(event, None)["statusCode"] == 201
    assert (race.count("nonces"), race.count("attested_keys"), race.count("receipts")) == (1, 1, 1)
    assert race.appraise(event, None)["statusCode"] == 201
    assert race.appraise(changed(event, 1), None)["statusCode"] == 409
    blocking = DynamoDBBlocking(ministack.dynamodb, ministack.tables["attested_keys"], ministack.tables["revocations"])
    blocking.block(installation.bonafide_key_id, by="tests", now=0)
    for same in (event, changed(event, 1)):
        assert race.appraise(same, None)["statusCode"] == 403
