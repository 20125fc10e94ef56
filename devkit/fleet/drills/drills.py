"""Drills against a running stack: seconds from an operator's command to the first refusal, and to the last request
that still got through.

Several callers at once keep a genuine app's token in use, so that several authorizer processes are asked. The clock
starts before the command does anything; each repetition begins at a moment of its own, so that none of them waits in
step with a refresh.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bonafide.operator.deployment import Deployment
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration, Registrations
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import ApiClient
from devkit.fleet.runtime_secrets import RELEASE_RULE
from devkit.fleet.scenario import Scene
from devkit.fleet.signal_policy import have_hooked_keys_blocked

DRILL_APP: Final = "drill"
"""An app of the drills' own: its not-before disturbs no other app."""
TYPICAL: Final = 5.0
GUARANTEED: Final = 30.0
_CALLERS: Final = 3
_PAUSE: Final = 0.05
_LOOKS_AFTER: Final = 2.0
"""Seconds that callers go on after the first refusal, to see whether anything still gets through."""
_CHANCE: Final = random.SystemRandom()


class DrillFailed(Exception):
    """The drill could not be carried out as meant. The message is one sentence."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds from the command to the first refusal, and to the last acceptance (0 when there was none)."""

    first_refusal: float
    last_acceptance: float

    def to_record(self) -> dict[str, float]:
        return {"first_refusal": round(self.first_refusal, 3), "last_acceptance": round(self.last_acceptance, 3)}

    @property
    def effect(self) -> float:
        """Seconds until it held everywhere."""
        return max(self.first_refusal, self.last_acceptance)


def prepare(deployment: Deployment) -> None:
    """Register the drills' app."""
    table = Registrations(deployment.aws("dynamodb"), deployment.tables["apps"])
    table.put(Registration(app=DRILL_APP, apple_app_ids=(DEMO_APPLE_APP_ID,)))


def block_drill(deployment: Deployment, scene: Scene, repetitions: int) -> Iterator[Measurement]:
    """Enrol a phone, block its key, and see its token refused; once per repetition."""
    blocking = KeyBlocking.of(deployment)
    for _ in range(repetitions):
        phone = scene.install(app=DRILL_APP)
        token = scene.client.attest(phone).token

        def command(phone: AppInstance = phone) -> None:
            blocking.block(phone.bonafide_key_id, reason="drill")

        yield _measure(scene.client, token, command)


def not_before_drill(deployment: Deployment, scene: Scene, repetitions: int) -> Iterator[Measurement]:
    """Renew a phone's token, refuse all older ones, and see it refused; once per repetition."""
    blocking = KeyBlocking.of(deployment)
    phone = scene.install(app=DRILL_APP)
    session = scene.client.attest(phone)
    for _ in range(repetitions):
        stands = blocking.not_before(DRILL_APP) or 0
        time.sleep(max(0.0, stands - time.time()))
        session = scene.client.renew(phone, session.next_challenge)

        def command() -> None:
            blocking.refuse_older_tokens(DRILL_APP)

        yield _measure(scene.client, session.token, command)


def signal_drill(deployment: Deployment, scene: Scene, repetitions: int) -> Iterator[Measurement]:
    """Enrol a phone that reports a hook where the policy blocks for it, and see its token refused; once per
    repetition. The phone does not wait for the publication: the report is answered before it."""
    have_hooked_keys_blocked(deployment, DRILL_APP, RELEASE_RULE)
    for _ in range(repetitions):
        phone = scene.install(app=DRILL_APP)
        token = scene.client.attest(phone).token

        def command(phone: AppInstance = phone, token: str = token) -> None:
            answer = scene.client.report_signal(phone, token, "hooking")
            if answer.status != 202:
                raise DrillFailed(f"The report was answered with {answer.summary}.")

        yield _measure(scene.client, token, command)


def _measure(client: ApiClient, token: str, command: Callable[[], None]) -> Measurement:
    def refused() -> bool:
        answer = client.call("GET", "/v1/whoami", token=token)
        if answer.status != 200 and answer.text("action") != "reattest":
            raise DrillFailed(f"A request was answered with {answer.summary}.")
        return answer.status != 200

    return measure(refused, command)


def measure(changed: Callable[[], bool], command: Callable[[], None]) -> Measurement:
    """Have several callers ask all the time whether what ``command`` brings about holds already.

    Raises:
        DrillFailed: it held before the command, it did not within twice what is guaranteed, or ``changed`` raised it.
    """
    if changed():
        raise DrillFailed("What the command is to bring about holds before the drill begins.")
    stop = threading.Event()
    first: list[float] = []
    last: list[float] = []
    odd: list[DrillFailed] = []

    def ask() -> None:
        while not stop.is_set():
            asked = time.monotonic()
            try:
                if changed():
                    first.append(time.monotonic())
                else:
                    last.append(asked)
            except DrillFailed as error:
                odd.append(error)
            stop.wait(_PAUSE)

    callers = [threading.Thread(target=ask, daemon=True) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    try:
        time.sleep(_CHANCE.uniform(0.2, 3.0))
        begin = time.monotonic()
        command()
        deadline = begin + 2 * GUARANTEED
        while not first and not odd and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        stop.wait(_LOOKS_AFTER)
    finally:
        stop.set()
        for caller in callers:
            caller.join(60)
    if odd:
        raise odd[0]
    if not first:
        raise DrillFailed(f"Nothing changed within {2 * GUARANTEED:.0f} s of the command.")
    return Measurement(first[0] - begin, max(0.0, max(last, default=begin) - begin))
