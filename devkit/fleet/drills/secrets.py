"""Drills of runtime secrets: seconds from `rotate` until a device has the new value, from a block until it has none.

A device asks all the time, each time with a proof of its own, and opens what it gets.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from devkit.devices.app_instance import AppInstance
from devkit.fleet.drills.drills import DRILL_APP, DrillFailed, Measurement, measure
from devkit.fleet.runtime_secrets import NAME, RELEASE_RULE, opened
from devkit.fleet.scenario import Scene
from devkit.fleet.signal_policy import have_hooked_keys_blocked


def rotate_drill(deployment: Deployment, scene: Scene, repetitions: int) -> Iterator[Measurement]:
    """Rotate a secret, and see a device open the new value; once per repetition."""
    store = _ready(deployment)
    phone, token = _enrolled(scene)
    for _ in range(repetitions):
        new = secrets.token_hex(16).encode()

        def command(new: bytes = new) -> None:
            store.store(NAME, value(new), rotate=True, why="drill")

        yield _measure(deployment, scene, phone, token, command, new.__eq__)


def block_secret_drill(deployment: Deployment, scene: Scene, repetitions: int) -> Iterator[Measurement]:
    """Block a key, and see it get no secret any more; once per repetition."""
    _ready(deployment)
    blocking = KeyBlocking.of(deployment)
    for _ in range(repetitions):
        phone, token = _enrolled(scene)

        def command(phone: AppInstance = phone) -> None:
            blocking.block(phone.bonafide_key_id, reason="drill")

        yield _measure(deployment, scene, phone, token, command, lambda got: got is None)


def _ready(deployment: Deployment) -> RuntimeSecretsOfApp:
    """The drills' app with a policy that releases its secret, and a secret."""
    have_hooked_keys_blocked(deployment, DRILL_APP, RELEASE_RULE)
    store = RuntimeSecretsOfApp(AdminApi(deployment), DRILL_APP)
    known = any(one["name"] == NAME and one["state"] == "active" for one in store.list()["secrets"])
    store.store(NAME, value(b"before the drill"), rotate=known, why="drill")
    return store


def _enrolled(scene: Scene) -> tuple[AppInstance, str]:
    phone = scene.install(app=DRILL_APP)
    phone.make_sealing_key()
    return phone, scene.client.attest(phone).token


def _measure(
    deployment: Deployment,
    scene: Scene,
    phone: AppInstance,
    token: str,
    command: Callable[[], None],
    is_new: Callable[[bytes | None], bool],
) -> Measurement:
    """``is_new`` says of what a device got, ``None`` for nothing, whether it is what holds after the command."""

    def changed() -> bool:
        answer = scene.client.ask_secrets(phone, token, NAME)
        if answer.status not in (200, 403):
            raise DrillFailed(f"A request was answered with {answer.summary}.")
        return is_new(opened(answer, phone, issuer=deployment.issuer))

    return measure(changed, command)
