"""Wires: what passes is untouched, what is broken is broken as told, and every call is named."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from devkit.chaos.calls import Call, commits_of, read_call
from devkit.chaos.wire import Plan, Wire

TABLES = {"s-Nonces": "nonces", "s-Keys": "attested_keys", "s-Bundles": "trust_bundles"}
AGENT = "Boto3/1.4 md/x app/RenewTokenFunction.4711"


class Other(BaseHTTPRequestHandler):
    """The other side: says what it got."""

    protocol_version = "HTTP/1.1"
    seen: list[str]

    def log_message(self, *_args: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Echo."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append(f"{self.command} {self.path} {self.headers.get('Host')} {body.decode()}")
        self.send_response(201)
        self.send_header("X-Mine", "yes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST


class Told:
    """A meddler that does as it is told."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.done: list[tuple[str, int]] = []

    def begins(self, call: Call) -> Plan:
        """The plan."""
        del call
        return self.plan

    def carried_out(self, call: Call, plan: Plan, status: int) -> None:
        """Note it."""
        del plan
        self.done.append((call.name, status))


@pytest.fixture
def wired() -> Iterator[tuple[Wire, Told, list[str]]]:
    """A wire, its meddler, and what the other side saw."""
    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Other,), {"seen": seen}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    told = Told()
    wire = Wire("aws", server.server_address[1], told, dict(TABLES))
    wire.start()
    yield wire, told, seen
    wire.stop()
    server.shutdown()
    server.server_close()


def send(wire: Wire, body: bytes = b'{"a":"0123456789"}') -> tuple[int, str | None, bytes]:
    """A request through the wire. Raises what a client gets."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(wire.url).port, timeout=10)
    try:
        connection.request("POST", "/v1/x?q=1", body, {"Host": "kept.example:1", "X-Amz-Target": "TrentService.Sign"})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("X-Mine"), answer.read()
    finally:
        connection.close()


def test_what_passes_is_untouched(wired: tuple[Wire, Told, list[str]]) -> None:
    """Method, path, query, host (a signature covers it), status, headers and body."""
    wire, told, seen = wired
    assert send(wire) == (201, "yes", b'{"a":"0123456789"}')
    assert seen == ['POST /v1/x?q=1 kept.example:1 {"a":"0123456789"}']
    assert told.done == [("kms Sign", 201)]
    ends = time.monotonic() + 10
    while wire.in_flight() and time.monotonic() < ends:  # the client may have its answer a moment earlier
        time.sleep(0.005)
    assert wire.in_flight() == []


@pytest.mark.parametrize("half", [False, True])
def test_a_torn_answer_was_carried_out(wired: tuple[Wire, Told, list[str]], half: bool) -> None:
    """The client gets nothing, or half of it; the other side did all of it."""
    wire, told, seen = wired
    told.plan = Plan(torn=True, half=half)
    with pytest.raises((OSError, http.client.HTTPException)):
        send(wire)
    assert len(seen) == 1
    assert told.done == [("kms Sign", 201)]


def test_what_is_refused_or_throttled_was_not_carried_out(wired: tuple[Wire, Told, list[str]]) -> None:
    """A throttle is AWS's own answer."""
    wire, told, seen = wired
    told.plan = Plan(refused=True)
    with pytest.raises((OSError, http.client.HTTPException)):
        send(wire)
    told.plan = Plan(throttled=True)
    status, _, body = send(wire)
    assert (status, json.loads(body)["__type"]) == (400, "ThrottlingException")
    assert seen == []
    assert told.done == []


def test_another_side_that_is_gone_is_not_known_to_have_done_it() -> None:
    """Status 0: it may have been carried out."""
    told = Told()
    wire = Wire("aws", 1, told)
    wire.start()
    try:
        with pytest.raises((OSError, http.client.HTTPException)):
            send(wire)
        assert told.done == [("kms Sign", 0)]
    finally:
        wire.stop()


def _read(operation: str, members: dict[str, object], service: str = "DynamoDB_20120810") -> Call:
    headers = {"x-amz-target": f"{service}.{operation}", "user-agent": AGENT}
    return read_call(3, "aws", "POST", "/", headers, json.dumps(members).encode(), TABLES)


def renewal(request: str = "t") -> Call:
    """The transaction of a renewal."""
    nonce = {"Put": {"TableName": "s-Nonces", "Item": {"nonce": {"S": "n"}}}}
    key = {"Update": {"TableName": "s-Keys", "Key": {"key_id": {"S": "k"}}}}
    return _read("TransactWriteItems", {"TransactItems": [nonce, key], "ClientRequestToken": request})


def test_a_call_says_what_it_is_and_whose() -> None:
    """By target, tables, and the name that workers put into what the SDK sends."""
    call = renewal()
    assert (call.name, call.function, call.pid) == (
        "dynamodb TransactWriteItems nonces+attested_keys",
        "RenewTokenFunction",
        4711,
    )
    assert call.writes
    assert not _read("GetItem", {"TableName": "s-Keys"}).writes
    strange = read_call(1, "verifier", "POST", "/v1/tokens?x=1", {}, b"no JSON", TABLES)
    assert (strange.name, strange.pid) == ("POST /v1/tokens", 0)


def test_a_redemption_and_a_bundle_are_commits() -> None:
    """A nonce with its key; a bundle by its version; nothing else."""
    (commit,) = commits_of(renewal("token"), TABLES, at=5.0, site="here", sure=True)
    assert (commit.table, commit.name, commit.token, commit.key_id) == ("nonces", "n", "token", "k")
    item = {"issuer": {"S": "i"}, "version": {"N": "7"}}
    (bundle,) = commits_of(
        _read("PutItem", {"TableName": "s-Bundles", "Item": item}), TABLES, at=5.0, site="h", sure=True
    )
    assert (bundle.table, bundle.name) == ("trust_bundles", "7")
    part = {"issuer": {"S": "i#part"}, "version": {"N": "0"}}
    others = (
        _read("PutItem", {"TableName": "s-Bundles", "Item": part}),
        _read("PutItem", {"TableName": "s-Keys", "Item": {"key_id": {"S": "k"}}}),
        _read("Sign", {"KeyId": "x"}, "TrentService"),
    )
    assert [list(commits_of(call, TABLES, at=5.0, site="h", sure=True)) for call in others] == [[], [], []]
