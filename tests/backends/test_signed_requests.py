"""Signed requests at the backend's own check, which alone has the body: ASGI and WSGI, as the authorizer decides."""

from __future__ import annotations

import json
import logging

import pytest
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.guard import SignedBody

from tests.backends.drivers import Send, at_asgi, at_authorizer, at_wsgi, guard_of
from tests.unit.gate.signed_attacks import ATTACKS
from tests.unit.gate.signed_calls import BODY, BY_NAME, WHOLE, signed_call, signing_routes
from tests.unit.gate.stand import NOW, Call, Stand

WITHOUT_DIGEST = tuple(item for item in WHOLE if item != '"content-digest"')
GET = signed_call(WITHOUT_DIGEST, values={'"@method"': "GET"}, headers={"Content-Digest": []}).change(method="GET")
JOINED = {"two digests of one algorithm", "label twice in Signature"}
"""A WSGI server joins repeated headers itself, with a comma and no space."""


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)


@pytest.fixture(params=[at_asgi, at_wsgi], ids=["ASGI", "WSGI"])
def send(request: pytest.FixtureRequest) -> Send:
    found: Send = request.param
    return found


@pytest.mark.parametrize("items", [BY_NAME, WHOLE])
def test_query_and_body_pass_as_they_were_signed(items: tuple[str, ...], send: Send) -> None:
    answer = send(guard_of(Stand(signing_routes())), signed_call(items), BODY)
    assert (answer.status, answer.read) == (200, BODY)
    assert answer.caller.proven


@pytest.mark.parametrize(
    ("call", "body", "reason"),
    [
        (signed_call(), BODY + b" ", "proof-body"),
        (signed_call(), b"", "proof-body"),
        (GET, b"{}", "proof-coverage"),
        (signed_call().change(query="page=3&sort=new%20first"), BODY, "proof-signature"),
    ],
)
def test_other_body_or_query_is_refused(
    call: Call, body: bytes, reason: str, send: Send, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bonafide")
    answer = send(guard_of(Stand(signing_routes())), call, body)
    assert (answer.status, answer.caller) == (401, None)
    # ASGI's test server announces no length: there the body itself gives it away.
    expected = {reason} if reason != "proof-coverage" else {reason, "proof-body"}
    assert json.loads(caplog.records[-1].getMessage())["reason"] in expected


def test_request_without_a_body_needs_no_digest(send: Send) -> None:
    assert send(guard_of(Stand(signing_routes())), GET, b"").status == 200
    strict = guard_of(Stand(signing_routes()), signed_body=SignedBody.REQUIRE)
    assert send(strict, GET, b"").status == 401


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in JOINED])
def test_attack_is_refused_as_by_the_authorizer(name: str, send: Send, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bonafide")
    reason, call = ATTACKS[name]
    allowed, context = at_authorizer(Stand(signing_routes()), call)
    answer = send(guard_of(Stand(signing_routes())), call, BODY)
    assert (allowed, answer.status) == (False, 401)
    assert answer.headers["www-authenticate"] == context["www_authenticate"]
    assert json.loads(caplog.records[-1].getMessage())["reason"] == reason
