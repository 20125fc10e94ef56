"""An ordinary day, and as many more as are asked for: installs that are used, renew, travel, break and come back.

What an app does is the documented client: a token of five minutes, renewed a little before its end while the app is in
front, with the ``next_challenge`` of the answer before; a session that begins later asks for a challenge.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.markets import APPLE, some_android, some_build, some_country, some_iphone
from devkit.fleet.population.phones import Install, Phone
from devkit.fleet.population.releases import Release
from devkit.fleet.population.world import CHALLENGE_SECONDS, World

_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_SESSION, _CHAIN, _ENROL, _AGAIN, _OFFICE = range(5)

SESSIONS: Final = 4.0
"""Sessions of an install a day, in the middle; a tenth of them have three times as many (assumed)."""
_WARNINGS: Final = (("rule:signal-other", 0.014), ("rule:android-boot-self-signed", 0.001))
_REFUSALS: Final = (("rule:signal-hooking", 0.002), ("rule:android-unlocked", 0.002))
_CLIENT_FAULTS: Final = 0.004
"""Share of decisions that end in an ordinary refusal, as in the recorded population of the benchmarks."""
_FAULTS: Final = ("challenge-expired", "challenge-spent", "key-unknown", "signature-invalid", "malformed-request")
_FAULT_SHARES: Final = (45, 25, 12, 6, 12)
_PROVED_FAULTS: Final = frozenset({"challenge-spent"})  # it is spent after the evidence was verified
_UNAVAILABLE: Final = 0.0002
_VERDICTS: Final = 0.25
"""Share of sessions of an Android that begin with a new verdict of Play: apps ask about every 20 hours (benchmarks)."""
_LOST_ANSWERS: Final = 0.004
"""Share of enrolments whose answer is lost: the same request comes again, and is answered again (ADR 34)."""
_DELIVERED_TWICE: Final = 0.0002
"""Share of log lines that are delivered twice: CloudWatch Logs promises at least once (documented)."""
_NEW_INSTALLS: Final = 0.008
_REINSTALLS: Final = 0.002
"""New installs a day, as a share of the phones, and an install's reinstallations a day (assumed)."""
_SAME_CERTIFICATE: Final = 0.7
"""Share of reinstallations after which the phone attests with the same certificate: not established, so the harder."""
_BAD_DAY: Final = 0.06
"""Share of reinstallations that are followed by another within the hour: ADR 34 counts on a few on a bad day."""
_SECOND_OWNER: Final = 0.05
"""Share of reinstallations that are a phone's new owner: factory reset, new certificate, another home."""
_PROFILES: Final = 0.03
"""Share of Android phones with the app in a work profile or of a second user as well."""
_TRAVEL: Final = 0.02
_VPN: Final = 0.03
_ROAMING_AT_HOME: Final = 0.3
"""Share of a traveller's sessions that leave by the home carrier's network: roaming is routed home."""
_FLIGHT: Final = 2 * _HOUR
_WRONG_CLOCKS: Final = 0.004
"""Share of phones whose clock is so wrong that the app renews a token at once, or long after its end."""
_MISPLACED: Final = 0.0005
"""Share of sessions whose network is looked up in the wrong country."""
_TESTERS: Final = 4
_ENROLMENTS_OF_A_TESTER: Final = (3, 10)
"""Enrolments of one test phone on a working day: "a tester ten times" (ADR 34)."""

_Event = tuple[float, int, int, Install]


@dataclass(slots=True)
class Ordinary:
    """The population of a world. ``releases`` come out in the window; ``use`` multiplies the sessions;
    ``outage`` is a vendor's (from, to): Androids whose verdict cannot be decoded meanwhile are told to try later."""

    world: World
    phones: int = 10_000
    releases: Sequence[Release] = ()
    use: float = 1.0
    outage: tuple[float, float] = (math.inf, math.inf)
    outage_label: str = ""
    installs: list[Install] = field(init=False, default_factory=list)
    _takes: dict[str, list[float]] = field(init=False, default_factory=dict)
    _clocks: dict[str, bool] = field(init=False, default_factory=dict)
    _events: list[_Event] = field(init=False, default_factory=list)
    _number: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        world = self.world
        for number in range(self.phones):
            phone = world.phone(f"p{number}", number)
            self._settle(self._install(phone, 0), enrolled=True)
            if phone.make.platform == "android" and world.chance.random() < _PROFILES:
                self._settle(self._install(phone, 1 if world.chance.random() < 0.5 else 0, copy=1), enrolled=True)
        self._laboratory()
        for number in range(self._arrivals()):
            phone = world.phone(f"n{number}", self.phones + number)
            at = world.start + world.chance.random() * (world.end - world.start)
            at = world.rhythm(phone.country).after(at, 0.3 * _HOUR)
            self._push(at, _ENROL, self._install(phone, 0))
        heapify(self._events)

    def sightings(self) -> Iterator[LabelledSighting]:
        """What this population's decisions look like, in order of time."""
        events, end, chance = self._events, self.world.end, self.world.chance.random
        while events:
            at, _, kind, install = heappop(events)
            if at >= end:
                return
            for sighting in self._happen(at, kind, install):
                yield sighting
                if chance() < _DELIVERED_TWICE:
                    yield sighting

    def _happen(self, at: float, kind: int, install: Install) -> Iterator[LabelledSighting]:
        if kind == _SESSION:
            return self._session(at, install)
        if kind in (_CHAIN, _AGAIN):
            return self._renew(at, install, handed_along=kind == _CHAIN)
        if kind == _OFFICE:
            return self._enrol(at, install, tester=True)
        return self._enrol(at, install)

    # --- who there is ---------------------------------------------------------------------------------------------

    def _install(self, phone: Phone, user: int, *, copy: int = 0) -> Install:
        chance = self.world.chance
        sessions = SESSIONS * self.use * chance.lognormvariate(0.0, 0.8)
        install = Install(
            phone=phone,
            number=f"{phone.number} i{copy}",
            app_build=some_build(chance),
            load=_DAY / sessions,
            user=user,
            warning=_drawn(chance, _WARNINGS, phone),
            refusal=_drawn(chance, _REFUSALS, phone),
            vpn=self.world.exit()[0] if chance.random() < _VPN else "",
        )
        install.country, install.network = phone.country, phone.house
        if chance.random() < _TRAVEL:
            begin = self.world.start + chance.random() * (self.world.end - self.world.start)
            install.away = begin, begin + chance.uniform(0.5, 8) * _DAY, some_country(chance)
        if self.releases:
            self._takes[install.number] = [
                release.taken_at(chance.random(), chance.expovariate(1)) for release in self.releases
            ]
        if chance.random() < _WRONG_CLOCKS:
            self._clocks[install.number] = chance.random() < 0.5
        return install

    def _settle(self, install: Install, *, enrolled: bool) -> None:
        self.installs.append(install)
        if enrolled:
            install.enrolled_before(self.world.chance, self.world.start)
            if install.refusal:  # never let in, tries again at times
                install.key_id = ""
        self._next_session(self.world.start, install)

    def _laboratory(self) -> None:
        """Test phones: one house, new installs at working hours, little use."""
        chance = self.world.chance
        if self.phones < 100:
            return
        for number in range(_TESTERS):
            make = some_android(chance, rkp=True) if number % 2 else some_iphone(chance)
            phone = self.world.phone(f"t{number}", 10**9, make=make, country="DE")
            for day in range(math.ceil(self.world.days)):
                morning = self.world.start + day * _DAY + 7 * _HOUR
                if (morning // _DAY + 3) % 7 >= 5:
                    continue
                for turn in range(chance.randint(*_ENROLMENTS_OF_A_TESTER)):
                    install = self._install(phone, 0, copy=day * 100 + turn)
                    install.refusal, install.load = "", 30 * _DAY
                    self._push(morning + chance.random() * 9 * _HOUR, _OFFICE, install)

    def _arrivals(self) -> int:
        mean = self.phones * _NEW_INSTALLS * self.world.days
        return max(0, round(self.world.chance.gauss(mean, 2 * math.sqrt(mean))))

    # --- what happens ---------------------------------------------------------------------------------------------

    def _push(self, at: float, kind: int, install: Install) -> None:
        if at < self.world.end:
            self._number += 1
            heappush(self._events, (at, self._number, kind, install))

    def _next_session(self, at: float, install: Install) -> None:
        wait = self.world.chance.expovariate(1) * install.load
        begin = self.world.rhythm(install.phone.country).after(at, wait)
        if install.away is not None and install.away[0] - _FLIGHT <= begin < install.away[0]:
            begin = install.away[0] + self.world.chance.random() * _HOUR
        self._push(begin, _SESSION, install)

    def _session(self, at: float, install: Install) -> Iterator[LabelledSighting]:
        chance = self.world.chance
        self._place(at, install)
        self._update(at, install)
        days = install.load / _DAY
        if not install.key_id or chance.random() < _REINSTALLS * days:
            return self._reinstall(at, install) if install.key_id else self._enrol(at, install)
        install.chain = int(chance.expovariate(1 / 1.4))  # renewals after the first, while the app is in front
        return self._renew(at, install, handed_along=at - install.answered < CHALLENGE_SECONDS * 0.95)

    def _reinstall(self, at: float, install: Install) -> Iterator[LabelledSighting]:
        chance, phone = self.world.chance, install.phone
        if chance.random() < _SECOND_OWNER:
            phone.certificate_until = 0.0
            moved = self.world.phone(f"{phone.number} again", chance.randrange(self.phones), make=phone.make)
            phone.country, phone.house, phone.cells = moved.country, moved.house, moved.cells
            install.away, install.vpn = None, ""
            self._place(at, install)
        elif chance.random() > _SAME_CERTIFICATE:
            phone.certificate_until = 0.0
        if chance.random() < _BAD_DAY:
            self._push(at + chance.uniform(60, _HOUR), _ENROL, install)
        return self._enrol(at, install)

    def _place(self, at: float, install: Install) -> None:
        """Where a session is: at home, on the way, in another country, behind a VPN."""
        chance, phone = self.world.chance, install.phone
        install.country = phone.country
        install.network = phone.house if chance.random() < 0.55 else phone.cells[chance.random() < 0.3]
        abroad = install.away is not None and install.away[0] <= at < install.away[1]
        if install.away is not None and abroad and chance.random() >= _ROAMING_AT_HOME:
            install.country, install.network = install.away[2], self.world.cell(install.away[2])
        if install.vpn and chance.random() < 0.5:
            install.network, install.country = self.world.exit()
        elif chance.random() < _MISPLACED:
            install.country = some_country(chance)

    def _update(self, at: float, install: Install) -> None:
        taken = zip(self.releases, self._takes.get(install.number, ()), strict=False)
        newest = next((release for release, since in reversed(list(taken)) if at >= since), None)
        if newest is None or install.app_build == newest.build or (newest.signer and not _is_android(install)):
            return
        install.app_build, install.refusal, install.hostile = newest.build, newest.why, newest.hostile
        if newest.signer:  # another app: it has no key of ours
            install.key_id = ""

    def _signer(self, install: Install) -> str | None:
        signers = (release.signer for release in self.releases if release.build == install.app_build)
        return next(signers, "") or None

    def _enrol(self, at: float, install: Install, *, tester: bool = False) -> Iterator[LabelledSighting]:
        chance, phone = self.world.chance, install.phone
        install.enrol(chance, at)
        install.home_country = install.country
        outcome, why = ("refused", install.refusal) if install.refusal else ("accepted", install.warning)
        if self._is_out(at, install):
            outcome, why = "unavailable", "try-later"
        for lost in (False, True):
            if lost and (outcome != "accepted" or chance.random() >= _LOST_ANSWERS):
                break
            yield self.world.sight(
                at,
                "enrol",
                phone.make,
                install.app_build,
                install.country,
                key_id=install.key_id,
                outcome=outcome,
                why=why,
                proved=outcome != "unavailable" and why not in _NOT_OURS,
                issuer=install.issuer,
                issuer_kind=install.issuer_kind,
                signer=self._signer(install),
                network=install.network,
                request_key=install.request_key,
                delay=self.world.delays.of(phone, enrols=True),
                counter=0 if phone.make.platform in APPLE else None,
                hostile=install.hostile or (self.outage_label if outcome == "unavailable" else ""),
            )
        if outcome != "accepted":
            install.key_id = ""
        install.answered, install.chain = at, 0 if tester else int(chance.expovariate(1 / 1.4))
        if outcome == "accepted" and install.chain:
            self._push(at + chance.uniform(240, 285), _CHAIN, install)
        else:
            self._next_session(at + 60, install)

    def _renew(self, at: float, install: Install, *, handed_along: bool) -> Iterator[LabelledSighting]:
        chance, phone = self.world.chance, install.phone
        if not install.key_id:
            return
        outcome, why, proved = (
            ("refused", install.refusal, True) if install.refusal else ("accepted", install.warning, True)
        )
        draw = chance.random()
        if draw < _CLIENT_FAULTS and outcome == "accepted":
            outcome, why = "refused", chance.choices(_FAULTS, _FAULT_SHARES)[0]
            proved = why in _PROVED_FAULTS
        elif draw > 1 - _UNAVAILABLE or (not handed_along and self._is_out(at, install) and draw > 1 - _VERDICTS):
            outcome, why, proved = "unavailable", "try-later", False
        delay = round(at - install.answered, 1) if handed_along else self.world.delays.of(phone, enrols=False)
        if why == "challenge-expired":
            delay = round(CHALLENGE_SECONDS + chance.expovariate(1 / 900), 1)
        apple = phone.make.platform in APPLE
        if apple:
            install.counter += 1 if chance.random() < 0.99 else 2  # some requests never arrive
            if install.counter <= install.accepted:  # a copy of this app was faster
                outcome, why, proved = "refused", "counter-not-greater", True
            elif outcome == "accepted":
                install.accepted = install.counter
        yield self.world.sight(
            at,
            "renew",
            phone.make,
            install.app_build,
            install.country,
            key_id=install.key_id,
            outcome=outcome,
            why=why,
            proved=proved,
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
            hostile=install.hostile or (self.outage_label if why == "try-later" and self._is_out(at, install) else ""),
        )
        self._go_on(at, install, outcome, why)

    def _go_on(self, at: float, install: Install, outcome: str, why: str) -> None:
        chance = self.world.chance
        if outcome == "accepted":
            install.answered = at
            if install.chain > 0:
                install.chain -= 1
                if install.vpn and chance.random() < 0.1:  # switched on or off while the app is in front
                    self._place(at, install)
                wrong = self._clocks.get(install.number)
                pause = chance.uniform(240, 285) if wrong is None else chance.uniform(5, 60) if wrong else 330.0
                self._push(at + pause, _CHAIN if pause < CHALLENGE_SECONDS else _AGAIN, install)
            else:
                self._next_session(at + 60, install)
        elif why in ("key-unknown", "counter-not-greater"):  # restored, idle too long, or copied: attests again
            install.key_id = ""
            self._push(at + chance.uniform(1, 5), _ENROL, install)
        elif why == install.refusal:
            self._next_session(at + 60, install)
        else:
            self._push(at + chance.uniform(1, 8), _AGAIN, install)

    def _is_out(self, at: float, install: Install) -> bool:
        begin, end = self.outage
        return begin <= at < end and _is_android(install)


_NOT_OURS: Final = frozenset({"signer-mismatch", "app-mismatch"})


def _is_android(install: Install) -> bool:
    return install.phone.make.platform == "android"


def _drawn(chance: random.Random, shares: Sequence[tuple[str, float]], phone: Phone) -> str:
    for why, share in shares:
        if chance.random() < share and ("android" not in why or phone.make.platform == "android"):
            return why
    return ""
