"""Prints what decisions cost in bytes of log: a million accepted, a million refused, now and before they were counted.

``python -m tests.benchmarks.bench_log_bytes [--before COMMIT]``. Each row is a process of its own that takes real
requests, on a clock that is turned so far with each that it sees so many a second; its standard output is counted and
scaled to a million. Then a flood: a million refusals (10,000 when it is short) as fast as the process can, on the real
clock, held against the bytes that docs/threat-view.md states. Fails when there are more.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from tests.benchmarks.extent import ROOT, SHORT

# isort: split
from bonafide_tokens.jose import b64url_encode

from tests.benchmarks.authorizer_process import bundle_server
from tests.unit.gate.stand import AUDIENCE, ISSUER, Call, bundle, public_key, signed, token

BEFORE: Final = "f6dafd0"
START: Final = 1_900_000_000
LISTED_LINE: Final = 3_600
"""Octets of a decision line of the gate at most: each text that a client chooses is bounded."""
TALLY_LINE: Final = 32_768
LINES_AT_ONCE: Final = 4
"""Tally lines of a bucket at most: one when the next begins, and one for each outcome that is new in it."""
_RATES: Final = (1, 20, 200)

GATE: Final = """
import json, sys, time
sys.path[:0] = {path!r}
import authorize_request
event, requests, rate, start = json.load(sys.stdin)
begun = time.time()
if rate:
    moment = start
    authorize_request.time = lambda: moment
for number in range(requests):
    if rate:
        moment = start + number / rate
    event["requestContext"]["requestId"] = "c6af9ac6-7b61-11e6-9a41-%012d" % number
    authorize_request.handler(event, None)
print(time.time() - begun, file=sys.stderr)
"""
VERIFIER: Final = """
import sys
from tests.service_stack.memory_stack import MemoryStack
stack, kind, requests, rate = MemoryStack(), sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
installation = stack.installation()
stack.enrol(installation)
bodies = {}
if kind == "renewals that are accepted":
    bodies = [installation.renewal_body(installation.client_data(stack.challenge())) for _ in range(requests)]
sys.stdout.flush()
print("from here on", flush=True)
for number in range(requests):
    stack.now += 1 / rate
    stack.send("POST", "/v1/tokens", bodies[number] if bodies else {})
"""
"""Renewals: accepted ones, or such as cannot be read."""


class Written(NamedTuple):
    """What a process wrote, and for how long it worked."""

    bytes: int
    lines: int
    seconds: float


def gate(tree: Path, event: object, requests: int, *, rate: float, url: str) -> Written:
    """The authorizer of a source tree, asked the same again and again; as fast as it can at a rate of 0."""
    path = [str(tree / "functions" / "authorize_request"), str(tree / "layers" / "tokens" / "src")]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "TRUST_BUNDLE_URL": url,
        "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
        "TOKEN_ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "DEFAULT_REQUIREMENT": "token",
    }
    ended = subprocess.run(
        [sys.executable, "-I", "-c", GATE.format(path=path)],
        input=json.dumps([event, requests, rate, START]).encode(),
        env=environment,
        capture_output=True,
        check=True,
        timeout=900,
    )
    lines = [line for line in ended.stdout.splitlines() if b'"trust bundle"' not in line]
    return Written(sum(len(line) + 1 for line in lines), len(lines), float(ended.stderr.split()[-1]))


def verifier(tree: Path, kind: str, requests: int, *, rate: float) -> Written:
    """The functions of a source tree, in one process over tables in memory."""
    settings = tomllib.loads((tree / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    path = os.pathsep.join(str(tree / folder) for folder in (".", *settings["pythonpath"]))
    ended = subprocess.run(
        [sys.executable, "-c", VERIFIER, kind, str(requests), str(rate)],
        env={**os.environ, "PYTHONPATH": path, "STACK_NAME": "bonafide-prod", "POWERTOOLS_SERVICE_NAME": "bonafide"},
        cwd=tree,
        capture_output=True,
        check=True,
        timeout=900,
    )
    lines = ended.stdout.partition(b"from here on\n")[2].splitlines()
    return Written(sum(len(line) + 1 for line in lines), len(lines), 0.0)


def most_bytes(refusals: int, seconds: float) -> int:
    """What docs/threat-view.md states for one process: how many octets so many refusals in so many seconds may take."""
    buckets = int(seconds // 2) + 2
    doublings = max(0, -(-refusals // 32) - 1).bit_length()
    return buckets * ((32 + 8 * doublings) * LISTED_LINE + LINES_AT_ONCE * TALLY_LINE)


def _gate_events() -> dict[str, object]:
    good = Call(token=token(now=START - 10, lifetime=10_000_000), proof=None, path="/v1/whoami", method="GET")
    return {
        "gate, accepted": good.event(),
        "gate, refused (no token)": good.change(token=None).event(),
        "gate, refused (another proof's key)": Call(
            token=good.token, proof="a.b.c", path="/v1/orders", headers={"X-Other": ["x"] * 3}
        ).event(),
    }


def _rows(tree: Path, url: str) -> Iterable[tuple[str, float, float]]:
    """Name, bytes and lines of one request."""
    requests = 400 if SHORT else 4_000
    for name, event in _gate_events().items():
        for rate in _RATES:
            written = gate(tree, event, requests, rate=rate, url=url)
            yield f"{name}, {rate} a second", written.bytes / requests, written.lines / requests
    requests = 60 if SHORT else 600
    for kind in ("renewals that are accepted", "renewals that are refused"):
        for rate in _RATES[1:]:
            written = verifier(tree, kind, requests, rate=rate)
            yield f"{kind}, {rate} a second", written.bytes / requests, written.lines / requests


def _tree_of(commit: str, folder: Path) -> Path | None:
    """The sources of an earlier commit; ``None`` where the repository does not have it."""
    wanted = [
        "functions",
        "layers",
        "tests",
        "devkit",
        "bonafide",
        "policies",
        "events",
        "pyproject.toml",
        "template.yaml",
    ]
    archive = subprocess.run(["git", "archive", commit, *wanted], cwd=ROOT, capture_output=True, timeout=60)
    if archive.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as found:
        found.extractall(folder, filter="data")
    return folder


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--before", default=BEFORE, help="the commit to compare with")
    before_commit = arguments.parse_args().before
    jws = signed(bundle(issued_at=START - 60, expires_at=START + 20_000_000))
    with tempfile.TemporaryDirectory() as folder, bundle_server(jws) as url:
        tree = _tree_of(before_commit, Path(folder))
        before = {} if tree is None else {name: size for name, size, _ in _rows(tree, url)}
        if tree is None:
            print(f"Commit {before_commit} is not in this clone: nothing to compare with.")
        print("\nBytes of log for a million, in one process       before, MB   now, MB   lines now")
        for name, size, lines in _rows(ROOT, url):
            earlier = f"{before[name]:12,.1f}" if name in before else f"{'':12}"
            print(f"  {name:<46}{earlier}{size:10,.1f}{lines * 1e6:12,.0f}")
    flood()


def flood() -> None:
    """A million refusals, as fast as one process can; ends with an error where they take more than is stated."""
    now_bundle = signed(bundle(issued_at=1_000_000_000, expires_at=4_000_000_000))
    refusals = 10_000 if SHORT else 1_000_000
    with bundle_server(now_bundle) as url:
        event = Call(token=None, proof=None).event()
        written = gate(ROOT, event, refusals, rate=0, url=url)
    most = most_bytes(refusals, written.seconds)
    print(f"\nFlood: {refusals:,} refusals in {written.seconds:.1f} s took {written.bytes:,} bytes")
    print(f"in {written.lines:,} lines; at most {most:,} are stated for that time.")
    if written.bytes > most:
        raise SystemExit("more than is stated")


if __name__ == "__main__":
    main()
