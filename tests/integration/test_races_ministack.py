"""Races, through the functions as wired in Lambda: of many who redeem one challenge or one counter, exactly one wins.

ministack's transactions are atomic, moto's are not. BONAFIDE_RACE_ROUNDS (default 1, in `make races` 3) and
BONAFIDE_RACERS (default 200) set the size; the end-to-end tests repeat this over HTTP.
"""

from __future__ import annotations

from hashlib import sha256

import pytest

from tests.integration.storage_races import RACERS, ROUNDS, Race, new_installation, outcomes, race
from tests.service_stack.events import rest_event

__all__ = ["race"]
pytestmark = pytest.mark.ministack


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
        assert (race.count("nonces"), race.count("attested_keys"), race.count("receipts")) == (played,) * 3


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
