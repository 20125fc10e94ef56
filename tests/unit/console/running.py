"""A console that serves on a port of its own, over a stack whose answers the test writes, and raw requests to it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bonafide.console.admin_calls import RawAnswer
from bonafide.console.console import Console
from bonafide.console.server import ConsoleServer
from bonafide.operator.deployment import Deployment

STACK = "http://127.0.0.1:9"


def deployment(*, local: bool = True) -> Deployment:
    return Deployment(
        verifier_url=STACK if local else "https://abc.execute-api.eu-central-1.amazonaws.com/prod",
        guarded_url="",
        region="eu-central-1",
        stack_name="stack",
        issuer="i",
        audience="a",
        tables={},
        functions={},
        wrapping_key_id="",
        aws_endpoint_url=STACK if local else None,
    )


@dataclass
class WrittenStack:
    """Takes the place of the network: answers by path, and remembers what it was sent."""

    answers: dict[str, RawAnswer] = field(default_factory=dict)
    failure: Exception | None = None
    sent: list[tuple[str, str, dict[str, str], bytes | None]] = field(default_factory=list)

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> RawAnswer:
        self.sent.append((method, url, dict(headers), body))
        if self.failure is not None:
            raise self.failure
        path = "/admin/" + url.partition("/admin/")[2]
        return self.answers.get(path, RawAnswer(404, {"Content-Type": "application/problem+json"}, b"{}"))

    def answer(self, path: str, value: object, status: int = 200, **headers: str) -> None:
        kind = "application/json" if status < 400 else "application/problem+json"
        self.answers[path] = RawAnswer(status, {"Content-Type": kind, **headers}, json.dumps(value).encode())


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        return str(self.json()["type"]).rpartition("/")[2]


@dataclass
class Running:
    """A serving console. ``cookie`` is that of the session which :meth:`open` began."""

    console: Console
    server: ConsoleServer
    stack: WrittenStack
    cookie: str = ""
    key: str = "none"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def open(self) -> None:
        """Open a printed address, as the browser does."""
        reply = self.request("GET", self.console.new_address().partition(self.host)[2])
        assert reply.status == 303
        self.cookie = reply.headers["set-cookie"].partition(";")[0]
        self.key = reply.headers["location"].partition("#key=")[2]

    def call(self, method: str, path: str, body: object = None, **headers: str | None) -> Reply:
        """A call of the API as the page makes it; a header that is ``None`` is left out."""
        data = b"" if body is None else json.dumps(body).encode()
        usual: dict[str, str | None] = {
            "Cookie": self.cookie or None,
            "X-Bonafide-Console": self.key,
            "Sec-Fetch-Site": "same-origin",
            "Origin": None if method == "GET" else f"http://{self.host}",
            "Content-Type": "application/json" if data else None,
        }
        merged = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.request(method, path, data, **{name: value for name, value in merged.items() if value is not None})

    def request(self, method: str, target: str, body: bytes = b"", /, **headers: str) -> Reply:
        """One request with these headers and no others but Host and the length."""
        lines = {"Host": self.host, **({"Content-Length": str(len(body))} if body else {}), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        return self.raw(f"{method} {target} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode("latin-1") + body)

    def raw(self, data: bytes) -> Reply:
        """Bytes as they are, and the answer to them."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
            connection.sendall(data)
            received = b""
            while more := connection.recv(65_536):
                received += more
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ")[::2] for line in lines)
        return Reply(int(status.split()[1]), {name.lower(): value for name, value in pairs}, rest)


@contextmanager
def running(pages: Path, *, local: bool = True, decisions: Path | None = None) -> Iterator[Running]:
    """A console over the files of ``pages``."""
    server, stack = ConsoleServer(0), WrittenStack()
    console = Console.of(
        deployment(local=local),
        port=server.port,
        pages=pages,
        decisions=decisions or pages / "no-decisions",
        send=stack,
    )
    server.start(console.answer)
    try:
        yield Running(console, server, stack)
    finally:
        console.end()
        server.stop()


def built(folder: Path) -> Path:
    """A folder as ``make console-pages`` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text("<!doctype html><title>console</title>")
    (folder / "main.js").write_text("export {};")
    (folder / "style.css").write_text("body {}")
    return folder
