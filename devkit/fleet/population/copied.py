"""What is copied: app instances whose key signs for many at once, and requests that are sent again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.names import raw_name
from devkit.fleet.population.phones import Install
from devkit.fleet.population.world import CHALLENGE_SECONDS, World

_HOUR: Final = 3600.0
_LEARNS: Final = 0.5


@dataclass(slots=True)
class _Clone:
    """A copy of an app instance, as it was when it was copied; what it counts is its own."""

    of: Install
    request_key: str
    network: str
    country: str
    counter: int


def clone_sightings(
    world: World, installs: Sequence[Install], *, copies: int, begin: float, hours: float, hostile: str
) -> Iterator[LabelledSighting]:
    """Each of ``installs``, iPhones' all, runs in ``copies`` places, each with the counter that it was copied with at
    the window's beginning: what one of them or the phone itself counts up, the others run into."""
    chance = world.chance
    clones = [
        _Clone(install, raw_name("request key", install.number, "copy", number), *world.residence(), install.counter)
        for install in installs
        for number in range(copies)
    ]
    keys = {id(install): copy(install) for install in installs}
    moments = sorted(
        (begin + chance.random() * hours * _HOUR, index) for index in range(len(clones)) for _ in range(int(hours * 10))
    )
    for at, index in moments:
        if at >= world.end:
            return
        clone = clones[index]
        key, phone = keys[id(clone.of)], clone.of
        clone.counter += 1
        accepted = max(key.accepted, phone.accepted if phone.key_id == key.key_id else 0)
        behind = clone.counter <= accepted
        key.accepted = max(accepted, clone.counter)
        if phone.key_id == key.key_id:
            phone.accepted = key.accepted
        yield world.sight(
            at,
            "renew",
            key.phone.make,
            key.app_build,
            clone.country,
            key_id=key.key_id,
            outcome="refused" if behind else "accepted",
            why="counter-not-greater" if behind else "",
            network=clone.network,
            request_key=clone.request_key,
            delay=world.delays.of(key.phone, enrols=False),
            counter=clone.counter,
            enrolled_hours=(at - key.enrolled_at) / _HOUR,
            home_country=key.home_country,
            hostile=hostile,
        )
        if behind and chance.random() < _LEARNS:
            clone.counter = key.accepted  # this copy counts up until it is let in, and takes over


def replay_sightings(
    world: World, installs: Sequence[Install], *, times: int, begin: float, minutes: float, hostile: str
) -> Iterator[LabelledSighting]:
    """A recorded renewal of each of ``installs``, sent again ``times`` times: first its challenge is spent, then it is
    too old, which is seen before anything is verified. That an App Attest counter is no greater is seen before the
    evidence is taken for proved."""
    chance, recorded = world.chance, [copy(install) for install in installs]
    moments = sorted(
        (begin + (chance.random() * minutes) * 60, index) for index in range(len(installs)) for _ in range(times)
    )
    for at, index in moments:
        if at >= world.end:
            return
        install = recorded[index]
        apple = install.phone.make.platform == "ios"
        delay = round(at - begin + 3.0, 1)
        old = delay > CHALLENGE_SECONDS
        why = "challenge-expired" if old else "challenge-spent"
        yield world.sight(
            at,
            "renew",
            install.phone.make,
            install.app_build,
            install.country,
            key_id=install.key_id,
            outcome="refused",
            why=why,
            proved=not old and not apple,
            issuer=install.issuer,
            issuer_kind=install.issuer_kind,
            network=install.network,
            request_key=install.request_key,
            delay=delay,
            counter=install.counter if apple else None,
            enrolled_hours=(at - install.enrolled_at) / _HOUR,
            home_country=install.home_country,
            hostile=hostile,
        )
