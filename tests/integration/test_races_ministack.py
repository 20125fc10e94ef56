"""Races, through the functions as wired in Lambda: of many who redeem one challenge or one counter, exactly one wins.

ministack's transactions are atomic, moto's are not. BONAFIDE_RACE_ROUNDS (default 3) and BONAFIDE_RACERS (default 200)
set the size; the end-to-end tests repeat this over HTTP.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from types import ModuleType
from typing import Any

import pytest
from botocore.config import Config
from service import aws
from service.edge.http import Handler

from bonafide.operator.registration import Registration
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import APP, APP_ID, AUTHORITY
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack

ROUNDS = int(os.environ.get("BONAFIDE_RACE_ROUNDS", "3"))
RACERS = int(os.environ.get("BONAFIDE_RACERS", "200"))
Load = Callable[[AwsWorld, str], ModuleType]


class Race:
    """The functions of one stack on ministack, and a starting line."""

    def __init__(self, world: AwsWorld, function: Load) -> None:
        world.register(Registration(app=APP, apple_app_ids=(APP_ID,)))
        function(world, "rotate_signing_key").handler({"action": "tick"}, None)
        self.world = world
        self.issue: Handler = function(world, "issue_challenge").handler
        self.appraise: Handler = function(world, "appraise_evidence").handler
        self.renew: Handler = function(world, "renew_token").handler

    def challenge(self) -> str:
        answer = self.issue(rest_event("POST", "/v1/challenges", {"app": APP}), None)
        assert answer["statusCode"] == 201, answer
        return str(json_of(answer)["challenge"])

    def run(self, handler: Handler, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """All events at once; every thread waits at the line for the last one."""
        line = threading.Barrier(len(events))

        def racer(event: dict[str, Any]) -> dict[str, Any]:
            line.wait(timeout=60)
            return handler(event, None)

        with ThreadPoolExecutor(max_workers=len(events)) as pool:
            return list(pool.map(racer, events))

    def count(self, table: str) -> int:
        return int(self.world.dynamodb.scan(TableName=self.world.tables[table], Select="COUNT")["Count"])


@pytest.fixture
def race(ministack: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> Race:
    # Two hundred threads on a busy machine wait longer than a Lambda function would; that is not what is tested here.
    patient = Config(connect_timeout=60, read_timeout=60, max_pool_connections=RACERS)
    monkeypatch.setattr(aws, "_CONFIG", aws._CONFIG.merge(patient))
    return Race(ministack, function)


def new_installation() -> Installation:
    return Installation.fresh(APP, SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, clock=time.time))


def outcomes(answers: Sequence[dict[str, Any]]) -> Counter[tuple[int, str]]:
    return Counter((answer["statusCode"], slug_of(answer)) for answer in answers)


def test_one_challenge_redeemed_by_many_devices_enrols_exactly_one(race: Race) -> None:
    """The attack: a device farm on one challenge. One key is stored, all others hear that the challenge is spent."""
    for played in range(1, ROUNDS + 1):
        challenge = race.challenge()
        events = []
        for installation in (new_installation() for _ in range(RACERS)):
            body = installation.attestation_body(installation.client_data(challenge))
            events.append(rest_event("POST", "/v1/attestations", body))
        answers = race.run(race.appraise, events)
        assert outcomes(answers) == {(201, ""): 1, (409, "challenge-unusable"): RACERS - 1}
        assert (race.count("nonces"), race.count("attested_keys")) == (played, played)


def test_one_assertion_sent_many_times_renews_exactly_once(race: Race) -> None:
    """The attack: a recorded renewal, replayed in a burst: one token, whatever the timing."""
    installation = new_installation()
    first = installation.attestation_body(installation.client_data(race.challenge()))
    assert race.appraise(rest_event("POST", "/v1/attestations", first), None)["statusCode"] == 201
    for played in range(1, ROUNDS + 1):
        body = installation.renewal_body(installation.client_data(race.challenge()))
        answers = race.run(race.renew, [rest_event("POST", "/v1/tokens", body)] * RACERS)
        assert outcomes(answers) == {(200, ""): 1, (409, "challenge-unusable"): RACERS - 1}
        assert race.count("nonces") == played + 1


def test_one_counter_asserted_with_many_challenges_renews_exactly_once(race: Race) -> None:
    """The attack: a cloned key signing on many machines at once. The losers' challenges stay unspent."""
    installation = new_installation()
    first = installation.attestation_body(installation.client_data(race.challenge()))
    assert race.appraise(rest_event("POST", "/v1/attestations", first), None)["statusCode"] == 201
    for played in range(1, ROUNDS + 1):
        installation.phone.keys[installation.key_id].counter = played
        events = []
        for challenge in [race.challenge() for _ in range(RACERS)]:
            data = installation.client_data(challenge)
            assertion = installation.phone.assertion_draft(installation.key_id, sha256(data).digest()).seal()
            events.append(rest_event("POST", "/v1/tokens", installation.renewal_body(data, assertion)))
        answers = race.run(race.renew, events)
        assert outcomes(answers) == {(200, ""): 1, (403, "evidence-rejected"): RACERS - 1}
        assert race.count("nonces") == played + 1
        stored = race.world.attested_keys.find(installation.bonafide_key_id)
        assert stored is not None
        assert stored.counter == played
