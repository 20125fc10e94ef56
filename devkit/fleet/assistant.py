"""The assistant behind the proxy: a language model that only genuine apps can ask, with a key that no phone has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from bonafide_tokens.signed_body import content_digest

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, Answer
from devkit.fleet.scenario import (
    BLOCKED,
    OK,
    REJECTED,
    SIGNALS_APP,
    TAKEN,
    UNAUTHORIZED,
    Scene,
    WrongContent,
    genuine,
    hostile,
    scenarios_in,
)

_PATH: Final = "/assistant/v1/messages"
_QUESTION: Final = {"max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "Who asks?"}]}
_SECONDS_AT_MOST: Final = 30.0
_PAUSE: Final = 0.2


def _ask(scene: Scene, token: str | None, signer: AppInstance | None, *, proof: str | None = None) -> Answer:
    """One question; the answer must be the whole stream, and hold no key."""
    body = json.dumps(_QUESTION).encode()
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers[TOKEN_HEADER] = token
    if signer is not None and token is not None:
        headers[PROOF_HEADER] = proof or _proof(scene, token, signer)
    answer = scene.client.send("POST", scene.proxy_url + _PATH, body=body, headers=headers)
    if answer.status == 200 and b"message_stop" not in answer.body:
        raise WrongContent("the stream is not whole")
    if b"sk-laptop" in answer.body:
        raise WrongContent("the answer holds the upstream's key")
    return answer


def _proof(scene: Scene, token: str, signer: AppInstance) -> str:
    """Made for https, as an API Gateway's address always is."""
    url = f"https://{urlsplit(scene.proxy_url).netloc}{_PATH}"
    digest = content_digest(json.dumps(_QUESTION).encode())
    return signer.proof(method="POST", url=url, token=token, content_digest=digest)


def _refused_at_last(scene: Scene, token: str, signer: AppInstance) -> Answer:
    """The proxy's first refusal, within what is guaranteed; the last answer, if there is none."""
    deadline = time.monotonic() + _SECONDS_AT_MOST
    while True:
        answer = _ask(scene, token, signer)
        if answer.status != 200 or time.monotonic() >= deadline:
            return answer
        time.sleep(_PAUSE)


@genuine("iPhone18,2, iOS 27.0", "asks the assistant, and gets its answer as a stream", OK, needs_proxy=True)
def _iphone(scene: Scene) -> Iterator[Answer]:
    phone, token = scene.token()
    yield _ask(scene, token, phone)


@genuine("Pixel 9, Android 16", "asks the assistant twice", OK, OK, needs_proxy=True)
def _android(scene: Scene) -> Iterator[Answer]:
    phone = scene.android("pixel-9")
    token = scene.client.attest(phone).token
    for _ in range(2):
        yield _ask(scene, token, phone)


@hostile("thief", "asks the assistant with nothing, a stolen token, its own key", *[UNAUTHORIZED] * 3, needs_proxy=True)
def _thief(scene: Scene) -> Iterator[Answer]:
    _, token = scene.token()
    yield _ask(scene, None, None)
    yield _ask(scene, token, None)
    yield _ask(scene, token, scene.install())


@hostile("recorder", "sends a question to the assistant again", OK, UNAUTHORIZED, needs_proxy=True)
def _recorder(scene: Scene) -> Iterator[Answer]:
    phone, token = scene.token()
    proof = _proof(scene, token, phone)
    for _ in range(2):
        yield _ask(scene, token, phone, proof=proof)


@hostile(
    "hooked iPhone", "is refused a token, and asks the assistant without", REJECTED, UNAUTHORIZED, needs_proxy=True
)
def _hooked(scene: Scene) -> Iterator[Answer]:
    yield scene.attest(scene.install(), signals=["hooking"])
    yield _ask(scene, None, None)


@hostile(
    "blocked iPhone",
    "asks the assistant, is blocked for a hook, and asks on",
    OK,
    TAKEN,
    BLOCKED,
    needs_operator=True,
    needs_proxy=True,
)
def _blocked(scene: Scene) -> Iterator[Answer]:
    phone = scene.install(app=SIGNALS_APP)
    token = scene.client.attest(phone).token
    yield _ask(scene, token, phone)
    yield scene.client.report_signal(phone, token, "hooking")
    yield _refused_at_last(scene, token, phone)


GENUINE, HOSTILE = (scenarios_in(globals(), hostile=kind) for kind in (False, True))
