"""What apps do on any platform: the whole life of a token, its beginning, and sending an old request again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer
from devkit.fleet.scenario import Scene


def everyday(scene: Scene, installation: AppInstance, *, tier: str | None = None) -> Iterator[Answer]:
    """Attest, read with the token, renew twice with next_challenge, write with token and proof: five answers."""
    session = scene.client.attest(installation)
    yield session.answer
    yield scene.whoami(installation, session.token, tier=tier)
    for _ in range(2):
        session = scene.client.renew(installation, session.next_challenge)
        yield session.answer
    yield scene.client.call_with_proof("POST", "/v1/whoami", installation, session.token)


def first_look(
    scene: Scene, installation: AppInstance, *, tier: str | None = None, **client_data: Any
) -> Iterator[Answer]:
    """Attest, and read with the token: two answers."""
    session = scene.client.attest(installation, **client_data)
    yield session.answer
    yield scene.whoami(installation, session.token, tier=tier)


def enrol_again(scene: Scene, installation: AppInstance) -> Iterator[Answer]:
    """Attest, renew, and send the recorded attestation once more: three answers."""
    body = installation.attestation_body(installation.client_data(scene.client.challenge(installation.app)))
    yield scene.client.post("/v1/attestations", body)
    yield scene.renew(installation)
    yield scene.client.post("/v1/attestations", body)
