"""Races without a counter: of many who send one key signature, or sign one challenge many times, exactly one wins.

On Android and HarmonyOS nothing but the spent nonce makes a signature good once. ministack's transactions are atomic.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from service.edge.gateway import Handler
from service.vendors.status_lists import StoredStatusList, packed

from bonafide.operator.registration import Registration
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.harmony.device import SoftwareHarmony
from devkit.devices.key_store_installation import AndroidInstallation, HarmonyInstallation, KeyStoreInstallation
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.memory_stack import (
    AGC_APP_ID,
    APP,
    AUTHORITY,
    HARMONY_APP_ID,
    HARMONY_SIGNER,
    PACKAGE,
    SIGNER,
)
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack

RACERS = int(os.environ.get("BONAFIDE_RACERS", "60"))
Load = Callable[[AwsWorld, str], ModuleType]


def android() -> KeyStoreInstallation:
    phone = SoftwareAndroid(authority=AUTHORITY.android, package=PACKAGE, signer=SIGNER, clock=time.time)
    return AndroidInstallation.fresh(APP, phone)


def harmony() -> KeyStoreInstallation:
    device = SoftwareHarmony(
        authority=AUTHORITY.harmony,
        bundle_name=PACKAGE,
        signer=HARMONY_SIGNER,
        agc_app_id=AGC_APP_ID,
        clock=time.time,
    )
    return HarmonyInstallation.fresh(APP, device, integrity=False)


class Race:
    """The functions of one stack on ministack, and a starting line."""

    def __init__(self, world: AwsWorld, function: Load) -> None:
        world.register(
            Registration(
                app=APP,
                android_packages=(PACKAGE,),
                android_signing_digests=(SIGNER.hex(),),
                harmony_bundle_names=(PACKAGE,),
                harmony_app_ids=(HARMONY_APP_ID, AGC_APP_ID),
            )
        )
        now = int(time.time())
        row = StoredStatusList(
            content=packed(b'{"entries":{}}'), entries=0, fetched_at=now, fresh_until=now, revision=1
        )
        world.status_lists.replace(row)
        function(world, "rotate_signing_key").handler({"action": "tick"}, None)
        self.world = world
        self.issue: Handler = function(world, "issue_challenge").handler
        self.appraise: Handler = function(world, "appraise_evidence").handler
        self.renew: Handler = function(world, "renew_token").handler

    def enrolled(self, installation: KeyStoreInstallation) -> str:
        """Enrol, and the next challenge."""
        challenge = json_of(self.issue(rest_event("POST", "/v1/challenges", {"app": APP}), None))["challenge"]
        body = installation.attestation_body(installation.client_data(challenge))
        answer = self.appraise(rest_event("POST", "/v1/attestations", body), None)
        assert answer["statusCode"] == 201, answer
        return str(json_of(answer)["next_challenge"])

    def run(self, handler: Handler, events: Sequence[dict[str, Any]]) -> Counter[tuple[int, str]]:
        """All events at once; every thread waits at the line for the last one."""
        line = threading.Barrier(len(events))

        def racer(event: dict[str, Any]) -> tuple[int, str]:
            line.wait(timeout=60)
            answer = handler(event, None)
            return answer["statusCode"], slug_of(answer)

        with ThreadPoolExecutor(max_workers=len(events)) as pool:
            return Counter(pool.map(racer, events))


@pytest.fixture
def race(ministack: AwsWorld, function: Load) -> Race:
    return Race(ministack, function)


@pytest.mark.parametrize("fresh", [android, harmony])
def test_one_key_signature_sent_many_times_renews_exactly_once(
    race: Race, fresh: Callable[[], KeyStoreInstallation]
) -> None:
    """The attack: a recorded renewal, replayed in a burst: one token, whatever the timing."""
    installation = fresh()
    challenge = race.enrolled(installation)
    body = installation.renewal_body(installation.client_data(challenge))
    outcomes = race.run(race.renew, [rest_event("POST", "/v1/tokens", body)] * RACERS)
    assert outcomes == {(200, ""): 1, (409, "challenge-unusable"): RACERS - 1}


def test_one_challenge_signed_many_times_renews_exactly_once(race: Race) -> None:
    """The attack: one challenge, many signatures, each valid by itself."""
    installation = android()
    challenge = race.enrolled(installation)
    bodies = [installation.renewal_body(installation.client_data(challenge)) for _ in range(RACERS)]
    assert len({str(body["evidence"]) for body in bodies}) > 1
    outcomes = race.run(race.renew, [rest_event("POST", "/v1/tokens", body) for body in bodies])
    assert outcomes == {(200, ""): 1, (409, "challenge-unusable"): RACERS - 1}


def test_one_android_key_enrolled_many_times_is_stored_once(race: Race) -> None:
    """The attack: one key on many installs, each with a challenge of its own."""
    installation = android()
    events = []
    for _ in range(RACERS):
        challenge = json_of(race.issue(rest_event("POST", "/v1/challenges", {"app": APP}), None))["challenge"]
        body = installation.attestation_body(installation.client_data(challenge))
        events.append(rest_event("POST", "/v1/attestations", body))
    assert race.run(race.appraise, events) == {(201, ""): 1, (409, "key-enrolled"): RACERS - 1}
    assert race.world.dynamodb.scan(TableName=race.world.tables["attested_keys"], Select="COUNT")["Count"] == 1
