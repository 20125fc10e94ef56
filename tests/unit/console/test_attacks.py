"""Attacks on the console's server, by name: from other sites in the same browser, from this machine, from the wire."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from bonafide.console import server as console_server
from bonafide.console.admin_calls import is_admin_path
from bonafide.console.messages import SECURITY_HEADERS
from bonafide.console.server import MAX_BODY, ConsoleServer
from bonafide.operator.layout import LocalStackError
from tests.unit.console.running import Running, built, running

FOREIGN_HOSTS = (
    "attacker.example",
    "attacker.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.1:{port}.attacker.example",
    "127.0.0.1:{port}@attacker.example",
    "localhost.attacker.example:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
    "127.0.0.2:{port}",
    "2130706433:{port}",
    "LOCALHOST:{port}",
    "",
)


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/now", "/main.js", "/api/session"])
def test_dns_rebinding(console: Running, host: str, path: str) -> None:
    """A name that came to mean 127.0.0.1 is not the console's, on any path."""
    reply = console.call("GET", path, Host=host.replace("{port}", str(console.server.port)))
    assert reply.status == 421
    assert reply.slug == "console-foreign-request"


def test_two_hosts_are_none(console: Running) -> None:
    """A proxy may believe one, the server the other."""
    lines = f"Host: {console.host}\r\nHost: {console.host}\r\n"
    assert console.raw(f"GET /now HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode()).status == 421


def test_localhost_is_the_console_as_well(console: Running) -> None:
    """Its name, with the port."""
    assert console.request("GET", "/now", Host=f"localhost:{console.server.port}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://attacker.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": None},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"X_Bonafide_Console": None},
        {"X_Bonafide_Console": ""},
    ],
)
def test_forged_call(console: Running, headers: dict[str, str | None]) -> None:
    """From another site, another port, a sandboxed frame, an address bar, a form: refused, and the stack not called."""
    named = {name: value and value.replace("{port}", str(console.server.port)) for name, value in headers.items()}
    console.stack.sent.clear()
    reply = console.call("POST", "/api/admin/keys/k/block", {"reason": "x"}, **named)
    assert (reply.status, reply.slug) == (403, "console-foreign-request")
    assert "access-control-allow-origin" not in reply.headers
    assert console.stack.sent == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_body_that_a_form_could_send(console: Running, kind: str) -> None:
    """Only JSON is read, which no form sends."""
    reply = console.call("POST", "/api/lint", {"appraisal": ""}, Content_Type=kind)
    assert reply.status in (400, 415)


def test_preflight_of_another_site(console: Running) -> None:
    """Not allowed, so the browser does not send what it asked for."""
    headers = {"Origin": "http://attacker.example", "Access-Control-Request-Method": "POST"}
    reply = console.request("OPTIONS", "/api/session", **headers)
    assert reply.status == 403
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("mode", "dest", "status"),
    [("navigate", "document", 200), ("navigate", "iframe", 403), ("no-cors", "script", 403), ("cors", "empty", 403)],
)
def test_other_site_may_link_and_no_more(console: Running, mode: str, dest: str, status: int) -> None:
    """It may not frame the page, nor find out by its parts that a console runs."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    assert console.request("GET", "/now", **headers).status == status


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/./secret.txt",
        "//secret.txt",
        "/pages/../../secret.txt",
        "/..\\secret.txt",
        "/%00",
        "/index.html%00.js",
        "/.hidden",
        "/link.txt",
        "/etc/passwd",
        "/main.js/",
        "/MAIN.JS",
        "/causes/",
        "/%6eow",
    ],
)
def test_path_traversal(tmp_path: Path, path: str) -> None:
    """A path is looked up in a list, and nothing but its exact spelling is there; links are not followed."""
    (tmp_path / "secret.txt").write_text("secret")
    folder = built(tmp_path / "pages")
    (folder / ".hidden").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with running(folder) as served:
        reply = served.request("GET", path)
        assert reply.status in (400, 404)
        assert b"secret" not in reply.body
        assert served.request("GET", "/main.js").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/admin/../v1/whoami",
        "/admin/%2e%2e/v1/whoami",
        "/admin/a/..%2f..%2f..",
        "/admin/a%5c..%5cb",
        "/admin//keys",
        "/admin/./keys",
        "/admin/",
        "/admin",
        "/administrator/x",
        "/v1/whoami",
        "/admin/a b",
        "/admin/a\r\nHost: x",
        "/admin/%0d%0a",
        "/admin/a%",
        "/admin/a#b",
        "/admin/ä",
        "http://attacker.example/admin/x",
        "@attacker.example/admin/x",
    ],
)
def test_path_that_leaves_the_admin_api(path: str) -> None:
    """It is never signed."""
    assert not is_admin_path(path)


@pytest.mark.parametrize(
    "path", ["/admin/apps", "/admin/apis/https%3A%2F%2Fa.example%2Fx", "/admin/keys/-_AZ09", "/admin/a/b..c"]
)
def test_path_of_the_admin_api(path: str) -> None:
    """Names are one segment each, whatever is in them."""
    assert is_admin_path(path)


@pytest.mark.parametrize(
    "path", ["/api/admin/..%2f", "/api/v1/whoami", "/api/admin", "/api/", "/api/nothing", "/api/admin/a?x=<>"]
)
def test_call_of_what_is_not_there(console: Running, path: str) -> None:
    """404, and the stack hears nothing."""
    console.stack.sent.clear()
    assert console.call("GET", path).status == 404
    assert console.stack.sent == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_page_is_only_read(console: Running, method: str) -> None:
    """Nothing can be sent to it."""
    reply = console.request(method, "/now")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS"])
def test_method_that_the_admin_api_has_not(console: Running, method: str) -> None:
    """It is not signed."""
    console.stack.sent.clear()
    assert console.call(method, "/api/admin/apps", Origin=f"http://{console.host}").status == 405
    assert console.stack.sent == []


MALFORMED = {
    "absolute target": b"GET http://attacker.example/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "authority": b"CONNECT attacker.example:443 HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "another method": b"TRACE / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "HTTP/0.9": b"GET /now\r\n\r\n",
    "HTTP/1.0": b"GET /now HTTP/1.0\r\nHost: HOST\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "chunked": b"POST /api/lint HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST /api/lint HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "signed length": b"POST /api/lint HTTP/1.1\r\nHost: HOST\r\nContent-Length: +2\r\n\r\n{}",
    "odd length": b"POST /api/lint HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1_0\r\n\r\n{}",
    "endless length": b"POST /api/lint HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "too long a line": b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: HOST\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "characters": "GET /n\xf6w HTTP/1.1\r\nHost: HOST\r\n\r\n".encode("latin-1"),
    "expectation": b"POST /api/lint HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request(console: Running, data: bytes) -> None:
    """An answer in the console's form and the end of the connection; the console goes on."""
    reply = console.raw(data.replace(b"HOST", console.host.encode()))
    assert 400 <= reply.status <= 505
    assert reply.slug.startswith("console-")
    assert reply.headers["connection"] == "close"
    assert console.request("GET", "/now").status == 200


def test_body_over_the_bound(console: Running) -> None:
    """Refused by its length, before it is read."""
    head = f"POST /api/lint HTTP/1.1\r\nHost: {console.host}\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"
    assert console.raw(head.encode()).status == 413


def test_every_answer_has_the_security_headers(console: Running) -> None:
    """Pages, calls, refusals, and what the standard library refuses by itself."""
    replies = [
        console.request("GET", "/now"),
        console.request("GET", "/nothing"),
        console.call("GET", "/api/session"),
        console.call("GET", "/api/session", Cookie=None),
        console.raw(MALFORMED["another method"].replace(b"HOST", console.host.encode())),
    ]
    for reply in replies:
        assert {name: reply.headers.get(name.lower()) for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
        assert reply.headers["server"] == "bonafide-console"
        assert "python" not in str(reply.headers).lower()


def test_connections_are_bounded_and_silent_ones_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a connection is closed at once; one that sends nothing, or half a request, is cut off."""
    monkeypatch.setattr(console_server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(console_server, "READING", 0.2)
    with running(built(tmp_path / "pages")) as served:
        open_ones = [socket.create_connection(("127.0.0.1", served.server.port), timeout=20) for _ in range(3)]
        open_ones[0].sendall(b"GET /now HT")
        extra = socket.create_connection(("127.0.0.1", served.server.port), timeout=20)
        assert _ended(extra)
        assert all(_ended(connection) for connection in open_ones)
        for connection in (*open_ones, extra):
            connection.close()
        for _ in range(100):  # the slots are free again a moment after the connections ended
            if _answers(served):
                return
            time.sleep(0.1)
        raise AssertionError("the console takes no connection any more")


def _ended(connection: socket.socket) -> bool:
    try:
        while connection.recv(1000):
            pass
    except ConnectionError:
        pass
    return True


def _answers(served: Running) -> bool:
    try:
        return served.request("GET", "/now").status == 200
    except (ConnectionError, IndexError, ValueError):
        return False


def test_end_closes_connections(tmp_path: Path) -> None:
    """Those that wait as well: Ctrl-C is not held up."""
    with running(built(tmp_path / "pages")) as served:
        waiting = socket.create_connection(("127.0.0.1", served.server.port), timeout=20)
        waiting.sendall(b"GET /now HTTP/1.1\r\n")
    assert _ended(waiting)
    waiting.close()


def test_port_that_is_taken_is_said() -> None:
    """In a sentence, before anything is served."""
    first = ConsoleServer(0)
    try:
        with pytest.raises(LocalStackError, match=f"Port {first.port} on 127.0.0.1 is taken"):
            ConsoleServer(first.port)
    finally:
        first.stop()


def test_nothing_is_written_of_requests(console: Running, capfd: pytest.CaptureFixture[str]) -> None:
    """A target may hold a secret, a support code, a key."""
    console.request("GET", "/now?key=a-secret")
    console.raw(b"\xff\xfe\r\n\r\n")
    assert capfd.readouterr() == ("", "")
