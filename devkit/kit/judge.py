"""What is judged at every request of every scenario, whatever the script says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from attestation.challenge import CHALLENGE_BYTES
from bonafide_tokens.errors import BonafideError
from bonafide_tokens.jose import b64url_decode

from devkit.client_core.budgets import ATTESTATIONS, Window, calls_windows
from devkit.kit.mock.exchange import Exchange, Request, Route
from devkit.kit.mock.guarded import TOKEN_HEADER
from devkit.kit.mock.verifier import Minted, MockVerifier
from devkit.kit.mock.world import World
from devkit.kit.rules import Rule

SLACK: Final = 0.6
"""Seconds that virtual time may differ between a client's reckoning and the kit's."""

LONGEST_CHALLENGE: Final = 240.0
HOLD: Final = 900.0
MOST_PER_COMMAND: Final = 30
_SAFE: Final = frozenset({"GET", "HEAD"})


@dataclass
class Judge:
    """Judges what ``world`` is sent. :meth:`command` begins a command of the kit, :meth:`restarted` a start of the
    app."""

    world: World
    verifier: MockVerifier
    beacons: set[str] = field(default_factory=set)
    """Codes that the client has a cause to report."""
    waits: list[float] = field(default_factory=list)
    """What each wait had beyond Retry-After, in seconds."""
    poisoned: set[str] = field(default_factory=set)
    """Challenges that stood in answers which cannot be used."""
    enrolled: bool = False
    _callers: int = 1
    _flights: list[float] = field(default_factory=list)
    _attestations: list[float] = field(default_factory=list)
    _told: Counter[str] = field(default_factory=Counter)
    _bodies: dict[str, bytes] = field(default_factory=dict)
    _pending: dict[tuple[str, Route], Request] = field(default_factory=dict)
    _not_before: dict[object, float] = field(default_factory=dict)
    _held_until: float = 0.0
    _unknown: set[tuple[str, str, bytes]] = field(default_factory=set)
    _sends: Counter[tuple[str, str]] = field(default_factory=Counter)
    _requests: int = 0

    def command(self, callers: int = 1) -> None:
        """A command of the kit begins, for that many callers at once."""
        self._callers = callers
        # What the app does again is no wait of the client's.
        self._not_before = {subject: wait for subject, wait in self._not_before.items() if isinstance(subject, str)}
        self._unknown.clear()
        self._sends.clear()
        self._requests = 0

    def restarted(self) -> None:
        """The app starts again: what lives in memory alone is gone, waits and tokens among it."""
        self._flights.clear()
        self._told.clear()
        self._not_before.clear()
        self._held_until = 0.0
        self._pending = {at: body for at, body in self._pending.items() if at[1] is Route.ATTESTATION}
        self.world.excused = "the app started again"

    def key_lost(self) -> None:
        """The platform's key is gone: an enrolment is due."""
        self.enrolled = False

    def before(self, request: Request) -> None:
        """Judge a request before it is answered."""
        find = self.world.find
        self._requests += 1
        if self._requests == MOST_PER_COMMAND * self._callers:
            find(Rule.BOUNDED_LOOP, f"One call caused {self._requests} requests.")
        if request.route is Route.STRANGER:
            what = "with a token" if request.header(TOKEN_HEADER) else "after a redirect, or by its own choice"
            find(Rule.TOKEN_STAYS, f"{request.method} to a stranger, {what}.")
            return
        if request.route.is_flight:
            self._judge_flight(request)
        elif request.route in (Route.GUARDED, Route.SIGNALS, Route.SECRETS):
            self._judge_protected(request)
        elif request.route is Route.FAILURE:
            self._judge_beacon(str(request.json.get("code")))
        self._judge_wait(request)

    def after(self, exchange: Exchange) -> None:
        """Remember what an answer means for the requests to come."""
        request, answer, world = exchange.request, exchange.answer, self.world
        unusable = answer is not None and (answer.cut > 0 or len(answer.body) > 65_536)
        unknown = answer is None or answer.status >= 500 or unusable
        refused = answer is not None and (
            answer.status in (429, 503) or (answer.status == 403 and answer.problem == "refused")
        )
        if unknown or refused:
            asked = "" if answer is None else answer.headers.get("Retry-After", "")
            seconds = min(3600.0, float(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 0.0
            self._not_before[_subject(request)] = world.now + seconds
        if answer is None and request.route.is_flight:
            self.beacons.add("verifier-unreachable")
        if request.route in (Route.ATTESTATION, Route.RENEWAL):
            self._note_flight(exchange, unknown=unknown, refused=refused)
        if answer is not None and answer.status in (401, 403, 409) and not request.route.is_flight:
            world.excused = f"{answer.status} to {request.path[:40]}"
            if answer.json.get("action") == "attest":
                self.enrolled = False
        if answer is not None and answer.problem == "unknown-key":
            self.enrolled = False
        said_no = answer is not None and answer.status == 503 and bool(answer.problem)
        if unknown and not said_no and request.route is Route.GUARDED and request.method not in _SAFE:
            self._unknown.add((request.method, request.path, request.digest))

    def judge_jitter(self) -> None:
        """Judge the waits of a whole scenario."""
        if len(self.waits) >= 3 and max(self.waits) < 0.5:
            self.world.find(Rule.JITTER, f"{len(self.waits)} waits, and none had a random part.")

    def newest(self) -> Minted | None:
        """The newest token that was minted."""
        return self.verifier.minted[-1] if self.verifier.minted else None

    def _note_flight(self, exchange: Exchange, *, unknown: bool, refused: bool) -> None:
        request, answer, world = exchange.request, exchange.answer, self.world
        subject = (request.place, request.route)
        if unknown or refused:
            world.excused = "a flight without an answer"
            self._pending.setdefault(subject, request)
            return
        self._pending.pop(subject, None)
        if answer is None:
            return
        if answer.status in (200, 201) or answer.problem == "key-enrolled":
            self.enrolled = True
        if answer.problem == "key-enrolled":
            world.excused = "the key was enrolled before"
        if answer.status == 403 and answer.problem in ("evidence-rejected", "blocked"):
            self._held_until = world.now + HOLD

    def _judge_flight(self, request: Request) -> None:
        find, now = self.world.find, self.world.now
        if now < self._held_until - SLACK:
            find(Rule.HOLDS, f"{request.path} {self._held_until - now:.0f} s before a refused install may try again.")
        self._flights.append(now)
        shortest = min((one.seconds for one in self.verifier.minted), default=self.world.token_seconds)
        self._judge_windows(self._flights, calls_windows(max(30, shortest)), "requests of flights")
        if request.route is Route.ATTESTATION and request.digest not in self._bodies.values():
            self._attestations.append(now)
            self._judge_windows(self._attestations, ATTESTATIONS, "attestations")
        if request.route is not Route.CHALLENGE:
            self._judge_body(request)

    def _judge_windows(self, times: list[float], windows: Sequence[Window], what: str) -> None:
        for most, seconds in windows:
            count = sum(1 for moment in times if moment > self.world.now - seconds + SLACK)
            if count > most:
                self.world.find(Rule.BOUNDED, f"More than {most} {what} in {seconds:.0f} s.")

    def _judge_body(self, request: Request) -> None:
        find, now = self.world.find, self.world.now
        challenge = challenge_of(request)
        if challenge in self.poisoned:
            find(Rule.UNUSABLE, f"{request.path} uses a challenge of an answer that cannot be used.")
        is_new = self._bodies.setdefault(challenge, request.digest) != request.digest
        if is_new:
            find(Rule.CHALLENGE_ONCE, f"{request.path}: a second body with the same challenge.")
        pending = self._pending.get((request.place, request.route))
        if pending is not None and pending.digest != request.digest:
            if now - issued_at(challenge_of(pending)) < LONGEST_CHALLENGE:
                find(Rule.SAME_BYTES, f"{request.path}: other bytes while the outcome of the first is unknown.")
            self._pending.pop((request.place, request.route))
        elif pending is not None and request.route is Route.RENEWAL:
            self._pending.pop((request.place, request.route))  # once; then a new challenge is as good
        if pending is not None or is_new:
            return
        age = now - issued_at(challenge)
        if age > LONGEST_CHALLENGE + SLACK and request.place not in self.world.down:
            find(Rule.CHALLENGE_FRESH, f"{request.path}: a challenge of {age:.0f} seconds.")
        if request.route is Route.ATTESTATION and self.enrolled:
            find(Rule.NO_NEEDLESS_ENROLMENT, "An enrolment, while the key that enrolled is good.")
        if request.route is Route.RENEWAL:
            self._judge_renewal()

    def _judge_renewal(self) -> None:
        newest, now = self.newest(), self.world.now
        if newest is None or self.world.excused:
            return
        due = newest.at + max(0.7 * newest.seconds, min(newest.renew_after or 0, newest.seconds - 5))
        if now < due - SLACK:
            self.world.find(Rule.RENEWS_IN_TIME, f"A renewal {due - now:.0f} s before it is due, without a cause.")

    def _judge_protected(self, request: Request) -> None:
        find, now = self.world.find, self.world.now
        token = request.header(TOKEN_HEADER)
        minted = next((one for one in self.verifier.minted if one.token == token), None)
        if minted is not None and now > minted.at + minted.seconds - 5 + SLACK:
            find(Rule.TOKEN_IN_TIME, f"A token {now - minted.at:.0f} s old, of {minted.seconds}.")
        if request.route is not Route.GUARDED:
            return
        if (request.method, request.path, request.digest) in self._unknown:
            find(Rule.NOT_TWICE, f"{request.method} {request.path[:40]} again, while the first may have been done.")
        self._sends[request.method, request.path] += 1
        if self._sends[request.method, request.path] == 3 * self._callers + 1:
            find(Rule.THREE_SENDS, f"{request.method} {request.path[:40]} was sent more than three times.")

    def _judge_wait(self, request: Request) -> None:
        until = self._not_before.pop(_subject(request), None)
        if until is None:
            return
        if self.world.now < until - SLACK:
            self._not_before[_subject(request)] = until
            self.world.find(
                Rule.WAITS,
                f"{request.method} {request.path[:40]} {until - self.world.now:.0f} s before Retry-After ends.",
            )
        else:
            self.waits.append(self.world.now - until)

    def _judge_beacon(self, code: str) -> None:
        self._told[code] += 1
        if self._told[code] > 1:
            self.world.find(Rule.BEACON, f"{code} was reported {self._told[code]} times since the app started.")
        if code not in self.beacons:
            self.world.find(Rule.BEACON, f"{code} was reported without a cause.")


def _subject(request: Request) -> object:
    """What a wait is about: flights of a region wait together, a guarded call for itself."""
    if request.route.is_flight:
        return request.place
    return (request.route, request.method, request.path)


def challenge_of(request: Request) -> str:
    """The challenge in the client data of an attestation or a renewal; empty where it cannot be read."""
    try:
        members: Any = json.loads(b64url_decode(str(request.json.get("client_data", ""))))
    except (BonafideError, ValueError, RecursionError):
        return ""
    return str(members.get("challenge", "")) if isinstance(members, Mapping) else ""


def issued_at(challenge: str) -> float:
    """When a challenge was issued, in Unix seconds; now and for ever where it is none."""
    try:
        data = b64url_decode(challenge)
    except BonafideError:
        return float("inf")
    return float(int.from_bytes(data[1:6])) if len(data) == CHALLENGE_BYTES else float("inf")
