"""The stack that a client meets: keys, lifetimes, policies and regions of one scenario, and the script of its faults.

A world answers requests whatever carries them. It is served over HTTP to a client in another process, and called
directly by the reference client in tests.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from bonafide_tokens.signing import SigningKey
from cryptography.hazmat.primitives.asymmetric import ec

from bonafide.operator.registration import DEMO_APP
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.evidence_service import SecureHardware, read_time
from devkit.kit.mock.documents import Roots, jwk
from devkit.kit.mock.exchange import Answer, Exchange, Request, Route, http_date, json_answer
from devkit.kit.rules import Finding, Rule

NOW: Final = 1_790_000_000.0
"""Where virtual time begins: a Monday in September 2026."""

ISSUER: Final = "kit-stack"
HOME, OTHER_REGION = "eu", "us"
GUARDED, SECOND_GUARDED, STRANGER = "guarded", "guarded-2", "stranger"

Proceed = Callable[[Request], Answer]
Fault = Callable[[Request, Proceed], Answer | None]
"""What a script does with a request: answer it, let it proceed, or give no answer (``None``)."""

_ROUTES: Final[Mapping[tuple[str, str], Route]] = {
    ("POST", "/v1/challenges"): Route.CHALLENGE,
    ("POST", "/v1/attestations"): Route.ATTESTATION,
    ("POST", "/v1/tokens"): Route.RENEWAL,
    ("POST", "/v1/signals"): Route.SIGNALS,
    ("POST", "/v1/secrets"): Route.SECRETS,
    ("POST", "/v1/attestation-failures"): Route.FAILURE,
}


@dataclass
class World:
    """One scenario's stack. ``origins`` names the place of each ``scheme://host:port`` that it answers at.

    ``token_seconds`` is ``expires_in``; ``renew_after`` is in answers where it is set; ``secrets`` are
    (version, value) by name; ``policy`` is the JWS that is served, empty for none, of ``policy_version``;
    ``root_sets`` are transitions by version; ``unknown_at`` are regions that know no key, ``down`` places that do not
    answer; ``nonces`` are the nonce that each guarded origin asks for; ``excused`` says why a renewal may come early.
    """

    authority: DeviceAuthority
    platform: str = "android"
    now: float = NOW
    origins: dict[str, str] = field(default_factory=dict)
    token_seconds: int = 300
    renew_after: int | None = None
    challenge_seconds: int = 300
    home: str = HOME
    policy: str = ""
    policy_version: int = 0
    root_sets: dict[int, str] = field(default_factory=dict)
    secrets: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    sealed_for: str = ""
    unknown_at: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    nonces: dict[str, str] = field(default_factory=dict)
    extra: bool = False
    findings: list[Finding] = field(default_factory=list)
    log: list[Exchange] = field(default_factory=list)
    excused: str = ""
    signing_key: SigningKey = field(default_factory=lambda: SigningKey("kit", ec.generate_private_key(ec.SECP256R1())))
    challenge_key: bytes = field(default_factory=lambda: os.urandom(32))
    roots: Roots = field(default_factory=lambda: Roots(ISSUER))
    proceed: Proceed = field(default=lambda _: Answer(404), repr=False)
    judge: Callable[[Request], None] = field(default=lambda _: None, repr=False)
    judge_answer: Callable[[Exchange], None] = field(default=lambda _: None, repr=False)
    _script: defaultdict[Route, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[Route, Fault] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def hardware(self) -> SecureHardware:
        """The device that this world takes evidence of."""
        return SecureHardware(self.authority)

    def once(self, route: Route, *faults: Fault) -> None:
        """The next requests of ``route`` meet these, one after the other."""
        self._script[route].extend(faults)

    def always(self, route: Route, fault: Fault | None) -> None:
        """Every request of ``route`` meets this, from now on; ``None`` ends it."""
        if fault is None:
            self._always.pop(route, None)
        else:
            self._always[route] = fault

    def find(self, rule: Rule, detail: str) -> None:
        """Note a finding; the same one counts once."""
        finding = Finding(rule, detail)
        if finding not in self.findings:
            self.findings.append(finding)

    def publish(self, version: int, document: Mapping[str, Any], *, by: str = "one", app: str = DEMO_APP) -> None:
        """Serve a client policy, and tell of its version in answers."""
        self.policy = self.roots.policy(version, document, app=app, by=by, now=self.now)
        self.policy_version = version

    def add_root_set(self, version: int, *names: str, by: str) -> None:
        """Serve a root set."""
        self.root_sets[version] = self.roots.transition(version, names, by=by, now=self.now)

    @property
    def root_set(self) -> dict[str, Any]:
        """The set that the app is built with."""
        return {"version": 1, "roots": [jwk("one")]}

    def answer(self, method: str, url: str, headers: Mapping[str, tuple[str, ...]], body: bytes) -> Answer | None:
        """Answer a request of the client; ``None`` closes the connection."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        moment = read_time(next(iter(headers.get("kit-time", ())), ""))
        with self._lock:
            if moment is None:
                self.find(Rule.PROTOCOL, f"{method} {path} came without a Kit-Time.")
            self.now = max(self.now, moment or 0.0)
            place = self.origins.get(origin, STRANGER)
            request = Request(
                method=method,
                origin=origin,
                path=path,
                headers=headers,
                body=body,
                now=self.now,
                place=place,
                route=_route(place, method, parts.path),
            )
            self.judge(request)
            answer = self._scripted(request)
            if answer is not None:
                answer = self._dressed(answer)
            exchange = Exchange(request, answer)
            self.log.append(exchange)
            self.judge_answer(exchange)
            return answer

    def _scripted(self, request: Request) -> Answer | None:
        if request.place in self.down:
            return None
        queue = self._script[request.route]
        fault = queue.popleft() if queue else self._always.get(request.route)
        return self.proceed(request) if fault is None else fault(request, self.proceed)

    def _dressed(self, answer: Answer) -> Answer:
        headers = {"Date": http_date(self.now), **answer.headers}
        if not self.extra:
            return replace(answer, headers=headers)
        headers["X-Kit-Unknown"] = "ignore me"
        members = answer.json
        if not members:
            return replace(answer, headers=headers)
        more = {"kit_unknown": {"token": 7, "expires_in": "never"}, "kit_list": [None]}
        return replace(json_answer(answer.status, {**members, **more}), headers=headers, cut=answer.cut)

    def sent(self, *routes: Route, since: int = 0) -> list[Exchange]:
        """The exchanges of these routes (of all without), from the ``since``-th of the log on."""
        with self._lock:
            return [each for each in self.log[since:] if not routes or each.request.route in routes]


def _route(place: str, method: str, path: str) -> Route:
    if place == STRANGER:
        return Route.STRANGER
    if place in (GUARDED, SECOND_GUARDED):
        return Route.GUARDED
    if method == "GET" and path.startswith("/v1/client-policies/"):
        return Route.POLICY
    if method == "GET" and path.startswith("/v1/root-sets/"):
        return Route.ROOT_SET
    return _ROUTES.get((method, path), Route.OTHER)
