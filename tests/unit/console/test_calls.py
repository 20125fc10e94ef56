"""Calls of the console's API: what is handed to the Admin API, and what is said where it cannot be."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
    UnauthorizedSSOTokenError,
)

from bonafide.console.admin_calls import RawAnswer
from bonafide.operator.signed_request import SentRequest, signer_of
from tests.unit.console.running import STACK, Running, built, running

EXPIRED = "Signature expired: 20261127T120000Z is now earlier than 20261127T121500Z (20261127T122000Z - 5 min.)"


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A console of a stack in AWS, with credentials in the environment."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with running(built(tmp_path / "pages"), local=False) as served:
        served.open()
        yield served


def test_call_is_handed_through(console: Running) -> None:
    """Method, path, query and body as they came, signed by the operator; status, body and ETag as they are answered."""
    path = "/admin/apis/https%3A%2F%2Fa.example%2F?limit=5&before=a%2Fb"
    console.stack.answer(path, {"routes": []}, ETag='"7"')
    console.stack.sent.clear()
    reply = console.call("PUT", f"/api{path}", {"why": "ü"}, If_None_Match='"6"')
    assert (reply.status, reply.json(), reply.headers["etag"]) == (200, {"routes": []}, '"7"')
    [(method, url, headers, body)] = console.stack.sent
    assert (method, url, json.loads(body or b"")) == ("PUT", f"{STACK}{path}", {"why": "ü"})
    assert headers["If-None-Match"] == '"6"'
    assert "Cookie" not in headers
    sent = SentRequest(method, path, [*headers.items(), ("Host", "127.0.0.1:9")], body or b"")
    assert signer_of(sent, region="eu-central-1", now=time.time())


def test_not_modified_is_handed_through(console: Running) -> None:
    """Without a body: the page has it."""
    console.stack.answers["/admin/apps/demo/view"] = RawAnswer(304, {"ETag": '"7"'}, b"")
    reply = console.call("GET", "/api/admin/apps/demo/view", If_None_Match='"7"')
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", '"7"')


def test_refusal_of_the_stack_is_handed_through(console: Running) -> None:
    """IAM's words name the action: what the person who can change permissions must know."""
    problem = {"type": "/problems/access-denied", "detail": "User x is not authorized to perform execute-api:Invoke"}
    console.stack.answer("/admin/audit", problem, 403)
    reply = console.call("GET", "/api/admin/audit")
    assert (reply.status, reply.json()) == (403, problem)


def test_answer_that_is_no_json_is_not_handed_on(console: Running) -> None:
    """The attack: a page of a proxy in between, which the browser would take as the console's."""
    console.stack.answers["/admin/audit"] = RawAnswer(200, {"Content-Type": "text/html"}, b"<script>")
    reply = console.call("GET", "/api/admin/audit")
    assert (reply.status, reply.slug) == (502, "console-unreachable")
    assert b"<script>" not in reply.body


def test_session_says_what_is_shown(console: Running) -> None:
    """Who, of which stack, and which apps; and by how much this machine's clock is off."""
    console.stack.answer("/admin/apps", {"apps": [{"app": "b"}, {"app": "a"}]}, Date=formatdate(time.time() - 90))
    told = console.call("GET", "/api/session").json()
    assert (told["stack"], told["region"], told["local"], told["apps"]) == ("stack", "eu-central-1", True, ["a", "b"])
    assert told["operator"]
    assert 88 <= told["clock_offset"] <= 93


def test_reader_of_one_app_sees_it(deployed: Running) -> None:
    """Who may not list the apps starts the console for the one that IAM lets them read; without its name, and for any
    other refusal, it is said."""
    denied = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: execute-api:Invoke"
    headers = {"x-amzn-ErrorType": "AccessDeniedException"}
    deployed.stack.answer("/admin/apps", {"Message": denied}, 403, **headers)
    deployed.console._operator = "ann"
    assert deployed.call("GET", "/api/session").status == 403
    deployed.console.app = "shop"
    assert deployed.call("GET", "/api/session").json()["apps"] == ["shop"]
    deployed.stack.answer("/admin/apps", {"title": "Later."}, 500)
    assert deployed.call("GET", "/api/session").status == 500


FAILURES = {
    "local stack ended": (True, EndpointConnectionError(endpoint_url=STACK), 502, "console-stack-gone", "make run"),
    "no network": (False, EndpointConnectionError(endpoint_url=STACK), 502, "console-unreachable", "network"),
    "too late": (False, ReadTimeoutError(endpoint_url=STACK), 504, "console-unreachable", "in time"),
    "not connected": (False, ConnectTimeoutError(endpoint_url=STACK), 504, "console-unreachable", "in time"),
    "certificate": (
        False,
        SSLError(endpoint_url=STACK, error=OSError("x")),
        502,
        "console-unreachable",
        "cannot be reached",
    ),
}


@pytest.mark.parametrize(("local", "error", "status", "slug", "said"), FAILURES.values(), ids=FAILURES)
def test_network_that_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    local: bool,
    error: Exception,
    status: int,
    slug: str,
    said: str,
) -> None:
    """What is wrong is said in words, for the session and for every other call."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    with running(built(tmp_path / "pages"), local=local) as served:
        served.open()
        served.stack.failure = error
        for path in ("/api/session", "/api/admin/apps/demo/view"):
            reply = served.call("GET", path)
            assert (reply.status, reply.slug) == (status, slug)
            assert said in reply.json()["detail"]


ANSWERS: dict[str, tuple[dict[str, str], dict[str, str | int], str, str]] = {
    "clock behind": (
        {"message": EXPIRED},
        {"Date": 1200},
        "console-clock-wrong",
        "20 minutes behind",
    ),
    "clock ahead": (
        {"detail": "Signature not yet current: 2026 is still later than 2026"},
        {"Date": -3600},
        "console-clock-wrong",
        "60 minutes ahead of",
    ),
    "clock, no date": ({"message": EXPIRED}, {}, "console-clock-wrong", "clock right"),
    "expired token": (
        {"type": "/problems/signature-invalid", "detail": "The security token included in the request is expired"},
        {},
        "console-no-credentials",
        "expired",
    ),
    "unknown key": (
        {"message": "x"},
        {"x-amzn-ErrorType": "UnrecognizedClientException"},
        "console-no-credentials",
        "sign in",
    ),
    "wrong secret": (
        {"message": "The request signature we calculated does not match the signature you provided."},
        {},
        "console-no-credentials",
        "secret",
    ),
    "API deleted": (
        {"message": "Forbidden"},
        {"x-amzn-ErrorType": "ForbiddenException"},
        "console-stack-gone",
        "deleted?",
    ),
}


@pytest.mark.parametrize(("body", "headers", "slug", "said"), ANSWERS.values(), ids=ANSWERS)
def test_refusal_that_is_about_this_machine(
    deployed: Running, body: dict[str, str], headers: dict[str, str | int], slug: str, said: str
) -> None:
    """AWS's answers to signatures are told as what a person can put right here. A number is a date so many seconds from
    now."""
    told = {
        name: formatdate(time.time() + given) if isinstance(given, int) else given for name, given in headers.items()
    }
    deployed.stack.answer("/admin/apps", body, 403, **told)
    reply = deployed.call("GET", "/api/session")
    assert reply.status in (502, 503)
    assert (reply.slug, said in reply.json()["detail"]) == (slug, True), reply.json()


def test_no_credentials_is_said_and_looked_for_again(deployed: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator who signs in meanwhile needs no new console."""
    with monkeypatch.context() as without:
        without.delenv("AWS_ACCESS_KEY_ID")
        without.delenv("AWS_SECRET_ACCESS_KEY")
        reply = deployed.call("GET", "/api/admin/apps")
        assert (reply.status, reply.slug) == (503, "console-no-credentials")
        assert "aws sso login" in reply.json()["detail"]
        assert deployed.stack.sent == []
    deployed.stack.answer("/admin/apps", {"apps": []})
    assert deployed.call("GET", "/api/admin/apps").status == 200


def test_credentials_that_cannot_be_refreshed(deployed: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in that has run out is not an error of the console."""

    def fail(_session: object) -> None:
        raise UnauthorizedSSOTokenError

    monkeypatch.setattr("boto3.Session.get_credentials", fail)
    reply = deployed.call("GET", "/api/admin/apps")
    assert (reply.status, reply.slug) == (503, "console-no-credentials")


def test_signature_is_with_the_operators_key(deployed: Running) -> None:
    """Of the environment, for the stack's region, over https."""
    deployed.stack.answer("/admin/apps", {"apps": []})
    deployed.call("GET", "/api/admin/apps")
    [(_, url, headers, _)] = deployed.stack.sent
    assert url.startswith("https://abc.execute-api.eu-central-1.amazonaws.com/prod/admin/apps")
    assert "Credential=AKIDEXAMPLE/" in headers["Authorization"]
    assert "/eu-central-1/execute-api/aws4_request" in headers["Authorization"]


def test_unforeseen_error_says_its_name_alone(console: Running) -> None:
    """A text may quote what was sent."""
    console.stack.failure = ZeroDivisionError("secret")
    try:
        reply = console.call("GET", "/api/admin/apps")
    finally:
        console.stack.failure = None
    assert (reply.status, reply.json()["detail"]) == (500, "This should not happen: ZeroDivisionError.")


def test_lint_as_the_command_lints(console: Running) -> None:
    """With lines, codes and hints; both documents, each named."""
    body = {"app": "demo", "appraisal": "permit (principal, action, resource)", "client": "{"}
    messages = console.call("POST", "/api/lint", body).json()["messages"]
    assert {message["document"] for message in messages} == {"appraisal", "client"}
    assert {"severity", "code", "line", "column", "text", "hint"} <= set(messages[0])
    good = {"app": "demo", "appraisal": "permit (principal, action, resource);\n"}
    assert "error" not in [one["severity"] for one in console.call("POST", "/api/lint", good).json()["messages"]]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"null", b"[" * 100_000, b"\xff", b'{"appraisal": 1}'])
@pytest.mark.parametrize("path", ["/api/lint", "/api/draft", "/api/replay"])
def test_body_that_is_not_as_documented(console: Running, path: str, body: bytes) -> None:
    """400 in words, whatever the bytes."""
    headers = {"Cookie": console.cookie, "X-Bonafide-Console": console.key, "Origin": f"http://{console.host}"}
    reply = console.request("POST", path, body, **headers, **{"Content-Type": "application/json"})
    assert (reply.status, reply.slug) == (400, "console-malformed-request")


def test_pages_that_are_not_built_are_said(tmp_path: Path) -> None:
    """With the command that builds them; the API works all the same."""
    with running(tmp_path / "nothing") as served:
        reply = served.request("GET", "/now")
        assert (reply.status, b"make console-pages" in reply.body) == (503, True)
        served.open()
        served.stack.answer("/admin/apps", {"apps": []})
        assert served.call("GET", "/api/session").status == 200


@pytest.mark.parametrize("view", ["", "now", "causes", "funnel", "map", "timeline", "keys", "policies", "incidents"])
def test_every_view_is_the_page(console: Running, view: str) -> None:
    """So that each has an address to share; what it shows, its script reads from there."""
    reply = console.request("GET", f"/{view}?app=demo&why=a%26b")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    head = console.request("HEAD", f"/{view}")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(reply.body)))
