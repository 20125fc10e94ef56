"""Traffic: a population of app instances that call the guarded API again and again, and renew when they are told to.

What an app's SDK does: send the token; when the gate says ``reattest``, renew once and send the request again. Every
request becomes one :class:`Call`, so that a story about them can be told and checked afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, NamedTuple

from devkit.devices.app_instance import AppInstance
from devkit.devices.client import Answer, ApiClient, Session, StackUnreachable, UnexpectedAnswer

CALLERS: Final = 4
"""Genuine devices call from this many threads at a time: traffic enough to notice any interruption."""
_PAUSE: Final = 0.02
_JOIN: Final = 60.0


@unique
class Fate(StrEnum):
    """What became of one request."""

    ACCEPTED = "accepted"
    RENEWED = "renewed"
    """The gate asked for a new token, the app renewed, and the same request was accepted."""
    REFUSED = "refused"
    """The gate asked for a new token, and the renewal was refused."""
    FAILED = "failed"
    """Anything else: one renewal did not help, or an answer that no app can act on."""


class Call(NamedTuple):
    """One request. Times are of ``time.monotonic()``: when it was sent, and when the gate's first answer was there."""

    device: int
    asked: float
    answered: float
    fate: Fate
    detail: str = ""


@dataclass(slots=True)
class Device:
    """One app instance in traffic. ``signals`` are what its app reports with every renewal."""

    installation: AppInstance
    hostile: bool
    signals: tuple[str, ...] = ()
    session: Session | None = None


@dataclass(slots=True)
class Traffic:
    """The requests of all devices. ``devices`` are named by their place in the sequence."""

    client: ApiClient
    devices: Sequence[Device]
    calls: list[Call] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def enrol(self, device: Device) -> None:
        """Have one device attest. Raises :class:`~devkit.devices.client.UnexpectedAnswer`."""
        device.session = self.client.attest(device.installation, signals=list(device.signals))

    def enrol_all(self) -> Iterator[Device]:
        """Have every device attest, a few at a time; each as it is done."""

        def enrolled(device: Device) -> Device:
            self.enrol(device)
            return device

        with ThreadPoolExecutor(CALLERS) as pool:
            yield from pool.map(enrolled, self.devices)

    @contextmanager
    def flowing(self) -> Iterator[Traffic]:
        """Calls from every device, over and over, until the block ends. Hostile ones have a thread of their own."""
        genuine = [number for number, device in enumerate(self.devices) if not device.hostile]
        hostile = [number for number, device in enumerate(self.devices) if device.hostile]
        shares = [share for share in (*(genuine[n::CALLERS] for n in range(CALLERS)), hostile) if share]
        threads = [threading.Thread(target=self._call_round, args=(share,), daemon=True) for share in shares]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(_JOIN)

    def since(self, begin: float, *, hostile: bool) -> list[Call]:
        """Requests of one side that were sent at ``begin`` (monotonic) or later, in the order they ended."""
        return [
            call for call in tuple(self.calls) if call.asked >= begin and self.devices[call.device].hostile is hostile
        ]

    def wait_for(self, seen: Iterable[object], *, seconds: float) -> bool:
        """Wait until the iterator ``seen`` yields something true, ``seconds`` at most; whether it did."""
        deadline = time.monotonic() + seconds
        for value in seen:
            if value:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return False

    def _call_round(self, share: Sequence[int]) -> None:
        while not self._stop.is_set():
            for number in share:
                if self._stop.is_set():
                    return
                self.calls.append(self._call(number, self.devices[number]))
                self._stop.wait(_PAUSE)

    def _call(self, number: int, device: Device) -> Call:
        asked = time.monotonic()
        try:
            answer = self._whoami(device)
            answered = time.monotonic()
            if answer.status == 200:
                return Call(number, asked, answered, Fate.ACCEPTED)
            if answer.text("action") != "reattest":
                return Call(number, asked, answered, Fate.FAILED, answer.summary)
            renewal = self._renew(device)
            if renewal is not None:
                return Call(number, asked, answered, Fate.REFUSED, renewal.summary)
            again = self._whoami(device)
            fate = Fate.RENEWED if again.status == 200 else Fate.FAILED
            return Call(number, asked, answered, fate, again.summary)
        except (StackUnreachable, UnexpectedAnswer) as error:
            return Call(number, asked, time.monotonic(), Fate.FAILED, str(error))

    def _whoami(self, device: Device) -> Answer:
        return self.client.call("GET", "/v1/whoami", token=device.session.token if device.session else "")

    def _renew(self, device: Device) -> Answer | None:
        """Renew once; the answer of a refusal, ``None`` when there is a new token."""
        try:
            challenge = self.client.challenge(device.installation.app)
            device.session = self.client.renew(device.installation, challenge, signals=list(device.signals))
        except UnexpectedAnswer as error:
            if error.answer.status != 403:
                raise
            return error.answer
        return None
