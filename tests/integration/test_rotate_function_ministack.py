"""rotate_signing_key on ministack: real DIGEST signatures, a real answer to CloudFormation, and real races."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode, public_key_from_point
from bonafide_tokens.trust_bundle import open_trust_bundle

from tests.service_stack.events import json_of, rest_event
from tests.service_stack.memory_stack import AUDIENCE, ISSUER
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
Load = Callable[[AwsWorld, str], ModuleType]


@dataclass
class Answers:
    """What was PUT to a ResponseURL."""

    url: str
    received: list[tuple[str | None, dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    """A server on the loopback interface that takes custom resource answers."""
    answers = Answers("")

    class Taker(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers.received.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Taker)
    answers.url = f"http://127.0.0.1:{server.server_port}/answer?signature=x"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield answers
    server.shutdown()
    server.server_close()
    thread.join(5)


def request(answers: Answers, kind: str) -> dict[str, object]:
    return {
        "RequestType": kind,
        "ResponseURL": answers.url,
        "StackId": "stack",
        "RequestId": f"request-{kind}",
        "LogicalResourceId": "FirstSigningKey",
        "ResourceProperties": {},
    }


def test_create_update_and_delete_are_answered(ministack: AwsWorld, function: Load, cloudformation: Answers) -> None:
    """Create makes keys and bundle 1, Update republishes, Delete touches nothing; the physical id never changes."""
    handler = function(ministack, "rotate_signing_key").handler
    for kind in ("Create", "Update", "Delete"):
        handler(request(cloudformation, kind), None)
    (created_type, created), (_, updated), (_, deleted) = cloudformation.received
    assert created_type in (None, "")
    assert [a["Status"] for a in (created, updated, deleted)] == ["SUCCESS"] * 3
    assert len({a["PhysicalResourceId"] for a in (created, updated, deleted)}) == 1
    assert created["Data"]["RootPublicKey"] == updated["Data"]["RootPublicKey"]
    assert (created["Data"]["BundleVersion"], updated["Data"]["BundleVersion"]) == (1, 2)
    assert "Data" not in deleted
    assert {key.kid for key in ministack.signing_keys.all()} == {"token-1", "challenge-1"}


def test_served_bundle_opens_with_the_root_key_that_was_handed_over(
    ministack: AwsWorld, function: Load, cloudformation: Answers
) -> None:
    """What an authorizer does: the root public key from its environment, the bundle from the API, nothing else."""
    function(ministack, "rotate_signing_key").handler(request(cloudformation, "Create"), None)
    root = public_key_from_point(b64url_decode(cloudformation.received[0][1]["Data"]["RootPublicKey"]))
    serve = function(ministack, "serve_policy").handler
    answer = serve(rest_event("GET", "/v1/trust-bundle"), None)
    bundle = open_trust_bundle(answer["body"], root_key=root, issuer=ISSUER, now=time.time())
    assert bundle.version == 1
    assert [(r.method, r.path, r.requirement.value) for r in bundle.apis[AUDIENCE]] == [
        ("GET", "/v1/whoami", "token"),
        ("*", "/*", "proof"),
    ]
    keys = json_of(serve(rest_event("GET", "/.well-known/jwks.json"), None))["keys"]
    assert [key["kid"] for key in keys] == ["token-1"]


def test_racing_first_runs_make_one_key_of_each_purpose(ministack: AwsWorld, function: Load) -> None:
    """CloudFormation's create, its retry and the first tick at the same moment."""
    handler = function(ministack, "rotate_signing_key").handler
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda _: handler({"action": "tick"}, None), range(4)))
    rows = ministack.signing_keys.all()
    assert sorted(row.kid for row in rows) == ["challenge-1", "token-1"]
    assert all(row.active_from is not None for row in rows)
    assert sorted(answer["BundleVersion"] for answer in answers) == [1, 2, 3, 4]
    assert len({answer["RootPublicKey"] for answer in answers}) == 1


def test_racing_operators_rotate_once(ministack: AwsWorld, function: Load) -> None:
    """Four impatient operators: one new key, announced in every bundle from then on, the old one retired once."""
    handler = function(ministack, "rotate_signing_key").handler
    handler({"action": "tick"}, None)
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda _: handler({"action": "rotate"}, None), range(4)))
    rows = {row.kid: row for row in ministack.signing_keys.all()}
    assert sorted(rows) == ["challenge-1", "challenge-2", "token-1", "token-2"]
    assert [answer["Kids"] for answer in answers] == [["token-1", "token-2"]] * 4
    retired, active = rows["token-1"].retired_at, rows["token-2"].active_from
    assert retired is not None
    assert active is not None
    assert active >= time.time() + 50
    assert retired == active + 300 + 60
