"""Lambda@Edge: the documented events, and answers that CloudFront takes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.facts import HEADERS
from bonafide_tokens.backends.guard import SignedBody
from bonafide_tokens.backends.lambda_edge import at_origin_request, edge_guard
from bonafide_tokens.gate.settings import SettingsError
from bonafide_tokens.signed_body import content_digest

from tests.backends.attacks import ATTACKS, GENUINE
from tests.backends.checking import settings
from tests.backends.drivers import MOST_SHOWN, at_authorizer, at_edge, edge_event, guard_of
from tests.unit.gate.stand import KEY_ID, NOW, Call, Stand

DISALLOWED = re.compile(
    r"connection|expect|keep-alive|proxy-authenticate|proxy-authorization|proxy-connection|trailer|upgrade|"
    r"x-accel-(?:buffering|charset|limit-rate|redirect)|x-amz-cf-.*|x-amzn-(?:auth|cf-.*|errortype|fle-profile|"
    r"header-count|header-order|lambda-integration-tag|requestid)|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip"
)
READ_ONLY = {
    "accept-encoding", "content-length", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
    "transfer-encoding", "via",
}  # fmt: skip
"""What the developer guide forbids to add or to change for origin requests."""


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)


def changed(name: str, value: Any) -> dict[str, Any]:
    """The event of a good call with one member of its request changed."""
    event = edge_event(Call())
    event["Records"][0]["cf"]["request"][name] = value
    return event


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_as_by_the_authorizer(name: str) -> None:
    _allowed, context = at_authorizer(Stand(), ATTACKS[name])
    answer = at_edge(guard_of(Stand()), ATTACKS[name])
    assert answer.status == 401
    assert answer.problem["title"] == context["reason_title"]
    assert answer.headers["www-authenticate"] == context["www_authenticate"]


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_request_goes_on_as_it_came(name: str) -> None:
    event = edge_event(GENUINE[name], b"{}", "a=%2f&a=b")
    before = json.loads(json.dumps(event))["Records"][0]["cf"]["request"]
    answer = at_origin_request(guard_of(Stand()), event)
    added = {name: answer["headers"].pop(name) for name in list(answer["headers"]) if name.startswith("bonafide-")}
    assert answer == before
    assert all(name == one[0]["key"].lower() for name, one in added.items())


def test_origin_is_told_who_calls_and_nothing_that_the_client_says_of_it() -> None:
    lies = {name: ["lie"] for name in HEADERS.values()} | {"Bonafide_Key_Id": ["lie"], "bonafide-tier": ["lie"]}
    told = at_edge(guard_of(Stand()), Call(headers=lies)).caller
    assert (told["bonafide-key-id"], told["bonafide-proven"]) == (KEY_ID, "true")
    assert "lie" not in told.values()
    unchecked = at_edge(guard_of(Stand()), Call(path="/public/a", token=None, proof=None, headers=lies)).caller
    assert "lie" not in unchecked.values()
    assert unchecked["bonafide-request-class"] == "unchecked"


@pytest.mark.parametrize("call", [Call(signer="thief"), Call(token=None), Call(method="HEAD", token=None)])
def test_refusal_is_a_response_that_cloudfront_takes(call: Call) -> None:
    answer = at_origin_request(guard_of(Stand(nonce_key=b"k" * 32)), edge_event(call))
    assert set(answer) <= {"status", "statusDescription", "headers", "body", "bodyEncoding"}
    assert (answer["status"], answer["statusDescription"]) == ("401", "Unauthorized")
    assert answer["headers"]["cache-control"] == [{"key": "Cache-Control", "value": "no-store"}]
    for name, one in answer["headers"].items():
        assert name == one[0]["key"].lower()
        assert not DISALLOWED.fullmatch(name)
        assert name not in READ_ONLY
    assert ("body" in answer) is (call.method != "HEAD")
    assert len(json.dumps(answer)) < 40_000


def test_nothing_is_added_that_cloudfront_forbids() -> None:
    for name in at_edge(guard_of(Stand()), Call()).caller:
        if name.startswith("bonafide"):
            assert not DISALLOWED.fullmatch(name)
            assert name not in READ_ONLY


@pytest.mark.parametrize(
    ("asked", "signed", "body", "status"),
    [
        (SignedBody.CHECK, b"{}", b"{}", 200),
        (SignedBody.CHECK, b"{}", b"[]", 401),
        (SignedBody.CHECK, None, b"[]", 200),
        (SignedBody.REQUIRE, None, b"[]", 401),
        (SignedBody.OFF, b"{}", b"[]", 200),
        (SignedBody.CHECK, bytes(MOST_SHOWN), bytes(MOST_SHOWN), 200),
        (SignedBody.CHECK, bytes(MOST_SHOWN + 1), bytes(MOST_SHOWN + 1), 413),
    ],
)
def test_body_must_be_the_signed_one(asked: SignedBody, signed: bytes | None, body: bytes, status: int) -> None:
    call = Call(content_digest=None if signed is None else content_digest(signed))
    assert at_edge(guard_of(Stand(), signed_body=asked), call, body).status == status


def test_body_that_is_not_shown_counts_as_empty() -> None:
    for signed, status in ((b"", 200), (b"{}", 401)):
        event = edge_event(Call(content_digest=content_digest(signed)))
        del event["Records"][0]["cf"]["request"]["body"]
        answer = at_origin_request(guard_of(Stand()), event)
        assert int(answer.get("status", 200)) == status


def test_text_body_is_read_and_a_broken_one_is_refused() -> None:
    for body, status in (({"encoding": "text", "data": "{}"}, 200), ({"encoding": "base64", "data": "?"}, 413)):
        event = edge_event(Call(content_digest=content_digest(b"{}")))
        event["Records"][0]["cf"]["request"]["body"] = body
        assert int(at_origin_request(guard_of(Stand()), event).get("status", 200)) == status


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        {"Records": [{"cf": {"config": {"eventType": "viewer-request"}, "request": {}}}]},
        changed("headers", None),
        changed("headers", {"dpop": "text"}),
        changed("method", None),
        changed("uri", 5),
    ],
)
def test_event_that_is_none_is_refused(event: Any) -> None:
    answer = at_origin_request(guard_of(Stand()), event)
    assert answer["status"] == "401"
    assert json.loads(answer["body"])["retry"] == "later"


@pytest.mark.parametrize(
    "name", ["PROOF_NONCES_TABLE", "AUTHORIZER_CACHE_SECONDS", "ORIGIN_SECRET_HASHES", "SIDE_BY_SIDE"]
)
def test_setting_that_cannot_hold_at_the_edge_is_refused(name: str) -> None:
    assert edge_guard(settings())
    with pytest.raises(SettingsError, match=name):
        edge_guard(settings(**{name: "1"}))
