"""Keys for hire: phones that attest for others (farms, brokers), and one keybox that was copied.

How they go about it is assumed: attestations are sold as a service, one key a session, and no delays are published.
A farm's script is quick or patient, by the seed; who uses an install that a farm made has no phone's rhythm, because a
script renews for as long as it runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.markets import APPLE, BUILDS, Make
from devkit.fleet.population.phones import Install, Phone
from devkit.fleet.population.world import CHALLENGE_SECONDS, World

_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_ENROL, _RENEW = range(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How evidence for hire travels. ``relay`` is the median of what it adds to each delay, in seconds, and ``spread``
    the standard deviation of its logarithm. ``proxies``: each install's requests leave by a house of its own;
    otherwise by the network of the phones. ``moves``: the key is enrolled where the phone is, and used elsewhere
    minutes later. ``hours`` are how long an install is used without a pause."""

    relay: float = 0.0
    spread: float = 0.4
    proxies: bool = True
    moves: bool = False
    hours: tuple[float, float] = (3, 20)


@dataclass(slots=True, kw_only=True)
class Rented:
    """``installs`` on ``phones``, enrolled from ``begin`` on, one each ``gap`` seconds and phone (a median). ``make``
    makes a phone."""

    world: World
    phones: list[Phone]
    installs: int
    begin: float
    gap: float
    way: Way
    hostile: str
    _events: list[tuple[float, int, int, Install, float]] = field(init=False, default_factory=list)
    _number: int = field(init=False, default=0)

    def sightings(self) -> Iterator[LabelledSighting]:
        """What their decisions look like, in order of time."""
        for number, phone in enumerate(self.phones):
            at = self.begin + self.world.chance.random() * self.gap
            for turn in range(number, self.installs, len(self.phones)):
                self._push(at, _ENROL, self._install(phone, turn), math.inf)
                at += max(8.0, self.gap * self.world.delays.factor())
        while self._events:
            at, _, kind, install, until = heappop(self._events)
            yield self._enrol(at, install) if kind == _ENROL else self._renew(at, install, until)

    def _push(self, at: float, kind: int, install: Install, until: float) -> None:
        if at < min(self.world.end, until):
            self._number += 1
            heappush(self._events, (at, self._number, kind, install, until))

    def _install(self, phone: Phone, turn: int) -> Install:
        install = Install(
            phone=phone, number=f"{self.world.seed} {self.hostile} {turn}", app_build=BUILDS[-2], load=_HOUR
        )
        install.network, install.country = phone.house, phone.country
        return install

    def _enrol(self, at: float, install: Install) -> LabelledSighting:
        chance = self.world.chance
        if self.way.proxies and not self.way.moves:
            install.network, install.country = self.world.residence()
        install.enrol(chance, at)
        install.home_country = install.country
        sighting = self.world.sight(
            at,
            "enrol",
            install.phone.make,
            install.app_build,
            install.country,
            key_id=install.key_id,
            issuer=install.issuer,
            issuer_kind=install.issuer_kind,
            network=install.network,
            request_key=install.request_key,
            delay=self._delay(install, enrols=True),
            counter=0 if install.phone.make.platform in APPLE else None,
            hostile=self.hostile,
        )
        install.answered = at
        if self.way.moves:
            while install.country == install.home_country:
                install.network, install.country = self.world.residence()
        until = at + chance.uniform(*self.way.hours) * _HOUR
        self._push(at + chance.uniform(200, 285), _RENEW, install, until)
        return sighting

    def _renew(self, at: float, install: Install, until: float) -> LabelledSighting:
        chance = self.world.chance
        apple = install.phone.make.platform in APPLE
        if apple:
            install.counter += 1
        handed_along = self.way.relay == 0.0 and at - install.answered < CHALLENGE_SECONDS
        delay = round(at - install.answered, 1) if handed_along else self._delay(install, enrols=False)
        install.answered = at
        self._push(at + chance.uniform(240, 285), _RENEW, install, until)
        return self.world.sight(
            at,
            "renew",
            install.phone.make,
            install.app_build,
            install.country,
            key_id=install.key_id,
            issuer=install.issuer,
            issuer_kind=install.issuer_kind,
            network=install.network,
            request_key=install.request_key,
            delay=delay,
            handed_along=handed_along,
            counter=install.counter if apple else None,
            risk_metric=install.metric(chance, at) if apple else None,
            enrolled_hours=(at - install.enrolled_at) / _HOUR,
            home_country=install.home_country,
            hostile=self.hostile,
        )

    def _delay(self, install: Install, *, enrols: bool) -> float:
        delay = self.world.delays.of(install.phone, enrols=enrols)
        if self.way.relay:
            delay += self.way.relay * self.world.chance.lognormvariate(0.0, self.way.spread)
        return round(min(delay, CHALLENGE_SECONDS - 1), 1)


def keybox_sightings(
    world: World, *, batch: str, makes: list[Make], keys: int, begin: float, gap: float, hostile: str
) -> Iterator[LabelledSighting]:
    """``keys`` enrolments under one factory certificate that was copied, by emulators that call themselves ``makes``;
    each is used for some hours."""
    phones = [
        Phone(
            number=f"{world.seed} keybox {number}",
            make=makes[number % len(makes)]._replace(batch=batch, rkp=False, strongbox=False),
            country=country,
            house=network,
            cells=(network, network),
            pace=1.0,
        )
        for number in range(keys)
        for network, country in (world.residence(),)
    ]
    # One phone an install: each enrols once, the one after the other.
    army = Rented(
        world=world, phones=phones, installs=keys, begin=begin, gap=gap * keys, way=Way(proxies=False), hostile=hostile
    )
    return army.sightings()
