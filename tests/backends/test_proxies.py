"""nginx and Envoy themselves, with the page's configuration, before the checker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bonafide_tokens.backends import guard as guard_module
from bonafide_tokens.backends.facts import HEADERS
from bonafide_tokens.checker.settings import Proxy

from tests.backends.checking import RunningChecker, exchange, head_of, running
from tests.backends.drivers import Answered, guard_of, headers_of
from tests.backends.proxies import ENVOY, NGINX, PAGE, envoy, nginx
from tests.stack_ports import own_ports
from tests.unit.gate.stand import KEY_ID, NOW, Call, Stand

REAL = [
    pytest.param("nginx", marks=pytest.mark.skipif(not NGINX, reason="nginx is not installed")),
    pytest.param("envoy", marks=pytest.mark.skipif(not ENVOY.exists(), reason="`make backends` gets Envoy")),
]
STARTS: dict[str, tuple[Proxy, Callable[[int], Any]]] = {"nginx": (Proxy.NGINX, nginx), "envoy": (Proxy.ENVOY, envoy)}
Place = tuple[RunningChecker, Callable[..., Answered]]


@pytest.fixture(autouse=True)
def _fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "time", lambda: NOW)


@pytest.fixture(scope="module", params=REAL)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A proxy before a checker whose guard each test sets."""
    proxy, starts = STARTS[request.param]
    with running(guard_of(Stand()), proxy) as checker, starts(checker.port) as port:

        def send(call: Call, *more: tuple[str, str], query: str = "", body: bytes = b"") -> Answered:
            headers = [*headers_of(call), *more, ("Content-Length", str(len(body)))]
            return exchange(port, head_of(call.method, call.path + query, headers) + body)

        yield checker, send


def reached(answer: Answered) -> dict[str, list[str]]:
    """The headers that the backend got, by name in small letters."""
    found: dict[str, list[str]] = {}
    for name, value in answer.problem["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def test_backend_is_told_who_calls_and_gets_the_body_and_the_path_as_sent(place: Place) -> None:
    checker, send = place
    checker.use(guard_of(Stand()))
    answer = send(Call(path="/v1/orders/a%20b"), query="?x=%2f&y", body=b"the body")
    assert answer.status == 200
    got = reached(answer)
    assert (got["bonafide-key-id"], got["bonafide-proven"]) == ([KEY_ID], ["true"])
    assert answer.problem["line"].startswith("POST /v1/orders/a%20b?x=%2f&y HTTP/1.")
    assert answer.problem["body"] == "the body"


def test_refusal_reaches_the_client_with_its_headers_and_its_problem(place: Place) -> None:
    checker, send = place
    checker.use(guard_of(Stand(nonce_key=b"k" * 32)))
    answer = send(Call())
    assert (answer.status, answer.problem["type"]) == (401, "/problems/use_dpop_nonce")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
    assert answer.headers["cache-control"] == "no-store"
    assert "bonafide-problem" not in answer.headers
    again = send(Call(nonce=answer.headers["dpop-nonce"], jti="2"))
    assert (again.status, bool(again.headers["dpop-nonce"])) == (200, True)


def test_client_cannot_state_facts_itself(place: Place) -> None:
    checker, send = place
    checker.use(guard_of(Stand()))
    lies = [(name, "lie") for name in HEADERS.values()]
    open_route = Call(path="/public/a", token=None, proof=None)
    answer = send(open_route, *lies)
    assert answer.status == 200
    assert "lie" not in str(answer.problem["headers"])
    assert reached(answer)["bonafide-request-class"] == ["unchecked"]
    spelled = send(open_route, *[(name.replace("-", "_"), "lie") for name in HEADERS.values()])
    assert spelled.status == 400 or "lie" not in str(spelled.problem["headers"])


def test_client_cannot_choose_what_is_checked(place: Place) -> None:
    checker, send = place
    checker.use(guard_of(Stand()))
    for number, (name, value) in enumerate(
        [
            ("X-Original-URI", "/public/a"),
            ("X-Original-Method", "GET"),
            ("X-Forwarded-Uri", "/public/a"),
            ("X-Envoy-Original-Path", "/public/a"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-HTTP-Method-Override", "GET"),
            ("Host", "evil.example"),
        ]
    ):
        assert send(Call(token=None, proof=None), (name, value)).status in (400, 401), name
        if name != "Host":
            assert send(Call(jti=f"n{number}"), (name, value)).status == 200, name


def test_checker_itself_is_not_reached_through_the_proxy(place: Place) -> None:
    checker, send = place
    checker.use(guard_of(Stand()))
    for path in ("/check", "/bonafide-check", "/metrics", "/healthz"):
        assert send(Call(method="GET", path=path, token=None, proof=None)).status in (401, 404), path


@pytest.mark.parametrize("name", REAL)
def test_without_a_checker_nothing_passes(name: str) -> None:
    _proxy, starts = STARTS[name]
    with starts(own_ports().guarded) as port:  # where nothing listens
        open_route = Call(path="/public/a", token=None, proof=None)
        answer = exchange(port, head_of("GET", open_route.path, headers_of(open_route)))
    assert answer.status in (500, 503)
    assert b"bonafide" not in answer.body


def test_page_names_every_fact_for_every_proxy() -> None:
    """The fault: a fact that a new release has, and a client's copy of it that a proxy passes on."""
    page = PAGE.read_text("utf-8")
    blocks = {mark: re.findall(rf"```{mark}\n(.*?)```", page, re.S) for mark in ("nginx", "yaml", "lua")}
    (nginx_text,), (_envoy, traefik), (lua,) = blocks["nginx"], blocks["yaml"], blocks["lua"]
    for name in HEADERS.values():
        variable = "$" + name.lower().replace("-", "_")
        assert f"proxy_set_header {name} {variable};" in nginx_text
        assert f"auth_request_set {variable} $upstream_http_{variable[1:]};" in nginx_text
        assert f"- {name}\n" in traefik
        assert f'"{name.removeprefix("Bonafide-")}"' in lua
        assert f"`{name}`" in page
