"""The edge of the Admin API: no unsigned request gets in, and every answer says what an operator needs."""

from __future__ import annotations

import base64
import json
import logging
from typing import Annotated, Any

import pytest
from pydantic import Field
from service.admin.apps import EntrustSecret, ResponseKeys
from service.admin.http import MAX_ADMIN_BODY_BYTES, AdminCall, Route, admin_endpoint
from service.admin.problems import CONFLICT, AdminRefusal
from service.edge.gateway import RequestModel
from service.edge.retry_after import LATEST, SOONEST
from service.errors import Unavailable
from service.secret_administration.runtime_secrets import SetSecret

from tests.service_stack.events import REQUEST_ID, rest_event

ANN = "arn:aws:iam::123456789012:user/ann"
NOW = 1_795_521_600.0


class Look(RequestModel):
    """A read."""

    audience: str
    limit: Annotated[int, Field(ge=1, strict=False)] = 1


class Change(RequestModel):
    """A change."""

    app: Annotated[str, Field(pattern="^[a-z]+$")]
    text: Annotated[str, Field(max_length=2_000_000)] = ""


class Shelf:
    """Remembers who did what."""

    def __init__(self, error: Exception | None = None) -> None:
        self.done: list[tuple[str, object, float]] = []
        self.error = error


def look(request: Look, _call: AdminCall[Shelf]) -> dict[str, object]:
    return {"audience": request.audience, "limit": request.limit}


def change(request: Change, call: AdminCall[Shelf]) -> dict[str, object]:
    shelf = call.stack
    if shelf.error is not None:
        raise shelf.error
    shelf.done.append((call.who, request.app, call.now))
    return {"app": request.app}


ROUTES = (
    Route("GET", "/admin/things/{audience}", Look, look),
    Route("POST", "/admin/apps/{app}/change", Change, change),
    Route("POST", "/admin/apps/{app}", Change, change),
)


def event(method: str, path: str, body: object = None, *, who: object = ANN, **more: Any) -> dict[str, Any]:
    made = rest_event(method, path, body, **more)
    made["pathParameters"] = {"proxy": path.removeprefix("/admin/")}
    made["requestContext"]["identity"]["userArn"] = who
    return made


def ask(sent: object, shelf: Shelf | None = None) -> tuple[int, dict[str, Any]]:
    handler = admin_endpoint(ROUTES, lambda _env: shelf or Shelf(), clock=lambda: NOW)
    reply = handler(sent, None)  # type: ignore[arg-type]
    return reply["statusCode"], json.loads(reply["body"])


def test_signed_change_is_done_in_its_signers_name() -> None:
    """Who signed and when reach the use case; the path's members and the body's are one request."""
    shelf = Shelf()
    assert ask(event("POST", "/admin/apps/demo/change", {"text": "x"}), shelf) == (200, {"app": "demo"})
    assert shelf.done == [(ANN, "demo", NOW)]


@pytest.mark.parametrize("who", [None, "", 7, ["arn"], "x" * 401], ids=["none", "empty", "number", "list", "long"])
def test_request_that_names_no_signer_does_nothing(who: object) -> None:
    """The attack: the route's authorization is switched off by mistake. The function closes by itself."""
    shelf = Shelf()
    status, problem = ask(event("POST", "/admin/apps/demo", {}, who=who), shelf)
    assert (status, problem["type"]) == (403, "/problems/not-signed")
    assert not shelf.done


@pytest.mark.parametrize("context", [None, {}, {"identity": None}, {"identity": {"user": ANN}}], ids=str)
def test_event_without_identity_does_nothing(context: object) -> None:
    """However the event is shaped, also with the ARN in another member."""
    sent = event("POST", "/admin/apps/demo", {}) | {"requestContext": context}
    shelf = Shelf()
    assert ask(sent, shelf)[0] == 403
    assert not shelf.done


def test_header_of_the_callers_choice_is_no_signer() -> None:
    """The attack: a header that is called like the member."""
    sent = event("POST", "/admin/apps/demo", {}, who=None, headers={"userArn": ANN, "X-Amzn-User-Arn": ANN})
    assert ask(sent)[0] == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/admin/apps/demo/change/more"),
        ("PUT", "/admin/apps/demo"),
        ("POST", "/admin/apps/demo/"),
        ("POST", "/v1/apps/demo"),
        ("GET", "/admin/things/"),
    ],
)
def test_route_that_is_not_there_is_said(method: str, path: str) -> None:
    """A member never swallows what is another route's."""
    status, problem = ask(event(method, path))
    assert (status, problem["type"]) == (404, "/problems/no-such-route")


@pytest.mark.parametrize("path", ["https://api.example/v1", "https%3A%2F%2Fapi.example%2Fv1"], ids=["plain", "encoded"])
def test_name_with_slashes_is_read_however_the_gateway_decodes(path: str) -> None:
    """API Gateway's emulations differ in whether they decode."""
    sent = event("GET", f"/admin/things/{path}", query={"limit": "5"})
    assert ask(sent) == (200, {"audience": "https://api.example/v1", "limit": 5})


@pytest.mark.parametrize("place", ["path", "requestContext", "proxy"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/admin/apps/shop%2Fchange"), ("POST", "/admin/apps/shop%252fchange"), ("GET", "/admin/things%2Fx")],
)
def test_encoded_slash_between_names_is_refused_wherever_it_shows(place: str, method: str, path: str) -> None:
    """The attack: IAM denies a caller ``apps/*/change``, and compares paths as they were sent."""
    shelf = Shelf()
    made = event(
        method, path.replace("%25", "%").replace("%2F", "/").replace("%2f", "/"), {} if method == "POST" else None
    )
    if place == "path":
        made["path"] = path
    elif place == "proxy":
        made["pathParameters"] = {"proxy": path.removeprefix("/admin/").replace("%25", "%")}
    else:
        made["requestContext"]["path"] = f"/dev{path}"
    assert ask(made, shelf)[0] == 400
    assert not shelf.done


def test_name_with_a_percent_sign_is_refused() -> None:
    """The attack: a name that is one thing decoded once, and another decoded twice."""
    assert ask(event("GET", "/admin/things/a%2541"))[0] == 400


def test_mapping_of_a_custom_domain_does_not_matter() -> None:
    """Behind it `path` begins with the mapping; the parameter does not."""
    sent = event("POST", "/admin/apps/demo", {}) | {"path": "/attest/admin/apps/demo"}
    assert ask(sent)[0] == 200


def test_member_in_path_and_body_is_refused() -> None:
    """The attack: a reviewer reads the path, the function the body."""
    shelf = Shelf()
    assert ask(event("POST", "/admin/apps/demo", {"app": "other"}), shelf)[0] == 400
    assert not shelf.done


@pytest.mark.parametrize("body", ["", None, "{}"], ids=["empty", "none", "object"])
def test_change_without_members_needs_no_body(body: str | None) -> None:
    """What the path says may be all."""
    assert ask(event("POST", "/admin/apps/demo", body))[0] == 200


@pytest.mark.parametrize("body", ["[]", "nonsense", '{"a":1,"a":1}', '{"text":NaN}', '{"unknown":1}', '{"text":1}'])
def test_body_that_is_not_as_documented_is_refused(body: str) -> None:
    """Strictly, like requests of the verifier API."""
    status, problem = ask(event("POST", "/admin/apps/demo", body))
    assert (status, problem["type"], problem["instance"]) == (400, "/problems/malformed-request", REQUEST_ID)


def test_body_in_base64_is_read_and_broken_base64_refused() -> None:
    """As API Gateway sends binary types."""
    sent = event("POST", "/admin/apps/demo", b'{"text":"x"}')
    assert ask(sent)[0] == 200
    assert ask(sent | {"body": "%%%"})[0] == 400


def test_body_of_a_megabyte_is_read_and_more_is_refused() -> None:
    """Policies and builds outgrow the verifier API's limit; nothing is unbounded."""
    most = {"text": "x" * (MAX_ADMIN_BODY_BYTES - 11)}
    assert ask(event("POST", "/admin/apps/demo", json.dumps(most, separators=(",", ":"))))[0] == 200
    for too_much in (json.dumps({"text": "x" * MAX_ADMIN_BODY_BYTES}), "x" * 2_000_000):
        assert ask(event("POST", "/admin/apps/demo", too_much))[0] == 413
    encoded = base64.b64encode(json.dumps({"text": "x" * MAX_ADMIN_BODY_BYTES}).encode()).decode()
    assert ask(event("POST", "/admin/apps/demo", encoded) | {"isBase64Encoded": True})[0] == 413


def test_faults_name_places_and_never_values() -> None:
    """A member may be a whole policy, or a secret."""
    status, problem = ask(event("POST", "/admin/apps/SECRET/change", {}))
    assert status == 400
    assert problem["messages"][0]["at"] == "app"
    assert "SECRET" not in json.dumps(problem["messages"])


def test_refusal_of_a_use_case_is_answered_in_full() -> None:
    """Operators have signed in: the sentence is theirs to act on."""
    shelf = Shelf(AdminRefusal(CONFLICT, "Bob was faster.", [{"line": 1}]))
    status, problem = ask(event("POST", "/admin/apps/demo", {}), shelf)
    assert (status, problem["detail"], problem["messages"]) == (409, "Bob was faster.", [{"line": 1}])
    assert problem["retry"] == "now"


def test_failure_says_when_to_come_back() -> None:
    """A script that repeats a change must not do so at once, nor with all others."""
    handler = admin_endpoint(ROUTES, lambda _env: Shelf(Unavailable("dynamodb:GetItem apps")))
    answers = [handler(event("POST", "/admin/apps/demo", {}), None) for _ in range(30)]
    seconds = {int(answer["headers"]["Retry-After"]) for answer in answers}
    assert seconds <= set(range(SOONEST, LATEST + 1))
    assert len(seconds) > 5


@pytest.mark.parametrize("error", [Unavailable("dynamodb:GetItem apps"), RuntimeError("secret text")], ids=repr)
def test_failure_is_try_later_and_never_promises_that_nothing_was_written(error: Exception) -> None:
    """A transaction whose answer was lost may stand; an exception's text stays out of the answer."""
    status, problem = ask(event("POST", "/admin/apps/demo", {}), Shelf(error))
    assert (status, problem["type"]) == (503, "/problems/try-later")
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize("sent", [None, [], "x", {}, {"pathParameters": 5}], ids=str)
def test_event_of_any_shape_is_answered(sent: object) -> None:
    """Never a stack trace."""
    assert ask(sent)[0] in (400, 403)


def test_attempts_to_change_are_logged_and_documents_are_not(caplog: pytest.LogCaptureFixture) -> None:
    """Who, what, on which path, how it ended; also refused attempts; not what was in them."""
    shelf = Shelf()
    with caplog.at_level(logging.INFO):
        ask(event("POST", "/admin/apps/demo", {"text": "forbid everything"}), shelf)
        ask(event("POST", "/admin/apps/DEMO", {"text": "forbid everything"}), shelf)
        ask(event("GET", "/admin/things/a"))
    lines = [record for record in caplog.records if record.message == "change"]
    outcomes = [(line.who, line.what, line.subject, line.outcome) for line in lines]  # type: ignore[attr-defined]
    assert outcomes == [
        (ANN, "change", "/admin/apps/demo", "done"),
        (ANN, "change", "/admin/apps/DEMO", "malformed-request"),
    ]
    assert "forbid" not in caplog.text


def test_answers_are_for_no_web_page() -> None:
    """No CORS header, nothing kept by a cache."""
    handler = admin_endpoint(ROUTES, lambda _env: Shelf())
    headers = handler(event("POST", "/admin/apps/demo", {}), None)["headers"]
    assert headers["Cache-Control"] == "no-store"
    assert not [name for name in headers if name.startswith("Access-Control")]


POLLED = (Route("GET", "/admin/things/{audience}", Look, look, polled=True),)


def poll(limit: str = "1", **headers: str) -> dict[str, Any]:
    sent = event("GET", "/admin/things/x", headers=headers, query={"limit": limit})
    return dict(admin_endpoint(POLLED, lambda _env: Shelf(), clock=lambda: NOW)(sent, None))


def test_answer_that_the_caller_has_is_not_sent_again() -> None:
    """A console asks every two seconds; a caller may spell the header as it likes, and name several tags."""
    first = poll()
    tag = first["headers"]["ETag"]
    assert (first["statusCode"], first["headers"]["Cache-Control"]) == (200, "private, no-cache")
    for name, value in (("If-None-Match", tag), ("if-none-match", f'"other", W/{tag}'), ("IF-NONE-MATCH", "*")):
        again = poll(**{name: value})
        assert (again["statusCode"], again["body"], again["headers"]["ETag"]) == (304, "", tag), name


@pytest.mark.parametrize("known", ["", '""', '"0"', "W/", "\x00", '"' * 5000])
def test_answer_that_differs_is_sent(known: str) -> None:
    """Whatever a caller takes for a tag; and another answer has another one."""
    assert poll(**{"If-None-Match": known})["statusCode"] == 200
    changed = poll("2", **{"If-None-Match": poll()["headers"]["ETag"]})
    assert (changed["statusCode"], json.loads(changed["body"])["limit"]) == (200, 2)


def test_answer_of_another_route_has_no_tag() -> None:
    """Nor is it kept: what operators read of keys and policies stays in no cache."""
    sent = event("GET", "/admin/things/x", headers={"If-None-Match": "*"})
    answer = admin_endpoint(ROUTES, lambda _env: Shelf(), clock=lambda: NOW)(sent, None)
    assert (answer["statusCode"], answer["headers"]["Cache-Control"]) == (200, "no-store")
    assert "ETag" not in answer["headers"]


@pytest.mark.parametrize(
    "bringing",
    [
        EntrustSecret(app="demo", service_account="private-half"),
        EntrustSecret(
            app="demo", response_keys=ResponseKeys(decryption_key="private-half", verification_key="private-half")
        ),
        SetSecret(app="demo", name="maps-key", value="private-half"),
    ],
)
def test_no_request_shows_the_secret_that_it_brings(bringing: RequestModel) -> None:
    """Where one is printed by mistake."""
    assert "private-half" not in repr(bringing) + str(bringing)
