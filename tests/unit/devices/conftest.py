"""One authority and one clock for all tests of what software devices mint. Repeatable: nothing here is drawn."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import shake_256

import pytest

from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority

NOW = 1_780_000_000.0


class Drawn:
    """Random bytes that are the same in every run: SHAKE-256 of a seed and a running number."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return shake_256(f"{self._seed}/{self._count}".encode()).digest(size)


@pytest.fixture(scope="session")
def authority() -> DeviceAuthority:
    return DeviceAuthority.create(Drawn("authority"))


@pytest.fixture
def phone_of(authority: DeviceAuthority) -> Callable[..., SoftwareIphone]:
    """Makes a phone of a release by name, with a still clock and repeatable keys."""

    def make(generation: str = "ios-26", **changes: object) -> SoftwareIphone:
        arguments: dict[str, object] = {
            "authority": authority,
            "app_id": "ABCDE12345.org.example.demo",
            "generation": GENERATIONS[generation],
            "clock": lambda: NOW,
            "random": Drawn(generation),
        }
        return SoftwareIphone(**(arguments | changes))  # type: ignore[arg-type]

    return make
