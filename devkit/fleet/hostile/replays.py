"""Hostile devices, part two: challenges, counters and renewals used twice, late, or by another device."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256

from attestation.errors import Reason
from bonafide_tokens.jose import b64url_encode

from devkit.devices.client import Answer
from devkit.fleet.everyday import enrol_again
from devkit.fleet.scenario import (
    CHALLENGE_UNUSABLE,
    CREATED,
    DEVELOPMENT_APP,
    KEY_ENROLLED,
    MALFORMED_EVIDENCE,
    OK,
    REJECTED,
    Expected,
    Scene,
    WrongContent,
    hostile,
    scenarios_in,
)


@hostile("recorder", "sends a recorded enrolment after a renewal", CREATED, OK, KEY_ENROLLED)
def _replayed_evidence(scene: Scene) -> Iterator[Answer]:
    yield from enrol_again(scene, scene.install())


@hostile("second phone", "redeems a challenge that is spent", CREATED, CHALLENGE_UNUSABLE)
def _replayed_challenge(scene: Scene) -> Iterator[Answer]:
    first, second = scene.install(), scene.install()
    challenge = scene.client.challenge(first.app)
    yield scene.attest(first, challenge=challenge)
    yield scene.attest(second, challenge=challenge)


@hostile("six phones at once", "race for one challenge", CREATED, *[CHALLENGE_UNUSABLE] * 5)
def _raced_challenge(scene: Scene) -> Iterator[Answer]:
    phones = [scene.install() for _ in range(6)]
    challenge = scene.client.challenge(phones[0].app)
    with ThreadPoolExecutor(len(phones)) as pool:
        answers = list(pool.map(lambda phone: scene.attest(phone, challenge=challenge), phones))
    yield from sorted(answers, key=lambda answer: answer.status)


@hostile("slow device", "redeems a challenge a minute after its time", CHALLENGE_UNUSABLE, needs_operator=True)
def _expired_challenge(scene: Scene) -> Iterator[Answer]:
    installation, now = scene.install(), time.time()
    if scene.operator is None:
        raise WrongContent("this takes the operator's access")
    lifetime = scene.client.post("/v1/challenges", {"app": installation.app}).json.get("expires_in")
    if not isinstance(lifetime, int):
        raise WrongContent("a challenge came without expires_in")
    challenge = scene.operator.challenge_issued_at(now - lifetime - 60, installation.app, now=now)
    yield scene.attest(installation, challenge=challenge)


@hostile("forger", "makes up a challenge", CHALLENGE_UNUSABLE)
def _forged_challenge(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(), challenge=b64url_encode(b"\x01" + secrets.token_bytes(47)))


@hostile("neighbour", "redeems another app's challenge", CHALLENGE_UNUSABLE)
def _foreign_challenge(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(), challenge=scene.client.challenge(DEVELOPMENT_APP))


@hostile("careless app", "attests without any challenge", MALFORMED_EVIDENCE)
def _no_challenge(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(), challenge="", request_key=None)


@hostile(
    "rolled-back phone",
    "renews with a counter that was used",
    CREATED,
    OK,
    REJECTED.because(Reason.COUNTER_NOT_GREATER),
)
def _counter_rollback(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    yield scene.attest(installation)
    yield scene.renew(installation)
    installation.phone.keys[installation.key_id].counter = 0  # restored from a snapshot
    yield scene.renew(installation)


@hostile("recorder", "sends a recorded renewal again", OK, CHALLENGE_UNUSABLE)
def _replayed_renewal(scene: Scene) -> Iterator[Answer]:
    installation, _ = scene.token()
    body = installation.renewal_body(installation.client_data(scene.client.challenge(installation.app)))
    yield scene.client.post("/v1/tokens", body)
    yield scene.client.post("/v1/tokens", body)


@hostile("recorder", "puts a recorded signature under a fresh challenge", REJECTED.because(Reason.SIGNATURE_INVALID))
def _moved_assertion(scene: Scene) -> Iterator[Answer]:
    installation, _ = scene.token()
    old = installation.client_data(scene.client.challenge(installation.app))
    assertion = installation.phone.generate_assertion(installation.key_id, sha256(old).digest())
    fresh = installation.client_data(scene.client.challenge(installation.app))
    yield scene.client.post("/v1/tokens", installation.renewal_body(fresh, assertion))


@hostile("impostor", "renews a stranger's key with its own", REJECTED.because(Reason.SIGNATURE_INVALID))
def _other_signer(scene: Scene) -> Iterator[Answer]:
    victim, _ = scene.token()
    client_data = victim.client_data(scene.client.challenge(victim.app))
    phone = victim.phone
    forged = replace(
        phone.assertion_draft(victim.key_id, sha256(client_data).digest()),
        counter=9,
        key=phone.keys[phone.generate_key()].private_key,
    )
    yield scene.client.post("/v1/tokens", victim.renewal_body(client_data, forged.seal()))


@hostile("stranger", "renews a key that never enrolled", Expected(404, "unknown-key"))
def _unknown_key(scene: Scene) -> Iterator[Answer]:
    yield scene.renew(scene.install())


@hostile("sibling app", "renews with the right key for another app", REJECTED.because(Reason.APP_MISMATCH))
def _other_app_renews(scene: Scene) -> Iterator[Answer]:
    installation, _ = scene.token()
    installation.phone.app_id = "B0NAF1DE42.org.bonafide.sibling"
    yield scene.renew(installation)


SCENARIOS = scenarios_in(globals())
