"""Hostile devices, part one: evidence that is false, or true of another device or app."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

from attestation.errors import Reason
from service.errors import Reason as ServiceReason

from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.apple.generations import DAY, GENERATIONS, MAC_REDUCED_SECURITY_ACCESS_CONTROL
from devkit.devices.client import Answer
from devkit.fleet.scenario import CREATED, KEY_ENROLLED, REJECTED, Scene, hostile, scenarios_in

_TEAM, _BUNDLE = DEMO_APPLE_APP_ID.split(".", 1)


@hostile("another team's build", "the same bundle id, signed by another team", REJECTED.because(Reason.APP_MISMATCH))
def _other_team(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(app_id=f"EV1LTEAM66.{_BUNDLE}"))


@hostile("repackaged app", "the same team, another bundle id", REJECTED.because(Reason.APP_MISMATCH))
def _repackaged(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(app_id=f"{_TEAM}.{_BUNDLE}.plus"))


@hostile("emulated phone", "the vendor's names over a root of its own", REJECTED.because(Reason.ANCHOR_UNKNOWN))
def _other_root(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(authority=scene.stranger))


@hostile("debug build", "a development key against production", REJECTED.because(Reason.ENVIRONMENT_NOT_ALLOWED))
def _development(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(development=True))


@hostile("man in the middle", "changes client data after the attestation", REJECTED.because(Reason.CHALLENGE_MISMATCH))
def _tampered(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    signed = installation.client_data(scene.client.challenge(installation.app))
    attestation = installation.phone.attest_key(installation.key_id, sha256(signed).digest())
    changed = json.dumps(json.loads(signed) | {"app_build": "999"}).encode("utf-8")
    yield scene.client.post("/v1/attestations", installation.attestation_body(changed, attestation))


@hostile(
    "key thief", "puts its own request key under a stranger's attestation", REJECTED.because(Reason.CHALLENGE_MISMATCH)
)
def _swapped_request_key(scene: Scene) -> Iterator[Answer]:
    victim, thief = scene.install(), scene.install()
    challenge = scene.client.challenge(victim.app)
    attestation = victim.phone.attest_key(victim.key_id, sha256(victim.client_data(challenge)).digest())
    yield scene.client.post("/v1/attestations", victim.attestation_body(thief.client_data(challenge), attestation))


@hostile("key swapper", "names another key id than it attested", REJECTED.because(Reason.KEY_ID_MISMATCH))
def _other_key_id(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    client_data = installation.client_data(scene.client.challenge(installation.app))
    attestation = installation.phone.attest_key(installation.key_id, sha256(client_data).digest())
    installation.key_id = installation.phone.generate_key()
    yield scene.client.post("/v1/attestations", installation.attestation_body(client_data, attestation))


@hostile("hoarder", "evidence under a certificate that expired last month", REJECTED.because(Reason.CHAIN_EXPIRED))
def _expired_leaf(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(clock=lambda: time.time() - 30 * DAY))


@hostile("twin", "enrols one attested key a second time", CREATED, KEY_ENROLLED)
def _enrolled_twice(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    yield scene.attest(installation)
    yield scene.attest(installation)


@hostile("debugged app", "attests with a debugger attached", REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED))
def _debugger(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(), signals=["debugger"])


@hostile(
    "hooked app", "enrols clean, is hooked, renews", CREATED, REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED)
)
def _hooked_later(scene: Scene) -> Iterator[Answer]:
    installation = scene.install()
    yield scene.attest(installation)
    yield scene.renew(installation, signals=["hooking"])


@hostile(
    "Mac16,1, macOS 27.0",
    "a Mac whose owner lowered its security",
    REJECTED.because(ServiceReason.APPRAISAL_CONTRAINDICATED),
)
def _reduced_mac(scene: Scene) -> Iterator[Answer]:
    release = replace(GENERATIONS["macos-27"], access_control=MAC_REDUCED_SECURITY_ACCESS_CONTROL)
    yield scene.attest(scene.install(release))


SCENARIOS = scenarios_in(globals())
