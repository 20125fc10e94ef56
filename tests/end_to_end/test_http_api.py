"""What the local gateway answers for an HTTP API, compared with what API Gateway answers."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from devkit.devices.client import Answer
from tests.end_to_end.conftest import Probe


def get(probe: Probe, path: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return probe.client().send("GET", probe.http_url + path, headers=named)


@pytest.mark.parametrize(
    ("wish", "status", "message"),
    [
        ("allow", 201, None),
        ("deny", 403, "Forbidden"),
        ("unauthorized", 401, "Unauthorized"),
        ("raise", 500, "Internal Server Error"),
        ("garbage", 500, "Internal Server Error"),
    ],
)
def test_simple_response_decides(probe: Probe, wish: str, status: int, message: str | None) -> None:
    """A refusal has API Gateway's own body, whatever the authorizer says."""
    answer = get(probe, "/simple/create", X_Token=wish)
    assert answer.status == status
    assert answer.json.get("message") == message


def test_context_reaches_the_function_under_lambda(probe: Probe) -> None:
    """With its types; the authorizer saw the route's ARN without a stage name, and no body."""
    event: Any = get(probe, "/simple/echo", X_Token="allow").json
    context = event["requestContext"]["authorizer"]["lambda"]
    assert context == {
        "route_arn": "arn:aws:execute-api:eu-central-1:000000000000:httpapi/$default/GET/simple/echo",
        "number": 7,
        "saw_body": False,
        "raw_path": "/simple/echo",
    }


def test_event_has_the_shape_of_payload_2(probe: Probe) -> None:
    """With the ids of this request, and without members that would be empty."""
    event: Any = get(probe, "/act/echo?a=1&a=2").json
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "GET /act/{verb}", "/act/echo")
    assert event["queryStringParameters"] == {"a": "1,2"}
    assert "body" not in event
    assert "cookies" not in event
    context = event["requestContext"]
    assert (context["stage"], context["apiId"]) == ("$default", "httpapi")
    assert context["domainName"] == urlsplit(probe.http_url).netloc
    assert context["http"]["method"] == "GET"
    other: Any = get(probe, "/act/echo").json
    assert context["requestId"] != other["requestContext"]["requestId"]


def test_repeated_header_is_joined_by_commas(probe: Probe) -> None:
    """As HTTP APIs do: two proofs are then no longer one proof."""
    connection = http.client.HTTPConnection(urlsplit(probe.http_url).netloc)
    connection.putrequest("GET", "/act/echo")
    for value in ("one", "two"):
        connection.putheader("X-Proof", value)
    connection.putheader("Cookie", "a=1; b=2")
    connection.endheaders()
    event = json.loads(connection.getresponse().read())
    connection.close()
    assert event["headers"]["x-proof"] == "one,two"
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


@pytest.mark.parametrize(
    ("kind", "sent", "received", "base64"),
    [
        ("application/json", b"{}", "{}", False),
        ("text/plain", b"\xff", "\N{REPLACEMENT CHARACTER}", False),
        ("application/octet-stream", b"\xff\x00", "/wA=", True),
        ("application/x-www-form-urlencoded", b"a=1", "YT0x", True),
    ],
)
def test_body_travels_as_text_or_in_base64(probe: Probe, kind: str, sent: bytes, received: str, base64: bool) -> None:
    """By its media type alone; an HTTP API has no list of binary types."""
    answer = probe.client().send("POST", f"{probe.http_url}/act/echo", body=sent, headers={"Content-Type": kind})
    assert (answer.json["body"], answer.json["isBase64Encoded"]) == (received, base64)


def test_route_that_is_not_defined_is_not_found(probe: Probe) -> None:
    """404, where a REST API says 403; the routes of the other APIs are not served here, nor these there."""
    for path in ("/nowhere", "/by-request/echo", "/slow/create"):
        answer = get(probe, path)
        assert (answer.status, answer.json) == (404, {"message": "Not Found"})
    assert probe.client().send("GET", f"{probe.open_url}/simple/create").status == 403


@pytest.mark.parametrize("verb", ["raise", "exit"])
def test_function_that_fails_is_an_internal_error(probe: Probe, verb: str) -> None:
    """And the next call finds a sound worker."""
    answer = get(probe, f"/act/{verb}")
    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})
    assert get(probe, "/act/create").status == 201
