"""Enrolments and renewals of the reference client: one at a time, and what each answer means for the next step."""

from __future__ import annotations

import base64
import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of

from devkit.client_core import app_errors
from devkit.client_core.answers import REFUSAL_HOLDS, Call, Does, Refusal, Step, next_step
from devkit.client_core.app_errors import AppError
from devkit.client_core.budgets import calls_windows
from devkit.client_core.sent_texts import fit_members
from devkit.client_core.token_life import TokenLife, Unusable, token_life
from devkit.kit.reference.app import App
from devkit.kit.reference.device import REQUEST, SEALING, KeyStoreFailed
from devkit.kit.reference.errors import Shown, of_key_store
from devkit.kit.reference.policies import Policies
from devkit.kit.reference.transport import Reply

CHALLENGE_LIVES: Final = 240.0
HOME_IS_LOST: Final = 60.0
HOME_ATTEMPTS: Final = 3
KEY_MAY_BE_LOST: Final = 600.0
PER_MINUTE, PER_HOUR, ATTESTATIONS_PER_HOUR, ATTESTATIONS_PER_DAY = 10, 60, 3, 10


class Later(Exception):
    """The flight goes on after a wait."""


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A token, and by the monotonic clock when its request was sent and when its renewal is due."""

    text: str
    sent_at: float
    renew_at: float
    life: TokenLife


class Brought(NamedTuple):
    """An answer that brings a token, and how long that lives."""

    answer: Mapping[str, Any]
    life: TokenLife


@dataclass
class Flights:
    """The tokens of ``app``. What is here is in memory alone."""

    app: App
    policies: Policies
    token: HeldToken | None = None
    _next_challenge: tuple[str, float] | None = None
    _not_before: float = 0.0
    _refusals: int = 0
    _later_error: AppError = app_errors.UNAVAILABLE
    _held: tuple[float, AppError] | None = None
    _lost_renewal: bytes | None = None
    _resent: bytes | None = None
    _turn: int = -1
    _hourly: int = PER_HOUR
    _down_since: float | None = None
    _down_attempts: int = 0
    _sends: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self, until: float) -> HeldToken:
        """A token that may be used now. Raises :class:`Shown`; ``until`` is the caller's patience."""
        with self._lock:
            held = self.token
            if held is None or self._age(held) >= held.life.requests_wait_from:
                held = self._fly(until)
            return held

    def renew(self, used: HeldToken, until: float) -> None:
        """A newer token than the one that was refused."""
        with self._lock:
            if self.token is used:
                self.token = None
                self._fly(until)

    def enrol(self, used: HeldToken, until: float) -> None:
        """A new key, as the answer to the token that was refused asked for."""
        with self._lock:
            if self.token is used:
                self._forget_key()
                self._fly(until)

    def renew_beside(self) -> None:
        """Renew where that is due, without waiting: what fails is tried again at the next use."""
        with self._lock:
            token, mono = self.token, self.app.device.monotonic()
            if token is None or mono < token.renew_at or mono < self._not_before:
                return
            try:
                self._attempt()
            except KeyStoreFailed as failed:
                self.app.report(failed.code)
            except (Later, Shown):
                pass

    def _age(self, token: HeldToken) -> float:
        return self.app.device.monotonic() - token.sent_at

    def _fly(self, until: float) -> HeldToken:
        device = self.app.device
        while True:
            if self._held is not None and device.monotonic() < self._held[0]:
                raise Shown(self._held[1], retry_after=self._held[0] - device.monotonic())
            wait = self._not_before - device.monotonic()
            if wait > 0:
                if device.monotonic() + wait > until:
                    raise Shown(self._later_error, retry_after=wait)
                device.pass_(wait)
            try:
                return self._attempt()
            except Later:
                continue
            except KeyStoreFailed as failed:
                self.app.report(failed.code)
                raise Shown(of_key_store(failed.code)) from failed

    def _attempt(self) -> HeldToken:
        """One go, until a token is there or a wait is due."""
        used: set[Does] = set()
        self.app.keys.check()
        while True:
            if self.app.record.enrolled and not self.app.keys.has_attested_key():
                self._forget_key()
            call = Call.RENEWAL if self.app.record.enrolled else Call.ATTESTATION
            region = self._region()
            sent_at = self.app.device.monotonic()
            body = self._renewal_body(region) if call is Call.RENEWAL else self._attestation_body()
            step = self._send_body(call, body, region)
            if isinstance(step, Brought):
                return self._taken(step, region, sent_at)
            self._act(step, call, body, used)

    def _act(self, step: Step, call: Call, body: bytes, used: set[Does]) -> None:
        """What the answer asks for, before the next turn. Raises :class:`Shown` where it was done before."""
        error = step.error or app_errors.UNAVAILABLE
        if step.does is Does.NONE or step.does in used:
            raise Shown(error)
        used.add(step.does)
        if step.does is Does.NEW_CHALLENGE:
            self.app.record.pending = ""
            self._next_challenge = self._lost_renewal = None
        elif step.does is Does.RENEW:
            self.app.record.pending, self.app.record.enrolled = "", True
            self._next_challenge = None
        elif step.does in (Does.ATTEST, Does.ATTEST_AND_RESEND):
            self._forget_key()
        elif step.does is Does.HOME:
            self._lost_renewal = body if call is Call.RENEWAL else None
        self.app.save()

    def _region(self) -> str:
        """Home, or the next region once home has been away for long enough."""
        app = self.app
        others = [name for name in app.regions if name != app.home]
        if app.record.enrolled and others and self._is_away():
            return (*others, app.home)[self._turn % (len(others) + 1)]
        return app.home

    def _is_away(self) -> bool:
        """Whether home has been out of reach for so long that another region may renew."""
        if self._down_since is None or self._down_attempts < HOME_ATTEMPTS:
            return False
        return self.app.device.monotonic() - self._down_since >= HOME_IS_LOST

    def _attestation_body(self) -> bytes:
        """The pending body, or a new one for a new challenge."""
        app = self.app
        if app.record.pending:
            return base64.b64decode(app.record.pending)
        challenge = self._challenge(app.home)
        self._require_attestations()
        app.record.key_id = app.keys.new_attested_key()
        app.keys.new_key(REQUEST)
        client_data = self._client_data(challenge)
        members = {
            "app": app.config["app"],
            "client_data": b64url_encode(client_data),
            "evidence": app.keys.attestation(client_data),
        }
        body = json.dumps(members, separators=(",", ":")).encode()
        app.record.pending = base64.b64encode(body).decode()
        app.record.attestations.append(app.now())
        app.save()
        return body

    def _renewal_body(self, region: str) -> bytes:
        """The renewal that got no answer, once more; or a new one."""
        app = self.app
        if self._lost_renewal is not None and region == app.home:
            body, self._lost_renewal = self._lost_renewal, None
            return body
        held, mono = self._next_challenge, app.device.monotonic()
        self._next_challenge = None
        if held is not None and mono - held[1] < CHALLENGE_LIVES and region == app.home:
            challenge = held[0]
        else:
            challenge = self._challenge(region)
        client_data = self._client_data(challenge)
        members = {
            "key_id": app.record.key_id,
            "client_data": b64url_encode(client_data),
            "evidence": app.keys.renewal(client_data),
        }
        return json.dumps(members, separators=(",", ":")).encode()

    def _client_data(self, challenge: str) -> bytes:
        app = self.app
        members: dict[str, object] = {
            "challenge": challenge,
            "request_key": public_key_of(app.keys.key(REQUEST)).to_jwk(),
            **app.facts(),
            "measurements": {},
            "signals": [],
            "client_policy_version": 0 if self.policies.held is None else self.policies.held.version,
        }
        if app.keys.has(SEALING):
            members["sealing_key"] = public_key_of(app.keys.key(SEALING)).to_jwk()
        return json.dumps(fit_members(members), separators=(",", ":")).encode()

    def _challenge(self, region: str) -> str:
        body = json.dumps({"app": self.app.config["app"]}).encode()
        said = {"Bonafide-Challenge-For": "renewal"} if self.app.record.enrolled else None
        reply, refusal = self._send("/v1/challenges", body, region, said)
        text = reply.json.get("challenge")
        if reply.status == 201 and isinstance(text, str) and text:
            self._alive(region)
            return text
        self._judge(Call.CHALLENGE, reply, refusal, region)
        raise Later

    def _send_body(self, call: Call, body: bytes, region: str) -> Step | Brought:
        """Send it: what the answer brings, or the step after a refusal."""
        path, good = ("/v1/tokens", 200) if call is Call.RENEWAL else ("/v1/attestations", 201)
        reply, refusal = self._send(path, body, region)
        if reply.status == good:
            try:
                brought = Brought(reply.json, token_life(reply.json))
            except Unusable:
                refusal = refusal._replace(status=502)
            else:
                self._alive(region)
                return brought
        if call is Call.RENEWAL and region != self.app.home:
            return self._elsewhere(refusal)
        try:
            return self._judge(call, reply, refusal, region)
        except Later:
            if call is Call.RENEWAL and refusal.status != 429 and not self._was_resent(body):
                self._lost_renewal = body
            raise

    def _was_resent(self, body: bytes) -> bool:
        again, self._resent = self._resent == body, body
        return again

    def _elsewhere(self, refusal: Refusal) -> Step:
        """A refusal by another region than home."""
        step = next_step(Call.RENEWAL, "POST", refusal, refusals_in_a_row=self._refusals + 1)
        mono = self.app.device.monotonic()
        away = 0.0 if self._down_since is None else mono - self._down_since
        if step.does is Does.ATTEST and away >= KEY_MAY_BE_LOST:
            self.app.record.home = self._region()
            return step
        self._wait(step)
        raise Later

    def _judge(self, call: Call, reply: Reply, refusal: Refusal, region: str) -> Step:
        """The step after a refusal. Raises :class:`Later` where it is a wait, :class:`Shown` where it is the end."""
        app = self.app
        if refusal.status is not None and refusal.status < 300:
            refusal = refusal._replace(status=502)
        step = next_step(call, "POST", refusal, refusals_in_a_row=self._refusals + 1)
        if refusal.status is None or refusal.status >= 500:
            self._away(region)
        else:
            self._alive(region)
        if step.does is Does.SAME_BYTES:
            self._wait(step)
            raise Later
        if step.does is Does.HOME:
            named = reply.json.get("home")
            if not isinstance(named, str) or named not in app.regions or named == app.home:
                raise Shown(app_errors.WRONG_REGION)
            app.record.home = named
            app.save()
        if step.does is Does.NONE:
            if step.wait is not None and step.wait[0] >= REFUSAL_HOLDS and step.error is not None:
                self._held = (app.device.monotonic() + step.wait[0], step.error)
                app.record.pending = ""
                app.save()
            raise Shown(step.error or app_errors.UNAVAILABLE)
        return step

    def _wait(self, step: Step) -> None:
        least, most = step.wait or (0.0, 20.0)
        self._refusals += 1
        self._turn = self._turn + 1 if self._is_away() else -1
        self._later_error = step.error or app_errors.UNAVAILABLE
        self._not_before = self.app.device.monotonic() + least + self.app.chance.random() * (most - least)

    def _taken(self, brought: Brought, region: str, sent_at: float) -> HeldToken:
        """Keep what an answer brought."""
        app = self.app
        answer, life = brought
        renew_at = sent_at + life.renew_from + app.chance.random() * (life.renew_until - life.renew_from)
        self._hourly = calls_windows(life.seconds)[1].most
        token = self.token = HeldToken(str(answer["token"]), sent_at, renew_at, life)
        challenge = answer.get("next_challenge")
        self._next_challenge = (challenge, app.device.monotonic()) if isinstance(challenge, str) and challenge else None
        record = app.record
        record.pending, record.enrolled, record.home = "", True, region
        self._refusals, self._not_before, self._held, self._lost_renewal = 0, 0.0, None, None
        app.save()
        return token

    def _forget_key(self) -> None:
        self.token = self._next_challenge = self._lost_renewal = None
        self.app.record.enrolled, self.app.record.pending = False, ""
        self.app.save()

    def _away(self, region: str) -> None:
        if region == self.app.home:
            self._down_since = self.app.device.monotonic() if self._down_since is None else self._down_since
            self._down_attempts += 1

    def _alive(self, region: str) -> None:
        if region == self.app.home:
            self._down_since, self._down_attempts = None, 0

    def _send(
        self, path: str, body: bytes, region: str, headers: Mapping[str, str] | None = None
    ) -> tuple[Reply, Refusal]:
        """Send a step of a flight, within the bounds of this install."""
        mono = self.app.device.monotonic()
        while self._sends and self._sends[0] <= mono - 3600:
            self._sends.popleft()
        lately = sum(1 for moment in self._sends if moment > mono - 60)
        if lately >= PER_MINUTE or len(self._sends) >= max(PER_HOUR, self._hourly):
            raise Shown(app_errors.UNAVAILABLE)
        self._sends.append(mono)
        return self.app.verifier("POST", path, body=body, headers=headers, region=region)

    def _require_attestations(self) -> None:
        now, times = self.app.now(), self.app.record.attestations
        times[:] = [moment for moment in times if moment > now - 86_400]
        if len(times) >= ATTESTATIONS_PER_DAY or sum(1 for one in times if one > now - 3600) >= ATTESTATIONS_PER_HOUR:
            raise Shown(app_errors.UNAVAILABLE)
