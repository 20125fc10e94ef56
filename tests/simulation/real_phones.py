"""Phones that are real to a stack: each has a key of its own, renews by the client libraries' rules over HTTP, and
waits as it is asked to. What they are told is counted as the simulator counts it."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from devkit.client_core.challenges import HeldChallenge
from devkit.client_core.token_life import token_life
from devkit.client_core.waits import asked_seconds, jitter
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer, ApiClient, StackUnreachable
from devkit.devices.installation import encode_body

SENDERS = 16
"""Requests that may be under way at once: more than a stack with a low throttle ever answers at a time."""


@dataclass(slots=True)
class RealPhone:
    """An enrolled installation. Times are of the monotonic clock; ``refusals`` in a row, ``bytes`` a renewal that was
    refused once and is sent again as it was."""

    installation: AppInstance
    challenge: str
    challenge_at: float
    began_at: float = 0.0
    refusals: int = 0
    bytes: bytes = b""


@dataclass(slots=True)
class Counted:
    """What was seen within the measured seconds: tokens that phones went for, requests that were answered or turned
    away, seconds of single requests, and seconds from when a token was due until it was there."""

    wanted: int = 0
    passed: int = 0
    turned_away: int = 0
    others: list[str] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)


class RealPhones:
    """Phones in use at one stack, which is measured from ``warm`` seconds after :meth:`run` begins."""

    def __init__(self, client: ApiClient, phones: Sequence[RealPhone], *, spread: float, seed: int) -> None:
        self._client, self._counted, self._lock = client, Counted(), threading.Lock()
        self._chance, self._numbers = random.Random(seed), itertools.count()
        self._due: list[tuple[float, int, RealPhone]] = []
        self._ready = threading.Condition(self._lock)
        self._measured, self._failed = (0.0, 0.0), list[Exception]()
        now = time.monotonic()
        for phone in phones:
            self._later(phone, now + self._chance.random() * spread)

    def run(self, *, warm: float, seconds: float) -> Counted:
        """Let them renew for ``warm`` and ``seconds`` more; what was counted in the latter."""
        begin = time.monotonic()
        self._measured = (begin + warm, begin + warm + seconds)
        with ThreadPoolExecutor(SENDERS) as senders:
            while (left := self._measured[1] - time.monotonic()) > 0 and not self._failed:
                with self._ready:
                    due = self._due[0][0] - time.monotonic() if self._due else left
                    if due > 0:
                        self._ready.wait(min(due, left))
                        continue
                    _, _, phone = heapq.heappop(self._due)
                if not phone.refusals:
                    phone.began_at = time.monotonic()
                    self._count(wanted=1)
                senders.submit(self._try, phone)
        if self._failed:
            raise self._failed[0]
        return self._counted

    def _try(self, phone: RealPhone) -> None:
        try:
            self._go(phone)
        except Exception as error:  # a mistake of ours must end the run, and not be lost in a sender's thread
            self._failed.append(error)

    def _go(self, phone: RealPhone) -> None:
        """One attempt: a challenge where one is needed, and the renewal."""
        body = phone.bytes
        if not body:
            held = HeldChallenge(phone.challenge, phone.challenge_at)
            if not phone.challenge or not held.usable(time.monotonic()):
                sent_at = time.monotonic()
                answer = self._sent("/v1/challenges", encode_body({"app": phone.installation.app}))
                if answer is None or answer.status != 201:
                    self._refused(phone, answer)
                    return
                phone.challenge, phone.challenge_at = answer.text("challenge"), sent_at
            body = encode_body(phone.installation.renewal_body(phone.installation.client_data(phone.challenge)))
        sent_at = time.monotonic()
        answer = self._sent("/v1/tokens", body)
        if answer is None or answer.status != 200:
            again = phone.bytes
            phone.bytes, phone.challenge = (b"", "") if again else (body, "")
            self._refused(phone, answer)
            return
        now, life = time.monotonic(), token_life(answer.json)
        self._count(passed=1, token=now - phone.began_at)
        phone.refusals, phone.bytes = 0, b""
        phone.challenge, phone.challenge_at = answer.text("next_challenge"), sent_at
        drawn = self._chance.random() * (life.renew_until - life.renew_from)
        self._later(phone, sent_at + life.renew_from + drawn)

    def _sent(self, path: str, body: bytes) -> Answer | None:
        try:
            answer = self._client.post(path, body)
        except StackUnreachable:
            return None
        if path == "/v1/tokens":
            self._count(request=answer.milliseconds / 1000)
        return answer

    def _refused(self, phone: RealPhone, answer: Answer | None) -> None:
        later = answer is not None and answer.status in (429, 503)
        self._count(turned_away=1, other="" if later else "no answer" if answer is None else answer.summary)
        phone.refusals += 1
        asked = asked_seconds(answer.headers.get("retry-after")) if answer is not None else 0.0
        self._later(phone, time.monotonic() + asked + jitter(phone.refusals, self._chance.random))

    def _later(self, phone: RealPhone, at: float) -> None:
        with self._ready:
            heapq.heappush(self._due, (at, next(self._numbers), phone))
            self._ready.notify()

    def _count(
        self,
        *,
        wanted: int = 0,
        passed: int = 0,
        turned_away: int = 0,
        other: str = "",
        request: float | None = None,
        token: float | None = None,
    ) -> None:
        if not self._measured[0] <= time.monotonic() < self._measured[1]:
            return
        with self._lock:
            self._counted.wanted += wanted
            self._counted.passed += passed
            self._counted.turned_away += turned_away
            self._counted.others += [other] if other else []
            self._counted.requests += [] if request is None else [request]
            self._counted.tokens += [] if token is None else [token]
