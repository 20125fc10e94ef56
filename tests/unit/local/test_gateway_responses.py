"""Gateway responses are rendered as API Gateway does."""

from __future__ import annotations

import json

from devkit.gateway.responses import GatewayResponses, Refusal

CONFIGURED = {
    "DEFAULT_4XX": {
        "StatusCode": 400,
        "ResponseTemplates": {"application/json": '{"kind":"$context.error.responseType"}'},
    },
    "ACCESS_DENIED": {
        "StatusCode": 401,
        "ResponseParameters": {
            "Headers": {
                "WWW-Authenticate": "context.authorizer.www_authenticate",
                "Content-Type": "'application/problem+json'",
                "Absent": "context.authorizer.nothing",
            }
        },
        "ResponseTemplates": {"application/json": '{"error":"$context.authorizer.error","id":"$context.requestId"}'},
    },
}


def test_configured_response_takes_context_of_the_authorizer() -> None:
    """Status, headers and body come from the template; a mapping without a value sends no header."""
    refusal = Refusal("ACCESS_DENIED", {"www_authenticate": 'DPoP error="expired"', "error": "expired"})
    answer = GatewayResponses(CONFIGURED).render(refusal, request_id="r-1")
    assert (answer.status, json.loads(answer.body)) == (401, {"error": "expired", "id": "r-1"})
    assert answer.headers["WWW-Authenticate"] == 'DPoP error="expired"'
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Absent" not in answer.headers


def test_kind_without_response_takes_its_family() -> None:
    """DEFAULT_4XX answers for every 4xx that has no response of its own."""
    answer = GatewayResponses(CONFIGURED).render(Refusal("THROTTLED"), request_id="r-1")
    assert (answer.status, json.loads(answer.body)) == (400, {"kind": "THROTTLED"})


def test_nothing_configured_gives_the_words_of_aws() -> None:
    """Without configuration API Gateway answers with a message of its own."""
    answer = GatewayResponses().render(Refusal("MISSING_AUTHENTICATION_TOKEN"), request_id="r-1")
    assert (answer.status, json.loads(answer.body)) == (403, {"message": "Missing Authentication Token"})


def test_variable_without_value_becomes_empty() -> None:
    """An unknown variable leaves nothing behind."""
    answer = GatewayResponses(CONFIGURED).render(Refusal("ACCESS_DENIED"), request_id="r-1")
    assert json.loads(answer.body) == {"error": "", "id": "r-1"}
