"""One bounded HTTP exchange, against servers that are slow, broken, cut off, huge, or send us elsewhere."""

from __future__ import annotations

import time

import pytest
from service.vendors.outbound import Answer, Unreachable, check_url, exchange

from tests.service_stack.loopback import Scripted, http, serving

LIMIT = 1000
DEADLINE = 0.6


def asked(script: bytes, **more: float) -> Answer:
    with serving(Scripted(script, **more)) as server:  # type: ignore[arg-type]
        return exchange("GET", f"{server.url}/list?x=1", headers={}, timeout=DEADLINE, max_bytes=LIMIT)


def test_whole_answer_is_read() -> None:
    """The default that each case below changes in one place."""
    answer = asked(http(200, b"hello", Content_Type="Application/JSON; charset=utf-8", ETag='"1"'))
    assert (answer.status, answer.body, answer.media_type) == (200, b"hello", "application/json")
    assert answer.headers["etag"] == '"1"'


def test_request_is_plain_and_says_no_more_than_it_must() -> None:
    """No cookies, no compression, one connection; the query stays."""
    with serving(Scripted(http(200))) as server:
        exchange("GET", f"{server.url}/list?x=1", headers={"Accept": "a/b"}, timeout=DEADLINE, max_bytes=LIMIT)
    (request,) = server.requests
    assert request.startswith(b"GET /list?x=1 HTTP/1.1\r\n")
    for line in (b"Accept: a/b", b"Accept-Encoding: identity", b"Connection: close", b"User-Agent: bonafide"):
        assert line in request


def test_body_of_a_post_is_sent() -> None:
    """With its length."""
    with serving(Scripted(http(200, b"ok"))) as server:
        exchange("POST", server.url, headers={}, timeout=DEADLINE, max_bytes=LIMIT, body=b"a=1")
    (request,) = server.requests
    assert request.startswith(b"POST / HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\na=1")
    assert b"Content-Length: 3" in request


@pytest.mark.parametrize("status", [204, 301, 302, 304, 307, 400, 404, 429, 500, 503])
def test_status_is_the_callers_business(status: int) -> None:
    """No redirect is followed: the caller decides what a 3xx means."""
    with serving(Scripted(b"")) as elsewhere:
        answer = asked(http(status, Location=f"{elsewhere.url}/list"))
        assert answer.status == status
        assert elsewhere.requests == []


def test_chunked_answer_is_read() -> None:
    """HTTP/1.1's other way to end a body."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    assert asked(chunked).body == b"hello"


def test_header_said_twice_is_a_list() -> None:
    """RFC 9110 §5.2."""
    assert asked(http(200, cache_control="public") + b"")  # one
    script = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCache-Control: public\r\nCache-Control: max-age=5\r\n\r\n"
    assert asked(script).headers["cache-control"] == "public, max-age=5"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (http(200, b"short", length=9), "cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nshort", "broken"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "how long"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the connection closes", "how long"),
        (b"SSH-2.0-OpenSSH\r\n", "broken"),
        (b"", "connection failed"),
        (http(200, b"x" * (LIMIT + 1)), "more than"),
        (http(200, b"x", length=10**9), "more than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n" + b"x" * (LIMIT + 1), "more than|broken"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n", "broken"),
        (http(200, b"\x1f\x8b", Content_Encoding="gzip"), "encoding"),
    ],
)
def test_answer_that_is_not_whole_is_unreachable(script: bytes, why: str) -> None:
    """Truncated, garbled, too large, or in an encoding that was not asked for."""
    with pytest.raises(Unreachable, match=why):
        asked(script)


@pytest.mark.parametrize(
    "server",
    [
        Scripted(http(200, b"late"), delay=5),
        Scripted(http(200, b"drip" * 50), pace=0.05),
        Scripted(b"HTTP/1.1 200 OK\r\n" + b"X-Drip: 1\r\n" * 90, pace=0.02),
    ],
    ids=["silent", "drips its body", "drips its header"],
)
def test_slow_server_gets_the_deadline_and_no_more(server: Scripted) -> None:
    """One deadline for everything: each byte that arrives gains nothing."""
    begin = time.monotonic()
    with serving(server), pytest.raises(Unreachable, match="within"):
        exchange("GET", server.url, headers={}, timeout=DEADLINE, max_bytes=LIMIT)
    assert time.monotonic() - begin < DEADLINE + 2


def test_no_listener_is_unreachable() -> None:
    """A closed port."""
    with serving(Scripted(b"")) as server:
        url = server.url
    with pytest.raises(Unreachable, match="connection failed"):
        exchange("GET", url, headers={}, timeout=DEADLINE, max_bytes=LIMIT)


def test_message_quotes_no_answer() -> None:
    """It goes to the log; an answer may hold an access token."""
    with pytest.raises(Unreachable) as trouble:
        asked(b"secret-token secret-token\r\n")
    assert "secret" not in str(trouble.value)
    assert "secret" not in repr(Answer(200, {}, b"secret"))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "http://192.0.2.1/", "ftp://127.0.0.1/", "//127.0.0.1/", "https://", "https:///x",
        "https://user:pass@example.com/", "https://example.com/#x", "https://example.com:99999/",
        "https://exa mple.com/", "https://example.com/\r\nX: 1", "", "https://example.com:0/",
    ],
)  # fmt: skip
def test_address_that_is_not_ours_to_call_is_refused(url: str) -> None:
    """Plain http for the loopback alone; nothing that could smuggle a header or a user."""
    with pytest.raises(ValueError, match="must be"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.com", "https://example.com:8443/a?b", "http://localhost:1/x", "http://[::1]:1/"]
)
def test_address_that_is_ours_to_call_is_kept(url: str) -> None:
    """As it was written."""
    assert check_url(url) == url


def test_certificate_is_verified() -> None:
    """https means the host's own certificate by a known CA: a server without TLS is unreachable."""
    with serving(Scripted(http(200))) as server, pytest.raises(Unreachable, match="connection failed"):
        exchange("GET", server.url.replace("http:", "https:"), headers={}, timeout=DEADLINE, max_bytes=LIMIT)
