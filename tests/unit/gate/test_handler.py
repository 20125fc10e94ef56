"""The Lambda handler: TOKEN events, events that are none, wrong settings, surprises. Only "Unauthorized" may escape."""

from __future__ import annotations

import io
import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import authorize_request
import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate import bundle_keeper
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from bonafide_tokens.routes import Requirement, RouteRequirement

from tests.unit.gate.authorizer_environment import ENVIRONMENT
from tests.unit.gate.conftest import Lines
from tests.unit.gate.stand import AUDIENCE, NOW, Call, Stand, bundle, effect, token

CONTEXT = SimpleNamespace(aws_request_id="22222222-aaaa-bbbb-cccc-000000000002")
INIT = "AWS_LAMBDA_INITIALIZATION_TYPE"
EVENTS = Path(__file__).parents[3] / "events" / "authorize_request"


@pytest.fixture
def reader(call: Call) -> Call:
    """A call to a route that asks for a token only, as a TOKEN authorizer can serve."""
    return call.change(method="GET", path="/v1/whoami", proof=None)


def test_token_authorizer_lets_a_good_token_pass(stand: Stand, reader: Call) -> None:
    """The same answer as for a REQUEST authorizer."""
    assert stand.answer(reader.token_event()) == stand.call(reader)


@pytest.mark.parametrize("text", [None, "", "garbage", "Bearer x", "A" * 5000])
def test_token_authorizer_raises_unauthorized_for_what_is_no_token(
    stand: Stand, reader: Call, text: str | None
) -> None:
    """API Gateway turns exactly this text into a 401."""
    with pytest.raises(Exception, match=r"^Unauthorized$") as raised:
        stand.answer(reader.change(token=text).token_event())
    assert type(raised.value) is Exception


def test_token_authorizer_denies_a_readable_but_false_token(stand: Stand, reader: Call) -> None:
    """With the context that says what to do."""
    answer = stand.answer(reader.change(token=token(now=NOW - 1000)).token_event())
    assert effect(answer) == "Deny"
    assert answer["context"]["action"] == "renew"


def test_token_authorizer_on_a_route_that_needs_a_proof_denies_for_its_own_reason(
    stand: Stand, call: Call, log_lines: Lines
) -> None:
    """It is shown no proof: the log tells the operator to use a REQUEST authorizer."""
    assert effect(stand.answer(call.token_event())) == "Deny"
    line = log_lines()[-1]
    assert line["reason"] == "proof-unseen"
    assert "REQUEST" in line["detail"]


def test_token_authorizer_on_a_monitored_route_lets_garbage_pass(stand: Stand, reader: Call) -> None:
    """Monitoring refuses no request, whatever the kind of authorizer."""
    answer = stand.answer(reader.change(path="/beta/x", token="garbage").token_event())
    assert answer["context"] == {"request_class": "invalid"}


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        [],
        "event",
        {"type": "TOKEN"},
        {"type": "REQUEST"},
        {"type": "REQUEST", "methodArn": None},
        {"type": "REQUEST", "methodArn": "arn:aws:s3:::bucket"},
        {"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abcdef123"},
        {"type": ["TOKEN"], "methodArn": "x"},
        {"version": "2.0", "routeArn": "x"},
    ],
)
def test_event_that_is_none_is_unauthorized(stand: Stand, log_lines: Lines, event: object) -> None:
    """A wiring mistake opens nothing, and says what it is in the log."""
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        stand.answer(event)
    assert log_lines()[-1]["error_type"] == "UnreadableEvent"


@pytest.mark.parametrize(
    "missing", ["headers", "multiValueHeaders", "requestContext", "resource", "httpMethod", "path"]
)
@pytest.mark.parametrize("value", [None, [], "", 7, {"a": 7}])
def test_event_with_an_odd_member_is_answered(stand: Stand, call: Call, missing: str, value: object) -> None:
    """Test consoles and emulators send such events: an answer comes, and no exception."""
    event = call.event() | {missing: value}
    assert effect(stand.answer(event)) in ("Allow", "Deny")


def test_single_headers_serve_where_there_are_no_multi_value_ones(stand: Stand, call: Call) -> None:
    """Older samples and HTTP-style events have only these."""
    event = call.event()
    del event["multiValueHeaders"]
    assert effect(stand.answer(event)) == "Allow"


def test_root_path_is_a_path(call: Call) -> None:
    """An ARN for the root ends in a slash, or not even that."""
    root = Stand(bundle(apis={AUDIENCE: (RouteRequirement("GET", "/", Requirement.OFF),)}))
    event = call.change(method="GET", path="/", token=None, proof=None).event()
    assert effect(root.answer(event)) == "Allow"
    event["methodArn"] = event["methodArn"].removesuffix("/")
    assert effect(root.answer(event)) == "Allow"


def test_no_bundle_means_deny_by_default(call: Call, log_lines: Lines) -> None:
    """The verifier is out of reach and nothing is known."""
    down = Stand()
    down.served = BundleUnreachable("connection failed")
    answer = down.call(call)
    assert effect(answer) == "Deny"
    assert (answer["context"]["error"], answer["context"]["action"]) == ("temporarily_unavailable", "retry")
    line = log_lines()[-1]
    assert (line["reason"], line["detail"]) == ("bundle-unavailable", "there is no valid trust bundle")


def test_no_bundle_lets_pass_where_the_stack_chose_so(call: Call) -> None:
    """An explicit choice: the backend sees that the request was not checked."""
    down = Stand(allow_when_unavailable=True)
    down.served = BundleUnreachable("connection failed")
    answer = down.call(call)
    assert answer["context"] == {"request_class": "unchecked"}
    assert not answer["policyDocument"]["Statement"][0]["Resource"].endswith("*")


def test_surprise_inside_denies_and_logs_the_type_only(
    stand: Stand, call: Call, log_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception's text may quote the request."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"could not handle {call.token}")

    monkeypatch.setattr(stand.gate, "decide", fail)
    answer = stand.call(call)
    assert effect(answer) == "Deny"
    assert answer["context"]["action"] == "retry"
    line = log_lines()[-1]
    assert line["error_type"] == "RuntimeError"
    assert line["support_code"] == answer["context"]["support_code"]
    assert str(call.token) not in json.dumps(line)


class _BrokenPipe(io.StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, _BrokenPipe(), _closed()], ids=["none", "broken pipe", "closed"])
def test_log_that_cannot_be_written_refuses_no_request(
    stand: Stand, call: Call, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    """Logging is best effort."""
    monkeypatch.setattr("sys.stdout", stream)
    assert effect(stand.call(call)) == "Allow"


def test_wrong_settings_are_unauthorized_and_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, call: Call, log_lines: Lines
) -> None:
    """Not a 500 for every request, and the operator reads which variable it is."""
    monkeypatch.delenv("TRUST_BUNDLE_URL", raising=False)
    authorize_request._authorizer.cache_clear()
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        authorize_request.handler(call.event(), CONTEXT)
    assert "TRUST_BUNDLE_URL" in log_lines()[-1]["detail"]


def test_handler_is_wired_on_its_first_call(monkeypatch: pytest.MonkeyPatch, call: Call) -> None:
    """Outside Lambda, importing reads nothing and fetches nothing."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    unreachable = lambda *_, **__: (_ for _ in ()).throw(BundleUnreachable("no network"))  # noqa: E731
    monkeypatch.setattr(bundle_keeper, "fetch_bundle", unreachable)
    authorize_request._authorizer.cache_clear()
    try:
        assert effect(authorize_request.handler(call.event(), CONTEXT)) == "Deny"
    finally:
        authorize_request._authorizer.cache_clear()


@pytest.mark.parametrize(("phase", "messages"), [({}, []), ({INIT: "on-demand"}, ["wrong settings"])])
def test_importing_looks_at_settings_in_lambda_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, phase: dict[str, str], messages: list[str], log_lines: Lines
) -> None:
    """There it is the INIT phase, which is not billed to a request; a wrong setting stops no import."""
    for name in (*ENVIRONMENT, INIT):
        monkeypatch.delenv(name, raising=False)
    for name, value in phase.items():
        monkeypatch.setenv(name, value)
    runpy.run_path(str(authorize_request.__file__))
    assert [line["message"] for line in log_lines()] == messages


EVENT_REASONS = {
    "rest_request_no_token": "token-missing",
    "rest_request_garbage_token": "token-malformed",
    "rest_request_unsigned_token": "token-algorithm",
    "rest_request_foreign_token": "token-key-unknown",
    "rest_request_two_tokens": "token-malformed",
    "rest_request_custom_domain": "token-missing",
    "rest_token_garbage": None,
    "rest_request_behind_cloudfront": "token-missing",
    "http_2_stage_prefix": "token-missing",
    "documented_rest_token": None,
    "documented_rest_request": "token-missing",
    "documented_http_1": "token-missing",
    "documented_http_2": "token-missing",
    "documented_websocket_connect": "token-missing",
    "rest_token_foreign_token": "token-key-unknown",
}
"""Each event file and the reason it is refused for; ``None``: raises Unauthorized."""


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_sample_event_has_its_known_outcome(stand: Stand, log_lines: Lines, path: Path) -> None:
    """The files are for ``sam local invoke``; none of them may pass."""
    event: dict[str, Any] = json.loads(path.read_text("utf-8"))
    reason = EVENT_REASONS[path.stem]
    if reason is None:
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            stand.answer(event)
        return
    answer = stand.answer(event)
    assert effect(answer) == "Deny"
    assert log_lines()[-1]["reason"] == reason
    assert answer["context"]["reason_title"] == next(each for each in Reason if each == reason).refusal.title


def test_every_sample_event_is_there() -> None:
    """The table and the folder name the same files."""
    assert {path.stem for path in EVENTS.glob("*.json")} == set(EVENT_REASONS)
