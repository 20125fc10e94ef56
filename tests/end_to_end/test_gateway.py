"""What the local gateway answers, compared with what API Gateway answers."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from bonafide.operator.local_account import client_arguments
from devkit.devices.client import Answer
from tests.end_to_end.conftest import Probe


def get(url: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    probe = Probe(url, url, url, url, None)  # type: ignore[arg-type]
    return probe.client().send("GET", url, headers=named)


@pytest.mark.parametrize(("verb", "status"), [("echo", 200), ("create", 201), ("conflict", 409), ("anything", 404)])
def test_status_of_function_is_passed_on(probe: Probe, verb: str, status: int) -> None:
    """A function's status is the gateway's."""
    assert get(f"{probe.open_url}/act/{verb}").status == status


@pytest.mark.parametrize("verb", ["raise", "exit", "shapeless", "text"])
def test_function_that_fails_is_an_internal_error(probe: Probe, verb: str) -> None:
    """AWS answers 502 with a message of its own; the next call finds a sound worker."""
    answer = get(f"{probe.open_url}/act/{verb}")
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})
    assert get(f"{probe.open_url}/act/create").status == 201


def test_function_out_of_time_is_ended(probe: Probe) -> None:
    """The function's timeout holds; its worker is replaced."""
    answer = get(f"{probe.open_url}/act/sleep")
    assert answer.status == 502
    assert 1900 < answer.milliseconds < 8000
    assert get(f"{probe.open_url}/act/create").status == 201


def test_route_or_method_that_is_not_defined_is_refused(probe: Probe) -> None:
    """API Gateway's 403 "Missing Authentication Token"; HEAD is not GET."""
    client = probe.client()
    for method, path in (
        ("GET", "/nowhere"),
        ("DELETE", "/act/echo"),
        ("HEAD", "/act/echo"),
        ("GET", "/by-token/echo"),
    ):
        assert client.send(method, probe.open_url + path).status == 403


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ("allow", 200),
        ("wildcard-action", 200),
        ("deny", 401),
        ("allow-and-deny", 401),
        ("allow-other", 401),
        ("unauthorized", 401),
        ("raise", 500),
        ("garbage", 500),
        ("nested", 500),
    ],
)
@pytest.mark.parametrize("kind", ["by-request", "by-token"])
def test_answer_of_authorizer_decides(probe: Probe, kind: str, wish: str, status: int) -> None:
    """Deny wins, wildcards match, `Unauthorized` is a 401 and any other failure a 500."""
    assert get(f"{probe.guarded_url}/{kind}/create", X_Token=wish).status == (201 if status == 200 else status)


def test_request_authorizer_without_identity_source_is_always_asked(probe: Probe) -> None:
    """No header at all still reaches it, and its Deny is rendered with its context."""
    answer = get(f"{probe.guarded_url}/by-request/echo")
    assert (answer.status, answer.json["why"]) == (401, "because")
    assert answer.headers["www-authenticate"] == 'DPoP error="probe"'
    assert answer.json["id"] == answer.headers["x-amzn-requestid"]


def test_token_authorizer_without_token_is_not_asked(probe: Probe) -> None:
    """API Gateway answers 401 by itself when the identity source is missing."""
    answer = get(f"{probe.guarded_url}/by-token/echo")
    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})


def test_context_of_authorizer_reaches_the_function(probe: Probe) -> None:
    """As strings, with the principal; the authorizer saw the method's ARN and no body."""
    event = get(f"{probe.guarded_url}/by-request/echo", X_Token="allow").json
    context = _at(event, "requestContext", "authorizer")
    assert context["principalId"] == "caller"
    assert context["number"] == "7"
    assert context["saw_body"] == "false"
    assert context["method_arn"] == (
        "arn:aws:execute-api:eu-central-1:000000000000:guardedapi/probe/GET/by-request/echo"
    )


def test_event_has_the_shape_of_a_rest_api(probe: Probe) -> None:
    """Payload 1.0, with the ids of this request and nothing of SAM CLI's fixed ones."""
    first = get(f"{probe.open_url}/act/echo?a=1&a=2&b=%20x").json
    second = get(f"{probe.open_url}/act/echo").json
    assert (first["resource"], first["path"], first["httpMethod"]) == ("/act/{verb}", "/act/echo", "GET")
    assert first["queryStringParameters"] == {"a": "2", "b": " x"}
    assert _at(first, "multiValueQueryStringParameters")["a"] == ["1", "2"]
    assert second["queryStringParameters"] is None
    assert second["body"] is None
    context = _at(second, "requestContext")
    assert context["stage"] == "probe"
    assert context["domainName"] == urlsplit(probe.open_url).netloc
    assert context["path"] == "/act/echo"
    assert context["requestId"] != _at(first, "requestContext")["requestId"]


def test_repeated_header_arrives_as_often_as_it_was_sent(probe: Probe) -> None:
    """A second DPoP proof must not vanish into the first: WSGI would join the two."""
    connection = http.client.HTTPConnection(urlsplit(probe.open_url).netloc)
    connection.putrequest("GET", "/act/echo")
    for value in ("one", "two"):
        connection.putheader("X-Proof", value)
    connection.endheaders()
    event = json.loads(connection.getresponse().read())
    connection.close()
    assert event["headers"]["X-Proof"] == "two"
    assert event["multiValueHeaders"]["X-Proof"] == ["one", "two"]


def test_body_that_is_no_text_arrives_as_replacement_characters(probe: Probe) -> None:
    """API Gateway passes text on; SAM CLI would answer 502."""
    answer = probe.client().send("POST", f"{probe.open_url}/act/echo", body=b"\xff\xfe{}")
    assert answer.json["body"] == "\N{REPLACEMENT CHARACTER}" * 2 + "{}"


def test_binary_media_type_travels_in_base64(probe: Probe) -> None:
    """Both ways, where the API lists the type."""
    kind = {"Content-Type": "application/octet-stream", "Accept": "application/octet-stream"}
    event = probe.client().send("POST", f"{probe.open_url}/act/echo", body=b"\xff\x00", headers=kind).json
    assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)
    assert probe.client().send("GET", f"{probe.open_url}/act/bytes", headers=kind).body == bytes(range(256))


def test_headers_of_function_are_passed_on_or_renamed(probe: Probe) -> None:
    """Several values of one header; those that API Gateway keeps for itself get another name."""
    connection = http.client.HTTPConnection(urlsplit(probe.open_url).netloc)
    connection.request("GET", "/act/cookies")
    headers = connection.getresponse().getheaders()
    connection.close()
    assert [value for name, value in headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    names = {name.lower() for name, _ in headers}
    assert "www-authenticate" not in names
    assert {"x-amzn-remapped-www-authenticate", "x-amzn-remapped-server"} <= names


def test_body_over_ten_megabytes_is_too_large(probe: Probe) -> None:
    """API Gateway's payload limit."""
    answer = probe.client().send("POST", f"{probe.open_url}/act/echo", body=b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.json) == (413, {"message": "Request Too Long"})


def test_preflight_is_answered_by_the_gateway(probe: Probe) -> None:
    """CORS of the template, without asking a function; a real answer carries only what the function says."""
    answer = probe.client().send("OPTIONS", f"{probe.open_url}/act/echo", headers={"Origin": "https://web.example"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://web.example")
    assert "access-control-allow-origin" not in get(f"{probe.open_url}/act/echo").headers


def test_burst_beyond_the_throttle_is_refused(probe: Probe) -> None:
    """The stage's throttle: three at once, then 429."""
    statuses = [get(f"{probe.slow_url}/slow/create").status for _ in range(5)]
    assert statuses == [201, 201, 201, 429, 429]


def test_lambda_endpoint_invokes_functions(probe: Probe) -> None:
    """`boto3.client("lambda").invoke` works, and says when the function failed."""
    client: Any = boto3.client("lambda", **client_arguments(probe.lambda_url))
    made = client.invoke(FunctionName="TargetFunction", Payload=b'{"verb":"create"}')
    assert json.loads(made["Payload"].read())["statusCode"] == 201
    failed = client.invoke(FunctionName="TargetFunction", Payload=b'{"verb":"raise"}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.loads(failed["Payload"].read())["errorMessage"] == "the handler raised"


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value[name]
    return value
