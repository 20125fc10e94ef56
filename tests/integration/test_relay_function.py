"""The proxy's function: REST proxy events in, streamed answers out, over a Runtime API like Lambda's."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import relay_upstream
from relay_log import log_relay
from runtime_loop import END_OF_HEAD, StreamedAnswer, _post, serve_one
from service import aws
from service.edge.problems import PROBLEM_TYPES
from service.errors import Unavailable
from service.relay.reasons import RELAY_PROBLEMS, RelayReason, RelayRefused
from service.relay.relay import RelayRecord
from service.relay.relay_settings import LAPTOP, RelayUpstreamSettings
from service.relay.upstreams import ConfigurationError
from service.settings import SettingsError, read_settings

from devkit.local.template import read_template
from devkit.streaming.runtime_api import RuntimeApi
from tests.architecture.source_tree import ROOT
from tests.integration.relay_calls import ENVIRONMENT, Context, event_of
from tests.integration.relay_stand import BODY, KEY, RelayStand, http
from tests.service_stack.loopback import Scripted, serving
from tests.unit.gate.stand import NOW
from tests.unit.relay.upstream_documents import DOCUMENT

EVENTS = sorted((ROOT / "events/relay_upstream").glob("*.json"))


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RelayStand]]:
    """Puts a stand in place of what the function is wired to, for an upstream that says ``script``."""
    servers = []

    def wire(script: bytes = http(), **settings: str) -> RelayStand:
        server = serving(Scripted(script))
        servers.append(server)
        stand = RelayStand(server.__enter__().port)
        stand.relay.note = log_relay
        proxy = relay_upstream.Proxy(stand.relay, read_settings(RelayUpstreamSettings, ENVIRONMENT | settings))
        monkeypatch.setattr(relay_upstream, "_proxy", lambda: proxy)
        monkeypatch.setattr("relay_upstream.clock", lambda: NOW)
        return stand

    yield wire
    for server in servers:
        server.__exit__(None, None, None)


def whole(answer: StreamedAnswer) -> tuple[int, Mapping[str, str], bytes]:
    """An answer whose body was read."""
    return answer.status, answer.headers, b"".join(answer.pieces)


def test_a_call_is_answered(wired: Callable[..., RelayStand], capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves one line, without what was said."""
    stand = wired(http(b'{"content": "Bonjour"}'))
    status, headers, body = whole(relay_upstream.handler(event_of(stand), Context()))
    assert (status, headers["content-type"], body) == (200, "application/json", b'{"content": "Bonjour"}')
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line.get("message") == "relay"]
    assert (line["outcome"], line["upstream"], line["upstream_status"]) == ("accepted", "assistant", 200)
    for secret in ("Bonjour", "Hello", KEY, "eyJ"):
        assert secret not in json.dumps(lines)


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_event_is_answered_with_the_status_in_its_name(wired: Callable[..., RelayStand], path: Path) -> None:
    """The files for `sam local invoke`."""
    wired()
    status, headers, body = whole(relay_upstream.handler(json.loads(path.read_text("utf-8")), Context()))
    assert str(status) == path.stem[:3]
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status


def test_over_budget_says_which_and_when(wired: Callable[..., RelayStand]) -> None:
    """429 with Retry-After."""
    stand = wired()
    stand.budgets.refusal = RelayRefused(RelayReason.BUDGET_OF_KEY, "over", retry_after=77)
    status, headers, body = whole(relay_upstream.handler(event_of(stand), Context()))
    assert (status, headers["retry-after"]) == (429, "77")
    assert json.loads(body)["type"] == "/problems/budget-of-key"


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"pathParameters": 5},
        {"pathParameters": {}, "multiValueHeaders": {"A": "b"}},
        {"pathParameters": {}, "multiValueHeaders": {"DPoP": ["a"], "dpop": ["b"]}},
        {"pathParameters": {"upstream": "assistant", "proxy": "v1"}, "body": 5},
        {"pathParameters": {"upstream": "assistant", "proxy": "v1"}, "body": "%", "isBase64Encoded": True},
        {"pathParameters": {"upstream": "assistant", "proxy": "v1"}, "body": "x" * (5 << 20)},
    ],
)
def test_odd_events_get_a_problem(wired: Callable[..., RelayStand], event: Any) -> None:
    """Never an exception."""
    wired()
    status, _, body = whole(relay_upstream.handler(event, Context()))
    assert status in (400, 404, 413)
    assert json.loads(body)["title"]


def test_our_own_failures_tell_nothing(wired: Callable[..., RelayStand], capsys: pytest.CaptureFixture[str]) -> None:
    """A key in an exception's text stays there."""
    stand = wired()
    for failure in (RuntimeError(f"secret {KEY}"), Unavailable("secretsmanager:GetSecretValue: AccessDenied")):
        stand.credentials.failure = failure
        status, headers, body = whole(relay_upstream.handler(event_of(stand), Context()))
        assert status == 503
        assert headers["retry-after"]
        assert KEY not in body.decode() + capsys.readouterr().out


def test_proofs_name_the_external_origin(wired: Callable[..., RelayStand]) -> None:
    """Behind a custom domain, the API's own name is not what the app called."""
    stand = wired(EXTERNAL_ORIGIN="https://proxy.example.com/prod")
    event = event_of(stand)
    event["requestContext"] |= {"domainName": "other.example", "path": "/elsewhere"}
    assert relay_upstream.handler(event, Context()).status == 200


def test_direct_calls_are_refused_behind_an_edge(wired: Callable[..., RelayStand]) -> None:
    """Without the edge's secret."""
    stand = wired(ORIGIN_SECRET_HASHES=bytes(32).hex())
    assert relay_upstream.handler(event_of(stand), Context()).status == 403


def test_every_problem_of_the_proxy_is_documented() -> None:
    """docs/proxy.md has the table."""
    page = (ROOT / "docs/proxy.md").read_text("utf-8")
    for problem in RELAY_PROBLEMS:
        assert f"`{problem.slug}`" in page or problem in PROBLEM_TYPES or problem.slug == "no-such-route"


def test_the_loopback_is_out_of_every_templates_reach() -> None:
    """By construction: the one stage that allows it is allowed by no template."""
    document = {"assistant": {**DOCUMENT["assistant"], "base": "http://127.0.0.1:8080"}}
    for stage in ("dev", "staging", "prod"):
        with pytest.raises(ConfigurationError):
            relay_upstream.wire({**ENVIRONMENT, "STAGE": stage, "UPSTREAMS": json.dumps(document)})
    template = read_template(ROOT / "stacks/proxy.yaml")
    told = template["Resources"]["RelayUpstreamFunction"]["Properties"]["Environment"]["Variables"]
    assert told["STAGE"] == {"Ref": "Stage"}
    assert LAPTOP not in template["Parameters"]["Stage"]["AllowedValues"]


def test_wiring_takes_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says which one is missing."""
    for name, text in {"REGION": "eu-central-1", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_DEFAULT_{name}" if name == "REGION" else f"AWS_{name}", text)
    assert set(relay_upstream.wire(ENVIRONMENT).relay.upstreams) == {"assistant"}
    aws.secrets_manager.cache_clear()
    for name in ENVIRONMENT:
        with pytest.raises(SettingsError, match=name):
            relay_upstream.wire({**ENVIRONMENT, name: ""} if name != "STAGE" else {})


# --- The loop that streams ------------------------------------------------------------------------------------------


def served(handler: Callable[[Any, Any], StreamedAnswer]) -> tuple[dict[str, Any], list[bytes], str | None]:
    """One event through the loop: the head, the chunks as they came, and the error that was told."""
    with RuntimeApi() as api:
        invocation = api.invoke({"hello": 1}, seconds=20)
        serve_one(handler, api.address)
        head, *pieces = invocation.pieces()
    text, end, rest = head.partition(END_OF_HEAD)
    assert end
    assert rest == b""
    return json.loads(text), pieces, invocation.error


def test_loop_hands_over_each_piece_by_itself() -> None:
    """Head first, then chunk by chunk."""

    def handler(event: Any, context: Any) -> StreamedAnswer:
        assert event == {"hello": 1}
        assert 0 < context.get_remaining_time_in_millis() <= 20_000
        return StreamedAnswer(201, {"content-type": "text/plain"}, iter((b"one", b"", b"two")))

    head, pieces, error = served(handler)
    assert head == {"statusCode": 201, "headers": {"content-type": "text/plain"}}
    assert (pieces, error) == ([b"one", b"two"], None)


def test_loop_tells_what_broke_off_in_trailers() -> None:
    """By its type, without its text."""

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise RelayRefused(RelayReason.ANSWER_MALFORMED, KEY)

    head, found, error = served(lambda _event, _context: StreamedAnswer(200, {}, pieces()))
    assert head["statusCode"] == 200
    assert found == [b"one"]
    assert error == "RelayRefused"


def test_loop_outlives_a_caller_who_is_gone_and_an_answer_that_breaks_off() -> None:
    """Both at once: the process goes on, and the answer was read to its end, where it is accounted for."""
    ended = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"one"
            raise RelayRefused(RelayReason.ANSWER_MALFORMED, KEY)
        finally:
            ended.append(True)

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        _post(f"127.0.0.1:{unused.getsockname()[1]}", "request-1", StreamedAnswer(200, {}, pieces()))
    assert ended == [True]


def test_record_is_logged_whatever_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, of one shape."""
    for error, outcome in (
        (None, "accepted"),
        (RelayRefused(RelayReason.BUDGET_OF_APP, "x"), "refused"),
        (RelayRefused(RelayReason.TOO_SLOW, "x"), "unavailable"),
        (Unavailable("x"), "unavailable"),
        (RuntimeError(KEY), "refused"),
    ):
        log_relay(RelayRecord(request_id="1", echoes=1), error)
        out = capsys.readouterr().out
        assert KEY not in out
        assert '"UpstreamEchoedKey"' in out
        (told,) = [line for line in map(json.loads, out.splitlines()) if line.get("message") == "relay"]
        assert told["outcome"] == outcome


def test_bodies_arrive_as_they_were_signed(wired: Callable[..., RelayStand]) -> None:
    """In base64, which the API asks for by naming every media type binary."""
    stand = wired()
    event = event_of(stand)
    assert base64.b64decode(event["body"]) == BODY
    assert relay_upstream.handler(event, Context()).status == 200
