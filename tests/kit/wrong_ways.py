"""Ways to be wrong: each gives the patches that make a wrong client of the reference client."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from attestation.client_policy import SignedClientPolicy
from attestation.errors import Reason, RejectedEvidence
from attestation.sealing.sealed_secret import SealedSecret, SecretBinding, open_sealed
from bonafide_tokens.jose import b64url_decode
from bonafide_tokens.signing import make_proof

from devkit.client_core import answers, app_errors
from devkit.client_core.answers import Call, Does, Refusal, Step, next_step
from devkit.client_core.enforced_policy import NOTHING_ENFORCED, enforced
from devkit.client_core.roots import RootSet, read_root_set
from devkit.client_core.taken_policy import Outcome, TakenPolicy, take_policy
from devkit.client_core.token_life import TokenLife, token_life
from devkit.kit.in_process import DirectTransport
from devkit.kit.reference.app import App
from devkit.kit.reference.client import Client
from devkit.kit.reference.device import KeyStoreFailed
from devkit.kit.reference.errors import Shown
from devkit.kit.reference.flights import Flights
from devkit.kit.reference.policies import Policies
from devkit.kit.reference.storage import Record
from devkit.kit.reference.transport import Reply

Patch = contextlib.AbstractContextManager[Any]
AT: Final = "devkit.kit.reference"


def steps(change: Callable[[Call, Refusal, Step], Step]) -> Callable[[], Sequence[Patch]]:
    """Other steps than the core says."""

    def changed(call: Call, method: str, refusal: Refusal, *, refusals_in_a_row: int) -> Step:
        return change(call, refusal, next_step(call, method, refusal, refusals_in_a_row=refusals_in_a_row))

    return lambda: [patch(f"{AT}.flights.next_step", changed), patch(f"{AT}.client.next_step", changed)]


def instead(of: Does, does: Does) -> Callable[[], Sequence[Patch]]:
    return steps(lambda _call, _refusal, step: step._replace(does=does) if step.does is of else step)


def life(change: Callable[[Mapping[str, object]], TokenLife]) -> Callable[[], Sequence[Patch]]:
    return lambda: [patch(f"{AT}.flights.token_life", change)]


def early(answer: Mapping[str, object]) -> TokenLife:
    return token_life(answer)._replace(renew_from=30.0, renew_until=31.0)


def fixed(answer: Mapping[str, object]) -> TokenLife:
    return token_life({**answer, "expires_in": 300})


def at_once(answer: Mapping[str, object]) -> TokenLife:
    return token_life({name: value for name, value in answer.items() if name != "renew_after"})


def known_members_only(answer: Mapping[str, object]) -> TokenLife:
    return token_life({} if "kit_unknown" in answer else answer)


class NoLock:
    """Lets all callers in at once: twenty callers wait for each other before the first goes on."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(20)

    def __enter__(self) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            self._barrier.wait(5)

    def __exit__(self, *_: object) -> None:
        """Nothing was held."""


def no_single_flight() -> Sequence[Patch]:
    make = Client.__post_init__

    def made(self: Client) -> None:
        make(self)
        self.flights._lock = NoLock()  # type: ignore[assignment]

    return [patch.object(Client, "__post_init__", made)]


def constants(**values: float) -> Callable[[], Sequence[Patch]]:
    return lambda: [patch(f"{AT}.flights.{name}", value) for name, value in values.items()]


def waits(seconds: float, most: float) -> Callable[[], Sequence[Patch]]:
    return lambda: [patch.object(answers, "wait_bounds", lambda _asked, _refusals: (seconds, most))]


def without_jitter() -> Sequence[Patch]:
    return [patch("random.Random.random", lambda _self: 0.0)]


def forgets_pending() -> Sequence[Patch]:
    wait = Flights._wait

    def forgets(self: Flights, step: Step) -> None:
        self.app.record.pending = ""
        wait(self, step)

    return [patch.object(Flights, "_wait", forgets)]


def loads_no_pending() -> Sequence[Patch]:
    load = Record.load

    def loads(folder: Any) -> Record:
        return replace(load(folder), pending="")

    return [patch.object(Record, "load", staticmethod(loads))]


def until_twelve(_: Client, step: Step, sends: int, *_more: object) -> None:
    if sends == 12:
        raise Shown(step.error or app_errors.UNAVAILABLE)


def ever_again() -> Sequence[Patch]:
    """Does what the answer asks for as often as it asks."""
    act = Flights._act
    return [
        patch.object(Flights, "_act", lambda self, step, call, body, _used: act(self, step, call, body, set())),
        patch.object(Client, "_require_another", until_twelve),
        patch(f"{AT}.client.MOST_SENDS", 12),
    ]


def sends_without_proof() -> Sequence[Patch]:
    def store(_self: Client, use: Callable[[], Any]) -> Any:
        try:
            return use()
        except KeyStoreFailed:
            return ""

    return [patch.object(Client, "_store", store)]


def reports_each_time() -> Sequence[Patch]:
    report = App.report

    def again(self: App, code: str) -> None:
        self.reported.clear()
        report(self, code)

    return [patch.object(App, "report", again)]


HOLDS: Final[list[Any]] = []


def remembers_holds() -> Sequence[Patch]:
    """Keeps the hold of a refusal over a start of the app."""
    fly, _held = Flights._fly, HOLDS
    _held.clear()

    def flies(self: Flights, until: float) -> Any:
        self._held = self._held or next(iter(_held), None)
        try:
            return fly(self, until)
        finally:
            _held[:] = [] if self._held is None else [self._held]

    return [patch.object(Flights, "_fly", flies)]


class FirstNonce(dict[str, str]):
    def __setitem__(self, origin: str, nonce: str) -> None:
        self.setdefault(origin, nonce)


class NoNonce(dict[str, str]):
    def __setitem__(self, origin: str, nonce: str) -> None:
        """Forgotten."""


def nonces(kind: type[dict[str, str]]) -> Callable[[], Sequence[Patch]]:
    make = Client.__post_init__

    def made(self: Client) -> None:
        make(self)
        self.nonces = kind()

    return lambda: [patch.object(Client, "__post_init__", made)]


def carries(change: Callable[[DirectTransport, Reply, Any], Reply]) -> Callable[[], Sequence[Patch]]:
    """Another transport. ``change`` sees what would come, and a way to send to another address."""
    send = DirectTransport.send

    def carries(self: DirectTransport, method: str, url: str, headers: Any, body: Any, *, bounded: bool) -> Reply:
        reply = send(self, method, url, headers, body, bounded=bounded)
        return change(self, reply, lambda other: send(self, method, other, headers, body, bounded=bounded))

    return lambda: [patch.object(DirectTransport, "send", carries)]


def follow(_: DirectTransport, reply: Reply, again: Callable[[str], Reply]) -> Reply:
    return again(reply.headers["location"]) if reply.status == 307 else reply


def take_any(transport: DirectTransport, reply: Reply, _: object) -> Reply:
    """Whatever came, cut off or endless."""
    newest = transport.world.log[-1].answer
    if newest is None or (not newest.cut and len(newest.body) < 65_536):
        return reply
    return Reply(newest.status, {name.lower(): value for name, value in newest.headers.items()}, newest.body)


def challenges_of_any_type() -> Sequence[Patch]:
    def challenge(self: Flights, region: str) -> str:
        reply, _ = self._send("/v1/challenges", json.dumps({"app": self.app.config["app"]}).encode(), region)
        return str(reply.json.get("challenge"))

    return [patch.object(Flights, "_challenge", challenge)]


def signs_capitals_away() -> Sequence[Patch]:
    def signs(key: Any, *, url: str, **more: Any) -> str:
        return make_proof(key, url=url.lower(), **more)

    return [patch(f"{AT}.client.make_proof", signs)]


def takes(change: Callable[..., TakenPolicy]) -> Callable[[], Sequence[Patch]]:
    return lambda: [patch(f"{AT}.policies.take_policy", change)]


def take_anything(jws: str, **_: Any) -> TakenPolicy:
    claims = json.loads(b64url_decode(jws.split(".")[1]))
    policy = SignedClientPolicy(claims["iss"], claims["app"], claims["version"], claims["iat"], claims["document"])
    try:
        rules = enforced(policy.document)
    except RejectedEvidence:
        rules = NOTHING_ENFORCED
    return TakenPolicy(Outcome.NEWER, policy, rules)


def take_older(jws: str, **known: Any) -> TakenPolicy:
    return take_policy(jws, **{**known, "held": None, "newest_seen": 0})


def take_known_members(jws: str, **known: Any) -> TakenPolicy:
    taken = take_policy(jws, **known)
    if "satellites" in taken.policy.document:
        raise RejectedEvidence(Reason.CLIENT_POLICY_INVALID)
    return taken


def take_any_secret(jws: str, **known: Any) -> TakenPolicy:
    taken = take_policy(jws, **known)
    return taken._replace(rules=replace(taken.rules, secrets={"maps-key": 1, "other-key": 1}))


def any_root_set(held: RootSet, jws: str, **_: Any) -> RootSet:
    claims = json.loads(b64url_decode(jws.split(".")[1]))
    return read_root_set({**claims, "version": held.version + 1})


def opens_other_names() -> Sequence[Patch]:
    def opens(sealed: SealedSecret, *, sealing_key: Any, binding: SecretBinding) -> bytes:
        return open_sealed(sealed, sealing_key=sealing_key, binding=binding._replace(name="payments-key"))

    return [patch(f"{AT}.client.open_sealed", opens)]


def drops_what_is_withdrawn() -> Sequence[Patch]:
    look = Policies.look

    def looks(self: Policies) -> None:
        before = len(self.app.transport.world.log)  # type: ignore[attr-defined]
        look(self)
        newest = self.app.transport.world.log[before:]  # type: ignore[attr-defined]
        if newest and newest[-1].answer is not None and newest[-1].answer.status == 404:
            self.held, self.rules = None, NOTHING_ENFORCED

    return [patch.object(Policies, "look", looks)]


def looks_once() -> Sequence[Patch]:
    look = Policies.look
    return [patch.object(Policies, "look", lambda self: None if self.held is not None else look(self))]


def believes_304() -> Sequence[Patch]:
    answered = Policies._answered
    return [patch.object(Policies, "_answered", lambda self, _good: answered(self, good=True))]


def other_bytes_elsewhere() -> Sequence[Patch]:
    act = Flights._act

    def acts(self: Flights, step: Step, call: Call, body: bytes, used: set[Does]) -> None:
        act(self, step, call, body, used)
        if step.does is Does.HOME:
            self.app.record.pending = ""

    return [patch.object(Flights, "_act", acts)]


def any_clock() -> Sequence[Patch]:
    from devkit.client_core.clock import date_seconds

    def offset(date: str | None, *, sent_at: float, received_at: float) -> float | None:
        theirs = date_seconds(date or "")
        return None if theirs is None else theirs - (sent_at + received_at) / 2

    return [patch(f"{AT}.app.clock_offset", offset)]


def shows(name: str, error: app_errors.AppError) -> Callable[[], Sequence[Patch]]:
    return lambda: [patch.object(app_errors, name, error)]
