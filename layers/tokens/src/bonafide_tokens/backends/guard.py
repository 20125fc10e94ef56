"""The check of a backend's own: what an authorizer decides, answered as its gateway would answer.

A :class:`Guard` is made once for a process and used by all of its threads. It keeps the trust bundle fresh in the
background, remembers the proofs that this process has seen, and logs what it refuses (logger ``bonafide``).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from functools import partial
from hmac import compare_digest
from json import dumps
from time import monotonic, time
from typing import TYPE_CHECKING, Final, NamedTuple

from bonafide_tokens.errors import UNAVAILABLE, Reason, Refusal
from bonafide_tokens.gate.bundle_keeper import BundleKeeper, keeper_of
from bonafide_tokens.gate.gate import Decision, Gate, SpendsProofs
from bonafide_tokens.gate.request import GatedRequest, Kind
from bonafide_tokens.gate.settings import GateSettings, SettingsError
from bonafide_tokens.origin_secret import HEADER as EDGE_HEADER
from bonafide_tokens.presented import PresentedRequest
from bonafide_tokens.refusals import request_code
from bonafide_tokens.routes import is_ambiguous
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.trust_bundle import TrustBundle

if TYPE_CHECKING:
    from bonafide_tokens.backends.side_by_side import SideBySide
    from bonafide_tokens.signatures.message import Message

MOST_BODY_BYTES: Final = 1 << 20
"""Longest body that is read to compare it with the digest that a proof signs."""

_NONCE_HEADERS: Final = ("DPoP-Nonce", "OAuth-Client-Attestation-Challenge")
LOGGER: Final = "bonafide"
"""The name of the logger that has a line for each refusal."""


@unique
class SignedBody(StrEnum):
    """What is asked of bodies. ``off``: none is read. ``check``: one that its proof signs must be the one that came.
    ``require``: where a proof was checked, it must sign the body, an empty one included."""

    OFF = "off"
    CHECK = "check"
    REQUIRE = "require"


class Caller(NamedTuple):
    """Who called: what an authorizer hands on in its context. Of a request that passed unverified (``monitor`` and
    ``off`` routes) only ``request_class`` says anything."""

    request_class: str
    app: str = ""
    platform: str = ""
    key_id: str = ""
    tier: str = ""
    app_build: str = ""
    policy_version: int = 0
    token_expires_at: int = 0
    jti: str = ""
    proven: bool = False
    content_digest: str | None = None
    environment: str = ""


class BackendRequest(NamedTuple):
    """One request. ``path`` is the path by which the backend will route it, ``raw_path`` as the client sent it, with
    its escapes and without a query; empty where the server does not tell. ``headers`` are all of them, repeated ones
    too, in any case. ``request_id`` is for the log and the support code. ``query`` is the query as the client sent it,
    ``None`` where the server does not tell: signed requests are refused then."""

    method: str
    path: str
    raw_path: str
    headers: Sequence[tuple[str, str]]
    request_id: str
    query: str | None = None


class Answer(NamedTuple):
    """What to do: let ``caller`` pass, adding ``headers`` to the backend's answer, or, where ``caller`` is ``None``,
    answer with ``status``, ``headers`` and ``body``. ``body_needed`` says that :meth:`Guard.check_body` is next,
    ``signed`` that the whole request is signed, and so whatever body it has."""

    caller: Caller | None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reason: str = ""
    body_needed: bool = False
    signed: bool = False


class Guard:
    """Checks requests. ``spent`` spends proofs for routes that ask for ``proof-once``: an object with
    ``spend(proof)``, over a store that all processes share. ``beside`` compares with another product's tokens. Raises
    :class:`SettingsError`."""

    def __init__(
        self,
        settings: GateSettings,
        *,
        spent: SpendsProofs | None = None,
        signed_body: SignedBody = SignedBody.CHECK,
        keeper: BundleKeeper | None = None,
        beside: SideBySide | None = None,
    ) -> None:
        if not settings.external_origin:
            raise SettingsError("EXTERNAL_ORIGIN is not set: what clients call, as in https://api.example.com")
        self.settings = settings._replace(cache_seconds=0.0)  # no gateway in front keeps what is answered here
        self.signed_body = signed_body
        self._beside = beside
        self._lock = threading.Lock()
        self._keeper = _SharedKeeper(
            keeper or keeper_of(settings, note=_note_bundle, clock=time, elapsed=monotonic), self._lock
        )
        self._gate = Gate(self.settings, self._keeper, spent=spent, warn=_warn, elapsed=monotonic)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, *, spent: SpendsProofs | None = None
    ) -> Guard:
        """A guard by the authorizer's environment variables, and ``SIGNED_BODY``. Raises :class:`SettingsError`."""
        environment = os.environ if environment is None else environment
        try:
            signed_body = SignedBody(environment.get("SIGNED_BODY") or SignedBody.CHECK)
        except ValueError:
            raise SettingsError(f"SIGNED_BODY must be one of {', '.join(SignedBody)}") from None
        beside = None
        if environment.get("SIDE_BY_SIDE"):
            from bonafide_tokens.backends import side_by_side  # for teams that are moving over alone

            beside = side_by_side.SideBySide.from_environment(environment)
        return cls(GateSettings.from_environment(environment), spent=spent, signed_body=signed_body, beside=beside)

    def prepare(self) -> None:
        """Fetch the trust bundle now, as when a server starts; the first request waits for it otherwise."""
        self._keeper.outside(time())

    def check(self, request: BackendRequest) -> Answer:
        """Decide one request. Does not raise for anything that it can hold; may wait for a trust bundle, up to four
        seconds where there is none."""
        now = time()
        gated = self._gated(request)
        try:
            self._keeper.outside(now)
            with self._lock:
                decision = self._gate.decide(gated, now)
        except Exception as error:  # a mistake of ours refuses, and its text may quote the request
            _say(logging.ERROR, {"message": "unexpected error", "error_type": type(error).__qualname__})
            return unavailable(request.request_id)
        if self._beside is not None and self._by_theirs(self._beside, request, decision, now):
            return Answer(Caller("theirs"), headers=_nonces(decision.next_nonce))
        if not decision.allowed:
            _note(gated, decision, self.settings.audience)
            refusal = UNAVAILABLE if decision.reason is None else decision.reason.refusal
            return _refused(refusal, request.request_id, decision.reason or "", decision.next_nonce)
        if decision.reason is not None:
            _note(gated, decision, self.settings.audience)
        digest = decision.content_digest
        needed = decision.proven and (
            self.signed_body is SignedBody.REQUIRE
            or (self.signed_body is SignedBody.CHECK and (decision.signed or digest is not None))
        )
        return Answer(
            _caller(decision), headers=_nonces(decision.next_nonce), body_needed=needed, signed=decision.signed
        )

    def _by_theirs(self, beside: SideBySide, request: BackendRequest, decision: Decision, now: float) -> bool:
        """Note what the other product's token says, and whether it lets in what ours refuses."""
        values = [value for name, value in request.headers if name.lower() == beside.header]
        theirs = beside.judge(values, self._keeper.current(now), now)
        _say(logging.INFO, {**beside.line(decision, theirs), "request_id": request.request_id[:128]})
        called = request.raw_path or request.path
        return called == request.path and beside.lets_in(decision, theirs, request.method, request.path)

    def check_without_body(self, request: BackendRequest) -> Answer:
        """Decide one request whose body does not come along: the digest that its proof signs is the caller's
        ``content_digest``, for the backend to compare. With ``require``, a proof must sign one."""
        answer = self.check(request)
        if answer.caller is None or not answer.body_needed:
            return answer
        if answer.caller.content_digest is None and self.signed_body is SignedBody.REQUIRE:
            return self._other_body(answer, answer.caller, request.request_id, "no digest is signed")
        return answer._replace(body_needed=False)

    def bundle(self, now: float) -> tuple[int, float, bool]:
        """The trust bundle's version, 0 for none; the seconds since it was known to be the newest; whether it is valid
        at ``now``. Fetches nothing."""
        version, age = self._keeper.version_and_age()
        return version, age, self._keeper.current(now) is not None

    def check_body(self, answer: Answer, body: bytes | None, request_id: str) -> Answer:
        """Whether ``body`` is the one that the proof of a request that may pass signs; ``None`` is one beyond
        :data:`MOST_BODY_BYTES`."""
        if answer.caller is None or not answer.body_needed:
            return answer
        if body is None:
            return _problem(413, "too-large", "The body is larger than may be signed.", "never", "", request_id)
        signed = answer.caller.content_digest or ""
        if not (signed or body) and answer.signed and self.signed_body is SignedBody.CHECK:
            return answer  # the signature leaves out a body, and there is none
        if compare_digest(content_digest(body).encode(), signed.encode("utf-8", "replace")):
            return answer
        why = "no digest is signed" if not signed else "another body is signed"
        return self._other_body(answer, answer.caller, request_id, why)

    def _other_body(self, answer: Answer, caller: Caller, request_id: str, why: str) -> Answer:
        _say(logging.INFO, {**_line(request_id, Reason.PROOF_BODY, why), "key_id": caller.key_id})
        nonce = dict(answer.headers).get(_NONCE_HEADERS[0], "")
        return _refused(Reason.PROOF_BODY.refusal, request_id, Reason.PROOF_BODY, nonce)

    def _gated(self, request: BackendRequest) -> GatedRequest:
        settings = self.settings
        first, second, third = settings.token_header, settings.proof_header, settings.pop_header
        found: dict[str, list[str]] = {first: [], second: [], third: [], EDGE_HEADER: []}
        for name, value in request.headers:
            if (values := found.get(name.lower())) is not None:
                values.append(value)
        called = request.raw_path or request.path
        others = (called,) if called != request.path and is_ambiguous(called) else ()
        url = settings.external_origin + called
        message = None if request.query is None else partial(_message, request, url)
        pops = found[third] if third else []
        presented = PresentedRequest(request.method, url, found[first], found[second], pops, message)
        return GatedRequest(
            Kind.DIRECT,
            presented,
            request.path,
            request.request_id,
            other_paths=others,
            origin_secrets=found[EDGE_HEADER],
        )


def unavailable(request_id: str) -> Answer:
    """The refusal of a request that cannot be checked, by a fault on this side."""
    return _refused(UNAVAILABLE, request_id, "", "")


def _message(request: BackendRequest, url: str) -> Message:
    from bonafide_tokens.signatures.message import message_of  # here: few routes ask for a signature

    def field(name: str) -> list[str]:
        return [value for own, value in request.headers if own.lower() == name]

    return message_of(request.method, url, query=request.query, field=field)


class _SharedKeeper(BundleKeeper):
    """A keeper for many threads. Those that need a newer bundle wait together for one attempt, without the lock of
    decisions: they keep no other thread from deciding."""

    def __init__(self, keeper: BundleKeeper, deciding: threading.Lock) -> None:
        self._own, self._deciding = keeper, deciding

    def outside(self, now: float) -> None:
        """Have a fresh bundle at hand, before the lock is taken."""
        self._own.current(now)

    def current(self, now: float) -> TrustBundle | None:
        return self._own.at_hand(now)

    def after_unknown_key(self, now: float) -> TrustBundle | None:
        self._deciding.release()
        try:
            return self._own.after_unknown_key(now)
        finally:
            self._deciding.acquire()

    def version_and_age(self) -> tuple[int, float]:
        return self._own.version_and_age()


def _caller(decision: Decision) -> Caller:
    token = decision.token
    if token is None or decision.reason is not None:
        return Caller(decision.request_class)
    return Caller(
        decision.request_class,
        token.app,
        token.platform,
        token.key_id,
        token.tier,
        token.app_build or "",
        token.policy_version,
        token.expires_at,
        token.jti,
        decision.proven,
        decision.content_digest,
        token.environment,
    )


def _nonces(nonce: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, nonce) for name in _NONCE_HEADERS) if nonce else ()


def _refused(refusal: Refusal, request_id: str, reason: str, nonce: str) -> Answer:
    answer = _problem(401, refusal.error, refusal.title, refusal.retry, refusal.action, request_id)
    exposed = ",".join(("WWW-Authenticate", *_NONCE_HEADERS))
    more = (("WWW-Authenticate", refusal.www_authenticate), ("Access-Control-Expose-Headers", exposed))
    return answer._replace(headers=(*answer.headers, *more, *_nonces(nonce)), reason=reason)


def _problem(status: int, slug: str, title: str, retry: str, action: str, request_id: str) -> Answer:
    """A problem (RFC 9457), as the gateway response of an authorizer's refusal has it."""
    document = {"type": f"/problems/{slug}", "title": title, "status": status, "instance": request_id, "retry": retry}
    document |= {"action": action} if action else {}
    document["support_code"] = request_code(request_id)
    headers = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"))
    return Answer(None, status, headers, dumps(document).encode())


def _line(request_id: str, reason: str, detail: str) -> dict[str, object]:
    return {
        "message": "decision",
        "action": "authorize",
        "outcome": "refused",
        "reason": reason,
        "detail": detail[:240],
        "support_code": request_code(request_id),
        "request_id": request_id[:128],
    }


def _note(request: GatedRequest, decision: Decision, audience: str) -> None:
    """The line of a request that does not hold: no token, no proof, no header, no path with its parameters."""
    token = decision.token
    line = {
        **_line(request.request_id, decision.reason or "", decision.detail),
        "outcome": "accepted" if decision.allowed else "refused",
        "request_class": decision.request_class,
        "requirement": decision.requirement or "",
        "audience": audience,
        "method": request.presented.method[:16],
        "route_pattern": decision.route_pattern,
        "bundle_version": decision.bundle_version,
        **({} if token is None else {"app": token.app, "platform": token.platform, "key_id": token.key_id}),
    }
    _say(logging.INFO, line)


def _note_bundle(reason: Reason | None, detail: str) -> None:
    outcome = "accepted" if reason is None else "refused"
    line = {"message": "trust bundle", "outcome": outcome, "reason": reason, "detail": detail}
    _say(logging.INFO if reason is None else logging.WARNING, line)


def _warn(detail: str) -> None:
    _say(logging.ERROR, {"message": "impossible settings", "detail": detail})


def _say(level: int, line: Mapping[str, object]) -> None:
    logging.getLogger(LOGGER).log(level, "%s", dumps(line))
