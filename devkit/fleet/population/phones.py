"""Phones, the installs on them, and how long their answers take."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from devkit.fleet.population.markets import Make
from devkit.fleet.population.names import key_name, raw_name

DAY: Final = 86_400.0
_HOUR: Final = 3600.0
_CERTIFICATE_DAYS: Final = (10, 30)
"""How long a remotely provisioned certificate lives (seen in the case files)."""
_FIRST_EXCHANGE: Final = DAY
"""A receipt can be exchanged a day after it was made, and then once a day at most (seen: its "not before")."""
_RISKS: Final = (None, 1, 1, 1, 2, 3)
"""Apple's metric of installs of before the window: the keys that the device attested in 30 days."""


@dataclass(slots=True, kw_only=True)
class Phone:
    """A device. ``house`` is the raw name of the network at home, ``cells`` those of its mobile networks; ``pace``
    multiplies what its answers take. ``attested`` counts its keys of late."""

    number: str
    make: Make
    country: str
    house: str
    cells: tuple[str, ...]
    pace: float
    attested: int = 1
    certificate: str = ""
    certificate_until: float = 0.0

    def issuer(self, chance: random.Random, at: float, user: int = 0) -> tuple[str, str]:
        """The raw name of the certificate that attests a key at a moment, and its kind. ``user`` is a work profile's
        or another user's, whose app has certificates of its own."""
        if self.make.batch:
            return self.make.batch, "factory"
        if not self.make.rkp:
            return "", ""
        if at >= self.certificate_until:
            self.certificate = raw_name("rkp", self.number, self.certificate_until, chance.getrandbits(32))
            self.certificate_until = at + chance.uniform(*_CERTIFICATE_DAYS) * DAY
        return (raw_name(self.certificate, user) if user else self.certificate), "rkp"


@dataclass(slots=True, kw_only=True)
class Install:
    """One app instance and its attested key. ``load`` is how many seconds of average use lie between two sessions.

    ``warning`` is the rule that its acceptances name; ``refusal`` the one by which it is refused each time.
    ``answered`` is when the last answer with a ``next_challenge`` came, ``accepted`` the highest counter that was
    accepted. ``away`` is a journey: from, to, country."""

    phone: Phone
    number: str
    app_build: str
    load: float
    enrolled_at: float = 0.0
    user: int = 0
    key_id: str = ""
    request_key: str = ""
    issuer: str = ""
    issuer_kind: str = ""
    home_country: str = ""
    warning: str = ""
    refusal: str = ""
    counter: int = 0
    accepted: int = 0
    risk: int | None = None
    risk_due: float = 0.0
    answered: float = 0.0
    chain: int = 0
    country: str = ""
    network: str = ""
    vpn: str = ""
    away: tuple[float, float, str] | None = None
    keys: int = 0
    hostile: str = ""

    def enrol(self, chance: random.Random, at: float) -> None:
        """Attest a new key, here and now."""
        self.keys += 1
        self.key_id = key_name(self.number, self.keys)
        self.request_key = raw_name("request key", self.number, self.keys)
        self.issuer, self.issuer_kind = self.phone.issuer(chance, at, self.user)
        self.enrolled_at, self.counter, self.accepted = at, 0, 0
        self.risk, self.risk_due = None, at + _FIRST_EXCHANGE + chance.expovariate(1 / (6 * _HOUR))
        self.phone.attested += 1

    def enrolled_before(self, chance: random.Random, start: float) -> None:
        """Have attested a key some time before ``start``."""
        self.enrol(chance, start - chance.expovariate(1 / (90 * DAY)))
        self.phone.attested = chance.choice((1, 1, 1, 2, 3))
        self.risk, self.risk_due = chance.choice(_RISKS), start + chance.random() * DAY
        self.counter = int((start - self.enrolled_at) / self.load) + 1
        self.home_country = self.country = self.phone.country

    def metric(self, chance: random.Random, at: float) -> int | None:
        """Apple's metric as the last exchange of the receipt told it."""
        if at >= self.risk_due:
            self.risk, self.risk_due = self.phone.attested, at + DAY * (1 + 3 * chance.random())
        return self.risk


class Delays:
    """How many seconds pass from a challenge's issue to its return, for a challenge that was asked for.

    Two ways through the network and the work of the key. Medians: 0.15 s for the ways (assumed), 0.1 s for a signature,
    0.6 s in StrongBox; for an attestation 1 to 2.5 s (public threads tell of 0.6 to 1 s for one at start). Three in a
    thousand apps are put to sleep between the two (assumed).
    """

    __slots__ = ("_chance", "_factors")

    _POOL: Final = 1 << 14

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance.random
        self._factors = [chance.lognormvariate(0.0, 0.55) for _ in range(self._POOL)]

    def factor(self) -> float:
        """A number around 1 with a long tail."""
        return self._factors[int(self._chance() * self._POOL)]

    def of(self, phone: Phone, *, enrols: bool) -> float:
        """For one decision of a phone, to a tenth of a second."""
        make = phone.make
        if enrols:
            work = 2.5 if make.strongbox else 1.2 if make.platform in ("ios", "macos") else 1.0
        else:
            work = 0.6 if make.strongbox else 0.1
        seconds = phone.pace * 0.15 * self.factor() + work * self.factor()
        if self._chance() < 0.003:
            seconds += 5.0 + 250.0 * self._chance()
        return round(seconds, 1)
