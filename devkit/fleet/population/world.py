"""What all installs of a scenario have in common: time, networks, countries, names; and how a sighting is made."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from service.detection.epochs import EPOCH_SECONDS
from service.detection.sighting import Sighting

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.markets import COUNTRIES, OFFSETS, Make, some_country, some_make
from devkit.fleet.population.names import EpochNames, Names, raw_name
from devkit.fleet.population.phones import Delays, Phone
from devkit.fleet.population.rhythm import QUARTER, Rhythm, weather

START: Final = 687 * EPOCH_SECONDS + 2 * 86_400.0
"""A Monday, 0:00 UTC, early in an epoch."""
APP: Final = "bank"
CHALLENGE_SECONDS: Final = 300.0
"""For how long a challenge can be used (documented)."""
_PHONES_OF_A_HOUSE: Final = 3
_CELLS: Final = 120
"""Networks of mobile carriers that a country's phones are seen in; a few of them carry most (assumed)."""
_EXITS: Final = 40


@dataclass(slots=True)
class World:
    """One scenario's world. ``seed`` and ``name`` determine every number in it."""

    name: str
    seed: int
    start: float = START
    days: float = 1.0
    networks: bool = True
    naming: Names | None = None
    app: str = APP
    holidays: Collection[int] = ()
    chance: random.Random = field(init=False)
    delays: Delays = field(init=False)
    names: Names = field(init=False)
    number: int = field(init=False, default=0)
    _rhythms: dict[float, Rhythm] = field(init=False, default_factory=dict)
    _factors: list[float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.name} {self.seed}")  # noqa: S311 - reproducible, no secret
        self.delays = Delays(self.chance)
        self._factors = weather(self.chance, int(self.days * 86_400 / QUARTER) + 1)
        self.names = self.naming or EpochNames(self.seed)

    @property
    def end(self) -> float:
        """The first moment after the window."""
        return self.start + self.days * 86_400

    def rhythm(self, country: str) -> Rhythm:
        """The curve of use of a country's phones."""
        offset = OFFSETS.get(country, COUNTRIES[0].offset)
        if offset not in self._rhythms:
            self._rhythms[offset] = Rhythm(self.start, self._factors, offset, self.holidays)
        return self._rhythms[offset]

    def phone(self, number: str, house: int, *, make: Make | None = None, country: str = "") -> Phone:
        """A phone that lives in a house."""
        country = country or some_country(self.chance)
        return Phone(
            number=f"{self.seed} {number}",
            make=make or some_make(self.chance),
            country=country,
            house=raw_name("house", self.seed, country, house // _PHONES_OF_A_HOUSE),
            cells=(self.cell(country), self.cell(country)),
            pace=self.delays.factor(),
        )

    def cell(self, country: str) -> str:
        """A network of a mobile carrier."""
        return raw_name("cell", self.seed, country, int(_CELLS * self.chance.random() ** 2.5))

    def exit(self) -> tuple[str, str]:
        """Network and country of a VPN's or a proxy's way out."""
        number = int(_EXITS * self.chance.random() ** 2)
        return raw_name("exit", self.seed, number), COUNTRIES[number % len(COUNTRIES)].code

    def residence(self) -> tuple[str, str]:
        """Network and country of some house: what a residential proxy has."""
        country = some_country(self.chance)
        return raw_name("house", self.seed, country, self.chance.randrange(10**6)), country

    def sight(
        self,
        at: float,
        source: str,
        make: Make,
        app_build: str,
        country: str,
        *,
        key_id: str = "",
        outcome: str = "accepted",
        why: str = "",
        proved: bool = True,
        issuer: str = "",
        issuer_kind: str = "",
        signer: str | None = None,
        network: str = "",
        request_key: str = "",
        delay: float | None = None,
        handed_along: bool = False,
        counter: int | None = None,
        risk_metric: int | None = None,
        enrolled_hours: float | None = None,
        home_country: str = "",
        hostile: str = "",
    ) -> LabelledSighting:
        """The sighting of one decision. What evidence did not prove is left out of it, as the product does."""
        self.number += 1
        name = self.names.of
        if not proved:
            key_id = issuer = issuer_kind = home_country = request_key = ""
            counter = risk_metric = enrolled_hours = None
        if signer is None:
            signer = "own" if proved else ""
        sighting = Sighting(
            at=at,
            app=self.app,
            source=source,
            outcome=outcome,
            why=why,
            key_id=key_id,
            proved=proved,
            platform=make.platform,
            app_build=app_build,
            os=make.os,
            model=make.model,
            country=country,
            signer=signer,
            issuer=name(issuer, at),
            issuer_kind=issuer_kind,
            issuer_mark=self.names.mark(issuer, at) if issuer else "",
            earlier_issuer=self.names.earlier(issuer, at) if issuer else "",
            network=name(network, at) if self.networks else "",
            request_key=name(request_key, at),
            delay=delay,
            handed_along=handed_along,
            counter=counter,
            risk_metric=risk_metric,
            enrolled_hours=enrolled_hours,
            home_country=home_country,
            id=f"{self.name}-{self.seed}-{self.number}",
        )
        return LabelledSighting(sighting, hostile)
