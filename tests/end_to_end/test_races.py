"""Races over HTTP, ministack's atomic transactions behind them: exactly one of two hundred wins.

`BONAFIDE_RACE_ROUNDS` sets the number of rounds (`make races`: 20).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from bonafide.operator.deployment import local_stack
from bonafide.operator.registration import DEMO_APP
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.run import make_scene, register_apps
from devkit.fleet.scenario import Scene
from devkit.stack.stack import LocalStack

RACERS = 200
ROUNDS = int(os.environ.get("BONAFIDE_RACE_ROUNDS", "1"))


@pytest.fixture(scope="module")
def scene(stack: LocalStack) -> Scene:
    deployment = local_stack(stack.layout)
    register_apps(deployment)
    return make_scene(deployment, DeviceAuthority.load(stack.layout.authority))


def race(scene: Scene, path: str, bodies: Sequence[Mapping[str, object]]) -> Counter[str]:
    """Send all bodies at once; how often each answer came."""
    start = threading.Barrier(len(bodies))

    def send(body: Mapping[str, object]) -> str:
        start.wait(timeout=60)
        return scene.client.post(path, body).summary

    with ThreadPoolExecutor(len(bodies)) as crowd:
        return Counter(crowd.map(send, bodies))


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_one_challenge_is_redeemed_once(scene: Scene, round_number: int) -> None:
    """Two hundred genuine phones with one challenge: one enrols, the others are told to get their own."""
    challenge = scene.client.challenge(DEMO_APP)
    phones = [scene.install() for _ in range(RACERS)]
    bodies = [phone.attestation_body(phone.client_data(challenge)) for phone in phones]
    assert race(scene, "/v1/attestations", bodies) == {"201": 1, "409 challenge-unusable": RACERS - 1}


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_one_counter_is_used_once(scene: Scene, round_number: int) -> None:
    """Two hundred assertions with one counter, each with a challenge of its own: one renews, the others are clones."""
    phone = scene.install()
    scene.client.attest(phone)
    counter = phone.phone.keys[phone.key_id].counter
    bodies = []
    for _ in range(RACERS):
        phone.phone.keys[phone.key_id].counter = counter
        bodies.append(phone.renewal_body(phone.client_data(scene.client.challenge(DEMO_APP))))
    assert race(scene, "/v1/tokens", bodies) == {"200": 1, "403 evidence-rejected": RACERS - 1}
