"""Routes that ask for a signature of the whole request: what passes at each gateway, and each refusal's reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from bonafide_tokens.new_routes import REBUILT, routes_to_json
from bonafide_tokens.routes import COMPONENTS, Requirement, RouteRequirement, demand_for, routes_from_json
from bonafide_tokens.signatures.making import sign_request

from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import KINDS
from tests.unit.gate.signed_attacks import ATTACKS, without
from tests.unit.gate.signed_calls import (
    BY_NAME,
    DIGEST,
    QUERY,
    TOKEN,
    USUAL,
    WHOLE,
    parameters,
    signed_call,
    signing_routes,
)
from tests.unit.gate.stand import NOW, Call, Stand, effect, private_key

HANDSHAKE = {'"@method"': "GET", '"@path"': "/prod"}


def at(kind: str, call: Call, stand: Stand) -> str:
    return effect(stand.answer(KINDS[kind](call)))


@pytest.mark.parametrize("kind", KINDS)
def test_query_signed_parameter_by_parameter_passes_at_every_gateway(kind: str, log_lines: Lines) -> None:
    call = signed_call(values=HANDSHAKE if kind == "websocket" else None)
    assert at(kind, call, Stand(signing_routes())) == "Allow"
    line = log_lines()[-1]
    assert (line["proven"], line["requirement"]) == (True, "signed-request")


@pytest.mark.parametrize("items", [WHOLE, ('"@method"', '"@target-uri"', *USUAL[3:])])
@pytest.mark.parametrize("kind", KINDS)
def test_query_signed_as_it_was_sent_passes_where_the_gateway_tells_it(
    kind: str, items: tuple[str, ...], log_lines: Lines
) -> None:
    """REST and WebSocket APIs and payload 1.0 hand on decoded queries."""
    call = signed_call(items, values=HANDSHAKE if kind == "websocket" else None)
    told = kind == "http-2.0"
    assert at(kind, call, Stand(signing_routes())) == ("Allow" if told else "Deny")
    assert log_lines()[-1].get("reason") == (None if told else "proof-coverage")


CHANGED: Mapping[str, Mapping[str, Any]] = {
    "method": {"method": "PUT"},
    "path": {"path": "/v1/refunds"},
    "value in the query": {"query": QUERY.replace("2", "3")},
    "order in the query": {"query": "sort=new%20first&page=2"},
    "parameter too many": {"query": f"{QUERY}&admin=1"},
    "parameter too few": {"query": "page=2"},
    "parameter twice": {"query": f"{QUERY}&page=3"},
    "no query": {"query": ""},
    "authority": {"external_origin": "https://other.example/prod"},
    "digest": {"headers": {"Content-Digest": [DIGEST.replace("=:", "=:A", 1)[:-2] + ":"]}},
    "token": {"headers": {"OAuth-Client-Attestation": [TOKEN + "x"]}},
}
REASONS = {"token": "token-malformed", "parameter too many": "proof-coverage"}
ABSENT = {"parameter too few", "parameter twice", "no query"}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize(("kind", "items"), [("rest-request", BY_NAME), ("http-2.0", BY_NAME), ("http-2.0", WHOLE)])
def test_one_changed_component_is_refused_for_its_reason(
    name: str, kind: str, items: tuple[str, ...], log_lines: Lines
) -> None:
    change = dict(CHANGED[name])
    settings = {"external_origin": change.pop("external_origin")} if "external_origin" in change else {}
    call = signed_call(items)
    changed = call.change(**{**change, "headers": {**call.headers, **change.get("headers", {})}})
    passes = name == "order in the query" and items is BY_NAME  # the same parameters
    assert at(kind, call, Stand(signing_routes())) == "Allow"
    log_lines()
    assert at(kind, changed, Stand(signing_routes(), **settings)) == ("Allow" if passes else "Deny")
    if items is WHOLE:
        expected = REASONS.get(name, "proof-signature") if name == "token" else "proof-signature"
    else:
        expected = "proof-coverage" if name in ABSENT else REASONS.get(name, "proof-signature")
    assert log_lines()[-1].get("reason") == (None if passes else expected)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_for_its_reason(name: str, log_lines: Lines) -> None:
    reason, call = ATTACKS[name]
    assert effect(Stand(signing_routes()).call(call)) == "Deny"
    assert log_lines()[-1]["reason"] == reason


@pytest.mark.parametrize("by_parameter", [None, ("page", "sort")])
def test_made_by_our_own_code_passes(by_parameter: Sequence[str] | None) -> None:
    """With an expiry, another label beside it, and a digest by another algorithm, which is ignored."""
    call = Call(token=TOKEN, proof=None, query=QUERY)
    made = sign_request(
        private_key("request"),
        method="POST",
        url=call.url,
        headers={"OAuth-Client-Attestation": TOKEN, "Idempotency-Key": "7"},
        nonce="fresh",
        now=NOW,
        content_digest=f"sha-512=:AAAA:, {DIGEST}",
        by_parameter=by_parameter,
        expires=NOW + 30,
    )
    headers = {name: [value] for name, value in made.items()} | {"Idempotency-Key": ["7"]}
    headers["Signature-Input"].append('proxy=("@method");created=1;keyid="cdn"')
    headers["Signature"].append("proxy=:AAAA:")
    answer = Stand(signing_routes()).answer(KINDS["http-2.0"](call.change(headers=headers)))
    assert effect(answer) == "Allow"
    assert answer["context"]["content_digest"] == DIGEST


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("caf%C3%A9=a%26b", "caf%C3%A9", "a%26b"),
        ("fa%c3%a7ade%22%3a%20=something", "fa%C3%A7ade%22%3A%20", "something"),
        ("bar=with+plus+whitespace", "bar", "with%20plus%20whitespace"),
        ("var=this%20is%20a%20big%0Amultiline%20value", "var", "this%20is%20a%20big%0Amultiline%20value"),
        ("a~b=!*-._~", "a%7Eb", "%21*-._%7E"),
        ("empty=", "empty", ""),
    ],
)
@pytest.mark.parametrize("kind", ["rest-request", "http-2.0"])
def test_names_and_values_are_encoded_as_the_rfc_says(kind: str, query: str, name: str, value: str) -> None:
    """RFC 9421 §2.2.8, its own examples among them."""
    item = f'"@query-param";name="{name}"'
    call = signed_call((*USUAL, item), values={item: value}).change(query=query)
    assert at(kind, call, Stand(signing_routes())) == "Allow"


@pytest.mark.parametrize("query", ["a=%FF", "a=%C3", "a=%ED%A0%80"])
@pytest.mark.parametrize("kind", ["rest-request", "http-2.0"])
def test_query_that_is_no_text_cannot_be_signed_by_parameter(kind: str, query: str, log_lines: Lines) -> None:
    """A gateway writes the same character for each such byte: two queries would have one signature."""
    item = '"@query-param";name="a"'
    call = signed_call((*USUAL, item), values={item: "%EF%BF%BD"}).change(query=query)
    assert at(kind, call, Stand(signing_routes())) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-coverage"


@pytest.mark.parametrize(
    ("components", "items", "reason"),
    [
        (["@query"], WHOLE, None),
        (["@query"], BY_NAME, "proof-coverage"),
        (["@query-param"], BY_NAME, None),
        (["@query-param"], WHOLE, "proof-coverage"),
        (["@target-uri"], WHOLE, "proof-coverage"),
        (["@query", "@target-uri"], ('"@method"', '"@target-uri"', *USUAL[3:]), None),
        (["content-digest"], without('"content-digest"'), "proof-coverage"),
    ],
)
def test_route_says_what_a_signature_must_cover(
    components: list[str], items: tuple[str, ...], reason: str | None, log_lines: Lines
) -> None:
    answer = Stand(signing_routes(*components)).answer(KINDS["http-2.0"](signed_call(items)))
    assert effect(answer) == ("Deny" if reason else "Allow")
    assert log_lines()[-1].get("reason") == reason


def a_get(headers: Mapping[str, list[str]]) -> Call:
    items = without('"content-digest"')
    call = signed_call(items, values={'"@method"': "GET"}, headers={"Content-Digest": [], **headers})
    return call.change(method="GET")


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Content-Length": ["0"]}, True),
        ({"Content-Length": ["12"]}, False),
        ({"Transfer-Encoding": ["chunked"]}, False),
    ],
)
def test_digest_is_needed_where_a_body_is_announced(headers: Mapping[str, list[str]], passes: bool) -> None:
    """A GET has none as a rule. What comes unannounced is the backend's to compare."""
    assert effect(Stand(signing_routes()).call(a_get(headers))) == ("Allow" if passes else "Deny")


def test_signature_is_good_once_and_its_nonce_too(log_lines: Lines) -> None:
    """ECDSA has two signatures for one, and a key can sign twice: it is the nonce that counts."""
    stand = Stand(signing_routes())
    assert effect(stand.call(signed_call())) == "Allow"
    for again in (signed_call(), signed_call(label="other"), signed_call(text=parameters(created=int(NOW) - 1))):
        assert effect(stand.call(again)) == "Deny"
        assert log_lines()[-1]["reason"] == "proof-replayed"


def test_signed_once_needs_a_table_and_is_spent_in_it(log_lines: Lines) -> None:
    once = signing_routes(requirement=Requirement.SIGNED_REQUEST_ONCE)
    stand = Stand(once)
    assert effect(stand.call(signed_call())) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-unspent"
    assert "every other route" not in stand.warnings[0]


def test_nonce_of_ours_comes_first_where_one_is_required(log_lines: Lines) -> None:
    """It is the same for all who ask in one second: what follows the full stop keeps signatures apart."""
    stand = Stand(signing_routes(), nonce_key=b"k" * 32)
    first = stand.call(signed_call())
    assert effect(first) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-nonce"
    nonce = first["context"]["dpop_nonce"]
    for fresh in ("1", "2"):
        again = signed_call(text=parameters(nonce=f'"{nonce}.{fresh}"'))
        assert effect(stand.call(again)) == "Allow"
    assert effect(stand.call(signed_call(text=parameters(nonce=f'"{nonce}"')))) == "Deny"


@pytest.mark.parametrize(
    ("call", "request_class"),
    [(signed_call(), "verified"), (signed_call(by="thief"), "invalid"), (Call(token=TOKEN), "invalid")],
)
def test_monitored_route_with_components_counts_what_a_signed_one_would_refuse(
    call: Call, request_class: str, log_lines: Lines
) -> None:
    monitored = signing_routes("@query-param", requirement=Requirement.MONITOR)
    assert effect(Stand(monitored).call(call)) == "Allow"
    assert log_lines()[-1]["request_class"] == request_class


def test_token_authorizer_shows_no_signature(log_lines: Lines) -> None:
    assert effect(Stand(signing_routes()).answer(signed_call().token_event())) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-unseen"


def test_odd_path_is_asked_for_all_that_any_route_asks() -> None:
    """Spent on one route, signed on another: a path that could be either must be both."""
    routes = (
        RouteRequirement("*", "/once/*", Requirement.PROOF_ONCE),
        RouteRequirement("*", "/signed/*", Requirement.SIGNED_REQUEST, "affirming", "@query-param"),
        RouteRequirement("*", "/beta/*", Requirement.MONITOR, None, "@query"),
    )
    demand = demand_for(routes, "GET", "/once/%2e%2e/signed/x")
    assert demand[:2] == (Requirement.SIGNED_REQUEST_ONCE, "affirming")
    assert demand.components == ("@query-param",)


@pytest.mark.parametrize("gateway", REBUILT)
@pytest.mark.parametrize("component", COMPONENTS)
def test_table_of_gateways_says_what_each_can_rebuild(gateway: str, component: str) -> None:
    """What a route may be set to ask for behind a gateway is what requests can pass with there, and nothing else."""
    kind = {"rest": "rest-request", "http": "http-2.0", "websocket": "websocket", "backend": "http-2.0"}[gateway]
    values = HANDSHAKE if kind == "websocket" else {}
    items = {"@query": WHOLE, "@target-uri": (*WHOLE, '"@target-uri"')}.get(component, BY_NAME)
    passes = at(kind, signed_call(items, values=values), Stand(signing_routes(component))) == "Allow"
    has_body = component != "content-digest" or gateway != "websocket"
    assert (component in REBUILT[gateway]) is (passes and has_body)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (["POST", "/p", "signed-request"], ("signed-request", None, ())),
        (["POST", "/p", "signed-request", "", "@query"], ("signed-request", None, ("@query",))),
        (["POST", "/p", "signed-request", "warning", "@query"], ("signed-request", "warning", ("@query",))),
        (["POST", "/p", "monitor", "", "@query"], ("monitor", None, ("@query",))),
        (["POST", "/p", "monitor", "", "@later"], ("proof", None, ())),
        (["POST", "/p", "monitor", "", "@query", "later"], ("proof", None, ())),
        (["POST", "/p", "signed-request", "", "@query", "later"], ("signed-request", None, ("@query",))),
        (["POST", "/p", "token", "", "@query"], ("proof", None, ())),
        (["POST", "/p", "token", "later"], ("proof", "affirming", ())),
        (["POST", "/p", "signed-request-later"], ("proof", None, ())),
    ],
)
def test_routes_of_a_bundle_are_read_on_the_strict_side(row: list[str], expected: tuple[Any, ...]) -> None:
    (route,) = routes_from_json([row])
    assert (route.requirement, route.minimum_tier, route.components) == expected
    assert routes_from_json(routes_to_json([route])) == (route,)


def test_names_of_headers_are_those_of_the_settings() -> None:
    """The token's own header must be covered, whatever it is called."""
    stand = Stand(signing_routes(), token_header="x-token")
    items = tuple(item.replace("oauth-client-attestation", "x-token") for item in BY_NAME)
    good = signed_call(items, values={'"x-token"': TOKEN})
    moved = replace(good, token=None, headers={**good.headers, "X-Token": [TOKEN]})
    assert effect(stand.call(moved)) == "Allow"
    other = signed_call(headers={"X-Token": [TOKEN]})
    assert effect(stand.call(other)) == "Deny"


def test_authorizer_loads_signatures_for_those_routes_alone() -> None:
    """Every other route keeps its cold start."""
    code = "import sys, authorize_request; print(sorted(m for m in sys.modules if 'signatures' in m))"
    folders = ["functions/authorize_request", "layers/tokens/src"]
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(folders)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
