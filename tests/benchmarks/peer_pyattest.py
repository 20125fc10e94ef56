"""Times pyattest on evidence read from stdin, in whatever environment has it. Run by ``bench_apple`` as a process.

In: JSON {attestation, key_id, nonce, assertion, client_data_hash (hex), app_id, root (PEM)}.
Out: JSON of medians in microseconds of processor time. Exit code 3 where pyattest is not installed.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version


async def _attestation_microseconds(given: dict[str, str]) -> float:
    from pyattest.attestation import Attestation
    from pyattest.configs.apple import AppleConfig

    config = AppleConfig(bytes.fromhex(given["key_id"]), given["app_id"], True, given["root"].encode("ascii"))
    raw, nonce = bytes.fromhex(given["attestation"]), bytes.fromhex(given["nonce"])
    timings = []
    for _ in range(60):
        started = time.process_time()
        await Attestation(raw, nonce, config).verify()
        timings.append(time.process_time() - started)
    return statistics.median(timings[5:]) * 1e6


def _assertion_microseconds(given: dict[str, str]) -> float:
    from cryptography.hazmat.primitives.asymmetric import ec
    from pyattest.assertion import Assertion
    from pyattest.configs.apple import AppleConfig

    config = AppleConfig(bytes.fromhex(given["key_id"]), given["app_id"], True)
    raw, digest = bytes.fromhex(given["assertion"]), bytes.fromhex(given["client_data_hash"])
    point = bytes.fromhex(given["public_key"])
    timings = []
    for _ in range(1000):
        started = time.process_time()
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        Assertion(raw, digest, key, config).verify()
        timings.append(time.process_time() - started)
    return statistics.median(timings[5:]) * 1e6


def main() -> int:
    given = json.load(sys.stdin)
    try:
        installed = version("pyattest")
    except PackageNotFoundError:
        return 3
    figures = {
        "version": installed,
        "attestation": asyncio.run(_attestation_microseconds(given)),
        "assertion": _assertion_microseconds(given),
    }
    json.dump(figures, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
