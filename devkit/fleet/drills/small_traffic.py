"""A small everyday traffic: a few software devices that use an app while a stack serves, so that something moves.

Not a load: about three requests a second, from one thread. Most devices are genuine; now and then one of an attacker's
tries, and is refused; and now and then one cannot attest, and says so, or keeps silent.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Final, Self

from devkit.devices.android.key_description import UNVERIFIED
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import ApiClient, CannotAttest, Session, StackUnreachable, UnexpectedAnswer
from devkit.fleet.scenario import Scene

COUNTRY_HEADER: Final = "CloudFront-Viewer-Country"
"""The header that the demo's stack takes the country from, and that a CDN would set."""
PAUSE: Final = 0.35
"""Seconds between two requests."""

_RENEWS_EVERY: Final = 12
_ENROLS_EVERY: Final = 25
_ATTACKS_EVERY: Final = 9
_FAILS_EVERY: Final = 20
_JOIN: Final = 40.0
_COUNTRIES: Final = ("DE", "FR", "JP", "BR", "US", "NG", "IN", "PL")
_MAKERS: Final[tuple[Callable[[Scene], AppInstance], ...]] = (
    lambda scene: scene.install("ios-26"),
    lambda scene: scene.android("galaxy-s24"),
    lambda scene: scene.install("ios-18"),
    lambda scene: scene.android("pixel-9"),
    lambda scene: scene.harmony(),
    lambda scene: scene.install("ios-27"),
)


_UNABLE: Final[tuple[tuple[Callable[[Scene], AppInstance], str, bool], ...]] = (
    (lambda scene: scene.install("ios-14"), "app-attest-not-supported", False),
    (lambda scene: scene.android("pixel-9"), "key-generation-failed", False),
    (lambda scene: scene.harmony(), "vendor-quota", False),
    (lambda scene: scene.install("ios-18"), "vendor-unreachable", True),
)
"""Devices without evidence: why, and whether they keep silent about it."""


@dataclass(slots=True)
class _Device:
    client: ApiClient
    installation: AppInstance
    session: Session
    calls: int = 0


@dataclass(slots=True)
class SmallTraffic:
    """Devices of the demo app, from the beginning of the block to its end. What a stack refuses or does not answer is
    part of the picture, and nothing to say."""

    scene: Scene
    pause: float = PAUSE
    turns: int = 0
    """Turns that were taken so far, whatever came of them."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True, name="small traffic")
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN)

    def _run(self) -> None:
        acts = self._acts()
        while not self._stop.wait(self.pause):
            try:
                next(acts)()
            except (CannotAttest, StackUnreachable, UnexpectedAnswer):
                pass
            self.turns += 1

    def _acts(self) -> Iterator[Callable[[], None]]:
        """One act after the other, for as long as is asked."""
        devices: list[_Device] = []
        for turn in itertools.count():
            if turn % _ATTACKS_EVERY == _ATTACKS_EVERY - 1:
                yield partial(self._attack, turn // _ATTACKS_EVERY)
            elif turn % _FAILS_EVERY == _FAILS_EVERY - 1:
                yield partial(self._cannot_attest, turn // _FAILS_EVERY)
            elif len(devices) < len(_MAKERS) or turn % _ENROLS_EVERY == 0:
                yield partial(self._enrol, devices, turn)
            else:
                yield partial(self._use, devices[turn % len(devices)])

    def _client(self, number: int) -> ApiClient:
        country = _COUNTRIES[number % len(_COUNTRIES)]
        return replace(self.scene.client, patience=0.0, headers={COUNTRY_HEADER: country})

    def _enrol(self, devices: list[_Device], number: int) -> None:
        installation = _MAKERS[number % len(_MAKERS)](self.scene)
        client = self._client(number)
        devices.append(_Device(client, installation, client.attest(installation)))
        del devices[: -len(_MAKERS)]

    def _use(self, device: _Device) -> None:
        """A request; from time to time, or when the gate asks for it, a renewal before the next."""
        device.calls += 1
        answer = device.client.call("GET", "/v1/whoami", token=device.session.token)
        if answer.status == 401 or device.calls % _RENEWS_EVERY == 0:
            device.session = device.client.renew(device.installation, device.session.next_challenge)

    def _cannot_attest(self, number: int) -> None:
        make, code, silent = _UNABLE[number % len(_UNABLE)]
        device = make(self.scene)
        device.cannot_attest, device.silent = code, silent
        self._client(number).attest(device)

    def _attack(self, number: int) -> None:
        """What strangers try: no token, a forged one, an unlocked phone, a hooked app."""
        client = self._client(number * 3)
        match number % 4:
            case 0:
                client.call("GET", "/v1/whoami")
            case 1:
                client.attest(self.scene.android(locked=False, boot_state=UNVERIFIED))
            case 2:
                client.call("GET", "/v1/whoami", token="eyJhbGciOiJub25lIn0.e30.")
            case _:
                client.attest(self.scene.install("ios-18"), signals=["hooking"])
