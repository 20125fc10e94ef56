"""Phones that live in several regions, by the client libraries' rules, and what each of them remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bonafide.operator.errors import OperatorError
from devkit.client_core.homes import HomeWatch, asked_in_turn
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer, ApiClient, StackUnreachable, UnexpectedAnswer


@dataclass(frozen=True, slots=True)
class Redeem:
    """One redeem as its phone saw it. `status` is 0 where no answer came: then it may have been spent or not."""

    at: float
    region: str
    key_id: str
    challenge: str
    status: int
    problem: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the phone was told so."""
        return 200 <= self.status < 300


@dataclass(slots=True)
class Phone:
    """One installation. `clients` are its regions' verifiers, `home` the one that it was built with, or moved to.
    `speed`: how many of its seconds pass in one of ours, for waits that would be long."""

    installation: AppInstance
    clients: Mapping[str, ApiClient]
    home: str
    anew: Callable[[], AppInstance]
    """Makes another key, for when this one is known nowhere."""
    speed: float = 1.0
    history: list[Redeem] = field(default_factory=list)
    enrolled_again: int = 0
    _watch: HomeWatch = field(default_factory=HomeWatch)
    _next_challenge: str = ""
    _turn: int = 0

    def enrol(self, region: str) -> None:
        """Enrol the key in a region. Raises :class:`~bonafide.operator.errors.OperatorError`."""
        client = self.clients[region]
        challenge = client.challenge(self.installation.app)
        body = self.installation.attestation_body(self.installation.client_data(challenge))
        answer = self._redeem(region, "/v1/attestations", challenge, body)
        if answer is None or answer.status != 201:
            raise OperatorError(f"not enrolled: {None if answer is None else answer.summary}")
        self._settled(region, answer)

    def renew(self) -> None:
        """One attempt, at home, or where it is the turn to ask once home is lost."""
        lost = self._watch.is_lost(self._now())
        region = asked_in_turn(sorted(self.clients), self.home, self._turn) if lost else self.home
        self._turn += lost
        try:
            challenge = (
                self._next_challenge if region == self.home and self._next_challenge else self._challenge(region)
            )
        except (StackUnreachable, UnexpectedAnswer):
            self._failed(region)
            return
        self._next_challenge = ""
        body = self.installation.renewal_body(self.installation.client_data(challenge))
        answer = self._redeem(region, "/v1/tokens", challenge, body)
        if answer is not None and answer.problem == "wrong-region" and answer.text("home") in self.clients:
            region = answer.text("home")
            answer = self._redeem(region, "/v1/tokens", challenge, body)  # the same bytes, once
        if answer is None or answer.status >= 500:
            self._failed(region)
        elif answer.status == 200:
            self._settled(region, answer)
        elif answer.problem == "unknown-key":
            self._unknown(region)
        elif region == self.home:
            self._watch.answered()

    def _challenge(self, region: str) -> str:
        return self.clients[region].challenge(self.installation.app)

    def _redeem(self, region: str, path: str, challenge: str, body: Mapping[str, object]) -> Answer | None:
        answer: Answer | None = None
        try:
            answer = self.clients[region].post(path, body)
        except StackUnreachable:
            pass  # remembered below, as one that may have been spent
        key = self.installation.bonafide_key_id
        status, problem = (0, "") if answer is None else (answer.status, answer.problem or "")
        self.history.append(Redeem(time.monotonic(), region, key, challenge, status, problem))
        return answer

    def _settled(self, region: str, answer: Answer) -> None:
        self._next_challenge = answer.text("next_challenge")
        if region != self.home:
            self.home, self._watch, self._turn = region, HomeWatch(), 0
        self._watch.answered()

    def _failed(self, region: str) -> None:
        if region == self.home:
            self._watch.failed(self._now())

    def _unknown(self, region: str) -> None:
        """The key is known where it was asked, or home has been silent for so long that this counts."""
        if region != self.home and not self._watch.unknown_key_counts(self._now()):
            return
        self.installation = self.anew()
        self.enrolled_again += 1
        try:
            self.enrol(region)
        except OperatorError:
            self._failed(region)

    def _now(self) -> float:
        return time.monotonic() * self.speed


@dataclass(slots=True)
class Crowd:
    """Phones that renew, each again and again with a `pause` between, on threads of their own until `stop`."""

    phones: list[Phone]
    pause: float = 1.0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._threads = [threading.Thread(target=self._live, args=(phone,), daemon=True) for phone in self.phones]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; every phone finishes what it does."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _live(self, phone: Phone) -> None:
        while not self._stopping.wait(self.pause):
            phone.renew()
