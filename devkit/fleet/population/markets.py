"""What phones there are, where, and in which build: shares.

Platforms, Android versions, builds and the share of phones with a warning or a refusal are those of the recorded
population of ``tests/benchmarks``, by which replays are measured. Models, factory batches and countries have long tails
(assumed): a few of them have most of the phones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from devkit.fleet.population.names import raw_name


class Country(NamedTuple):
    """``offset`` is its time zone, in hours from UTC."""

    code: str
    offset: float
    share: float


COUNTRIES: Final = (
    Country("DE", 1, 34),
    Country("FR", 1, 14),
    Country("GB", 0, 9),
    Country("PL", 1, 7),
    Country("IT", 1, 6),
    Country("ES", 1, 6),
    Country("AT", 1, 4),
    Country("NL", 1, 4),
    Country("CH", 1, 3),
    Country("US", -6, 3),
    Country("BR", -3, 3),
    Country("IN", 5.5, 3),
    Country("TR", 3, 2),
    Country("NG", 1, 1),
    Country("JP", 9, 1),
)
OFFSETS: Final = {country.code: country.offset for country in COUNTRIES}
_CODES: Final = tuple(country.code for country in COUNTRIES)
_COUNTRY_SHARES: Final = tuple(country.share for country in COUNTRIES)

BUILDS: Final = ("4102", "4103", "4110", "4117", "4118", "4200", "4201")
"""Registered builds of the app, oldest first."""
_BUILD_SHARES: Final = (1, 1, 3, 10, 20, 50, 15)

APPLE: Final = frozenset({"ios", "macos"})
_IPHONES: Final = tuple(f"iPhone{generation},{variant}" for generation in range(17, 10, -1) for variant in (1, 2, 3))
_MAKERS: Final = ("Norden", "Kestrel", "Aoba", "Lumen", "Tarn", "Vela", "Ostra", "Pico", "Mira")
_ANDROIDS: Final = tuple(f"{maker} {series}{number}" for number in range(1, 13) for series in "AX" for maker in _MAKERS)
_HARMONIES: Final = tuple(f"HM-{number:02d}" for number in range(1, 13))
_VERSIONS: Final = (16, 15, 14, 13, 12, 10)
_VERSION_SHARES: Final = (15, 30, 25, 15, 10, 5)
_RKP_SHARES: Final = {16: 0.95, 15: 0.9, 14: 0.75, 13: 0.5, 12: 0.1, 10: 0.0}
"""Share of phones whose certificates are provisioned remotely: required of those that launched with Android 13, so it
lags behind the version (assumed; the case files have more factory chains than others, of older phones)."""
_BATCHES: Final = 3
"""Factory batches of a model. Android's compatibility definition (§9.11) asks that 100,000 units or more share one."""


class Make(NamedTuple):
    """``batch`` is the raw name of the factory batch, empty for phones that have none, or are provisioned remotely."""

    platform: str
    os: str
    model: str
    rkp: bool
    batch: str
    strongbox: bool


def some_country(chance: random.Random) -> str:
    """A country, by its share."""
    return chance.choices(_CODES, _COUNTRY_SHARES)[0]


def some_build(chance: random.Random) -> str:
    """A registered build, by its share."""
    return chance.choices(BUILDS, _BUILD_SHARES)[0]


def some_make(chance: random.Random) -> Make:
    """A phone, by the shares of platforms, models and versions."""
    platform = chance.choices(("ios", "macos", "android", "harmony"), (46, 1, 47, 6))[0]
    if platform == "android":
        return some_android(chance)
    if platform == "harmony":
        return Make(
            platform, f"HarmonyOS {chance.choice(('5.0', '5.1', '6.0'))}", _of(chance, _HARMONIES), False, "", False
        )
    return some_iphone(chance, platform)


def some_iphone(chance: random.Random, platform: str = "ios") -> Make:
    """An iPhone, or a Mac."""
    major = chance.choices((26, 18, 17, 16), (40, 45, 10, 5))[0]
    system = "iOS" if platform == "ios" else "macOS"
    model = _of(chance, _IPHONES) if platform == "ios" else "Mac15,3"
    return Make(platform, f"{system} {major}.{chance.randrange(7)}", model, False, "", False)


def some_android(chance: random.Random, *, rkp: bool | None = None) -> Make:
    """An Android phone; ``rkp`` chooses one that is provisioned remotely, or one that is not."""
    version = chance.choices(_VERSIONS, _VERSION_SHARES)[0]
    provisioned = chance.random() < _RKP_SHARES[version] if rkp is None else rkp
    model = _of(chance, _ANDROIDS)
    batch = "" if provisioned else batch_of(model, min(int(chance.expovariate(1.0)), _BATCHES - 1))
    return Make("android", f"Android {version}", model, provisioned, batch, provisioned and chance.random() < 0.3)


def batch_of(model: str, number: int) -> str:
    """The raw name of a factory batch."""
    return raw_name("batch", model, number)


def _of(chance: random.Random, models: Sequence[str]) -> str:
    """One of ``models``; the first ones are sold most."""
    return models[int(len(models) * chance.random() ** 2.2)]
