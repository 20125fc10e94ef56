"""What clients write must not widen, prolong or enrich an answer that API Gateway's cache gives to later requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signed_body import content_digest, requires_signed_body

from tests.unit.gate.cached_answers import asked
from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import API, http_1, http_2, rest, rest_token, websocket
from tests.unit.gate.stand import AUDIENCE, KEY_ID, NOW, Call, Stand, bundle, effect, token

MADE_UP: dict[str, Any] = {"token": "made-up", "proof": None}
SECONDS = 200.0
GUARDED = (
    RouteRequirement("*", "/admin/*", Requirement.TOKEN),
    RouteRequirement("GET", "/pay/*", Requirement.PROOF),
    RouteRequirement("*", "/*", Requirement.MONITOR),
)
KINDS = {"rest-request": rest, "rest-token": rest_token, "http-1.0": http_1}
"""Kinds whose answers are policies."""


def covers(answer: Mapping[str, Any], arn: str) -> bool:
    """Whether the policy allows ``arn``, as AWS documents resources: ``*`` is any text, ``?`` any one character, and
    ``${…}`` a variable, whose value we do not know: anything."""
    (statement,) = answer["policyDocument"]["Statement"]
    pattern = re.sub(
        r"(\$\{[^}]*\}|\*)|(\?)|(.)",
        lambda found: ".*" if found[1] else "." if found[2] else re.escape(found[3]),
        statement["Resource"],
        flags=re.S,
    )
    return statement["Effect"] == "Allow" and re.fullmatch(pattern, arn, re.S) is not None


def stand(**settings: Any) -> Stand:
    return Stand(bundle(apis={AUDIENCE: GUARDED}), **({"cache_seconds": SECONDS} | settings))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path",
    ["/*****/users", "/?????/users", "/$$$$$/users", "/*", "/a*", "/open/$metadata", "/${aws:username}/x", "/$default"],
)
def test_wildcard_from_the_client_is_refused_while_answers_are_cached(path: str, kind: str, log_lines: Lines) -> None:
    """GET /*****/users with a made-up token would open /admin/users for that token."""
    answer = asked(stand(), KINDS[kind](Call(method="GET", path=path, **MADE_UP)))
    assert answer is None or effect(answer) == "Deny"
    line = log_lines()[-1]
    if "?" in path:  # two readings already: the strictest route counts
        assert "resolved in more than one way" in line["detail"]
        return
    assert answer is not None
    assert (line["reason"], answer["context"]["action"]) == ("proof-cached", "retry")
    assert "a cached answer for it would be one for other paths" in line["detail"]


@pytest.mark.parametrize("kind", KINDS)
def test_random_paths_open_nothing_but_themselves(kind: str) -> None:
    """Whatever a client writes, verified or not: the answer that is kept allows no guarded route."""
    random, gate, passed = Random(7), stand(), 0
    arns = [Call(method="GET", path=path).arn() for path in ("/admin/users", "/admin", "/pay/1", "/pay", "/open/xy")]
    for number in range(1500):
        path = "/" + "".join(random.choice("*?$ad/min?*{}x") for _ in range(random.randrange(1, 12)))
        text = "made-up" if number % 2 else token()
        call = Call(method="GET", path=path, token=text, proof=None)
        answer = asked(gate, KINDS[kind](call))
        if answer is None:
            continue
        passed += effect(answer) == "Allow"
        opened = [arn for arn in arns if covers(answer, arn) and arn != call.arn()]
        assert opened == [], (path, answer)
    assert passed > 100


@pytest.mark.parametrize("kind", [*KINDS, "http-2.0"])
def test_wildcard_passes_where_nothing_is_cached(kind: str) -> None:
    """OData's $metadata is an honest path, and its answer serves one request."""
    make = KINDS.get(kind, http_2)
    for path in ("/open/$metadata", "/open/*", "/open/Products($top)"):
        assert effect(stand(cache_seconds=0.0).answer(make(Call(method="GET", path=path, **MADE_UP)))) == "Allow"


def test_dollar_of_the_gateway_is_no_clients() -> None:
    """$connect and $default are API Gateway's own words: a handshake, and a stage."""
    routes = (RouteRequirement("GET", "/$connect", Requirement.MONITOR), RouteRequirement("*", "/a", Requirement.TOKEN))
    gate = Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=SECONDS, default_requirement=Requirement.MONITOR)
    answer = gate.answer(websocket(Call(**MADE_UP)))
    assert covers(answer, f"{API}/prod/$connect")
    assert not covers(answer, f"{API}/prod/message")
    in_default = Call(method="GET", path="/open/x", stage="$default", **MADE_UP)
    answer = stand().answer(http_1(in_default))
    assert covers(answer, in_default.arn())


def test_wildcard_is_refused_without_a_bundle_too() -> None:
    """A stack that allows then would keep the answer beyond the moment when there is a bundle again."""
    for seconds, expected in ((SECONDS, "Deny"), (0.0, "Allow")):
        down = stand(cache_seconds=seconds, allow_when_unavailable=True)
        down.served = BundleUnreachable("connection failed")
        assert effect(down.answer(rest(Call(method="GET", path="/*****/users", **MADE_UP)))) == expected
        assert effect(down.answer(rest(Call(method="GET", path="/open/x", **MADE_UP)))) == "Allow"


BODY = b'{"to": "Ana", "cents": 640}'


@requires_signed_body
def pay(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    del context
    return {"statusCode": 200, "body": event["body"]}


@pytest.mark.parametrize("make", [rest, http_1, http_2])
def test_thief_with_the_token_alone_replays_no_signed_body(make: Any) -> None:
    """The owner's proof signed a body, the answer is kept under the token, the thief sends the token and that body."""
    routes = (RouteRequirement("*", "/*", Requirement.TOKEN),)
    owner = Call(content_digest=content_digest(BODY))
    outcomes = []
    for seconds in (0.0, SECONDS):
        kept = Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=seconds).answer(make(owner))
        assert effect(kept) == "Allow"
        outcomes.append(pay({"requestContext": {"authorizer": kept["context"]}, "body": BODY.decode()})["statusCode"])
    assert outcomes == [200, 401]


@pytest.mark.parametrize("call", [Call(), Call(token="garbage"), Call(token=None, proof=None)])
def test_cached_answer_gives_no_nonce_away(call: Call) -> None:
    """A thief with the token alone would get a nonce that is not theirs, again and again the same."""
    routes = (RouteRequirement("*", "/*", Requirement.TOKEN),)
    settings: dict[str, Any] = {"nonce_key": b"n" * 32}
    with_cache, without = (
        Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=seconds, **settings).call(call)["context"]
        for seconds in (SECONDS, 0.0)
    )
    assert "dpop_nonce" in without
    assert "dpop_nonce" not in with_cache


@pytest.mark.parametrize("kind", [*KINDS, "http-2.0"])
@pytest.mark.parametrize(("left", "passes"), [(SECONDS, True), (SECONDS - 1, False), (1, False)])
def test_token_that_ends_before_the_cached_answer_does_is_refused(
    left: float, passes: bool, kind: str, log_lines: Lines
) -> None:
    """An answer is kept for as long as the cache says, whatever becomes of the token. The app renews it."""
    tokens = (RouteRequirement("*", "/*", Requirement.TOKEN),)
    text = token(now=NOW - 600 + left, lifetime=600)
    gate = Stand(bundle(apis={AUDIENCE: tokens}), cache_seconds=SECONDS)
    answer = gate.answer(KINDS.get(kind, http_2)(Call(token=text, proof=None)))
    assert effect(answer) == ("Allow" if passes else "Deny")
    if not passes:
        context = answer["context"]
        assert (context["action"], context["retry"]) == ("renew", "after-challenge")
        assert (context["error"], context["request_class"]) == ("use_fresh_attestation", "expired")
        assert log_lines()[-1]["reason"] == "token-ending"
    assert effect(Stand(bundle(apis={AUDIENCE: tokens})).answer(rest(Call(token=text, proof=None)))) == "Allow"


def test_token_that_ends_soon_is_let_pass_unverified_by_a_monitored_route() -> None:
    """Its answer must not be for the whole API either: it is kept when the token is no good any more."""
    routes = (*GUARDED[:1], GUARDED[2])
    text = token(now=NOW - 500, lifetime=600)
    gate = Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=SECONDS)
    call = Call(method="GET", path="/open/x", token=text, proof=None)
    answer = gate.call(call)
    assert covers(answer, call.arn())
    assert not covers(answer, call.change(path="/admin/users").arn())
    assert answer["principalId"] != KEY_ID
    assert answer["context"] == {"request_class": "expired"}


def test_route_that_no_cached_answer_can_serve_says_that_first(log_lines: Lines) -> None:
    """Renewing would not help."""
    answer = stand().call(Call(method="GET", path="/pay/1", token=token(lifetime=60)))
    assert log_lines()[-1]["reason"] == "proof-cached"
    assert answer["context"]["action"] == "retry"


def test_token_near_its_end_is_no_sign_that_all_tokens_end_too_soon() -> None:
    """Its life is longer than answers are kept; only what is left of it is not."""
    gate = Stand(bundle(apis={AUDIENCE: (RouteRequirement("*", "/*", Requirement.TOKEN),)}), cache_seconds=200)
    assert effect(gate.call(Call(token=token(now=NOW - 250)))) == "Deny"
    assert gate.warnings == []


def test_unverified_wildcard_is_refused_where_every_route_can_be_cached(log_lines: Lines) -> None:
    """A kept answer for ``/open/*`` would open its neighbours to the made-up token."""
    routes = (RouteRequirement("GET", "/open/*", Requirement.OFF), RouteRequirement("*", "/*", Requirement.TOKEN))
    gate = Stand(bundle(apis={AUDIENCE: routes}), cache_seconds=SECONDS)
    assert effect(gate.call(Call(method="GET", path="/open/x", token="garbage"))) == "Allow"
    assert effect(gate.call(Call(method="GET", path="/open/*", token="garbage"))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-cached"


def test_cache_that_outlives_every_token_is_said_once() -> None:
    """Every token is refused then, freshly renewed or not: an operator must not have to find that out."""
    gate = Stand(bundle(apis={AUDIENCE: (RouteRequirement("*", "/*", Requirement.TOKEN),)}), cache_seconds=300)
    for number in range(3):
        assert effect(gate.call(Call(jti=str(number)))) == "Deny"
    assert len(gate.warnings) == 1
    assert "tokens live 300 s" in gate.warnings[0]
