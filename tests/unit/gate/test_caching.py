"""What API Gateway's cache makes of our answers: no cached answer may answer for another route or token.

The cache is played through: an answer is kept under the token and given to a later request of the same token without
asking again, read as API Gateway reads policies.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import authorize_request
import pytest
from attestation.appraisal.result import Tier
from bonafide_tokens.gate import bundle_keeper
from bonafide_tokens.gate.bundle_client import BundleAnswer, BundleUnreachable
from bonafide_tokens.routes import Requirement, RouteRequirement

from devkit.gateway.authorizer_policy import is_allowed
from tests.unit.gate.authorizer_environment import ENVIRONMENT
from tests.unit.gate.cached_answers import asked
from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import http_1, http_2, rest, rest_token
from tests.unit.gate.stand import AUDIENCE, ISSUER, NOW, RESULT, Call, Stand, bundle, effect, signed, token

OFF, MONITOR, TOKEN, PROOF, PROOF_ONCE, *_ = Requirement
KINDS = {"rest-request": rest, "rest-token": rest_token, "http-1.0": http_1, "http-2.0": http_2}
MIXED = (
    RouteRequirement("GET", "/off", OFF),
    RouteRequirement("GET", "/monitor", MONITOR),
    RouteRequirement("GET", "/monitor-high", MONITOR, "affirming"),
    RouteRequirement("GET", "/token", TOKEN),
    RouteRequirement("GET", "/token-high", TOKEN, "affirming"),
    RouteRequirement("GET", "/proof", PROOF),
    RouteRequirement("GET", "/once", PROOF_ONCE),
)
TOKENS_ONLY = (RouteRequirement("*", "/*", TOKEN),)
OPEN_AND_TOKENS = (RouteRequirement("GET", "/off", OFF), RouteRequirement("GET", "/monitor", MONITOR), *TOKENS_ONLY)
MONITOR_ONLY = (RouteRequirement("*", "/*", MONITOR),)
PATHS = ("/off", "/monitor", "/monitor-high", "/token", "/token-high", "/proof", "/once", "/elsewhere")
HOLDERS = {
    "good": token(),
    "low": token(result=RESULT.__class__(
        tier=Tier.WARNING, findings=(), trustworthiness={"hardware": 32}, policy_version=17), jti="low"),
    "expired": token(now=NOW - 1000),
    "garbage": "garbage",
}  # fmt: skip


def cached(
    kind: str, routes: tuple[RouteRequirement, ...], first: Call, seconds: float, later: list[Call]
) -> list[bool]:
    """Whether each of the ``later`` calls passes by the answer that ``first`` got."""
    answer = asked(Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=seconds), KINDS[kind](first))
    if answer is None or "isAuthorized" in answer:
        return [answer is not None and answer["isAuthorized"] is True] * len(later)
    return [is_allowed(answer, call.arn()) for call in later]


def deserved(kind: str, routes: tuple[RouteRequirement, ...], call: Call) -> bool:
    """Whether ``call`` passes when it is asked about by itself, without any cache."""
    answer = asked(Stand(bundle(apis={AUDIENCE: routes})), KINDS[kind](call))
    return answer is not None and effect(answer) == "Allow"


def opened(routes: tuple[RouteRequirement, ...], *, seconds: float) -> list[tuple[str, str, str, str]]:
    """Every way in which a cached answer lets in what would have been refused: kind, token, first and second path."""
    found = []
    for kind, (holder, text) in product(KINDS, HOLDERS.items()):
        later = [Call(method="GET", path=path, token=text, proof=None) for path in PATHS]
        right = [deserved(kind, routes, call) for call in later]
        for first in PATHS:
            passed = cached(kind, routes, Call(method="GET", path=first, token=text), seconds, later)
            found += [
                (kind, holder, first, second)
                for second, got, due in zip(PATHS, passed, right, strict=True)
                if got and not due
            ]
    return found


@pytest.mark.parametrize("routes", [MIXED, TOKENS_ONLY, OPEN_AND_TOKENS, MONITOR_ONLY])
def test_cached_answer_opens_no_other_route(routes: tuple[RouteRequirement, ...]) -> None:
    """Every kind, every token, every pair of routes: what is refused by itself is refused by the cache."""
    assert opened(routes, seconds=200) == []


def test_cache_that_the_authorizer_is_not_told_of_would_open_routes() -> None:
    """Guards the simulation against one that finds nothing, and says why the setting must agree with the gateway."""
    found = opened(MIXED, seconds=0)
    assert ("rest-request", "good", "/token", "/proof") in found
    assert ("http-2.0", "garbage", "/off", "/token") in found


@pytest.mark.parametrize(("kind", "holder"), list(product(KINDS, HOLDERS)))
def test_cached_answer_is_right_for_all_routes_of_an_api_of_tokens(kind: str, holder: str) -> None:
    """Where every route asks for the same, the cache is exact: it refuses no request either."""
    calls = [Call(method="GET", path=path, token=HOLDERS[holder], proof=None) for path in PATHS]
    right = [deserved(kind, TOKENS_ONLY, call) for call in calls]
    for first in calls:
        assert cached(kind, TOKENS_ONLY, first, 200, calls) == right


@pytest.mark.parametrize("kind", ["http-1.0", "http-2.0"])
def test_answer_cached_under_something_else_than_the_token_is_refused(call: Call, kind: str, log_lines: Lines) -> None:
    """Another token under the same key would be let in by it."""
    stand = Stand(bundle(apis={AUDIENCE: TOKENS_ONLY}), cache_seconds=200)
    event = KINDS[kind](call)
    assert effect(stand.answer(event)) == "Allow"
    event = KINDS[kind](call.change(jti="proof-2"))
    event["identitySource"] = ["203.0.113.9"] if kind == "http-2.0" else "203.0.113.9"
    assert effect(stand.answer(event)) == "Deny"
    assert "identity source" in log_lines()[-1]["detail"]


@pytest.mark.parametrize("path", ["/proof", "/once", "/token-high", "/elsewhere"])
@pytest.mark.parametrize("kind", KINDS)
def test_route_that_no_cached_answer_can_serve_is_refused_for_its_own_reason(
    kind: str, path: str, log_lines: Lines
) -> None:
    """Loudly: a proof that is not looked at is no proof. The client hears that nothing is wrong with its request."""
    stand = Stand(bundle(apis={AUDIENCE: MIXED}), cache_seconds=200)
    answer = stand.answer(KINDS[kind](Call(method="GET", path=path)))
    assert effect(answer) == "Deny"
    line = log_lines()[-1]
    if kind == "rest-token" and path != "/token-high":
        assert line["reason"] == "proof-unseen"
        return
    if path == "/once":
        assert line["reason"] == "proof-unspent"
        return
    assert (line["reason"], line["request_class"]) == ("proof-cached", "unchecked")
    assert answer["context"]["action"] == "retry"


def test_impossible_settings_are_said_once_and_by_name(call: Call) -> None:
    """At startup, and again only when the routes change."""
    stand = Stand(bundle(apis={AUDIENCE: MIXED}), cache_seconds=200)
    stand.gate.prepare(NOW)
    for number in range(3):
        stand.call(call.change(jti=str(number)))
    assert len(stand.warnings) == 1
    for part in (
        "GET /proof",
        "GET /once",
        "GET /token-high",
        "DEFAULT_REQUIREMENT",
        "AUTHORIZER_CACHE_SECONDS is 200",
    ):
        assert part in stand.warnings[0]
    assert "/monitor" not in stand.warnings[0]


def test_impossible_settings_are_an_error_in_the_log(monkeypatch: pytest.MonkeyPatch, log_lines: Lines) -> None:
    """As wired in Lambda: one line at level ERROR while INIT is still running, before any request."""
    served = BundleAnswer(signed(bundle(issued_at=0, expires_at=4_000_000_000, apis={AUDIENCE: MIXED})), None)
    monkeypatch.setattr(bundle_keeper, "fetch_bundle", lambda *_, **__: served)
    authorizer = authorize_request.wire(ENVIRONMENT | {"AUTHORIZER_CACHE_SECONDS": "200", "TOKEN_ISSUER": ISSUER})
    authorizer.gate.prepare(NOW)
    lines = [line for line in log_lines() if line["message"] == "impossible settings"]
    assert len(lines) == 1
    assert lines[0]["level"] == "ERROR"
    assert "GET /proof" in lines[0]["detail"]


def test_impossible_settings_are_said_again_only_when_the_routes_change() -> None:
    """A bundle is republished every hour; a log that repeats itself is not read."""
    stand = Stand(bundle(apis={AUDIENCE: MIXED}), cache_seconds=200)
    stand.gate.prepare(NOW)
    stand.serve(bundle(version=8, apis={AUDIENCE: MIXED}))
    stand.now = NOW + 31
    stand.gate.prepare(stand.now)
    assert len(stand.warnings) == 1
    stand.serve(bundle(version=9, apis={AUDIENCE: MIXED[:-1]}))
    stand.now = NOW + 62
    stand.gate.prepare(stand.now)
    assert len(stand.warnings) == 2
    assert "GET /once" not in stand.warnings[1]


def test_settings_that_go_together_are_not_warned_of(call: Call) -> None:
    """No proof anywhere, or no cache."""
    for routes, seconds in ((TOKENS_ONLY, 200.0), (MIXED[:-1], 0.0)):
        stand = Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=seconds, default_requirement=TOKEN)
        stand.gate.prepare(NOW)
        assert effect(stand.call(call.change(method="GET", path="/token"))) == "Allow"
        assert stand.warnings == []


def test_no_simple_answer_is_cached_while_there_is_no_bundle(call: Call) -> None:
    """`allow` without a bundle is the stack's choice for now, not for as long as the cache lasts."""
    answers: dict[float, dict[str, Any]] = {}
    for seconds in (0.0, 200.0):
        down = Stand(allow_when_unavailable=True, cache_seconds=seconds)
        down.served = BundleUnreachable("connection failed")
        answers[seconds] = down.answer(http_2(call))
    assert (effect(answers[0.0]), effect(answers[200.0])) == ("Allow", "Deny")


def test_monitored_api_refuses_no_request_with_a_cache_either() -> None:
    """Nothing is guarded, so nothing can be opened."""
    event: Callable[[Call], dict[str, Any]]
    for event in (rest, http_1, http_2):
        stand = Stand(bundle(apis={AUDIENCE: MONITOR_ONLY}), cache_seconds=200, default_requirement=MONITOR)
        assert effect(stand.answer(event(Call(token="garbage", proof=None)))) == "Allow"
