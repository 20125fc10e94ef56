"""The devices of a run: they enrol, renew, call, send again what was lost, and write down what they sent and got.

Some send what a thief would: the same renewal twice at once, an old one again, a forged token, an expired one.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from bonafide_tokens.jose import b64url_decode, b64url_encode

from devkit.chaos.histories import Exchange, History
from devkit.chaos.schedule import chance_of
from devkit.chaos.site import Site
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer, ApiClient, StackUnreachable
from devkit.devices.installation import encode_body
from devkit.devices.key_store_installation import Play
from devkit.fleet.scenario import Scene

APP: Final = "demo"
_TIMEOUT: Final = 12.0
_NO_ANSWER: Final = Answer(0, {}, b"", 0.0)
_SOON_EXPIRED: Final = 20.0
"""Seconds that are left to a token which is called with until after it has expired."""


def nonce_of(challenge: str) -> str:
    """What names a challenge once it is spent: its random part."""
    return b64url_encode(b64url_decode(challenge)[16:32])


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified: who holds one reads it."""
    payload = json.loads(b64url_decode(token.split(".")[1]))
    return {name: payload.get(name) for name in ("jti", "iat", "exp", "key_id", "policy_version")}


def forged(token: str) -> str:
    """A token with the same claims and another signature."""
    head, _, signature = token.rpartition(".")
    other = bytes(octet ^ 0x5A for octet in b64url_decode(signature))
    return f"{head}.{b64url_encode(other)}"


@dataclass(slots=True, kw_only=True)
class Sender:
    """Sends requests of devices to a site, and writes each down."""

    site: Site
    history: History

    def send(
        self,
        device: str,
        action: str,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        guarded: bool = False,
        **known: Any,
    ) -> Answer:
        """One request and its answer, ``status`` 0 where none came. ``known`` are members of the exchange."""
        deployment = self.site.deployment
        client = ApiClient(verifier_url=deployment.verifier_url, guarded_url=deployment.guarded_url, timeout=_TIMEOUT)
        base = deployment.guarded_url if guarded else deployment.verifier_url
        kind = {} if body is None else {"Content-Type": "application/json"}
        sent = time.time()
        try:
            answer = client.send(method, base + path, body=body, headers={**kind, **(headers or {})})
        except StackUnreachable:
            answer = _NO_ANSWER
        token = answer.text("token")
        minted: dict[str, Any] = {"token": claims_of(token)} if token else {}
        self.history.exchanges.append(
            Exchange(
                number=self.history.number(),
                site=self.site.name,
                device=device,
                action=action,
                sent=sent,
                ended=time.time(),
                status=answer.status,
                problem=answer.problem or "",
                request_id=answer.headers.get("x-amzn-requestid", ""),
                digest="" if body is None else sha256(body).hexdigest(),
                **(known | minted),
            )
        )
        return answer

    def call(self, device: str, token: str, *, genuine: bool = True) -> Answer:
        """A call of the guarded API with a token."""
        claims = claims_of(token)
        headers = {"OAuth-Client-Attestation": token}
        return self.send(
            device,
            "call",
            "GET",
            "/v1/whoami",
            headers=headers,
            guarded=True,
            token=claims,
            key_id=str(claims["key_id"] or ""),
            genuine=genuine,
        )


@dataclass(slots=True, kw_only=True)
class Device:
    """One device. ``make`` installs the app anew, with new keys."""

    name: str
    sender: Sender
    make: Callable[[], AppInstance]
    chance: random.Random
    installation: AppInstance | None = None
    token: str = ""
    next_challenge: str = ""
    old: bytes = b""
    """A renewal that was answered well, and its nonce's challenge, to be sent again as a thief would."""
    old_nonce: str = ""

    def step(self) -> bool:
        """Do one thing, as an app would, or a thief with what an app sent; False where the stack did not answer."""
        if self.installation is None or not self.token:
            return self.enrol()
        if self.chance.random() < 0.55:
            status = self.sender.call(self.name, self.token).status
            return self.renew() if status == 401 else status > 0
        if self.chance.random() < 0.8:
            return self.renew(twice=self.chance.random() < 0.3)
        if self.old and self.chance.random() < 0.7:
            return self._post("renew", self.old, self.old_nonce).status > 0
        return self.enrol()

    def enrol(self) -> bool:
        """Install anew and enrol; the same bytes again while the answer is lost."""
        self.installation, self.token = self.make(), ""
        challenge = self._challenge()
        if not challenge:
            return False
        body = encode_body(self.installation.attestation_body(self.installation.client_data(challenge)))
        return self._until_answered("enrol", body, nonce_of(challenge), challenge)

    def renew(self, *, twice: bool = False) -> bool:
        """Renew; ``twice`` sends the same renewal two times at once."""
        if self.installation is None:
            return False
        challenge = self.next_challenge or self._challenge()
        self.next_challenge = ""
        if not challenge:
            return False
        body = encode_body(self.installation.renewal_body(self.installation.client_data(challenge)))
        nonce = nonce_of(challenge)
        beside = threading.Thread(target=self._post, args=("renew", body, nonce), daemon=True) if twice else None
        if beside is not None:
            beside.start()
        done = self._until_answered("renew", body, nonce, challenge)
        if beside is not None:
            beside.join(2 * _TIMEOUT)
        return done

    def _until_answered(self, action: str, body: bytes, nonce: str, challenge: str) -> bool:
        for _ in range(3):
            answer = self._post(action, body, nonce)
            if answer.status not in (0, 429, 503):
                break
            time.sleep(self.chance.uniform(0.05, 0.4))
        if answer.text("token"):
            self.token, self.next_challenge = answer.text("token"), answer.text("next_challenge")
            if action == "renew":
                self.old, self.old_nonce = body, nonce
            return True
        if answer.problem == "key-enrolled":
            return self.renew()
        if answer.problem in ("unknown-key", "blocked", "evidence-rejected"):
            self.token = ""  # another installation next time
        elif not answer.status or answer.status >= 429:
            self.next_challenge = challenge  # perhaps it was not spent
        return False

    def _post(self, action: str, body: bytes, nonce: str) -> Answer:
        path = "/v1/attestations" if action == "enrol" else "/v1/tokens"
        key_id = "" if self.installation is None else self.installation.bonafide_key_id
        return self.sender.send(self.name, action, "POST", path, body=body, nonce=nonce, key_id=key_id)

    def _challenge(self) -> str:
        body = encode_body({"app": APP})
        return self.sender.send(self.name, "challenge", "POST", "/v1/challenges", body=body).text("challenge")


@dataclass(slots=True, kw_only=True)
class Fleet:
    """The devices of a run, each in a thread of its own, and a thread of strangers."""

    sender: Sender
    scene: Scene
    seed: int
    size: int = 6
    pause: float = 0.25
    over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def device(self, name: str, number: int) -> Device:
        """A device: every other one an Android, whose renewals no counter protects, some of them with Play."""

        def make() -> AppInstance:
            if number % 2:
                return self.scene.android(play=Play.STANDARD) if number % 4 == 1 else self.scene.android("pixel-9")
            return self.scene.install()

        return Device(name=name, sender=self.sender, make=make, chance=chance_of(self.seed, name))

    def start(self) -> None:
        """Let them begin."""
        for number in range(self.size):
            self._begin(self._live, self.device(f"device {number + 1}", number))
        self._begin(self._strangers)

    def join(self) -> None:
        """Wait until all have ended; ``over`` must be set."""
        for thread in self._threads:
            thread.join(6 * _TIMEOUT)

    def _begin(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _live(self, device: Device) -> None:
        while not self.over.is_set():
            patience = 1.0 if device.step() else 4.0
            self.over.wait(device.chance.uniform(0.2, 1.8) * self.pause * patience)

    def _strangers(self) -> None:
        """Forged tokens, and one that expires while it is used."""
        chance, owner = chance_of(self.seed, "strangers"), self.device("stranger", 0)
        while not owner.enrol() and not self.over.wait(0.5):
            pass
        ending = self._ending()
        while not self.over.wait(3 * chance.uniform(0.5, 1.5) * self.pause):
            if owner.token:
                self.sender.call("forger", forged(owner.token), genuine=False)
            if ending:
                self.sender.call("straggler", ending)

    def _ending(self) -> str:
        operator, installation = self.scene.operator, self.scene.install()
        if operator is None:
            return ""
        now = time.time()
        return operator.token_minted_at(now - 300 + _SOON_EXPIRED, installation, now=now)


def lines_of(logs: Sequence[tuple[str, str]], site: str) -> list[dict[str, Any]]:
    """Decision and tally lines of ``logs``, which are pairs of a function's name and its text. Lines that a full disk
    tore are left out."""
    found = []
    for function, text in logs:
        for line in text.splitlines():
            if '"decision"' not in line and '"tally"' not in line:
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("message") in ("decision", "tally"):
                found.append({**record, "function": function, "site": site})
    return found
