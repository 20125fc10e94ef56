"""The story of an outbreak: a new hooking tool appears in a fleet of genuine devices, and the operator answers over the
air.

Everything runs against a real stack: the devices enrol, call and renew; the operator replays a draft over the decisions
that the stack recorded, publishes it with effect now, and rolls it back. Nothing is scripted but the order of events.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from attestation.appraisal.cedar.engine import default_policy

from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from devkit.fleet.drills.traffic import Call, Device, Fate, Traffic
from devkit.fleet.scenario import REGISTRATIONS, Scene

OUTBREAK_APP: Final = "outbreak"
"""An app of the story's own: its policies and its not-before disturb no other app."""
TOOL: Final = "inline-hook"
"""What the app's own detector calls the tool. No rule of the default policy knows it: a warning, and no refusal."""
GENUINE: Final = 97
HOOKED: Final = 3

DRAFT_RULE: Final = f"""
// A hooking tool that came up today. Seen in the field by the app's own detector; the API is not for it.
@id("{TOOL}")
@advice("reinstall-app")
forbid (principal, action, resource)
when {{ context.signals has other && context.signals.other.contains("{TOOL}") }};
"""

_EFFECT: Final = 30.0
_SETTLED: Final = 2.0
_RECORDED: Final = 10.0  # decisions are recorded beside the requests, a moment later
_ANDROIDS: Final = ("galaxy-s24", "pixel-9", "pixel-9-strongbox")
_IPHONES: Final = ("ios-17", "ios-18", "ios-26", "ios-27")


class Console(Protocol):
    """What the operator does, by whatever means. Each method raises what the means raise."""

    def publish(self, appraisal: str, *, why: str, now: bool) -> int:
        """Publish an appraisal policy of the story's app; its version."""

    def rollback(self, *, why: str) -> int:
        """Roll the last publication back, with effect now; the version that this made."""

    def replay(self, appraisal: str, *, since: float) -> Replayed:
        """Judge the decisions recorded since then (Unix seconds) under a draft."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay said: distinct keys that were let in at the time, and those of them that the draft would refuse."""

    keys: int
    refused: frozenset[str]
    decisions: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What came of one publication, in seconds from the command.

    ``first`` is the first answer that shows the change, ``everywhere`` when the last request went by the old rules.
    ``requests`` counts the genuine devices' requests by fate; ``most_renewals`` is of the one that renewed most often.
    """

    version: int
    first: float
    everywhere: float
    requests: Mapping[Fate, int]
    most_renewals: int

    @property
    def unharmed(self) -> bool:
        """Whether no genuine request failed beyond one renewal."""
        return self.requests.get(Fate.FAILED, 0) + self.requests.get(Fate.REFUSED, 0) == 0 and self.most_renewals <= 1

    def to_record(self) -> dict[str, object]:
        return {
            "version": self.version,
            "first_seconds": round(self.first, 3),
            "everywhere_seconds": round(self.everywhere, 3),
            "genuine_requests": {fate.value: count for fate, count in sorted(self.requests.items())},
            "most_renewals": self.most_renewals,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The story, told: its time line (seconds since the beginning, what happened) and what was measured."""

    timeline: tuple[tuple[float, str], ...]
    genuine: int
    hooked: int
    replayed: Replayed
    genuine_in_replay: int
    published: Effect
    rolled_back: Effect

    @property
    def as_expected(self) -> bool:
        """Whether the replay named the hooked devices and no others, and no genuine device was harmed."""
        named = len(self.replayed.refused) == self.hooked and self.genuine_in_replay == 0
        return named and self.published.unharmed and self.rolled_back.unharmed

    def to_record(self) -> dict[str, Any]:
        return {
            "as_expected": self.as_expected,
            "genuine": self.genuine,
            "hooked": self.hooked,
            "replay": {
                "keys": self.replayed.keys,
                "decisions": self.replayed.decisions,
                "newly_refused": len(self.replayed.refused),
                "genuine_newly_refused": self.genuine_in_replay,
                "seconds": round(self.replayed.seconds, 3),
            },
            "publish": self.published.to_record(),
            "rollback": self.rolled_back.to_record(),
            "timeline": [{"seconds": round(at, 2), "event": text} for at, text in self.timeline],
        }


class StoryBroke(Exception):
    """The story did not go as it must. The message is one sentence."""


def registration() -> Registration:
    """The story's app: the demo app's builds on every platform, under a name of its own."""
    return replace(REGISTRATIONS[0], app=OUTBREAK_APP, apple_app_ids=(DEMO_APPLE_APP_ID,))


@dataclass(slots=True, kw_only=True)
class Outbreak:
    """One telling. ``tell`` is called for each event, ``progress`` for each device that enrolled."""

    scene: Scene
    console: Console
    tell: Callable[[float, str], None]
    progress: Callable[[int, int], None] = lambda _done, _of: None
    genuine: int = GENUINE
    hooked: int = HOOKED
    _began: float = field(default_factory=time.monotonic)
    _timeline: list[tuple[float, str]] = field(default_factory=list)

    def play(self) -> Told:
        """Tell the story. Raises :class:`StoryBroke`, and whatever the stack or the console raise."""
        since = time.time()
        strict = default_policy().text
        version = self.console.publish(strict, why="the strict default, to begin with", now=False)
        self._say(f"policy version {version} of app {OUTBREAK_APP}: the strict default")
        traffic = Traffic(self.scene.client, tuple(self._devices()))
        for done, _ in enumerate(traffic.enrol_all(), start=1):
            self.progress(done, len(traffic.devices))
        self._say(f"{len(traffic.devices)} devices enrolled; {self.hooked} of them run a tool called {TOOL}")
        with traffic.flowing():
            self._see_everybody_in(traffic)
            draft = strict + DRAFT_RULE
            replayed, harmed = self._replay(traffic, draft, since)
            published = self._publish(traffic, draft)
            rolled_back = self._roll_back(traffic)
        return Told(
            timeline=tuple(self._timeline),
            genuine=self.genuine,
            hooked=self.hooked,
            replayed=replayed,
            genuine_in_replay=harmed,
            published=published,
            rolled_back=rolled_back,
        )

    def _devices(self) -> Iterator[Device]:
        """A mixed fleet. Some genuine apps report something harmless: a signal alone condemns no device."""
        makers: tuple[Callable[[int], Any], ...] = (
            lambda n: self.scene.install(_IPHONES[n % len(_IPHONES)], app=OUTBREAK_APP),
            lambda n: self.scene.android(_ANDROIDS[n % len(_ANDROIDS)], app=OUTBREAK_APP),
            lambda _: self.scene.harmony(app=OUTBREAK_APP),
        )
        for number in range(self.genuine):
            signals = ("screen-recording",) if number % 10 == 0 else ()
            yield Device(makers[number % len(makers)](number), hostile=False, signals=signals)
        for number in range(self.hooked):
            yield Device(makers[number % len(makers)](number), hostile=True, signals=(TOOL,))

    def _see_everybody_in(self, traffic: Traffic) -> None:
        begin = time.monotonic()
        everyone = set(range(len(traffic.devices)))

        def accepted() -> Iterator[bool]:
            while True:
                calls = (*traffic.since(begin, hostile=False), *traffic.since(begin, hostile=True))
                yield {call.device for call in calls if call.fate is Fate.ACCEPTED} == everyone

        if not traffic.wait_for(accepted(), seconds=_EFFECT):
            raise StoryBroke("Not every device got through under the first policy.")
        self._say("every device gets through, the hooked ones as well")

    def _replay(self, traffic: Traffic, draft: str, since: float) -> tuple[Replayed, int]:
        replayed = self.console.replay(draft, since=since)
        deadline = time.monotonic() + _RECORDED
        while replayed.keys < len(traffic.devices) and time.monotonic() < deadline:
            time.sleep(0.2)
            replayed = self.console.replay(draft, since=since)
        hostile = {device.installation.bonafide_key_id for device in traffic.devices if device.hostile}
        harmed = len(replayed.refused - hostile)
        share = len(replayed.refused) / replayed.keys if replayed.keys else 0.0
        self._say(
            f"the draft, replayed over {replayed.decisions} decisions in {replayed.seconds:.1f} s: "
            f"{len(replayed.refused)} of {replayed.keys} keys newly refused ({share:.1%}), "
            f"{len(replayed.refused & hostile)} hooked and {harmed} genuine"
        )
        return replayed, harmed

    def _publish(self, traffic: Traffic, draft: str) -> Effect:
        begin = time.monotonic()
        version = self.console.publish(draft, why=f"{TOOL} is in the field", now=True)
        self._say(f"version {version} published, with effect now ({time.monotonic() - begin:.1f} s)")
        self._await(traffic, begin, Fate.REFUSED, "The hooked devices were still let in")
        refusals = [call for call in self._all(traffic, begin) if call.fate is not Fate.ACCEPTED]
        first = min(call.answered for call in refusals) - begin
        accepted = [
            call.asked for call in traffic.since(begin, hostile=True) if call.fate in (Fate.ACCEPTED, Fate.RENEWED)
        ]
        self._say(f"first refusal at the gate {first:.1f} s after the command", begin + first)
        effect = self._effect(traffic, begin, version, first, max(accepted, default=begin) - begin)
        held = f"it holds everywhere: the last request of a hooked device was let in {effect.everywhere:.1f} s after it"
        self._say(held, begin + effect.everywhere)
        self._say(self._genuine_words(effect))
        return effect

    def _roll_back(self, traffic: Traffic) -> Effect:
        begin = time.monotonic()
        version = self.console.rollback(why="the story's end: back to the strict default")
        self._say(f"rolled back, as version {version} ({time.monotonic() - begin:.1f} s)")
        self._await(traffic, begin, Fate.RENEWED, "The hooked devices did not come back after the rollback")
        renewed = [call.answered for call in traffic.since(begin, hostile=True) if call.fate is Fate.RENEWED]
        refused = [call.asked for call in traffic.since(begin, hostile=True) if call.fate is Fate.REFUSED]
        first = min(renewed) - begin
        self._say(f"first hooked device let in again {first:.1f} s after the command", begin + first)
        effect = self._effect(traffic, begin, version, first, max(refused, default=begin) - begin)
        self._say(self._genuine_words(effect))
        return effect

    def _await(self, traffic: Traffic, begin: float, fate: Fate, otherwise: str) -> None:
        """Wait until every hooked device met ``fate`` and every genuine one renewed; then a little longer, to see that
        it stays so."""
        genuine = {n for n, device in enumerate(traffic.devices) if not device.hostile}
        hostile = set(range(len(traffic.devices))) - genuine

        def met() -> Iterator[bool]:
            while True:
                judged = {call.device for call in traffic.since(begin, hostile=True) if call.fate is fate}
                moved = {call.device for call in traffic.since(begin, hostile=False) if call.fate is not Fate.ACCEPTED}
                yield judged == hostile and moved == genuine

        if not traffic.wait_for(met(), seconds=_EFFECT):
            raise StoryBroke(f"{otherwise} {_EFFECT:.0f} s after the command, or not every genuine one had renewed.")
        time.sleep(_SETTLED)

    def _effect(self, traffic: Traffic, begin: float, version: int, first: float, everywhere: float) -> Effect:
        calls = traffic.since(begin, hostile=False)
        renewals = Counter(call.device for call in calls if call.fate is not Fate.ACCEPTED)
        return Effect(
            version=version,
            first=first,
            everywhere=max(first, everywhere),
            requests=Counter(call.fate for call in calls),
            most_renewals=max(renewals.values(), default=0),
        )

    def _all(self, traffic: Traffic, begin: float) -> list[Call]:
        return [*traffic.since(begin, hostile=False), *traffic.since(begin, hostile=True)]

    def _genuine_words(self, effect: Effect) -> str:
        count = effect.requests.get
        broken = count(Fate.FAILED, 0) + count(Fate.REFUSED, 0)
        return (
            f"{self.genuine} genuine devices went on: {sum(effect.requests.values())} requests, "
            f"{count(Fate.RENEWED, 0)} after one renewal, {broken} failed"
        )

    def _say(self, text: str, moment: float | None = None) -> None:
        """Tell what happened at ``moment`` (monotonic), by default now."""
        at = (time.monotonic() if moment is None else moment) - self._began
        self._timeline.append((at, text))
        self.tell(at, text)
