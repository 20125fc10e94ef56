"""The command as a client of the Admin API: what is signed, by whom, and what a refusal is told as."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bonafide.operator.admin_api import OPERATOR_VARIABLE, AdminProblem, local_operator, problem_of, segment
from bonafide.operator.errors import OperatorError
from bonafide.operator.signed_request import SentRequest, signer_of
from tests.unit.command.answered_admin_api import REGION, api


@dataclass
class Gateway:
    """Checks signatures and answers what it is told to."""

    url: str = ""
    status: int = 200
    answer: object = None
    signers: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    known = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            sent = SentRequest(self.command, self.path, list(self.headers.items()), body)
            known.signers.append(signer_of(sent, region=REGION, now=time.time()))
            known.requests.append((self.command, self.path, body))
            content = json.dumps(known.answer).encode()
            self.send_response(known.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _any

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield known
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "path", ["/admin/apis", f"/admin/apis/{segment('https://a.example/x y')}?limit=5&before=a%2Fb"]
)
def test_call_is_signed_by_the_named_operator(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Path, query and body are what was signed; the answer's members come back."""
    monkeypatch.setenv(OPERATOR_VARIABLE, "bob")
    gateway.answer = {"apis": []}
    assert api(gateway.url).call("PUT", path, {"why": "ü"}) == {"apis": []}
    assert gateway.signers == ["bob"]
    assert gateway.requests == [("PUT", path, json.dumps({"why": "ü"}).encode())]


def test_refusal_is_the_problems_sentence(gateway: Gateway) -> None:
    """With the messages, for printing."""
    gateway.status = 422
    gateway.answer = {"type": "/problems/policy-invalid", "detail": "1 error.", "messages": [{"line": 3}, "x"]}
    with pytest.raises(AdminProblem, match="1 error") as caught:
        api(gateway.url).call("GET", "/admin/apis")
    assert (caught.value.status, caught.value.slug, caught.value.messages) == (422, "policy-invalid", ({"line": 3},))


def test_stack_that_does_not_answer_is_said() -> None:
    """With its address, in one sentence."""
    with pytest.raises(OperatorError, match=r"Nothing answers at http://127\.0\.0\.1:9"):
        api("http://127.0.0.1:9").call("GET", "/admin/apis")


@pytest.mark.parametrize(
    ("status", "problem", "said"),
    [
        (
            403,
            {"type": "/problems/access-denied", "detail": "User x is not authorized"},
            "may not do this. User x is not",
        ),
        (403, {"message": "Forbidden"}, "credentials may not"),
        (404, {"type": "/problems/no-such-route"}, "no /admin/apis: it may be older"),
        (404, {"type": "/problems/unknown-app", "detail": "No app."}, "No app."),
        (502, {}, "answered 502"),
        (429, {"title": "Too many requests."}, "Too many requests."),
    ],
)
def test_refusal_says_what_can_be_done(status: int, problem: dict[str, object], said: str) -> None:
    """IAM's words for who may change permissions; an older stack for who may deploy."""
    assert said in str(problem_of(status, problem, "/admin/apis?x=1"))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 65, "ann\n"])
def test_operator_that_iam_could_not_have_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Before anything is signed."""
    monkeypatch.setenv(OPERATOR_VARIABLE, name)
    with pytest.raises(OperatorError, match=OPERATOR_VARIABLE):
        local_operator()


def test_operator_is_the_login_name_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a plain word where that is none that IAM could have."""
    monkeypatch.delenv(OPERATOR_VARIABLE, raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "carol")
    assert local_operator() == "carol"
    monkeypatch.setattr("getpass.getuser", lambda: "DOMAIN\\carol x")
    assert local_operator() == "operator"
