"""The scenarios: an ordinary population, and what happens in it.

``for sighting, hostile in scenario("farm", seed=7): …`` is all that an evaluation needs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Final

from devkit.fleet.population.copied import clone_sightings, replay_sightings
from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.markets import BUILDS, batch_of, some_android, some_iphone
from devkit.fleet.population.names import Names
from devkit.fleet.population.ordinary import Ordinary
from devkit.fleet.population.releases import Release
from devkit.fleet.population.rented import Rented, Way, keybox_sightings
from devkit.fleet.population.world import START, World

NEW_BUILD: Final = "4210"
LATER_BUILD: Final = "4211"
_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_LEAKED_MODEL: Final = "Kestrel A3"

_Act = Callable[[World, "Ordinary", float], Iterator[LabelledSighting]]
_Change = Callable[[World, float], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """``does`` is one sentence. ``expected`` are the detectors of which one must name it; none for what must stay
    quiet. ``act`` adds decisions, ``change`` changes the population. ``days`` is the window that it needs; its event
    begins ``between`` these shares of it, so that there is something to learn from before."""

    does: str
    expected: tuple[str, ...] = ()
    days: float = 2.0
    between: tuple[float, float] = (0.3, 0.6)
    act: _Act | None = None
    change: _Change | None = None


def scenario(
    name: str,
    seed: int,
    phones: int = 10_000,
    *,
    days: float | None = None,
    start: float = START,
    use: float = 1.0,
    networks: bool = True,
    naming: Names | None = None,
    app: str = "bank",
) -> Iterator[LabelledSighting]:
    """The sightings of a scenario, in order of time, the same for the same arguments.

    ``days`` from ``start`` (Unix seconds) on, by default as many as the scenario needs. ``use`` multiplies what
    ordinary phones do. Without ``networks`` the stack names no header for the origin. ``naming`` makes pseudonyms,
    by default such as change with each epoch. Raises :class:`KeyError` for an unknown name.
    """
    chosen = SCENARIOS[name]
    window = chosen.days if days is None else days
    holidays = _holidays(name, start, window)
    world = World(name, seed, start, window, networks=networks, naming=naming, app=app, holidays=holidays)
    begin = begin_of(name, seed, days=days, start=start)
    changes = dict(chosen.change(world, begin)) if chosen.change else {}
    ordinary = Ordinary(world, phones, use=use, **changes)  # type: ignore[arg-type]
    parts = [ordinary.sightings()]
    if chosen.act is not None:
        parts.append(chosen.act(world, ordinary, begin))
    return merge(*parts, key=_time) if len(parts) > 1 else parts[0]


def begin_of(name: str, seed: int, *, days: float | None = None, start: float = START) -> float:
    """When the event of a scenario begins (Unix seconds); of a quiet one, no moment of note."""
    chosen = SCENARIOS[name]
    chance = random.Random(f"begin {name} {seed}")  # noqa: S311 - reproducible, no secret
    return start + chance.uniform(*chosen.between) * (chosen.days if days is None else days) * _DAY


def _time(labelled: LabelledSighting) -> float:
    return labelled.sighting.at


def _holidays(name: str, start: float, days: float) -> frozenset[int]:
    """The middle day of the window, in the scenario of a holiday."""
    return frozenset({int((start + days / 2 * _DAY) // _DAY)}) if name == "holiday" else frozenset()


def _farm(world: World, _ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
    phones = [
        world.phone(f"farm {number}", 10**8, make=some_android(world.chance, rkp=True), country="DE")
        for number in range(3)
    ]
    gap = world.chance.choice((25.0, 60.0, 180.0))
    way = Way(proxies=world.chance.random() < 0.5)
    return Rented(world=world, phones=phones, installs=300, begin=begin, gap=gap, way=way, hostile="farm").sightings()


def _ios(world: World, label: str, begin: float, *, installs: int, way: Way) -> Iterator[LabelledSighting]:
    phones = [world.phone(f"{label} {n}", 10**8, make=some_iphone(world.chance), country="DE") for n in range(3)]
    gap = world.chance.choice((60.0, 180.0, 400.0))
    return Rented(
        world=world, phones=phones, installs=installs, begin=begin, gap=gap, way=way, hostile=label
    ).sightings()


def _ios_farm(world: World, _ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
    return _ios(world, "ios-farm", begin, installs=300, way=Way(proxies=False, hours=(26, 40)))


def _ios_broker(world: World, _ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
    return _ios(world, "ios-broker", begin, installs=90, way=Way(relay=9.0, spread=0.7))


def _broker(label: str, way: Way) -> _Act:
    """Twelve phones that attest for sixty customers."""

    def act(world: World, _ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
        phones = [
            world.phone(
                f"{label} {n}", 10**8 + n * 10, make=some_android(world.chance) if n % 2 else some_iphone(world.chance)
            )
            for n in range(12)
        ]
        return Rented(
            world=world, phones=phones, installs=60, begin=begin, gap=1_200.0, way=way, hostile=label
        ).sightings()

    return act


def _clones(world: World, ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
    victims = [install for install in ordinary.installs if install.phone.make.platform == "ios" and install.key_id]
    copied = world.chance.sample(victims, min(20, len(victims)))
    return clone_sightings(world, copied, copies=15, begin=begin, hours=6, hostile="clones")


def _replays(world: World, ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
    recorded = world.chance.sample(
        [each for each in ordinary.installs if each.key_id], min(300, len(ordinary.installs) // 2)
    )
    return replay_sightings(world, recorded, times=50, begin=begin, minutes=30, hostile="replays")


def _keybox(world: World, _ordinary: Ordinary, begin: float) -> Iterator[LabelledSighting]:
    makes = [some_android(world.chance, rkp=False) for _ in range(6)]
    gap = world.chance.choice((20.0, 60.0, 150.0))
    return keybox_sightings(
        world, batch=batch_of(_LEAKED_MODEL, 0), makes=makes, keys=400, begin=begin, gap=gap, hostile="keybox"
    )


def _botched(_world: World, begin: float) -> Mapping[str, object]:
    return {"releases": [Release(build=NEW_BUILD, at=begin, why="rule:build-unknown", hostile="botched-release")]}


def _repackaged(_world: World, begin: float) -> Mapping[str, object]:
    stranger = Release(
        build="4201-mod",
        at=begin,
        why="signer-mismatch",
        hostile="repackaged",
        signer="other",
        share=0.04,
        all_at_once=True,
    )
    return {"releases": [stranger]}


def _outage(_world: World, begin: float) -> Mapping[str, object]:
    return {"outage": (begin, begin + 0.75 * _HOUR), "outage_label": "vendor-outage"}


def _releases(world: World, begin: float) -> Mapping[str, object]:
    return {"releases": [Release(build=NEW_BUILD, at=begin), Release(build=LATER_BUILD, at=(begin + world.end) / 2)]}


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "ordinary-day": Scenario(does="Phones are used, travel, break and come back; nothing is hostile."),
    "holiday": Scenario(does="An ordinary week with a holiday in its middle.", days=7),
    "two-releases": Scenario(does="Two registered releases come out, one after the other.", days=7, change=_releases),
    "farm": Scenario(does="Three Android phones attest for 300 installs.", expected=("key-farm",), act=_farm),
    "ios-farm": Scenario(
        does="Three iPhones attest for 300 installs; Apple's metric tells a day later.",
        expected=("apple-fraud-metric", "attestation-broker"),
        days=4,
        act=_ios_farm,
    ),
    "ios-broker": Scenario(
        does="Three iPhones attest for 90 customers; evidence takes many seconds.",
        expected=("attestation-broker", "apple-fraud-metric"),
        act=_ios_broker,
    ),
    "broker-slow": Scenario(
        does="Twelve phones attest for 60 customers; evidence is relayed within about twelve seconds.",
        expected=("attestation-broker",),
        act=_broker("broker-slow", Way(relay=12.0, spread=0.7)),
    ),
    "broker-careful": Scenario(
        does="The same, relayed as fast as it goes, and always from the customer's own place.",
        expected=("attestation-broker",),
        act=_broker("broker-careful", Way(relay=0.5, spread=0.4, hours=(8, 30))),
    ),
    "broker-moving": Scenario(
        does="The same; keys enrol where the phones are and are used in another country minutes later.",
        expected=("attestation-broker",),
        act=_broker("broker-moving", Way(relay=0.5, spread=0.4, moves=True)),
    ),
    "clones": Scenario(
        does="Twenty iPhones' app instances run in fifteen places each.", expected=("clone-storm",), act=_clones
    ),
    "replays": Scenario(
        does="Recorded renewals of 300 keys are sent again, fifty times each.",
        expected=("replay-storm", "clone-storm"),
        act=_replays,
    ),
    "keybox": Scenario(
        does="A factory keybox leaks, and 400 emulators enrol under it.",
        expected=("leaked-keybox",),
        act=_keybox,
        days=4,
    ),
    "botched-release": Scenario(
        does="A release comes out that the owner did not register.",
        days=4,
        between=(0.55, 0.7),
        expected=("failing-build",),
        change=_botched,
    ),
    "repackaged": Scenario(
        does="A stranger's repackaged app comes out, under a build of its own.",
        days=4,
        between=(0.55, 0.7),
        expected=("failing-build",),
        change=_repackaged,
    ),
    "vendor-outage": Scenario(
        does="For 45 minutes Google's verdicts cannot be decoded.",
        days=4,
        between=(0.55, 0.7),
        expected=("vendor-trouble", "spike"),
        change=_outage,
    ),
    "beacons": Scenario(
        does="A stranger sends 100,000 reports of devices that cannot attest; tallies alone see them.",
        days=4,
        between=(0.55, 0.7),
        expected=("spike",),
    ),
}
"""By name. Those without ``expected`` must stay quiet."""


def builds_registered(name: str, begin: float) -> Mapping[str, float]:
    """The registered builds of a scenario whose event begins at ``begin``, and since when (Unix seconds)."""
    known = dict.fromkeys(BUILDS, 0.0)
    return known | {NEW_BUILD: begin, LATER_BUILD: begin} if name == "two-releases" else known
