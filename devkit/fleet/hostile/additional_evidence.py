"""Hostile devices on Android and HarmonyOS, part two: additional evidence, and renewals by key signature."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

from attestation.errors import Reason
from bonafide_tokens.jose import b64url_encode
from service.errors import Reason as ServiceReason

from devkit.devices.android.play_integrity import ResponseKeys, verdict
from devkit.devices.client import Answer
from devkit.devices.key_store_installation import AndroidInstallation, KeyStoreInstallation, Play
from devkit.fleet.scenario import (
    CHALLENGE_UNUSABLE,
    CREATED,
    KEY_ENROLLED,
    MALFORMED_EVIDENCE,
    OK,
    REJECTED,
    Scene,
    hostile,
    scenarios_in,
)

_CONTRAINDICATED = REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED)


def _beside(scene: Scene, installation: KeyStoreInstallation, token: str, client_data: bytes) -> Answer:
    item = {"format": "android-play-integrity", "integrity_token": token}
    return scene.client.post("/v1/attestations", installation.attestation_body(client_data, additional=[item]))


def _prepared(scene: Scene, play: Play = Play.CLASSIC) -> tuple[AndroidInstallation, bytes]:
    installation = scene.android(play=play)
    return installation, installation.client_data(scene.client.challenge(installation.app))


@hostile("rooted phone", "a good chain, and Google's word that nothing is met", _CONTRAINDICATED)
def _no_labels(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(play=Play.CLASSIC, play_labels=()))


@hostile("rooted phone", "the same, in a token that Google opens", _CONTRAINDICATED, needs_operator=True)
def _no_labels_standard(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(play=Play.STANDARD, play_labels=()))


@hostile("label inventor", "a label that Google does not have", _CONTRAINDICATED)
def _unknown_label(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.android(play=Play.CLASSIC, play_labels=("MEETS_EVERY_INTEGRITY",)))


@hostile("verdict thief", "a Play verdict over another request", REJECTED.because(Reason.CHALLENGE_MISMATCH))
def _moved_verdict(scene: Scene) -> Iterator[Answer]:
    installation, client_data = _prepared(scene)
    yield _beside(scene, installation, installation.play_token(secrets.token_bytes(32)), client_data)


@hostile("verdict forger", "a token under keys of its own", REJECTED.because(Reason.INTEGRITY_TOKEN_KEY))
def _own_keys(scene: Scene) -> Iterator[Answer]:
    installation, client_data = _prepared(scene)
    nonce = b64url_encode(sha256(client_data).digest())
    phone = installation.phone
    forged = verdict(package=phone.package, signer=phone.signer, now=phone.clock(), nonce=nonce)
    yield _beside(scene, installation, ResponseKeys.create().classic_token(forged), client_data)


@hostile("verdict forger", "a token that Google never made", MALFORMED_EVIDENCE, needs_operator=True)
def _invented_standard_token(scene: Scene) -> Iterator[Answer]:
    installation, client_data = _prepared(scene, Play.STANDARD)
    yield _beside(scene, installation, b64url_encode(secrets.token_bytes(400)), client_data)


@hostile("keyless app", "a Play verdict, and no key at all", MALFORMED_EVIDENCE)
def _verdict_alone(scene: Scene) -> Iterator[Answer]:
    installation, client_data = _prepared(scene)
    body = installation.attestation_body(client_data)
    yield scene.client.post("/v1/attestations", body | {"evidence": body["evidence"][1:]})


@hostile("chimera", "an iPhone's key beside an Android's verdict", REJECTED.because(Reason.KEY_OTHER_PLATFORM))
def _verdict_beside_iphone(scene: Scene) -> Iterator[Answer]:
    iphone, android = scene.install(), scene.android(play=Play.CLASSIC)
    client_data = iphone.client_data(scene.client.challenge(iphone.app))
    body = iphone.attestation_body(client_data)
    evidence = [body["evidence"], android.additional(sha256(client_data).digest())]
    yield scene.client.post("/v1/attestations", body | {"evidence": [item for items in evidence for item in items]})


@hostile("chimera", "an iPhone's key and an Android's, in one request", MALFORMED_EVIDENCE)
def _two_keys(scene: Scene) -> Iterator[Answer]:
    installation, client_data = _prepared(scene, Play.NONE)
    other = scene.install().attestation_body(client_data)
    body = installation.attestation_body(client_data, additional=list(other["evidence"]))
    yield scene.client.post("/v1/attestations", body)


@hostile("impostor", "renews a stranger's Android key with its own", REJECTED.because(Reason.SIGNATURE_INVALID))
def _other_signer(scene: Scene) -> Iterator[Answer]:
    victim, thief = scene.android(), scene.android()
    scene.client.attest(victim)
    client_data = victim.client_data(scene.client.challenge(victim.app))
    yield scene.client.post("/v1/tokens", victim.renewal_body(client_data, thief.sign(client_data)))


@hostile("recorder", "sends a recorded key signature again", OK, CHALLENGE_UNUSABLE)
def _replayed_renewal(scene: Scene) -> Iterator[Answer]:
    installation = scene.harmony()
    session = scene.client.attest(installation)
    body = installation.renewal_body(installation.client_data(session.next_challenge))
    yield scene.client.post("/v1/tokens", body)
    yield scene.client.post("/v1/tokens", body)


@hostile("recorder", "puts a recorded signature under fresh client data", REJECTED.because(Reason.SIGNATURE_INVALID))
def _moved_signature(scene: Scene) -> Iterator[Answer]:
    installation = scene.android()
    session = scene.client.attest(installation)
    signature = installation.sign(installation.client_data(session.next_challenge))
    fresh = installation.client_data(scene.client.challenge(installation.app))
    yield scene.client.post("/v1/tokens", installation.renewal_body(fresh, signature))


@hostile("one phone, six times", "races six signatures for one challenge", OK, *[CHALLENGE_UNUSABLE] * 5)
def _raced_renewal(scene: Scene) -> Iterator[Answer]:
    installation = scene.android()
    challenge = scene.client.attest(installation).next_challenge
    bodies = [installation.renewal_body(installation.client_data(challenge)) for _ in range(6)]
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: scene.client.post("/v1/tokens", body), bodies))
    yield from sorted(answers, key=lambda answer: answer.status)


@hostile(
    "iPhone with a shortcut",
    "renews by plain signature, round its counter",
    REJECTED.because(Reason.KEY_OTHER_PLATFORM),
)
def _iphone_by_signature(scene: Scene) -> Iterator[Answer]:
    iphone, android = scene.install(), scene.android()
    scene.client.attest(iphone)
    client_data = iphone.client_data(scene.client.challenge(iphone.app))
    evidence = android.renewal_body(client_data)["evidence"]
    yield scene.client.post("/v1/tokens", iphone.renewal_body(client_data) | {"evidence": evidence})


@hostile("twin", "enrols one Android key a second time", CREATED, KEY_ENROLLED)
def _enrolled_twice(scene: Scene) -> Iterator[Answer]:
    installation = scene.android()
    yield scene.attest(installation)
    yield scene.attest(installation)


SCENARIOS = scenarios_in(globals())
