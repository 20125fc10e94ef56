"""Ordinary days of an app, minute by minute, as rows of tallies: what a quiet month is made of.

Counts are overdispersed in three ways: each day and hour has rates of its own, each minute varies beyond chance, and a
phone that is refused tries again. Volume and shares have the rhythm of a day and of a week; the app grows; there are a
holiday, releases that spread over days, new models and system versions, emulators, rooted phones and strangers'
copies. Buckets of a minute have room for 64 cells of accepted decisions and 64 others, as the table's rows have.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from service.detection.rates.window import KnownBuild
from service.tallies.rows import Cell, TallyRow

from devkit.fleet.population.counted import bounded, poisson

DAY: Final = 86_400
BEGIN: Final = 1_796_601_600
"""A Monday, 00:00 UTC."""

SHARES: Final[Mapping[str, float]] = {
    "renew": 0.45,
    "authorize": 0.53,
    "enrol": 0.015,
    "signal": 0.005,
    "beacon": 0.002,
}
"""What a day's decisions are; reports of devices come on top."""
REFUSED: Final[Mapping[str, Mapping[str, float]]] = {
    "enrol": {
        "rule:boot-unverified": 0.012,
        "rule:patch-level": 0.008,
        "rule:play-device": 0.005,
        "signer-mismatch": 0.003,
        "challenge-expired": 0.003,
        "anchor-unknown": 0.002,
        "app-mismatch": 0.0005,
        "certificate-revoked": 0.0005,
        "device-enrolments": 0.0002,
    },
    "renew": {
        "key-unknown": 0.004,
        "rule:boot-unverified": 0.0015,
        "challenge-expired": 0.001,
        "challenge-spent": 0.0005,
        "rule:signal-debugger": 0.0002,
        "counter-not-greater": 0.0002,
        "signature-invalid": 0.0001,
        "key-blocked": 0.0001,
    },
    "signal": {"token-expired": 0.01, "proof-invalid": 0.002},
    "authorize": {"expired": 0.008, "no-token": 0.003, "invalid": 0.001, "replayed": 0.0002, "revoked": 0.0001},
}
REPORTED: Final[Mapping[str, float]] = {
    "play-services-missing": 0.3,
    "app-attest-not-supported": 0.2,
    "verifier-unreachable": 0.15,
    "key-lost": 0.12,
    "timeout": 0.1,
    "vendor-unreachable": 0.08,
    "simulator": 0.03,
    "vendor-error": 0.02,
}
_OTHER_REASONS: Final = ("rule:boot-unverified", "rule:play-device")

_COUNTRIES: Final = ("DE", "FR", "GB", "PL", "IT", "ES", "AT", "NL", "CH", "US", "BR", "IN")
_HOURS: Final = (18, 12, 9, 7, 7, 9, 16, 34, 52, 58, 60, 66, 74, 70, 64, 62, 66, 76, 88, 100, 98, 84, 58, 34)
_WEEKEND: Final = (26, 18, 13, 10, 8, 8, 10, 16, 28, 46, 62, 74, 80, 80, 78, 78, 80, 84, 92, 100, 96, 86, 66, 44)
_GROWTH: Final = 0.15
_TRIES_AGAIN: Final = 0.5


class Phone(NamedTuple):
    """Facts of a kind of phone."""

    platform: str
    os: str
    model: str
    country: str


class Release(NamedTuple):
    """A build: from when (days) its users get it; in how many days half of them have it; whether it was registered."""

    build: str
    day: float
    half: float = 1.5
    registered: bool = True


class Newcomer(NamedTuple):
    """A model or system version that was not there before: decisions a day, once it is there, and how many fail."""

    phone: Phone
    day: float
    daily: float
    refused: float


@dataclass(slots=True)
class _Noise:
    """A rate's own mind: a level that wanders from hour to hour."""

    chance: random.Random
    spread: float
    keep: float = 0.7
    level: float = 0.0

    def next(self) -> float:
        self.level = self.keep * self.level + self.chance.gauss(0, self.spread * math.sqrt(1 - self.keep**2))
        return math.exp(self.level - self.spread**2 / 2)


Change = Callable[[float, str, str], float]
"""By what factor the refusals of a source for a reason are raised at a time (Unix seconds); reports have the source
``beacon``, enrolments the reason ``""``."""


def unchanged(_at: float, _source: str, _why: str) -> float:
    """An ordinary day."""
    return 1.0


@dataclass(slots=True)
class Days:
    """The days of one app from :data:`BEGIN` on, by seed. ``decisions`` is how many there are on a day at first;
    ``holidays`` are numbers of days."""

    seed: int
    decisions: float = 1_000_000
    releases: Sequence[Release] = ()
    holidays: Sequence[int] = ()
    change: Change = unchanged
    app: str = "demo"
    chance: random.Random = field(init=False)
    phones: list[Phone] = field(init=False)
    weights: list[float] = field(init=False)
    prone: list[float] = field(init=False)
    newcomers: list[Newcomer] = field(init=False)
    _noises: dict[tuple[str, str], _Noise] = field(default_factory=dict, init=False)
    _rates: dict[tuple[str, str], float] = field(default_factory=dict, init=False)
    _hour: int = field(default=-1, init=False)
    _day: tuple[int, float] = field(default=(-1, 1.0), init=False)

    def __post_init__(self) -> None:
        self.chance = chance = random.Random(self.seed)
        self.phones = sorted({self._phone() for _ in range(1_500)})
        self.weights = _sums(chance.paretovariate(1.1) for _ in self.phones)
        by_model = {phone.model: chance.gammavariate(0.8, 1) for phone in self.phones}
        each = [high - low for low, high in zip([0.0, *self.weights], self.weights, strict=False)]
        self.prone = _sums(weight * by_model[phone.model] for weight, phone in zip(each, self.phones, strict=True))
        self.newcomers = sorted((self._newcomer(number) for number in range(60)), key=lambda one: one.day)

    def _phone(self) -> Phone:
        chance = self.chance
        country = chance.choices(_COUNTRIES, range(24, 0, -2))[0]
        if chance.random() < 0.45:
            return Phone(
                "ios",
                f"iOS {chance.choice((26, 18, 17))}.{chance.randrange(6)}",
                f"iPhone{chance.randrange(11, 19)},{chance.randrange(1, 4)}",
                country,
            )
        if chance.random() < 0.1:
            return Phone("harmony", f"HarmonyOS {chance.choice(('5.0', '6.0'))}", f"HM-{chance.randrange(12)}", country)
        return Phone(
            "android",
            f"Android {chance.choice((16, 15, 14, 13, 12))}",
            f"Maker {chance.choice('ABCDEFGH')}{chance.randrange(20)}",
            country,
        )

    def _newcomer(self, number: int) -> Newcomer:
        """Most are new models with few phones; one in six is a system version; one in eight an emulator or a kind that
        is refused as a rule, one phone or a few."""
        chance, phone = self.chance, self.chance.choice(self.phones)
        day = chance.uniform(-5, 35)
        share = min(0.4, 0.03 * chance.gammavariate(0.8, 1.25))
        if number % 6 == 0:
            return Newcomer(
                phone._replace(os=f"{phone.os}.{number}"), day, self.decisions * chance.uniform(1e-4, 0.01), share
            )
        phone = phone._replace(model=f"New {number}")
        if number % 8 == 1:
            return Newcomer(phone, day, chance.uniform(1, 12), chance.uniform(0.5, 1))
        return Newcomer(phone, day, self.decisions * 10 ** chance.uniform(-5, -2.5), share)

    def rows(self, at: int) -> list[TallyRow]:
        """The rows of the minute that begins at ``at``, a multiple of 60 s after :data:`BEGIN`."""
        self._turn(at)
        made = []
        for source, share in SHARES.items():
            mean = self.decisions * share * self._volume(at, source) / 1440
            cells = self._beacons(at, mean) if source == "beacon" else self._decided(at, source, mean)
            if cells:
                cells = self._in_order_of_coming(cells)
                made.append(bounded(TallyRow(self.app, source, 60, at, cells)))
        return made

    def minutes(self, days: float, since: int = BEGIN) -> Iterator[tuple[int, list[TallyRow]]]:
        """The rows of one minute after the other, for so many days."""
        for at in range(since, since + round(days * 1440) * 60, 60):
            yield at, self.rows(at)

    @property
    def builds(self) -> dict[KnownBuild, float]:
        """The registered builds, with the times of their registration."""
        platforms = ("apple", "android", "harmony")
        known = {release.build: BEGIN + release.day * DAY for release in self.releases if release.registered}
        return {KnownBuild(platform, build): at for platform in platforms for build, at in known.items()}

    def _turn(self, at: int) -> None:
        hour = at // 3600
        if hour == self._hour:
            return
        self._hour = hour
        for source, reasons in (*REFUSED.items(), ("beacon", REPORTED), ("volume", SHARES)):
            for why in reasons:
                noise = self._noises.setdefault((source, why), _Noise(self.chance, 0.12 if source == "volume" else 0.3))
                self._rates[source, why] = noise.next()
        day = (at - BEGIN) // DAY
        if day != self._day[0]:
            self._day = day, math.exp(self.chance.gauss(0, 0.06))

    def _volume(self, at: int, source: str) -> float:
        day, second = divmod(at - BEGIN, DAY)
        rest = day % 7 >= 5 or day in self.holidays
        hours = _WEEKEND if rest else _HOURS
        hour, part = divmod(second, 3600)
        level = hours[hour] + (hours[(hour + 1) % 24] - hours[hour]) * part / 3600
        level *= 24 / sum(_HOURS) * self._day[1] * (1 + _GROWTH * day / 30)
        if day in self.holidays:
            level *= 1.5 * (1.5 if source == "enrol" else 1.0)
        return level * self._rates["volume", source] * self.chance.gammavariate(60, 1 / 60)

    def _decided(self, at: int, source: str, mean: float) -> Counter[Cell]:
        cells: Counter[Cell] = Counter()
        if source == "enrol":
            mean *= self.change(at, source, "")
        night = 1.3 if (at - BEGIN) % DAY < 6 * 3600 else 1.0
        refused: Counter[tuple[str, Phone]] = Counter()
        for why, share in REFUSED[source].items():
            rate = mean * share * night * self._rates[source, why] * self.change(at, source, why) * _TRIES_AGAIN
            for phone in self._some(poisson(self.chance, rate), self.prone):
                refused[why, phone] += 1 + int(self.chance.expovariate(1 / (1 / _TRIES_AGAIN - 0.5)))
        accepted = poisson(self.chance, mean) if source != "authorize" else 0
        if source == "authorize":
            for platform, part in (("ios", 0.5), ("android", 0.45), ("harmony", 0.05)):
                cells[Cell("accepted", "", ("orders GET /orders", "verified", platform, ""))] = poisson(
                    self.chance, mean * part
                )
            for (why, phone), times in refused.items():
                cells[Cell("refused", why, ("orders GET /orders", why, phone.platform, ""))] += times
            return +cells
        for phone, times in Counter(self._some(accepted, self.weights)).items():
            cells[Cell("accepted", "", self._facts(phone, at))] += times
        for (why, phone), times in refused.items():
            cells[Cell("refused", why, self._facts(phone, at))] += times
        if source in ("enrol", "renew"):
            self._newcome(at, mean, cells)
            self._unregistered(cells)
        return +cells

    def _in_order_of_coming(self, cells: Counter[Cell]) -> Counter[Cell]:
        """As they are there first: a bucket keeps the first ones, and no kind of phone always comes last."""
        items = list(cells.items())
        self.chance.shuffle(items)
        return Counter(dict(items))

    def _newcome(self, at: int, mean: float, cells: Counter[Cell]) -> None:
        day = (at - BEGIN) / DAY
        part = mean / self.decisions
        for phone, since, daily, share in self.newcomers:
            if since > day:
                break
            grown = min(1.0, (day - since) / 3)
            for _ in range(poisson(self.chance, daily * grown * part)):
                refused = self.chance.random() < share
                times = 1 + int(self.chance.expovariate(0.5)) if refused and self.chance.random() < 0.5 else 1
                why = self.chance.choice(_OTHER_REASONS) if refused else ""
                cells[Cell("refused" if refused else "accepted", why, self._facts(phone, at))] += times

    def _facts(self, phone: Phone, at: int) -> tuple[str, ...]:
        return (phone.platform, self._build(at), phone.os, phone.model, phone.country)

    def _build(self, at: int) -> str:
        day = (at - BEGIN) / DAY
        for release in reversed(self.releases):
            if day > release.day and self.chance.random() < 1 - 2 ** (-(day - release.day) / release.half):
                return release.build
        return self.chance.choices(("4102", "4110", "4117", "4118", "4200"), (1, 2, 7, 20, 70))[0]

    def _unregistered(self, cells: Counter[Cell]) -> None:
        """Whoever has a build that is not registered is refused."""
        builds = {release.build for release in self.releases if not release.registered}
        for cell in [cell for cell in cells if builds and cell.facts[1] in builds]:
            cells[Cell("refused", "rule:build-unknown", cell.facts)] += cells.pop(cell)

    def _beacons(self, at: int, mean: float) -> Counter[Cell]:
        cells: Counter[Cell] = Counter()
        for code, share in REPORTED.items():
            rate = mean * share * self._rates["beacon", code] * self.change(at, "beacon", code)
            for phone in self._some(poisson(self.chance, rate), self.prone):
                cells[Cell("reported", code, (phone.platform, self._build(at), phone.os, phone.model))] += 1
        return cells

    def _some(self, number: int, weights: list[float]) -> list[Phone]:
        return self.chance.choices(self.phones, cum_weights=weights, k=number) if number else []


def _sums(weights: Iterable[float]) -> list[float]:
    total, sums = 0.0, []
    for weight in weights:
        total += weight
        sums.append(total)
    return sums
