"""Drills of runtime secrets: seconds from `rotate` until a device has the new value, from a block until it has none.

A device asks all the time, each time with a proof of its own, and opens what it gets.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from devkit.devices.app_instance import AppInstance
from devkit.fleet.drills.drills import DRILL_APP, GUARANTEED, DrillFailed, Measurement
from devkit.fleet.runtime_secrets import NAME, RELEASE_RULE, opened
from devkit.fleet.scenario import Scene
from devkit.fleet.signal_policy import have_hooked_keys_blocked

_CALLERS: Final = 2
_PAUSE: Final = 0.05
_BEFORE: Final = 0.5
_LOOKS_AFTER: Final = 1.0


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
    stop, seen = threading.Event(), threading.Event()
    first: list[float] = []
    last: list[float] = []
    odd: list[str] = []

    def ask() -> None:
        while not stop.is_set():
            asked = time.monotonic()
            answer = scene.client.ask_secrets(phone, token, NAME)
            if answer.status not in (200, 403):
                odd.append(answer.summary)
            elif is_new(opened(answer, phone, issuer=deployment.issuer)):
                first.append(time.monotonic())
                seen.set()
            else:
                last.append(asked)
            stop.wait(_PAUSE)

    callers = [threading.Thread(target=ask, daemon=True) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(_BEFORE)
        if seen.is_set() or odd:
            raise DrillFailed(f"The drill began with {odd[0] if odd else 'its end'}.")
        begin = time.monotonic()
        command()
        seen.wait(2 * GUARANTEED)
        stop.wait(_LOOKS_AFTER)
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
    if odd:
        raise DrillFailed(f"A request was answered with {odd[0]}.")
    if not first:
        raise DrillFailed(f"Nothing changed for the device within {2 * GUARANTEED:.0f} s of the command.")
    return Measurement(min(first) - begin, max(0.0, max(last, default=begin) - begin))
