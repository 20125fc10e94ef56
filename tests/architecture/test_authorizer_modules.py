"""The authorizer's cold start, in a fresh process: which modules it loads up to its first decision, and what importing
it does. Time is the benchmark's business; the module set is what decides about it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cryptography
import pytest
from bonafide_tokens.jose import b64url_encode

from tests.architecture.rooms import MAX_AUTHORIZER_LINES, authorizer_lines
from tests.unit.gate.stand import AUDIENCE, ISSUER, Call, bundle, effect, public_key, signed, token

ROOT = Path(__file__).parents[2]
FUNCTION = ROOT / "functions" / "authorize_request"
TOKENS = ROOT / "layers" / "tokens" / "src"
CRYPTOGRAPHY = Path(cryptography.__file__).parents[1]

FORBIDDEN = {
    "boto3",
    "botocore",
    "pydantic",
    "jwt",
    "aws_lambda_powertools",
    "requests",
    "urllib3",
    "cbor2",
    "email",
    "http.client",
    "urllib.request",
    "dataclasses",
    "inspect",
    "asyncio",
    "logging",
    "datetime",
    "decimal",
    "tempfile",
    "subprocess",
    "pickle",
    "cryptography.x509",
    "service",
    "bonafide",
}
"""Never needed to decide about a token; each would cost milliseconds or bring a parser that no one asked for."""

OURS_OF_THE_LIBRARY = {
    "counting",
    "counting.tally",
    "errors",
    "gate",
    "gate.bundle_client",
    "gate.bundle_keeper",
    "gate.cached_answers",
    "gate.gate",
    "gate.request",
    "gate.settings",
    "jose",
    "presented",
    "origin_secret",
    "proof",
    "proof_nonce",
    "refusals",
    "routes",
    "token",
    "trust_bundle",
    "verified_tokens",
}

PROBE = """
import sys
sys.path[:0] = {path!r}
before = set(sys.modules)
import authorize_request
imported = set(sys.modules) - before
import json, os
threads = sys.modules["threading"].active_count()
answer = None
if {event!r}:
    context = type("Context", (), {{"aws_request_id": "1"}})
    answer = authorize_request.handler({event!r}, context)
print(json.dumps({{"imported": sorted(imported), "all": sorted(set(sys.modules) - before), "answer": answer,
                   "threads": threads}}))
"""


@pytest.fixture
def bundle_server() -> Iterator[tuple[str, list[bytes]]]:
    """Serves a bundle over plain http on the loopback, and keeps the requests."""
    requests: list[bytes] = []
    body = signed(bundle(issued_at=1_000_000, expires_at=4_000_000_000)).encode()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                requests.append(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/trust-bundle", requests
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def fresh_process(event: dict[str, Any] | None, **environment: str) -> dict[str, Any]:
    """What a new interpreter reports that sees the function and its two layers, and no other package."""
    probe = PROBE.format(path=[str(FUNCTION), str(TOKENS), str(CRYPTOGRAPHY)], event=event)
    # Where the clock is turned (faketime), it is turned for that process too.
    told = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_PRELOAD") or "FAKE" in name}
    outcome = subprocess.run(
        [sys.executable, "-I", "-c", probe],
        env=told | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    report: dict[str, Any] = json.loads(outcome.stdout.splitlines()[-1])
    return report


def environment(url: str) -> dict[str, str]:
    return {
        "TRUST_BUNDLE_URL": url,
        "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
        "TOKEN_ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
    }


def forbidden(modules: list[str]) -> set[str]:
    return {name for name in modules if any(name == bad or name.startswith(bad + ".") for bad in FORBIDDEN)}


def test_first_decision_loads_only_what_it_needs(bundle_server: tuple[str, list[bytes]]) -> None:
    """Import, fetch the bundle, verify a token and its proof: none of the heavy modules is loaded."""
    url, requests = bundle_server
    now = time.time()
    call = Call(token=token(now=now), made_at=now)
    report = fresh_process(call.event(), **environment(url))
    assert effect(report["answer"]) == "Allow"
    assert len(requests) == 1
    assert forbidden(report["all"]) == set()
    ours = {name.partition(".")[2] for name in report["all"] if name.startswith("bonafide_tokens.")}
    assert ours == OURS_OF_THE_LIBRARY


def test_importing_outside_lambda_does_nothing(bundle_server: tuple[str, list[bytes]]) -> None:
    """No setting is read, no thread started, nothing fetched: not even the settings need to be there."""
    _, requests = bundle_server
    report = fresh_process(None)
    assert report["threads"] == 1
    assert requests == []
    assert "ssl" not in report["imported"]


def test_init_in_lambda_fetches_the_bundle(bundle_server: tuple[str, list[bytes]]) -> None:
    """INIT is not billed; the first request finds the bundle there."""
    url, requests = bundle_server
    fresh_process(None, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand", **environment(url))
    assert len(requests) == 1
    assert requests[0].startswith(b"GET /v1/trust-bundle HTTP/1.1\r\n")


def test_init_in_lambda_with_wrong_settings_still_loads() -> None:
    """The first request is refused and the log says which setting it is; a crash at INIT would tell no operator."""
    report = fresh_process(None, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand")
    assert "authorize_request" in report["imported"]


def test_own_code_is_small() -> None:
    """What stands in front of every request of a team's API can be read in an hour: what signs is not in it."""
    assert authorizer_lines() <= MAX_AUTHORIZER_LINES


def test_third_party_code_is_cryptography_alone(bundle_server: tuple[str, list[bytes]]) -> None:
    """Its layer has one package."""
    url, _ = bundle_server
    report = fresh_process(Call(token=None).event(), **environment(url))
    tops = {name.split(".")[0] for name in report["all"]} - set(sys.stdlib_module_names)
    ours = {path.stem for path in FUNCTION.glob("*.py")} | {"bonafide_tokens"}
    assert tops - ours <= {"cryptography", "_cffi_backend", "_openssl"}
