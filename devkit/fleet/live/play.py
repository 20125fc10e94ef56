"""Plays a scenario of the population against a stack: each decision that it tells of becomes a real request.

The seed decides who does what in which order; keys, challenges and answers are the stack's and the devices' own. Time
is compressed to seconds, but for what a broker's relay adds: that is what the stack measures.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from service.detection.sighting import Sighting

from bonafide.operator.errors import OperatorError
from devkit.devices.client import Answer, ApiClient, StackUnreachable, UnexpectedAnswer
from devkit.devices.key_store_installation import Play
from devkit.fleet.live.cast import Cast, Player
from devkit.fleet.live.phone_process import PhoneProcess
from devkit.fleet.population.labelled import LabelledSighting
from devkit.fleet.population.names import RawNames
from devkit.fleet.population.scenarios import NEW_BUILD, SCENARIOS, scenario

PHONES: Final = 12
"""Ordinary phones beside what is hostile."""
BEFORE: Final = 24
"""Ordinary decisions that are played before the event."""
WORKERS: Final = 4
LONGEST_RELAY: Final = 20.0
"""Seconds that a relay is waited for at most."""
COUNTRY_HEADER: Final = "CloudFront-Viewer-Country"
_BROKERS: Final = frozenset({"broker-slow", "broker-careful", "broker-moving", "ios-broker"})
_PHONES: Final = {"botched-release": 300, "repackaged": 600, "vendor-outage": 1_500, "clones": 5, "replays": 24}
"""Where ordinary phones' own decisions are the event, more of them, of which most are not played."""
_FLOOD: Final = "app-attest-not-supported"


@dataclass(slots=True, kw_only=True)
class Stage:
    """Where it is played: the stack by ``client``, the devices' ``cast``. ``authority`` is the folder of the test root,
    for phones in another process; ``outage`` the file that, while it exists, has the vendors' stand-ins fail."""

    client: ApiClient
    cast: Cast
    authority: Path
    outage: Path | None = None


@dataclass(slots=True)
class Played:
    """What was sent and what came of it: answers by side (``hostile`` or ``ordinary``) and summary; the keys that
    enrolled on the hostile side; when the first hostile request went out (Unix seconds)."""

    name: str
    seed: int
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    hostile_keys: set[str] = field(default_factory=set)
    began: float = 0.0
    seconds: float = 0.0

    def to_record(self) -> dict[str, Any]:
        sides: dict[str, dict[str, int]] = {"ordinary": {}, "hostile": {}}
        for (side, answer), times in sorted(self.answers.items()):
            sides[side][answer] = times
        return {
            "scenario": self.name,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "hostile_keys": len(self.hostile_keys),
            **sides,
        }


def cast_for(name: str, cast: Cast) -> Cast:
    """The cast as a scenario needs it."""
    if name == "botched-release":
        return replace(cast, build_of=_known_build, measured=True)
    return replace(cast, play=Play.STANDARD) if name == "vendor-outage" else cast


def play(
    stage: Stage,
    name: str,
    seed: int,
    *,
    requests: int = 150,
    seconds: float = 30.0,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Played:
    """Play a scenario: at most ``requests`` decisions of its event, within about ``seconds``. Raises :class:`KeyError`
    for an unknown name, and :class:`OperatorError` where the stack does not answer."""
    played = Played(name, seed)
    chosen = excerpt(name, seed, requests)
    began = time.monotonic()
    with ExitStack() as stack:
        phones = stack.enter_context(PhoneProcess(stage.authority, stage.cast.app)) if name in _BROKERS else None
        if name == "vendor-outage" and stage.outage is not None:
            stage.outage.touch()
            stack.callback(stage.outage.unlink, missing_ok=True)
        pools = [stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="red fleet")) for _ in range(WORKERS)]
        acting = _Acting(stage, phones, played)
        waiting: deque[Future[None]] = deque()
        for number, each in enumerate(chosen):
            due = began + seconds * number / max(1, len(chosen))
            time.sleep(max(0.0, due - time.monotonic()))
            pool = pools[hash(each.sighting.key_id or each.sighting.id) % WORKERS]  # one key's decisions in their order
            waiting.append(pool.submit(acting.act, each))
            while waiting and (waiting[0].done() or len(waiting) > 8 * WORKERS):
                waiting.popleft().result()
            progress(number + 1, len(chosen))
        for future in waiting:
            future.result()
    if name == "beacons":
        _flood(stage, played, requests)
    played.seconds = time.monotonic() - began
    return played


def excerpt(name: str, seed: int, requests: int) -> list[LabelledSighting]:
    """The decisions that are played: some ordinary ones, then the event's with what is ordinary among them."""
    before: deque[LabelledSighting] = deque(maxlen=BEFORE)
    chosen: list[LabelledSighting] = []
    left, others = requests, 0
    quiet = not SCENARIOS[name].expected or name == "beacons"
    for each in scenario(name, seed, _PHONES.get(name, PHONES), naming=RawNames()):
        if quiet or each.hostile:
            chosen.append(each)
            left -= 1
        elif not chosen:
            before.append(each)
        elif others < requests:
            chosen.append(each)
            others += 1
        if not left:
            break
    return [*before, *chosen]


@dataclass(slots=True)
class _Acting:
    """One decision after the other; those of one key by one thread."""

    stage: Stage
    phones: PhoneProcess | None
    played: Played
    _players: dict[str, Player] = field(default_factory=dict)

    def act(self, each: LabelledSighting) -> None:
        seen, hostile = each
        if not seen.key_id and not hostile:
            return  # an ordinary refusal that proved no key
        player = self._players.get(seen.key_id or seen.id)
        if player is None:
            player = self._players[seen.key_id or seen.id] = self.stage.cast.player(seen)
        side = "hostile" if hostile else "ordinary"
        if hostile and not self.played.began:
            self.played.began = time.time()
        for answer in self._answers(player, seen, hostile):
            self.played.answers[side, answer.summary] += 1

    def _answers(self, player: Player, seen: Sighting, hostile: str) -> Iterator[Answer]:
        client = replace(self.stage.client, headers={**self.stage.client.headers, COUNTRY_HEADER: seen.country or "DE"})
        try:
            player.take_request_key(seen.request_key)
            if seen.source == "enrol":
                yield self._enrol(client, player, seen, hostile)
                return
            if not player.enrolled:  # enrolled before the scenario began
                yield self._enrol(client, player, seen, hostile)
            if hostile == "replays" and player.body is not None:
                yield client.post("/v1/tokens", player.body)
            elif player.enrolled:
                yield self._renew(client, player, seen, hostile)
        except UnexpectedAnswer as error:
            yield error.answer
        except StackUnreachable as error:
            raise OperatorError(str(error)) from error

    def _enrol(self, client: ApiClient, player: Player, seen: Sighting, hostile: str) -> Answer:
        challenge = client.challenge(self.stage.cast.app)
        data = self.stage.cast.client_data(player, challenge, seen)
        body = self._proved(player, seen, data, hostile, enrols=True)
        answer = client.post("/v1/attestations", body)
        player.enrolled = answer.status == 201
        player.next_challenge = answer.text("next_challenge")
        if hostile and player.enrolled:
            self.played.hostile_keys.add(answer.text("key_id"))
        return answer

    def _renew(self, client: ApiClient, player: Player, seen: Sighting, hostile: str) -> Answer:
        handed = player.next_challenge if seen.handed_along else ""
        challenge = handed or client.challenge(self.stage.cast.app)
        if hostile == "clones" and seen.counter is not None:
            player.count(seen.counter)
        data = self.stage.cast.client_data(player, challenge, seen)
        player.body = self._proved(player, seen, data, hostile, enrols=False)
        answer = client.post("/v1/tokens", player.body)
        player.next_challenge = answer.text("next_challenge")
        return answer

    def _proved(
        self, player: Player, seen: Sighting, client_data: bytes, hostile: str, *, enrols: bool
    ) -> Mapping[str, Any]:
        """The body; a broker's comes from another process, after the time that its relay takes."""
        if self.phones is not None and hostile:
            body = self.phones.body(seen, client_data, enrols=enrols)
            time.sleep(min(seen.delay or 0.0, LONGEST_RELAY))
            return body
        phone = player.installation
        return phone.attestation_body(client_data) if enrols else phone.renewal_body(client_data)


def _flood(stage: Stage, played: Played, reports: int) -> None:
    """Reports of a device that cannot attest, from a stranger who repeats them."""
    seen = next(each.sighting for each in scenario("beacons", played.seed, PHONES) if each.sighting.platform == "ios")
    phone = stage.cast.player(seen).installation
    played.began = time.time()
    for _ in range(reports):
        played.answers["hostile", stage.client.report_failure(phone, _FLOOD).summary] += 1


def _known_build(build: str) -> str:
    """A build as the app with known builds has it: the new one is none that its owner registered."""
    return "43" if build == NEW_BUILD else "42"
