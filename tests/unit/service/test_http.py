"""The edge: events in, answers out, and never a 500."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attestation.appraisal.result import AttestationResult, Finding, Tier
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from pydantic import Field
from service.edge.gateway import RequestModel
from service.edge.http import CLIENT_POLICY_VERSION_HEADER, Document, Wiring, address, endpoint
from service.edge.problems import TRY_LATER, problem_of
from service.edge.retry_after import LATEST, SOONEST
from service.errors import Contraindicated, NoClientPolicy, Unavailable
from service.telemetry.decisions import DecisionRecord

from tests.service_stack.events import REQUEST_ID, json_of, rest_event, slug_of


class Greeting(RequestModel):
    """A request of the tests."""

    name: str = Field(max_length=8)


def handler_of(use_case: Callable[..., Mapping[str, object] | Document], **more: Any) -> Callable[..., dict[str, Any]]:
    wiring = more.pop("wiring", Wiring(collaborators={}, support_code=lambda *_: "CODE1234"))
    return endpoint(Greeting, use_case, lambda _env: wiring, clock=lambda: 1000.0, **more)


def greet(request: Greeting, *, now: float) -> Mapping[str, object]:
    return {"hello": request.name, "now": now}


def failing(error: Exception) -> Callable[..., dict[str, Any]]:
    def use_case(_request: Greeting, *, now: float) -> Mapping[str, object]:
        raise error

    return handler_of(use_case)


EVENT = rest_event("POST", "/greetings", {"name": "Ada"})


def test_request_reaches_the_use_case_and_its_answer_the_client() -> None:
    """The default: JSON in, JSON out, with ``now`` injected and the success status of the route."""
    answer = handler_of(greet, success=201)(EVENT, None)
    assert (answer["statusCode"], json_of(answer)) == (201, {"hello": "Ada", "now": 1000.0})


def test_body_in_base64_is_the_same_body() -> None:
    """API Gateway sends binary media types in base64."""
    assert handler_of(greet)(rest_event("POST", "/greetings", b'{"name": "Ada"}'), None)["statusCode"] == 200


@pytest.mark.parametrize("error", [None, RejectedEvidence(Reason.APP_MISMATCH), KeyError("x"), Unavailable("y")])
def test_every_answer_carries_the_fixed_headers(error: Exception | None) -> None:
    """CORS and no-store, on successes and on every refusal."""
    answer = (handler_of(greet) if error is None else failing(error))(EVENT, None)
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert CLIENT_POLICY_VERSION_HEADER in answer["headers"]["Access-Control-Expose-Headers"]
    assert answer["isBase64Encoded"] is False


@pytest.mark.parametrize("error", [None, RejectedEvidence(Reason.APP_MISMATCH), KeyError("x")])
def test_answers_are_for_the_allowed_origin_alone(error: Exception | None) -> None:
    """The attack: a page of any origin reads what the operator meant for one; successes count most."""
    wiring = Wiring(collaborators={}, support_code=lambda *_: "CODE1234", allowed_origin="https://app.example")

    def use_case(request: Greeting, *, now: float) -> Mapping[str, object]:
        if error is not None:
            raise error
        return greet(request, now=now)

    answer = handler_of(use_case, wiring=wiring)(EVENT, None)
    assert answer["headers"]["Access-Control-Allow-Origin"] == "https://app.example"


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        "text",
        [],
        {**EVENT, "requestContext": "text"},
        {**EVENT, "requestContext": {"requestId": {"a": 1}}},
        {**EVENT, "headers": "text"},
        {**EVENT, "headers": {"a": None, "b": ["c"]}},
        {**EVENT, "body": 7},
        {**EVENT, "pathParameters": "text"},
        {**EVENT, "queryStringParameters": ["install"]},
        {**EVENT, "pathParameters": {"app": None}, "queryStringParameters": {"install": 7}},
    ],
)
def test_event_of_any_shape_is_answered(event: Any) -> None:
    """Nothing escapes the edge: an exception there is API Gateway's bare 502."""
    answer = handler_of(greet)(event, None)
    assert answer["statusCode"] in (200, 400)


@pytest.mark.parametrize("broken", ["wire", "clock", "support_code"])
def test_broken_edge_is_try_later(
    broken: str, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """What the edge itself needs may fail as well; the client hears what it can do, and the operator where it was."""
    monkeypatch.setenv("ALLOWED_ORIGIN", "https://app.example")

    def fails(*_: object) -> Any:
        raise KeyError("x")

    if broken == "wire":
        handler = endpoint(Greeting, greet, fails)
    elif broken == "clock":
        handler = endpoint(Greeting, greet, lambda _env: Wiring(collaborators={}), clock=fails)
    else:
        handler = handler_of(fails, wiring=Wiring(collaborators={}, support_code=fails))
    answer = handler(EVENT, None)
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    if broken != "support_code":
        assert answer["headers"]["Access-Control-Allow-Origin"] == "https://app.example"
    assert "unexpected error" in [line.get("message") for line in log_lines()]


@pytest.mark.parametrize("error", [None, RejectedEvidence(Reason.APP_MISMATCH), Unavailable("y")])
@pytest.mark.parametrize("version", [0, 7])
def test_client_policy_version_that_the_use_case_noted_is_told(version: int, error: Exception | None) -> None:
    """An app learns of a new policy on its next call, also when that call is refused."""

    def use_case(request: Greeting, *, record: DecisionRecord, now: float) -> Mapping[str, object]:
        record.client_policy_version = version
        if error is not None:
            raise error
        return greet(request, now=now)

    answer = handler_of(use_case, action="renew")(EVENT, None)
    assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == str(version)


@pytest.mark.parametrize("error", [None, RejectedEvidence(Reason.APP_MISMATCH), KeyError("x"), Unavailable("y")])
def test_answer_about_no_particular_install_tells_no_client_policy_version(error: Exception | None) -> None:
    """A constant would be wrong for some installs: in a rollout, each install has its own version."""
    answer = (handler_of(greet) if error is None else failing(error))(EVENT, None)
    assert CLIENT_POLICY_VERSION_HEADER not in answer["headers"]


def test_app_without_client_policy_is_told_so() -> None:
    """A registered app whose team published none: 404 of its own kind, and version 0."""
    answer = failing(NoClientPolicy())(EVENT, None)
    assert (answer["statusCode"], slug_of(answer)) == (404, "no-client-policy")
    assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == "0"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_becomes_its_problem(reason: Reason) -> None:
    """The reason alone decides, whichever class carried it; its name and detail stay inside."""
    for kind in (RejectedEvidence, MalformedEvidence, AttestationError):
        answer = failing(kind(reason, "a detail for operators"))(EVENT, None)
        problem = problem_of(reason)
        assert (answer["statusCode"], slug_of(answer)) == (problem.status, problem.slug)
        assert answer["headers"]["Content-Type"] == "application/problem+json"
        assert json_of(answer)["instance"] == REQUEST_ID
        assert json_of(answer)["title"] == problem.title
        assert "detail" not in answer["body"]


def test_refused_evidence_carries_a_support_code_and_allowed_advice() -> None:
    """Of a policy's findings a client sees the advice of enforced rules, nothing else."""
    findings = (
        Finding("old-app", Tier.CONTRAINDICATED, advice="update-app"),
        Finding("secret-rule", Tier.CONTRAINDICATED),
        Finding("observed", Tier.WARNING, advice="update-os", enforced=False),
    )
    result = AttestationResult(tier=Tier.CONTRAINDICATED, findings=findings, trustworthiness={}, policy_version=1)
    answer = failing(Contraindicated(result))(EVENT, None)
    assert (answer["statusCode"], slug_of(answer)) == (403, "evidence-rejected")
    assert json_of(answer)["support_code"] == "CODE1234"
    assert json_of(answer)["advice"] == ["update-app"]
    assert "secret-rule" not in answer["body"]


@pytest.mark.parametrize(
    "error",
    [KeyError("secret"), ZeroDivisionError("secret"), RecursionError("secret"), MemoryError(), TypeError("secret")],
)
def test_unplanned_exception_is_try_later_and_tells_nothing(
    error: Exception, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """No 500, no stack trace; the operator gets the type and the place, but not the text, which may quote data."""
    answer = failing(error)(EVENT, None)
    assert (answer["statusCode"], slug_of(answer)) == (503, TRY_LATER.slug)
    assert SOONEST <= int(answer["headers"]["Retry-After"]) <= LATEST
    assert "secret" not in answer["body"]
    lines = log_lines()
    (entry,) = [line for line in lines if line.get("message") == "unexpected error"]
    assert entry["level"] == "ERROR"
    assert entry["error_type"] == type(error).__name__
    assert entry["at"][-1].endswith("use_case")
    assert "secret" not in str(lines)
    (metric,) = [line for line in lines if "_aws" in line]
    assert metric["UnexpectedError"] == [1]


def test_clients_refused_together_are_not_asked_back_together() -> None:
    """Fifty answers of one second name many seconds, all within the documented range."""
    handler = failing(Unavailable("dynamodb:GetItem"))
    seconds = {int(handler(EVENT, None)["headers"]["Retry-After"]) for _ in range(50)}
    assert seconds <= set(range(SOONEST, LATEST + 1))
    assert len(seconds) > 10


def test_unavailable_service_is_try_later_and_counted(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """An outage of ours is a warning with the operation's name, and a metric."""
    answer = failing(Unavailable("dynamodb:GetItem: ThrottlingException"))(EVENT, None)
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    assert "dynamodb" not in answer["body"]
    lines = log_lines()
    assert any(line.get("what") == "dynamodb:GetItem: ThrottlingException" for line in lines)
    assert any("Unavailable" in line for line in lines if "_aws" in line)


def test_support_code_that_cannot_be_made_is_try_later() -> None:
    """A refusal needs the sealing key for its code; without it nothing is refused for good."""

    def no_key(_reason: str, _key_id: str, _now: float) -> str:
        raise Unavailable("kms:Decrypt")

    def use_case(_request: Greeting, *, now: float) -> Mapping[str, object]:
        raise RejectedEvidence(Reason.APP_MISMATCH)

    answer = handler_of(use_case, wiring=Wiring(collaborators={}, support_code=no_key))(EVENT, None)
    assert slug_of(answer) == "try-later"


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"body": None, "headers": None, "requestContext": None}, id="nulls"),
        pytest.param({**EVENT, "body": None}, id="no-body"),
        pytest.param({**EVENT, "body": {"name": "Ada"}}, id="body-not-text"),
        pytest.param({**EVENT, "body": "\ud800"}, id="lone-surrogate"),
        pytest.param({**EVENT, "isBase64Encoded": True}, id="not-base64"),
        pytest.param({**EVENT, "body": "eyJ", "isBase64Encoded": True}, id="base64-cut-short"),
        pytest.param({**EVENT, "body": "é", "isBase64Encoded": True}, id="base64-not-ascii"),
        pytest.param({**EVENT, "body": '{"name": "\\ud800"}'}, id="escaped-lone-surrogate"),
        pytest.param({**EVENT, "body": '{"name": "\\u0000", "x": 1}'}, id="unknown-member"),
        pytest.param({**EVENT, "body": '{"name": 5}'}, id="wrong-type"),
        pytest.param({**EVENT, "body": '{"name": "123456789"}'}, id="text-too-long"),
        pytest.param({**EVENT, "body": '["name"]'}, id="not-an-object"),
    ],
)
def test_request_in_no_documented_form_is_malformed(event: Mapping[str, Any]) -> None:
    """Whatever arrives, the use case sees a valid model or nothing."""

    def never(_request: Greeting, *, now: float) -> Mapping[str, object]:
        raise AssertionError("the use case must not run")

    answer = handler_of(never)(event, None)
    assert (answer["statusCode"], slug_of(answer)) == (400, "malformed-request")


@pytest.mark.parametrize(
    "body",
    [" " * 65_537, "é" * 40_000, b" " * 65_537, b" " * 200_000],
    ids=["text", "two-byte-text", "base64", "base64-far-over"],
)
def test_request_over_64_kib_is_too_large(body: str | bytes) -> None:
    """Size is judged on the bytes, before they are parsed."""
    answer = handler_of(greet)(rest_event("POST", "/greetings", body), None)
    assert (answer["statusCode"], slug_of(answer)) == (413, "too-large")


def test_validation_failure_logs_kinds_and_no_input(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """A client may put anything into a member, or into its name."""

    def use_case(request: Greeting, *, record: object, now: float) -> Mapping[str, object]:
        return {}

    body = '{"name": 17171717, "hunter2-as-a-name": 1}'
    handler_of(use_case, action="enrol")({**EVENT, "body": body}, None)
    (decision,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert decision["reason"] == "malformed-request"
    assert "string_type" in decision["detail"]
    assert "hunter2" not in str(decision)
    assert "17171717" not in str(decision)


class Path(RequestModel):
    """A request without a body."""

    route: str
    path_members: Mapping[str, str]
    query: Mapping[str, str]


DOCUMENT = Document("content", "application/jwt", '"tag"', max_age=2)


def fetch(headers: Mapping[str, str], document: Document = DOCUMENT) -> dict[str, Any]:
    def use_case(_request: Path, *, now: float) -> Document:
        return document

    handler = endpoint(Path, use_case, lambda _env: Wiring(collaborators={}), members=address)
    return handler(rest_event("GET", "/document", headers=headers), None)


def test_document_is_served_with_its_tag_and_age() -> None:
    """A cacheable answer says for how long."""
    answer = fetch({})
    assert (answer["statusCode"], answer["body"]) == (200, "content")
    assert answer["headers"]["ETag"] == '"tag"'
    assert answer["headers"]["Cache-Control"] == "public, max-age=2"
    assert answer["headers"]["Content-Type"] == "application/jwt"


@pytest.mark.parametrize("condition", ['"tag"', 'W/"tag"', '"old", "tag"', "*"])
@pytest.mark.parametrize("name", ["If-None-Match", "if-none-match", "IF-NONE-MATCH"])
def test_document_the_caller_has_is_not_sent_again(name: str, condition: str) -> None:
    """If-None-Match in any case of letters, weak comparison (RFC 9110 §13.1.2)."""
    answer = fetch({name: condition})
    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert answer["headers"]["ETag"] == '"tag"'


@pytest.mark.parametrize("condition", ['"other"', "tag", "", '"ta', "," * 5000, '"tag' + "x" * 9000])
def test_document_the_caller_lacks_is_sent(condition: str) -> None:
    """Anything that does not name the tag gets the document."""
    assert fetch({"If-None-Match": condition})["statusCode"] == 200


@pytest.mark.parametrize("headers", [{}, {"If-None-Match": '"tag"'}])
def test_private_document_is_for_no_shared_cache_and_tells_its_version(headers: Mapping[str, str]) -> None:
    """The attack: a cache that hands one install's document to another, of another cohort."""
    answer = fetch(headers, Document("x", "application/jwt", '"tag"', max_age=0, private=True, client_policy_version=8))
    assert answer["headers"]["Cache-Control"] == "private, max-age=0"
    assert answer["headers"][CLIENT_POLICY_VERSION_HEADER] == "8"


def test_wiring_happens_on_the_first_call_outside_lambda() -> None:
    """Importing a function module has no side effect."""
    wired: list[int] = []

    def wire(_env: Mapping[str, str]) -> Wiring:
        wired.append(1)
        return Wiring(collaborators={})

    handler = endpoint(Greeting, greet, wire)
    assert wired == []
    handler(EVENT, None)
    handler(EVENT, None)
    assert wired == [1]


@pytest.mark.parametrize("kind", ["on-demand", "snap-start", "provisioned-concurrency"])
def test_wiring_happens_at_init_in_lambda(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """INIT has CPU to spare, and a wrong setting must stop the deployment there."""
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", kind)
    wired: list[int] = []

    def wire(_env: Mapping[str, str]) -> Wiring:
        wired.append(1)
        return Wiring(collaborators={})

    endpoint(Greeting, greet, wire)
    assert wired == [1]


def test_lambda_request_id_stands_in_for_the_gateway_one() -> None:
    """`instance` always names the request."""

    class Context:
        aws_request_id = "lambda-1"

    answer = failing(Unavailable("x"))({**EVENT, "requestContext": {}}, Context())
    assert json_of(answer)["instance"] == "lambda-1"


def test_base64_of_a_body_at_the_limit_is_not_too_large() -> None:
    """The limit counts bytes, not characters of base64."""
    body = b'{"name": "Ada"' + b" " * (65_536 - 15) + b"}"
    assert len(body) == 65_536
    assert len(base64.b64encode(body)) > 65_536
    assert handler_of(greet)(rest_event("POST", "/greetings", body), None)["statusCode"] == 200
