"""One function, every kind of API Gateway: the documented event goes in, the documented answer shape comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signing import make_proof

from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import API, DOMAIN, KINDS, http_1, http_2, websocket
from tests.unit.gate.stand import AUDIENCE, KEY_ID, NOW, Call, Stand, bundle, effect, private_key, token

EVENTS = Path(__file__).parents[3] / "events" / "authorize_request"
SAMPLES = {
    # file: (how policies name the whole API, the URL and method that its client signed)
    "documented_rest_token": (f"{API.replace('eu-central', 'us-east')}/test/*/*", "", ""),
    "documented_rest_request": (f"{API.replace('eu-central', 'us-east')}/test/*/*", "https://x.example/request", "GET"),
    "documented_http_1": (f"{API.replace('eu-central', 'us-east')}/test/*/*", "https://x.example/request", "GET"),
    "documented_http_2": (None, "https://x.example/my/path", "POST"),
    "documented_websocket_connect": (
        f"{API.replace('eu-central', 'us-east')}/default/*",
        "https://x.example",
        "GET",
    ),
}
ANY_TOKEN = bundle(apis={AUDIENCE: (RouteRequirement("*", "/*", Requirement.TOKEN),)})


def sample(name: str, *, secrets: dict[str, str]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    if event["type"] == "TOKEN":
        event["authorizationToken"] = secrets["OAuth-Client-Attestation"]
        return event
    event["headers"] |= secrets
    if "multiValueHeaders" in event:
        event["multiValueHeaders"] |= {name: [value] for name, value in secrets.items()}
    return event


def assert_documented_shape(answer: dict[str, Any], resource: str | None, allowed: bool) -> None:
    if resource is None:  # payload 2.0, simple response
        assert set(answer) == {"isAuthorized", "context"}
        assert answer["isAuthorized"] is allowed
    else:
        assert set(answer) == {"principalId", "policyDocument", "context"}
        assert answer["policyDocument"] == {
            "Version": "2012-10-17",
            "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Allow" if allowed else "Deny", "Resource": resource}
            ],
        }
    assert all(type(value) is str for value in answer["context"].values())


@pytest.mark.parametrize("name", SAMPLES)
def test_documented_event_with_a_good_token_and_proof_gets_the_documented_allowance(name: str) -> None:
    """AWS's sample of the kind, with our two headers added."""
    resource, url, method = SAMPLES[name]
    good = token()
    secrets = {"OAuth-Client-Attestation": good}
    if url:
        secrets["DPoP"] = make_proof(private_key("request"), method=method, url=url, token=good, jti="j", now=NOW)
    stand = Stand(ANY_TOKEN, external_origin="https://x.example")
    answer = stand.answer(sample(name, secrets=secrets))
    assert_documented_shape(answer, resource, allowed=True)
    assert answer["context"]["key_id"] == KEY_ID
    assert answer["context"]["request_class"] == "verified"


@pytest.mark.parametrize("name", SAMPLES)
def test_documented_event_with_an_expired_token_gets_the_documented_refusal(name: str) -> None:
    """The same shape, and the context that says what to do."""
    secrets = {"OAuth-Client-Attestation": token(now=NOW - 1000)}
    answer = Stand(ANY_TOKEN).answer(sample(name, secrets=secrets))
    assert_documented_shape(answer, SAMPLES[name][0], allowed=False)
    assert answer["context"]["action"] == "renew"


@pytest.mark.parametrize("kind", KINDS)
def test_call_with_token_and_proof_passes_on_every_kind(stand: Stand, call: Call, kind: str, log_lines: Lines) -> None:
    """The same decision and the same context, whatever the gateway."""
    event = KINDS[kind](call)
    answer = stand.answer(event)
    assert effect(answer) == "Allow"
    assert answer["context"]["key_id"] == KEY_ID
    line = log_lines()[-1]
    assert (line["kind"], line["proven"]) == (kind, True)
    assert line["request_id"] == event["requestContext"]["requestId"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"token": None, "proof": None}, "token-missing"),
        ({"proof": None}, "proof-missing"),
        ({"signer": "thief"}, "proof-key"),
        ({"signed_url": "https://evil.example/v1/orders"}, "proof-request"),
        ({"token": token(audience=("https://other.example",))}, "token-audience"),
        ({"headers": {"OAuth-Client-Attestation": [token(), token()]}}, "token-malformed"),
        ({"headers": {"oauth-client-ATTESTATION": [token()]}}, "token-malformed"),
        ({"headers": {"dpop": ["another"]}}, "proof-malformed"),
    ],
)
def test_call_with_one_thing_wrong_is_refused_on_every_kind(
    stand: Stand, call: Call, kind: str, change: dict[str, Any], reason: str, log_lines: Lines
) -> None:
    """Also duplicated headers, which HTTP APIs join by commas."""
    assert effect(stand.answer(KINDS[kind](call.change(**change)))) == "Deny"
    assert log_lines()[-1]["reason"] == reason


@pytest.mark.parametrize("kind", KINDS)
def test_proof_is_replayed_on_no_kind(stand: Stand, call: Call, kind: str, log_lines: Lines) -> None:
    """One memory for all kinds."""
    event = KINDS[kind](call)
    assert effect(stand.answer(event)) == "Allow"
    assert effect(stand.answer(event)) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-replayed"


@pytest.mark.parametrize("stage", ["prod", "$default"])
def test_stage_before_an_http_apis_path_is_no_part_of_the_route(call: Call, stage: str, log_lines: Lines) -> None:
    """``rawPath`` has it, routes are written without it, and proofs are made for the URL that has it."""
    url = f"https://{DOMAIN}{'' if stage == '$default' else '/' + stage}/v1/orders"
    event = http_2(call.change(stage=stage, signed_url=url))
    assert effect(Stand().answer(event)) == "Allow"
    assert log_lines()[-1]["route_pattern"] == "* /*"
    reader = call.change(stage=stage, method="GET", path="/v1/whoami", proof=None)
    assert effect(Stand().answer(http_2(reader))) == "Allow"
    assert log_lines()[-1]["route_pattern"] == "GET /v1/whoami"


@pytest.mark.parametrize("full_path", ["/prod/v1/orders", "/v1/orders", ""])
def test_payload_1_of_a_named_stage_is_compared_with_the_url_that_has_the_stage(call: Call, full_path: str) -> None:
    """AWS's sample leaves the stage out of the path; the client called it all the same."""
    event = http_1(call)
    event["requestContext"]["path"] = full_path
    assert effect(Stand().answer(event)) == "Allow"
    without = http_1(call.change(signed_url=f"https://{DOMAIN}/v1/orders"))
    without["requestContext"]["path"] = full_path
    assert effect(Stand().answer(without)) == "Deny"
    in_default = http_1(call.change(stage="$default", signed_url=f"https://{DOMAIN}/v1/orders"))
    assert effect(Stand().answer(in_default)) == "Allow"


@pytest.mark.parametrize(
    ("raw_path", "arn_path"),
    [
        ("/public/x", "GET/v1/orders"),
        ("/v1/orders", "GET/public/x"),
        ("/v1/orders", "$default"),
        ("/prod/v1/orders", "$default"),
        ("/prod/public/x", "$default"),
        ("/public/x", "POST/public/x"),
        ("/v1/orders/public/x", "GET/public/x"),
        ("/v1/orders/", "GET/"),
        ("/prod/public/x", "POST/public/x"),
    ],
)
def test_http_api_event_with_two_readings_gets_the_strictest(
    call: Call, raw_path: str, arn_path: str, log_lines: Lines
) -> None:
    """Where the path and the ARN do not fit together, an open reading must not win over a guarded one."""
    routes = (
        RouteRequirement("*", "/public/*", Requirement.OFF),
        RouteRequirement("GET", "/", Requirement.OFF),
        RouteRequirement("*", "/prod/public/*", Requirement.PROOF),
    )
    event = http_2(call.change(method="GET", proof=None, token=None)) | {
        "rawPath": raw_path,
        "routeArn": f"{API}/prod/{arn_path}",
    }
    answer = Stand(bundle(apis={AUDIENCE: routes})).answer(event)
    only_public = raw_path == "/public/x" and arn_path == "POST/public/x"
    assert effect(answer) == ("Allow" if only_public else "Deny")
    assert log_lines()[-1]["requirement"] == ("off" if only_public else "proof")


def test_rest_request_is_compared_with_the_url_that_the_client_called(call: Call) -> None:
    """The context's path is the client's own text; the ARN's may have been cleaned up by then."""
    event = call.change(path="/v1/a%20b", signed_url=f"https://{DOMAIN}/prod/v1/a%2520b").event()
    event["requestContext"]["path"] = "/prod/v1/a%2520b"
    assert effect(Stand().answer(event)) == "Allow"


def test_payload_1_on_a_custom_domain_is_compared_with_the_url_that_the_client_called(call: Call) -> None:
    """The stage is no part of it, the base path is."""
    event = http_1(call.change(signed_url="https://shop.example.com/base/v1/orders"))
    event["requestContext"] |= {"domainName": "shop.example.com", "path": "/base/v1/orders"}
    assert effect(Stand().answer(event)) == "Allow"


def test_base_path_before_an_ordinary_path_is_no_second_reading() -> None:
    """Routes are written for the API's own paths: ``/shop/beta/x`` there is no route of its own."""
    event = Call(method="GET", path="/beta/x", token=None, proof=None).event() | {"path": "/shop/beta/x"}
    assert effect(Stand().answer(event)) == "Allow"
    assert effect(Stand().answer(event | {"path": "/shop/beta/..//x"})) == "Deny"


@pytest.mark.parametrize(("raw_path", "decision"), [("/shop/beta/x", "Allow"), ("/shop/..;/beta/x", "Deny")])
def test_http_apis_own_text_of_an_odd_path_is_a_reading_too(raw_path: str, decision: str) -> None:
    """The ARN's may have been cleaned up; a backend that resolves ``rawPath`` once more sees the odd one."""
    event = http_2(Call(method="GET", path="/beta/x", token=None, proof=None)) | {"rawPath": raw_path}
    event["requestContext"]["domainName"] = "shop.example.com"
    assert effect(Stand().answer(event)) == decision


@pytest.mark.parametrize("kind", ["http-1.0", "http-2.0"])
@pytest.mark.parametrize("header", ["OAuth-Client-Attestation", "DPoP"])
def test_header_that_a_gateway_joined_is_said_to_be_there_twice(
    call: Call, kind: str, header: str, log_lines: Lines
) -> None:
    """Not that it is no token: the operator looks for the proxy that repeats it."""
    value = str(call.token) if header != "DPoP" else str(call.proof_text())
    event = KINDS[kind](call.change(headers={header: [value, value]}))
    assert effect(Stand().answer(event)) == "Deny"
    assert log_lines()[-1]["detail"] == "the header is there more than once"


def test_one_reading_that_is_ambiguous_is_said_to_be(log_lines: Lines) -> None:
    """An operator sees why a monitored path was refused, whichever of its readings is the odd one."""
    event = Call(method="GET", path="/beta/x", token=None, proof=None).event() | {"path": "/beta//x"}
    assert effect(Stand().answer(event)) == "Deny"
    assert "more than one way" in log_lines()[-1]["detail"]


def test_http_api_behind_a_base_path_mapping_is_judged_by_its_own_path(call: Call) -> None:
    """A mapping puts its key before the path; the ARN has the path alone, and the client signed the whole."""
    event = http_2(call.change(stage="$default", signed_url="https://shop.example.com/v2/v1/orders"))
    event["rawPath"] = "/v2/v1/orders"
    event["requestContext"]["domainName"] = "shop.example.com"
    assert effect(Stand().answer(event)) == "Allow"


@pytest.mark.parametrize("kind", KINDS)
def test_external_origin_is_what_a_client_signs_on_every_kind(call: Call, kind: str) -> None:
    """Behind CloudFront or a proxy, where the gateway sees another host; headers that name a host count nothing."""
    origin = "https://shop.example.com/api"
    url = origin if kind == "websocket" else f"{origin}/v1/orders"
    stand = Stand(external_origin=origin)
    forged = {"X-Forwarded-Host": ["evil.example"], "Host": ["evil.example"], "Forwarded": ["host=evil.example"]}
    assert effect(stand.answer(KINDS[kind](call.change(signed_url=url, headers=forged)))) == "Allow"
    evil = call.change(signed_url="https://evil.example/v1/orders", jti="proof-2", headers=forged)
    assert effect(stand.answer(KINDS[kind](evil))) == "Deny"


def test_websocket_on_a_custom_domain_needs_the_external_origin(call: Call, log_lines: Lines) -> None:
    """The event does not say what the domain maps to the stage, so there is nothing to compare a proof with."""
    event = websocket(call)
    event["requestContext"]["domainName"] = "chat.example.com"
    assert effect(Stand().answer(event)) == "Deny"
    assert "EXTERNAL_ORIGIN" in log_lines()[-1]["detail"]


def test_websocket_handshake_is_a_route_of_its_own(call: Call, log_lines: Lines) -> None:
    """Routes name it GET /$connect, and its policy covers the connection's other routes."""
    routes = (RouteRequirement("GET", "/$connect", Requirement.TOKEN),)
    answer = Stand(bundle(apis={AUDIENCE: routes})).answer(websocket(call.change(proof=None)))
    assert answer["policyDocument"]["Statement"][0]["Resource"] == f"{API}/prod/*"
    assert log_lines()[-1]["route_pattern"] == "GET /$connect"


def test_unverified_websocket_is_let_in_for_its_handshake_only(call: Call) -> None:
    """As everywhere: an unchecked request opens nothing else."""
    routes = (RouteRequirement("GET", "/$connect", Requirement.MONITOR),)
    answer = Stand(bundle(apis={AUDIENCE: routes})).answer(websocket(call.change(token=None, proof=None)))
    assert answer["policyDocument"]["Statement"][0]["Resource"] == f"{API}/prod/?connect"


@pytest.mark.parametrize("kind", KINDS)
def test_identity_source_that_is_missing_is_a_missing_token(stand: Stand, call: Call, kind: str) -> None:
    """Gateways answer 401 by themselves where one is configured; where none is, we do."""
    event = KINDS[kind](call.change(token=None, proof=None)) | {"identitySource": None}
    assert stand.answer(event)["context"]["action"] == "attest"


@pytest.mark.parametrize("kind", KINDS)
def test_header_names_are_settings_on_every_kind(call: Call, kind: str) -> None:
    """The authorizer can stand in for another product's headers during a migration."""
    stand = Stand(token_header="x-firebase-appcheck", proof_header="x-app-proof")
    event = KINDS[kind](call)
    assert effect(stand.answer(event)) == "Deny"
    for members in (event["headers"], event.get("multiValueHeaders", {})):
        for old, new in (("oauth-client-attestation", "X-Firebase-AppCheck"), ("dpop", "X-App-Proof")):
            for name in [name for name in members if name.lower() == old]:
                members[new] = members.pop(name)
    assert effect(stand.answer(event)) == "Allow"


@pytest.mark.parametrize(
    "change",
    [
        {"rawPath": None},
        {"requestContext": None},
        {"requestContext": {"http": {"method": 7}}},
        {"rawPath": ""},
    ],
)
def test_http_api_event_without_method_or_path_is_unauthorized(
    stand: Stand, call: Call, change: dict[str, Any], log_lines: Lines
) -> None:
    """A wiring mistake opens nothing."""
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        stand.answer(http_2(call) | change)
    assert log_lines()[-1]["error_type"] == "UnreadableEvent"


@pytest.mark.parametrize("member", ["headers", "routeArn", "routeKey", "identitySource"])
@pytest.mark.parametrize("value", [None, [], "", 7, {"a": 7}])
def test_http_api_event_with_an_odd_member_is_answered(stand: Stand, call: Call, member: str, value: object) -> None:
    """Emulators send such events: an answer comes, and no exception."""
    assert effect(stand.answer(http_2(call) | {member: value})) in ("Allow", "Deny")


def test_megabyte_of_headers_is_read_and_refused_quickly(stand: Stand, call: Call) -> None:
    """API Gateway takes 10 KB of headers; an emulator may take more, and the gate must not choke on them."""
    many = {f"X-Filler-{number}": ["x" * 1000] for number in range(1000)}
    event = call.change(headers=many, token="A" * 1_000_000).event()
    assert effect(stand.answer(event)) == "Deny"
    assert effect(stand.answer(http_1(call.change(headers=many, jti="proof-2")))) == "Allow"
