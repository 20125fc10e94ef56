"""Calls of apps that go on to an upstream: who may make them, what arrives there, and what comes back of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.result import Tier
from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.trust_bundle import AppStatus
from service.errors import Unavailable
from service.relay.reasons import RelayReason, RelayRefused

from tests.integration.relay_stand import BODY, KEY, RelayStand, http
from tests.service_stack.loopback import Scripted, serving
from tests.unit.gate.stand import APP, KEY_ID, NOW, RESULT, bundle, token
from tests.unit.relay.upstream_documents import DOCUMENT

USAGE = json.dumps({"content": "Hi", "usage": {"input_tokens": 12, "output_tokens": 30}}).encode()


@pytest.fixture
def upstream() -> Iterator[Scripted]:
    """An upstream that answers well."""
    with serving(Scripted(http(USAGE, headers="Request-Id: req_1\r\nSet-Cookie: a=b\r\n"))) as scripted:
        yield scripted


def refused(stand: RelayStand, **named: Any) -> RelayReason:
    """Why a call is refused, or its answer breaks off; the reason is noted once."""
    with pytest.raises(RelayRefused) as caught:
        stand.whole(**named)
    ((_, noted),) = stand.notes
    assert noted is caught.value
    assert KEY not in str(caught.value) + repr(caught.value.__context__)
    return caught.value.reason


def test_a_call_goes_on_with_the_key_and_its_answer_comes_back(upstream: Scripted) -> None:
    """The app's body and allowed headers, our key; nothing of the token, the proof or other headers."""
    stand = RelayStand(upstream.port)
    status, headers, body = stand.whole(query=[("beta", "a b")], headers={"x-other": ["1"], "accept": ["*/*"]})
    assert (status, body) == (200, USAGE)
    assert headers["request-id"] == "req_1"
    assert "set-cookie" not in headers
    head, _, sent = upstream.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/messages?beta=a%20b HTTP/1.1"
    assert f"authorization: Bearer {KEY}" in lines
    assert "anthropic-version: 2023-06-01" in lines
    assert "Accept-Encoding: identity" in lines
    assert sent == BODY
    assert not any(line.lower().startswith(("dpop", "oauth", "x-other")) for line in lines)
    ((record, error),) = stand.notes
    assert error is None
    assert (record.app, record.key_id, record.upstream, record.route) == (APP, KEY_ID, "assistant", "/v1/messages")
    assert "Hello" not in repr(record)
    assert KEY not in repr(record)


def test_what_was_reserved_is_settled_by_what_was_used(upstream: Scripted) -> None:
    """The body's bytes and the asked maximum before, the told tokens after."""
    stand = RelayStand(upstream.port)
    stand.whole()
    (reserved,) = stand.budgets.reserved
    assert reserved["units"] == len(BODY) + 100
    assert (reserved["app"], reserved["key_id"]) == (APP, KEY_ID)
    assert stand.budgets.settled == [(len(BODY) + 100, 42)]


def test_key_in_the_query_is_sent_and_never_told() -> None:
    """Some upstreams take it there."""
    with serving(Scripted(http(b'{"echo": "%s"}' % KEY.encode()))) as scripted:
        stand = RelayStand(scripted.port, credential={"query": "key"})
        _, _, body = stand.whole()
        assert b"key=sk-live-4f9Q0zT%2Fx%2Bw2_Lm7Kp1R" in scripted.requests[0]
        assert KEY.encode() not in body
        assert stand.notes[0][0].echoes == 1


TOKENS: dict[str, tuple[dict[str, Any], Reason]] = {
    "no token": ({"headers": {"oauth-client-attestation": []}}, Reason.TOKEN_MISSING),
    "no proof": ({"headers": {"dpop": []}}, Reason.PROOF_MISSING),
    "two proofs": ({"headers": {"dpop": ["a", "b"]}}, Reason.PROOF_MALFORMED),
    "another method": ({"method": "POST", "token": "x"}, Reason.PROOF_TOKEN),
    "another URL": ({"url": "https://proxy.example.com/prod/other/v1/messages"}, Reason.PROOF_REQUEST),
    "another body": ({"content_digest": content_digest(b"another")}, Reason.PROOF_BODY),
    "no body signed": ({"content_digest": None}, Reason.PROOF_BODY),
    "an old proof": ({"now": NOW - 900}, Reason.PROOF_TIME),
    "an expired token": ({"token_text": token(now=NOW - 900)}, Reason.TOKEN_EXPIRED),
}


@pytest.mark.parametrize("name", TOKENS)
def test_what_does_not_prove_itself_reaches_no_upstream(upstream: Scripted, name: str) -> None:
    """The thief: a token without its key, a proof of another call."""
    changes, reason = TOKENS[name]
    stand = RelayStand(upstream.port)
    with pytest.raises(TokenError) as caught:
        stand.whole(**changes)
    assert caught.value.reason is reason
    assert (upstream.requests, stand.budgets.reserved) == ([], [])


def test_a_proof_is_good_for_one_call(upstream: Scripted) -> None:
    """The attack: a call sent again pays again."""
    stand = RelayStand(upstream.port)
    stand.whole(jti="one")
    with pytest.raises(TokenError) as caught:
        stand.whole(jti="one")
    assert caught.value.reason is Reason.PROOF_REPLAYED
    assert len(upstream.requests) == 1


def test_a_blocked_key_and_a_low_tier_get_nothing(upstream: Scripted) -> None:
    """From the bundle that says so on."""
    stand = RelayStand(upstream.port, minimum_tier="affirming")
    low = token(result=replace(RESULT, tier=Tier.WARNING))
    with pytest.raises(TokenError) as caught:
        stand.whole(token_text=low)
    assert caught.value.reason is Reason.TOKEN_TIER
    stand.trusted.bundle = bundle(apps={APP: AppStatus(blocked_keys=frozenset({KEY_ID}))})
    with pytest.raises(TokenError) as caught:
        stand.whole()
    assert caught.value.reason is Reason.KEY_BLOCKED
    assert upstream.requests == []


CALLS: dict[str, tuple[dict[str, Any], RelayReason]] = {
    "another upstream": ({"upstream": "other"}, RelayReason.UPSTREAM_UNKNOWN),
    "another path": ({"path": "/v1/files"}, RelayReason.ROUTE_UNKNOWN),
    "another method": ({"method": "DELETE"}, RelayReason.ROUTE_UNKNOWN),
    "a path with dots": ({"path": "/v1/models/../messages", "method": "GET", "body": b""}, RelayReason.ROUTE_UNKNOWN),
    "a query": ({"query": [("debug", "1")]}, RelayReason.QUERY_REFUSED),
    "a query twice": ({"query": [("beta", "1"), ("beta", "2")]}, RelayReason.QUERY_REFUSED),
    "a query that is no text": ({"query": [("beta", "\ud800")]}, RelayReason.QUERY_REFUSED),
    "a header twice": ({"headers": {"content-type": ["a", "b"]}}, RelayReason.HEADER_REFUSED),
    "a header with a line": ({"headers": {"accept": ["a\r\nx: y"]}}, RelayReason.HEADER_REFUSED),
    "a large body": ({"body": b"x" * 4097}, RelayReason.BODY_TOO_LARGE),
    "no JSON": ({"body": b"x"}, RelayReason.BODY_MALFORMED),
    "a limit twice": ({"body": b'{"max_tokens": 1, "max_tokens": 999999}'}, RelayReason.BODY_MALFORMED),
    "a limit in two spellings": ({"body": b'{"max_tokens": 1, "Max_Tokens": 999999}'}, RelayReason.BODY_MALFORMED),
    "a model in two spellings": (
        {"body": b'{"max_tokens": 1, "model": "m", "MODEL": "x"}'},
        RelayReason.BODY_MALFORMED,
    ),
    "no limit that counts": ({"body": b'{"max_tokens": "9"}'}, RelayReason.BODY_MALFORMED),
    "too large an ask": ({"body": b'{"max_tokens": 2000}'}, RelayReason.ASK_TOO_LARGE),
    "too many answers": ({"body": b'{"max_tokens": 500, "n": 9}'}, RelayReason.ASK_TOO_LARGE),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_the_operator_did_not_allow_reaches_no_upstream(upstream: Scripted, name: str) -> None:
    """And costs no budget."""
    changes, reason = CALLS[name]
    stand = RelayStand(upstream.port)
    assert refused(stand, **changes) is reason
    assert (upstream.requests, stand.budgets.reserved) == ([], [])


def test_an_app_that_is_not_named_sees_no_upstream(upstream: Scripted) -> None:
    """It looks like one that does not exist."""
    stand = RelayStand(upstream.port, apps=["another-app"])
    assert refused(stand) is RelayReason.UPSTREAM_UNKNOWN


def test_models_without_a_price_are_not_allowed(upstream: Scripted) -> None:
    """Where cost is budgeted; else a new model would be free."""
    budget = {**DOCUMENT["assistant"]["budget"], "prices": {"m": {"input": 1, "output": 2}}}
    stand = RelayStand(upstream.port, budget=budget)
    stand.whole()
    assert stand.budgets.settled == [(len(BODY) + 200, 72)]
    stand.notes.clear()
    assert refused(stand, body=b'{"model": "n", "max_tokens": 1}') is RelayReason.MODEL_UNKNOWN


def test_over_budget_reaches_no_upstream(upstream: Scripted) -> None:
    """Which budget it was, and when the next one begins, goes to the client."""
    stand = RelayStand(upstream.port)
    stand.budgets.refusal = RelayRefused(RelayReason.BUDGET_OF_APP, "over", retry_after=77)
    assert refused(stand) is RelayReason.BUDGET_OF_APP
    assert upstream.requests == []


def test_without_a_key_nothing_is_spent(upstream: Scripted) -> None:
    """Neither the proof nor a budget."""
    stand = RelayStand(upstream.port)
    stand.credentials.failure = Unavailable("secretsmanager:GetSecretValue: AccessDenied")
    with pytest.raises(Unavailable):
        stand.whole()
    assert (upstream.requests, stand.budgets.reserved, stand.proofs.seen) == ([], [], set())


SLOW_HEADER = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: dict[str, tuple[bytes, RelayReason]] = {
    "redirect": (http(status="302 Found", headers="Location: https://evil.example/\r\n"), RelayReason.REDIRECTED),
    "not modified": (http(b"", status="304 Not Modified"), RelayReason.REDIRECTED),
    "credential refused": (http(KEY.encode(), status="401 Unauthorized"), RelayReason.CREDENTIAL_REFUSED),
    "forbidden": (http(KEY.encode(), status="403 Forbidden"), RelayReason.CREDENTIAL_REFUSED),
    "busy": (http(status="429 Too Many Requests", headers="Retry-After: 9\r\n"), RelayReason.UPSTREAM_BUSY),
    "overloaded": (http(status="529 Overloaded"), RelayReason.UPSTREAM_BUSY),
    "failed": (http(KEY.encode(), status="500 Oops"), RelayReason.UPSTREAM_FAILED),
    "compressed": (http(headers="Content-Encoding: gzip\r\n"), RelayReason.ANSWER_ENCODED),
    "transfer-coded": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        RelayReason.ANSWER_MALFORMED,
    ),
    "two lengths": (http(headers="Content-Length: 9\r\n"), RelayReason.ANSWER_MALFORMED),
    "length and chunks": (http(headers="Transfer-Encoding: chunked\r\n"), RelayReason.ANSWER_MALFORMED),
    "no length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", RelayReason.ANSWER_MALFORMED),
    "too long, said": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", RelayReason.ANSWER_TOO_LARGE),
    "too long, unsaid": (CHUNKED + b"10000\r\n" + b"x" * 65536 + b"\r\n1\r\ny\r\n", RelayReason.ANSWER_TOO_LARGE),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", RelayReason.ANSWER_MALFORMED),
    "cut off in chunks": (CHUNKED + b"9\r\nabc", RelayReason.ANSWER_MALFORMED),
    "odd chunks": (CHUNKED + b"zz\r\nabc", RelayReason.ANSWER_MALFORMED),
    "chunks by a name with a space": (CHUNKED.replace(b"chunked", b"chunked "), RelayReason.ANSWER_MALFORMED),
    "two encodings": (
        http(headers="Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"),
        RelayReason.ANSWER_ENCODED,
    ),
    "no digits": (b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nabc", RelayReason.ANSWER_MALFORMED),
    "no status": (http(status="600 Odd"), RelayReason.ANSWER_MALFORMED),
    "nothing": (b"", RelayReason.ANSWER_MALFORMED),
    "not HTTP": (b"SSH-2.0-OpenSSH\r\n\r\n", RelayReason.ANSWER_MALFORMED),
    "another protocol": (b"HTTP/1.1 101 Switching\r\n\r\n", RelayReason.ANSWER_MALFORMED),
    "a header of 1 MB": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * (1 << 20), RelayReason.ANSWER_MALFORMED),
    "a thousand headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", RelayReason.ANSWER_MALFORMED),
    "endless interim answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, RelayReason.ANSWER_MALFORMED),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_failure_of_an_upstream_is_its_own_problem(name: str) -> None:
    """Told from one table; nothing of the answer goes on."""
    script, reason = ANSWERS[name]
    with serving(Scripted(script)) as scripted:
        assert refused(RelayStand(scripted.port)) is reason


def test_units_come_back_after_what_costs_nothing_and_stay_after_what_breaks_off() -> None:
    """A reservation that an upstream's outage ate would lock every app out; an upstream that took the whole call and
    hung up may have charged for it."""
    for name, settled in (
        ("failed", [0]),
        ("redirect", [0]),
        ("cut off", []),
        ("too long, unsaid", []),
        ("nothing", []),
    ):
        with serving(Scripted(ANSWERS[name][0])) as scripted:
            stand = RelayStand(scripted.port)
            refused(stand)
            assert [used for _, used in stand.budgets.settled] == settled, name


@pytest.mark.parametrize("script", [SLOW_HEADER, CHUNKED + b"1\r\nx\r\n" * 50, http(b"x" * 200)])
def test_slow_upstreams_are_bounded(script: bytes) -> None:
    """A byte each 50 ms would last ten seconds: the call ends after one."""
    with serving(Scripted(script, pace=0.05)) as scripted:
        assert refused(RelayStand(scripted.port, seconds=1)) is RelayReason.TOO_SLOW


def test_refused_connections_are_unreachable() -> None:
    """Nothing listens there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert refused(RelayStand(unused.getsockname()[1])) is RelayReason.UNREACHABLE


def test_errors_of_the_request_are_passed_on_filtered() -> None:
    """A 400 says what the app did wrong."""
    with serving(Scripted(http(b'{"error": "bad key %s"}' % KEY.encode(), status="400 Bad Request"))) as scripted:
        stand = RelayStand(scripted.port)
        status, _, body = stand.whole()
        assert status == 400
        assert KEY.encode() not in body
        assert [used for _, used in stand.budgets.settled] == [0]


@pytest.mark.parametrize("value", [KEY, f"x-{KEY}-y", KEY.encode().hex(), "a\x01b", "é"])
def test_headers_with_the_key_or_odd_bytes_are_left_out(value: str) -> None:
    """They are not mended."""
    with serving(Scripted(http(headers=f"Request-Id: {value}\r\n"))) as scripted:
        _, headers, _ = RelayStand(scripted.port).whole()
        assert "request-id" not in headers


def test_events_come_as_they_are_sent() -> None:
    """Each piece leaves before the next one has come."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        more = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                request = b""
                while not request.endswith(BODY):  # what is left unread would reset the connection at its end
                    request += connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
                assert more.wait(20)
                connection.sendall(b'data: {"usage": {"input_tokens": 1, "output_tokens": 2}}\n\n')

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        stand = RelayStand(server.getsockname()[1])
        answer = stand.answer()
        assert next(answer.pieces) == b"data: one\n\n"  # the second is not sent yet
        more.set()
        assert b"usage" in b"".join(answer.pieces)
        assert [used for _, used in stand.budgets.settled] == [3]
        thread.join(20)


def test_events_that_break_off_say_so_in_an_event() -> None:
    """The status is long gone."""
    script = CHUNKED.replace(b"text/plain", b"text/event-stream") + b"b\r\ndata: one\n\n\r\nzz\r\n"
    with serving(Scripted(script)) as scripted:
        stand = RelayStand(scripted.port)
        status, _, body = stand.whole()
        assert status == 200
        first, _, last = body.partition(b"event: error\ndata: ")
        assert first.startswith(b"data: one\n\n")
        assert json.loads(last)["type"] == "/problems/upstream-malformed"
        assert stand.budgets.settled == []
