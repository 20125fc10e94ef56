"""What the authorizer's benchmark runs in fresh processes: imports, first decisions, and resident memory."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FUNCTION = str(ROOT / "functions" / "authorize_request")
LIBRARY = str(ROOT / "layers" / "tokens" / "src")

IMPORTS: Mapping[str, str] = {
    "nothing": "pass",
    "cryptography, one P-256 verification": """
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(POINT))
key.verify(bytes.fromhex(SIGNATURE), b"message", ec.ECDSA(hashes.SHA256()))""",
    "this authorizer": "import authorize_request",
    "this authorizer and ssl": "import authorize_request, ssl; ssl.create_default_context()",
    "PyJWT": "import jwt",
    "Powertools Logger, boto3 client, PyJWT": """
import boto3, jwt
from aws_lambda_powertools import Logger
logger = Logger(service="authorizer")
client = boto3.client("dynamodb", region_name="eu-central-1")
keys = jwt.PyJWKClient("https://issuer.example/.well-known/jwks.json")""",
}
"""Rows of the import table: name, and what a fresh process runs."""

_IMPORT = """
import sys, time
sys.path[:0] = {path!r}
POINT, SIGNATURE = {point!r}, {signature!r}
before = len(sys.modules)
started = time.perf_counter()
{code}
print(time.perf_counter() - started, len(sys.modules) - before)
"""

_MEMORY = """
import sys, json, time, io
sys.path[:0] = {path!r}
import authorize_request
event, tokens, proofs = json.load(sys.stdin)
sys.stdout, out = open("/dev/null", "w"), sys.stdout
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6
def decide(token, proof):
    event["multiValueHeaders"]["OAuth-Client-Attestation"] = [token]
    event["multiValueHeaders"]["DPoP"] = [proof] if proof else []
    return authorize_request.handler(event, None)["policyDocument"]["Statement"][0]["Effect"]
first = decide(tokens[0], proofs[0]), resident()
effects = {{decide(token, None) for token in tokens}} | {{decide(tokens[0], proof) for proof in proofs[1:]}}
sys.stdout = out
print(json.dumps([first[0], first[1], sorted(effects), resident()]))
"""


class Spread(NamedTuple):
    """Median and fastest of several timings: on a busy machine, only the latter says what the code costs."""

    median: float
    fastest: float


def spread(timings: list[float]) -> Spread:
    """Of these timings."""
    return Spread(statistics.median(timings), min(timings))


@dataclass(frozen=True)
class Imported:
    """One row: the whole process and the import alone, in milliseconds, and how many modules it loads."""

    process: Spread
    imports: Spread
    modules: int


def import_costs(*, point: bytes, signature: bytes, rounds: int) -> dict[str, Imported]:
    """Run every row once per round, so that a busy moment hits all rows alike."""
    seen: dict[str, list[tuple[float, float, int]]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        for name, code in IMPORTS.items():
            script = _IMPORT.format(path=[FUNCTION, LIBRARY], point=point.hex(), signature=signature.hex(), code=code)
            started = time.perf_counter()
            outcome = subprocess.run(
                [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, timeout=60
            )
            process = time.perf_counter() - started
            imports, modules = outcome.stdout.split()
            seen[name].append((process * 1e3, float(imports) * 1e3, int(modules)))
    return {
        name: Imported(spread([row[0] for row in rows]), spread([row[1] for row in rows]), rows[0][2])
        for name, rows in seen.items()
    }


def resident_memory(
    event: Mapping[str, object], tokens: list[str], proofs: list[str], environment: dict[str, str]
) -> tuple[float, float] | None:
    """Resident megabytes of a process after its first decision, and after all of these; ``None`` without /proc."""
    if not Path("/proc/self/statm").exists():
        return None
    outcome = subprocess.run(
        [sys.executable, "-I", "-c", _MEMORY.format(path=[FUNCTION, LIBRARY])],
        input=json.dumps([event, tokens, proofs]),
        env={"PATH": os.environ.get("PATH", "")} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    first_effect, first, effects, last = json.loads(outcome.stdout)
    if first_effect != "Allow" or effects != ["Allow"]:
        raise RuntimeError("the benchmark's own requests were refused")
    return float(first), float(last)


@contextmanager
def bundle_server(jws: str) -> Iterator[str]:
    """Serves the bundle on the loopback; yields its URL."""
    body = jws.encode()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/trust-bundle"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
