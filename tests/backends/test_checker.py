"""The checker: what each proxy sends is read as documented, and nothing a client sends stops it or opens it."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.facts import HEADERS, facts_of, is_fact
from bonafide_tokens.backends.guard import Answer, Caller, SignedBody
from bonafide_tokens.checker import server as server_module
from bonafide_tokens.checker.http_head import BadHead, read_head
from bonafide_tokens.checker.settings import CheckerSettings, Proxy
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from bonafide_tokens.gate.settings import SettingsError
from bonafide_tokens.signed_body import content_digest

from tests.backends.checking import RunningChecker, exchange, head_of, read_answer, running, settings
from tests.backends.drivers import Answered, guard_of, headers_of
from tests.unit.gate.stand import KEY_ID, NOW, Call, Stand

AS_THE_PROXY_SENDS: dict[Proxy, Any] = {
    Proxy.NGINX: lambda method, uri: ("GET", "/check", [("X-Original-Method", method), ("X-Original-URI", uri)]),
    Proxy.ENVOY: lambda method, uri: (method, "/check" + uri, []),
    Proxy.TRAEFIK: lambda method, uri: ("GET", "/check", [("X-Forwarded-Method", method), ("X-Forwarded-Uri", uri)]),
    Proxy.KONG: lambda method, uri: ("GET", "/check", [("X-Original-Method", method), ("X-Original-URI", uri)]),
}


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)
    monkeypatch.setattr(server_module, "time", lambda: NOW)


def asked(proxy: Proxy, call: Call, *more: tuple[str, str], query: str = "") -> bytes:
    """What a proxy sends to the checker for a call."""
    method, target, told = AS_THE_PROXY_SENDS[proxy](call.method, call.path + query)
    return head_of(method, target, [("Host", "checker"), *told, *headers_of(call)[1:], *more])


@pytest.mark.parametrize("proxy", Proxy)
def test_proxy_is_told_who_calls_and_whom_to_refuse(proxy: Proxy) -> None:
    with running(guard_of(Stand()), proxy) as checker:
        passed = exchange(checker.port, asked(proxy, Call(), query="?a=%20b"))
        assert (passed.status, passed.headers["bonafide-key-id"]) == (200, KEY_ID)
        assert passed.headers["bonafide-proven"] == "true"
        assert {name.lower() for name in HEADERS.values()} <= set(passed.headers)
        refused = exchange(checker.port, asked(proxy, Call(signer="thief", jti="2")))
        assert refused.status == 401
        assert refused.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
        assert refused.problem["action"] == "sign"
        assert ("bonafide-problem" in refused.headers) is (proxy is Proxy.NGINX)


@pytest.mark.parametrize("proxy", [Proxy.NGINX, Proxy.TRAEFIK, Proxy.KONG])  # Envoy's own request line tells it
def test_original_request_that_is_not_told_or_told_twice_is_refused(proxy: Proxy) -> None:
    """The faults: a proxy that adds to the client's header, or that sends none."""
    method, target, told = AS_THE_PROXY_SENDS[proxy]("POST", "/v1/orders")
    rest = headers_of(Call())
    with running(guard_of(Stand()), proxy) as checker:
        for sent in ([*told, told[1]], told[:1], told[1:], [told[0], (told[1][0], "http://evil/")]):
            answer = exchange(checker.port, head_of(method, target, [*sent, *rest]))
            assert (answer.status, answer.problem["retry"]) == (401, "later")
        assert len(checker.said) == 4


@pytest.mark.parametrize("proxy", Proxy)
def test_statuses_that_nginx_does_not_know_are_not_sent_to_it(proxy: Proxy) -> None:
    from bonafide_tokens.checker.proxies import reply_of

    statuses = [reply_of(proxy, Answer(None, status, body=b"{}")).status for status in (401, 403, 413, 503)]
    assert statuses == ([401, 403, 403, 403] if proxy is Proxy.NGINX else [401, 403, 413, 503])


def test_host_and_forwarded_host_count_for_nothing() -> None:
    with running(guard_of(Stand()), Proxy.NGINX) as checker:
        evil = [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example;proto=http")]
        assert exchange(checker.port, asked(Proxy.NGINX, Call(), *evil)).status == 200
        for_evil = Call(signed_url="https://evil.example/prod/v1/orders", jti="2")
        assert exchange(checker.port, asked(Proxy.NGINX, for_evil, *evil)).status == 401


def test_digest_that_the_proof_signs_is_handed_on_and_can_be_required() -> None:
    signed = Call(content_digest=content_digest(b"{}"))
    with running(guard_of(Stand()), Proxy.NGINX) as checker:
        assert exchange(checker.port, asked(Proxy.NGINX, signed)).headers["bonafide-content-digest"] == content_digest(
            b"{}"
        )
        assert exchange(checker.port, asked(Proxy.NGINX, Call(jti="2"))).headers["bonafide-content-digest"] == ""
        checker.use(guard_of(Stand(), signed_body=SignedBody.REQUIRE))
        assert exchange(checker.port, asked(Proxy.NGINX, signed)).status == 200
        refused = exchange(checker.port, asked(Proxy.NGINX, Call(jti="2")))
        assert refused.problem["title"] == "The proof does not sign this body."


def test_nonce_is_given_with_both_answers() -> None:
    with running(guard_of(Stand(nonce_key=b"k" * 32)), Proxy.NGINX) as checker:
        first = exchange(checker.port, asked(Proxy.NGINX, Call()))
        nonce = first.headers["dpop-nonce"]
        second = exchange(checker.port, asked(Proxy.NGINX, Call(nonce=nonce, jti="2")))
    assert (first.status, second.status, bool(second.headers["dpop-nonce"])) == (401, 200, True)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /check HTTP/1.1\r\n folded: x",
        b"GET /check HTTP/1.1\r\nA: b\r\n c",
        b"GET /check HTTP/1.1\r\nA : b",
        b"GET /check HTTP/1.1\r\nA: b\x00",
        b"GET /check HTTP/1.1\r\nA: b\nC: d",
        b"GET /check HTTP/2.0\r\nA: b",
        b"GET  /check HTTP/1.1",
        b"GET /che ck HTTP/1.1",
        b"GET /check HTTP/1.1\r\nTransfer-Encoding: chunked",
        b"GET /check HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1",
        b"GET /check HTTP/1.1\r\nContent-Length: +1",
        b"GET /check HTTP/1.1\r\nContent-Length: 99999999",
        b"GET /check HTTP/1.1\r\n" + b"\r\n".join(b"A: b" for _ in range(201)),
    ],
)
def test_head_that_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(BadHead):
        read_head(head)


def test_bad_heads_are_answered_and_counted_and_the_server_goes_on() -> None:
    with running(guard_of(Stand()), Proxy.NGINX) as checker:
        assert exchange(checker.port, b"GET /check HTTP/1.1\r\n a\r\n\r\n").status == 401
        long = b"GET /check HTTP/1.1\r\nA: " + b"a" * 70_000
        assert exchange(checker.port, long + b"\r\n\r\n").status == 401
        assert exchange(checker.port, asked(Proxy.NGINX, Call())).status == 200
        text = exchange(checker.port, b"GET /metrics HTTP/1.1\r\n\r\n").body.decode()
    assert 'bonafide_requests_unread_total{why="malformed"} 1' in text
    assert 'bonafide_requests_unread_total{why="too-large"} 1' in text
    assert 'bonafide_checks_total{outcome="accepted",reason=""} 1' in text
    assert "bonafide_check_seconds_count 1" in text


def test_slow_head_ends_its_connection_and_holds_no_other_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(guard_of(Stand()), Proxy.NGINX) as checker,
        socket.create_connection(("127.0.0.1", checker.port)) as slow,
    ):
        monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.3)
        slow.sendall(b"GET /check HTTP/1.1\r\nA")
        slow.settimeout(20)
        assert slow.recv(10) == b""
        monkeypatch.undo()
        with socket.create_connection(("127.0.0.1", checker.port)) as slower:
            slower.sendall(b"GET /check HTTP/1.1\r\nA")
            assert 'why="slow"} 1' in exchange(checker.port, b"GET /metrics HTTP/1.1\r\n\r\n").body.decode()


def test_connections_beyond_the_bound_are_told_to_come_later() -> None:
    with running(guard_of(Stand()), Proxy.NGINX, connections=2) as checker:
        held = [socket.create_connection(("127.0.0.1", checker.port)) for _ in range(2)]
        for one in held:  # so that both are known before the third comes
            one.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            assert read_answer(one).status == 200
        third = exchange(checker.port, asked(Proxy.NGINX, Call()))
        assert (third.status, third.headers["retry-after"], third.problem["retry"]) == (401, "1", "later")
        for one in held:
            one.close()


def test_health_readiness_and_other_paths() -> None:
    stand = Stand()
    stand.served = BundleUnreachable("down")
    with running(guard_of(stand), Proxy.NGINX) as checker:

        def get(path: str, method: str = "GET") -> Answered:
            return exchange(checker.port, f"{method} {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())

        assert (get("/healthz").status, get("/readyz").status) == (200, 503)
        assert get("/other").status == 404
        assert get("/checks").status == 404
        assert get("/healthz", "POST").status == 405
        assert "bonafide_ready 0" in get("/metrics").body.decode()
        checker.use(guard_of(Stand()))
        assert get("/readyz").status == 200
        text = get("/metrics").body.decode()
        assert "bonafide_ready 1" in text
        assert "bonafide_bundle_version 7" in text


def test_labels_of_metrics_are_a_closed_set() -> None:
    with running(guard_of(Stand()), Proxy.NGINX) as checker:
        before = exchange(checker.port, b"GET /metrics HTTP/1.1\r\n\r\n").body.decode()
        for number in range(5):
            call = Call(method=f"M{number}", path=f"/{number}", token=f"t{number}")
            exchange(checker.port, asked(Proxy.NGINX, call, (f"X-{number}", "x")))
        after = exchange(checker.port, b"GET /metrics HTTP/1.1\r\n\r\n").body.decode()
    series = [re.sub(r" \S+$", "", line) for line in before.splitlines()]
    assert series == [re.sub(r" \S+$", "", line) for line in after.splitlines()]
    assert {f'reason="{reason}"' for reason in Reason} <= {
        found for line in series for found in re.findall(r'reason="[^"]*"', line)
    }


def test_stop_lets_a_check_that_is_under_way_end_and_waits_for_no_idle_connection() -> None:
    begun, go_on = threading.Event(), threading.Event()
    guard = guard_of(Stand())
    real = guard.check_without_body

    def slow(request: Any) -> Any:
        begun.set()
        go_on.wait(10)
        return real(request)

    guard.check_without_body = slow  # type: ignore[method-assign]
    checker = RunningChecker(guard, CheckerSettings(Proxy.NGINX, port=0))
    answers: list[Answered] = []
    with socket.create_connection(("127.0.0.1", checker.port)):
        asking = threading.Thread(target=lambda: answers.append(exchange(checker.port, asked(Proxy.NGINX, Call()))))
        asking.start()
        assert begun.wait(10)
        stopping = threading.Thread(target=checker.end)
        stopping.start()
        go_on.set()
        asking.join(20)
        stopping.join(20)
    assert not stopping.is_alive()
    assert (answers[0].status, answers[0].headers["connection"]) == (200, "close")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", checker.port), timeout=5)


def test_check_that_never_ends_does_not_keep_the_server_from_stopping() -> None:
    begun, go_on = threading.Event(), threading.Event()
    guard = guard_of(Stand())

    def hang(_request: Any) -> Any:
        begun.set()
        go_on.wait(30)

    guard.check_without_body = hang  # type: ignore[method-assign, assignment]
    with (
        running(guard, Proxy.NGINX, stop_seconds=0.2) as checker,
        socket.create_connection(("127.0.0.1", checker.port)) as asking,
    ):
        asking.sendall(asked(Proxy.NGINX, Call()))
        assert begun.wait(10)
        checker.stop()
        asking.settimeout(20)
        assert asking.recv(10) == b""
        go_on.set()


def test_facts_are_visible_ascii_and_no_header_passes_for_one() -> None:
    caller = Caller("verified", app="a\r\nX: y", app_build="3.1 (ü) 100%", proven=True)
    facts = dict(facts_of(caller))
    assert facts["Bonafide-App"] == "a%0D%0AX: y"
    assert facts["Bonafide-App-Build"] == "3.1 (%C3%BC) 100%25"
    assert (facts["Bonafide-Proven"], facts["Bonafide-Content-Digest"]) == ("true", "")
    assert all(is_fact(name) for name in (*HEADERS.values(), "bonafide_key_id", "BONAFIDE-APP"))
    assert not is_fact("Bonafide-Origin-Secret")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CHECKER_PROXY": ""}, "CHECKER_PROXY must be one of nginx, envoy, traefik, kong"),
        ({"CHECKER_PROXY": "haproxy"}, "CHECKER_PROXY must be one of"),
        ({"CHECKER_LISTEN": "8710"}, "CHECKER_LISTEN must be an address and a port"),
        ({"CHECKER_LISTEN": "127.0.0.1:99999"}, "CHECKER_LISTEN must be an address and a port"),
        ({"CHECKER_CONNECTIONS": "0"}, "CHECKER_CONNECTIONS must be a whole number"),
        ({"CHECKER_STOP_SECONDS": "²"}, "CHECKER_STOP_SECONDS must be a whole number"),
        ({"CHECKER_READY_AGE_SECONDS": "-1"}, "CHECKER_READY_AGE_SECONDS must be a whole number"),
    ],
)
def test_setting_that_is_wrong_is_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        CheckerSettings.from_environment(settings(**changes))


def test_by_default_it_listens_on_the_loopback() -> None:
    found = CheckerSettings.from_environment({"CHECKER_PROXY": "envoy"})
    assert (found.host, found.port) == ("127.0.0.1", 8710)
    assert CheckerSettings.from_environment({"CHECKER_PROXY": "envoy", "CHECKER_LISTEN": "[::1]:1"}).host == "::1"


def command(**changes: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    environment = {"PATH": os.environ["PATH"], **settings(**changes)}
    return subprocess.Popen(
        [sys.executable, "-m", "bonafide_tokens.checker"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_command_says_in_one_line_what_is_wrong() -> None:
    process = command(EXTERNAL_ORIGIN="")
    _said, wrong = process.communicate(timeout=60)
    assert process.returncode == 2
    assert wrong == "bonafide checker: EXTERNAL_ORIGIN is not set: what clients call, as in https://api.example.com\n"


def test_command_serves_until_it_is_terminated_and_ends_well() -> None:
    process = command()
    assert process.stdout is not None
    try:
        lines = map(json.loads, process.stdout)  # the first may be of the bundle's server, which is away
        line = next(line for line in lines if line["message"] == "listening")
        assert line["proxy"] == "nginx"
        assert exchange(line["port"], b"GET /healthz HTTP/1.1\r\n\r\n").status == 200
        process.send_signal(signal.SIGTERM)
        said, wrong = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait(10)
    assert (process.returncode, wrong) == (0, "")
    assert {"message": "stopping"} in [json.loads(line) for line in said.splitlines()]


def test_nothing_of_a_request_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running(guard_of(Stand()), Proxy.NGINX) as checker:
        exchange(checker.port, asked(Proxy.NGINX, Call(path="/v1/orders/secret-name", signer="thief")))
    assert "secret-name" not in caplog.text
    assert str(Call().token) not in caplog.text
