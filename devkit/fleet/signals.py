"""Devices that report signals between renewals, and those who would like to report for others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from bonafide_tokens.signed_body import content_digest

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, Answer, signals_body
from devkit.fleet.scenario import (
    BLOCKED,
    MALFORMED_EVIDENCE,
    MALFORMED_REQUEST,
    OK,
    REJECTED,
    SIGNALS_APP,
    TAKEN,
    UNAUTHORIZED,
    Expected,
    Scene,
    genuine,
    hostile,
    scenarios_in,
)

_PATH: Final = "/v1/signals"
_SECONDS_AT_MOST: Final = 30.0
_PAUSE: Final = 0.1


def _refused_at_the_gate(scene: Scene, token: str) -> Answer:
    """The gate's first refusal, within what is guaranteed; the last answer, if there is none."""
    deadline = time.monotonic() + _SECONDS_AT_MOST
    while True:
        answer = scene.client.call("GET", "/v1/whoami", token=token)
        if answer.status != 200 or time.monotonic() >= deadline:
            return answer
        time.sleep(_PAUSE)


def _send(
    scene: Scene, installation: AppInstance, token: str, body: bytes, *, signed: bytes | None = None, path: str = _PATH
) -> Answer:
    """A report by hand: ``signed`` is the body that the proof is made for."""
    url = scene.client.verifier_url + _PATH
    digest = content_digest(body if signed is None else signed)
    proof = installation.proof(method="POST", url=scene.client.verifier_url + path, token=token, content_digest=digest)
    return scene.client.send("POST", url, body=body, headers={TOKEN_HEADER: token, PROOF_HEADER: proof})


@genuine("iPhone", "reports a screen recording at once, and goes on with a warning", TAKEN, OK, OK)
def _harmless(scene: Scene) -> Iterator[Answer]:
    phone = scene.install()
    session = scene.client.attest(phone)
    yield scene.client.report_signal(phone, session.token, "screen-capture")
    yield scene.whoami(phone, session.token, tier="affirming")
    renewed = scene.client.renew(phone, session.next_challenge)
    yield scene.whoami(phone, renewed.token, tier="warning")


@genuine("Galaxy", "reports with details, on Android", TAKEN)
def _android(scene: Scene) -> Iterator[Answer]:
    phone = scene.android()
    token = scene.client.attest(phone).token
    yield scene.client.report_signal(phone, token, {"name": "overlay", "detail": "org.example.bubbles"})


@genuine("Mate", "reports, on HarmonyOS", TAKEN)
def _harmony(scene: Scene) -> Iterator[Answer]:
    device = scene.harmony()
    yield scene.client.report_signal(device, scene.client.attest(device).token, "accessibility-abuse")


@hostile("hooked iPhone", "reports the hook and renews without it", TAKEN, REJECTED)
def _silent_later(scene: Scene) -> Iterator[Answer]:
    phone = scene.install()
    yield scene.client.report_signal(phone, scene.client.attest(phone).token, "hooking")
    yield scene.renew(phone)


@hostile(
    "hooked iPhone",
    "reports the hook where policy blocks for it; calls, reports and renews on",
    TAKEN,
    Expected(401),
    BLOCKED,
    BLOCKED,
    needs_operator=True,
)
def _blocked_at_once(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    token = scene.client.attest(phone).token
    yield scene.client.report_signal(phone, token, {"name": "hooking", "detail": "frida"})
    yield _refused_at_the_gate(scene, token)
    yield scene.client.report_signal(phone, token, "hooking")
    yield scene.renew(phone)


@hostile("hooked iPhone", "renews with the hook where policy blocks", REJECTED, Expected(401), needs_operator=True)
def _blocked_by_renewal(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    token = scene.client.attest(phone).token
    yield scene.renew(phone, signals=["hooking"])
    yield _refused_at_the_gate(scene, token)


@hostile("eavesdropper", "replays a report", TAKEN, UNAUTHORIZED)
def _replayed(scene: Scene) -> Iterator[Answer]:
    phone, token = scene.token()
    body, url = signals_body(["screen-capture"]), scene.client.verifier_url + _PATH
    proof = phone.proof(method="POST", url=url, token=token, content_digest=content_digest(body))
    for _ in range(2):
        yield scene.client.send("POST", url, body=body, headers={TOKEN_HEADER: token, PROOF_HEADER: proof})


@hostile("eavesdropper", "puts other signals under a genuine proof; the victim goes on", UNAUTHORIZED, OK)
def _altered(scene: Scene) -> Iterator[Answer]:
    phone = scene.install()
    session = scene.client.attest(phone)
    yield _send(scene, phone, session.token, signals_body(["hooking"]), signed=signals_body(["screen-capture"]))
    yield scene.whoami(phone, scene.client.renew(phone, session.next_challenge).token, tier="affirming")


@hostile("thief", "reports with a stolen token: no proof, its own key's, another call's", *[UNAUTHORIZED] * 3, OK)
def _stolen(scene: Scene) -> Iterator[Answer]:
    phone, thief = scene.install(), scene.install()
    session = scene.client.attest(phone)
    body = signals_body(["hooking"])
    url = scene.client.verifier_url + _PATH
    yield scene.client.send("POST", url, body=body, headers={TOKEN_HEADER: session.token})
    yield _send(scene, thief, session.token, body)
    yield _send(scene, phone, session.token, body, path="/v1/tokens")
    yield scene.whoami(phone, scene.client.renew(phone, session.next_challenge).token, tier="affirming")


@hostile("fuzzer", "65 signals, a name of 300 characters, none, a number", *[MALFORMED_REQUEST, MALFORMED_EVIDENCE] * 2)
def _odd(scene: Scene) -> Iterator[Answer]:
    phone, token = scene.token()
    yield scene.client.report_signal(phone, token, *["odd"] * 65)
    yield scene.client.report_signal(phone, token, "x" * 300)
    yield scene.client.report_signal(phone, token)
    yield scene.client.report_signal(phone, token, 7)


@hostile("fuzzer", "a report of 100 KB, and unknown names", Expected(413, "too-large"), TAKEN, OK)
def _oversized(scene: Scene) -> Iterator[Answer]:
    phone = scene.install()
    session = scene.client.attest(phone)
    yield _send(scene, phone, session.token, b"[" * 100_000)
    yield scene.client.report_signal(phone, session.token, "unheard-of", "unheard-of-too")
    yield scene.whoami(phone, scene.client.renew(phone, session.next_challenge).token, tier="warning")


GENUINE, HOSTILE = (scenarios_in(globals(), hostile=kind) for kind in (False, True))
