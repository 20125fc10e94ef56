"""``python -m tests.backends``: the package in an empty environment, the page's example for FastAPI on a real server,
and what a check costs beside the authorizer's.

Installs by the ordinary client of packages, so it needs a network. Nothing is asserted about milliseconds.
"""

from __future__ import annotations

import http.client
import http.server
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.benchmarks.extent import ROOT  # first: it makes the functions importable

from bonafide_tokens.backends import guard as guard_module  # isort: skip
from bonafide_tokens.backends.guard import Guard, BackendRequest  # isort: skip
from bonafide_tokens.jose import b64url_encode  # isort: skip
from tests.backends.drivers import ORIGIN, headers_of  # isort: skip
from tests.unit.gate.stand import AUDIENCE, ISSUER, NOW, Call, Stand, bundle, public_key, signed, token  # isort: skip

REQUESTS: Final = 1_000
STARTS: Final = 7
LOCK: Final = ROOT / "requirements/backends.txt"


def main() -> None:
    """Try, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        python = _empty_environment(Path(folder))
        _protected(python, Path(folder))
    _costs()


def _empty_environment(folder: Path) -> str:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", folder / "empty"], check=True)
    python = str(folder / "empty/bin/python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(ROOT / "layers/tokens")], check=True)
    listed = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout.split()
    names = sorted(re.split(r"[=@]", line)[0] for line in listed if "==" in line)
    print(f"pip install ./layers/tokens: {time.monotonic() - begun:.0f} s; beside it: {', '.join(names)}")
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    return python


def _protected(python: str, folder: Path) -> None:
    """The example as the page has it, by uvicorn; a genuine app passes, a thief and a stranger do not."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/backends.md").read_text("utf-8"), re.S)
    (example,) = [block for block in blocks if "FastAPI()" in block]
    (folder / "orders.py").write_text(example, "utf-8")
    now = time.time()
    with _serving(signed(bundle(issued_at=now - 60, expires_at=now + 3600))) as port:
        told = {
            "TRUST_BUNDLE_URL": f"http://127.0.0.1:{port}/v1/trust-bundle",
            "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
            "TOKEN_ISSUER": ISSUER,
            "AUDIENCE": AUDIENCE,
            "EXTERNAL_ORIGIN": ORIGIN,
        }
        with _uvicorn(python, folder, told) as server:
            genuine = Call(method="GET", path="/orders", token=token(now=now - 10), made_at=now)
            tried = {
                "a genuine app": (genuine, 200),
                "the same proof again": (genuine, 401),
                "a thief with its token": (genuine.change(signer="thief", jti="2"), 401),
                "a stranger": (genuine.change(token=None, proof=None), 401),
            }
            for who, (call, expected) in tried.items():
                status = _called(server, call)
                print(f"{who:24} {status}")
                if status != expected:
                    sys.exit(f"{who}: {status}, expected {expected}")
    lines = [line for line in example.splitlines() if line.strip()]
    print(f"The example has {len(lines)} lines.")


@contextmanager
def _serving(jws: str) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = jws.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/jwt")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_about: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _uvicorn(python: str, folder: Path, told: dict[str, str]) -> Iterator[int]:
    command = [python, "-m", "uvicorn", "--no-access-log", "--host", "127.0.0.1", "--port", "0", "orders:app"]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **told}, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield int(found[1])
                return
        sys.exit("uvicorn did not start")
    finally:
        process.terminate()
        process.wait(10)


def _called(port: int, call: Call) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(call.method, call.path, skip_host=True)
        for name, value in headers_of(call):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def _costs() -> None:
    """Imports in fresh processes, and checks in this one."""
    calls = [Call(jti=f"proof-{number}") for number in range(REQUESTS)]
    events = [call.event() for call in calls]
    asked = [BackendRequest(call.method, call.path, call.path, headers_of(call), call.jti) for call in calls]
    guard_module.time = lambda: NOW  # type: ignore[attr-defined]
    stand = Stand(list_accepted=False)
    beside = Stand()
    guard = Guard(beside.settings._replace(external_origin=ORIGIN), keeper=beside.gate.keeper)
    rows = {
        "the authorizer": (_import("authorize_request"), _each(lambda number: stand.answer(events[number]))),
        "a backend": (_import("bonafide_tokens.backends.guard"), _each(lambda number: guard.check(asked[number]))),
    }
    print(f"\n{'':16}{'import, ms':>12}{'check, µs':>12}   (a token seen before, a new proof; medians)")
    for name, (imported, checked) in rows.items():
        print(f"{name:16}{imported * 1000:12.1f}{checked * 1e6:12.0f}")


def _import(module: str) -> float:
    path = os.pathsep.join(str(ROOT / part) for part in ("functions/authorize_request", "layers/tokens/src"))
    script = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    environment = {**os.environ, "PYTHONPATH": path}
    taken = [
        float(subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True).stdout)
        for _ in range(STARTS)
    ]
    return min(taken)


def _each(check: Callable[[int], object]) -> float:
    taken = []
    for number in range(REQUESTS):
        begun = time.perf_counter()
        check(number)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
