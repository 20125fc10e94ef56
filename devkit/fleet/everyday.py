"""What an ordinary app does on any platform: the whole life of a token."""

from __future__ import annotations

from collections.abc import Iterator

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
