"""Real proxies before the checker, configured as the page says, and a backend behind them that tells what it got."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bonafide.operator.layout import is_free
from tests.architecture.source_tree import ROOT
from tests.stack_ports import own_ports

PAGE: Final = ROOT / "docs/checker.md"
NGINX: Final = shutil.which("nginx") or ""
ENVOY: Final = ROOT / ".local/packages/envoy/envoy/_bin/envoy"
"""Where `make backends` puts it."""

_STARTS_WITHIN: Final = 30.0


def configuration(language: str, ports: Mapping[int, int]) -> str:
    """The page's example in this language, with its ports replaced by others."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.S)[:1]
    for before, after in ports.items():
        block = block.replace(str(before), str(after))
    return str(block)


class Backend:
    """Answers every request with what reached it."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                got = {"line": self.requestline, "headers": self.headers.items(), "body": body.decode("latin-1")}
                said = json.dumps(got).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said)

            def __getattr__(self, name: str) -> object:
                if name.startswith("do_"):
                    return self._answer
                raise AttributeError(name)

            def log_message(self, *_about: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop it."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def nginx(checker: int) -> Iterator[int]:
    """The port of an nginx that asks the checker on that port."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backend = Backend()
        stack.callback(backend.end)
        port = own_ports().verifier
        server = configuration("nginx", {8710: checker, 8080: port, 8081: backend.port})
        (folder / "nginx.conf").write_text(
            f"daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
            "events { worker_connections 128; }\n"
            f"http {{\naccess_log off;\n{_folders(folder)}\n{server}\n}}\n",
            "utf-8",
        )
        command = [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        stack.enter_context(_process(command, port, folder / "error.log"))
        yield port


@contextmanager
def envoy(checker: int) -> Iterator[int]:
    """The port of an Envoy that asks the checker on that port."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backend = Backend()
        stack.callback(backend.end)
        port = own_ports().verifier
        text = configuration("yaml", {8710: checker, 8080: port, 8081: backend.port})
        (folder / "envoy.yaml").write_text(text, "utf-8")
        command = [str(ENVOY), "--config-path", str(folder / "envoy.yaml"), "--concurrency", "1"]
        command += ["--use-dynamic-base-id", "--log-path", str(folder / "log"), "--log-level", "warning"]
        stack.enter_context(_process(command, port, folder / "log"))
        yield port


def _folders(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)


@contextmanager
def _process(command: list[str], port: int, log: Path) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _STARTS_WITHIN
        while is_free(port):
            if process.poll() is not None or time.monotonic() > end:
                said = log.read_text("utf-8") if log.exists() else ""
                raise RuntimeError(f"{command[0]} did not start: {said[-2000:]}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
