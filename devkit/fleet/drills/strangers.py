"""Strangers: a process that offers a flood to the edge and prints, as JSON, how it was answered.

    python -m devkit.fleet.drills.strangers URL REQUESTS_A_SECOND SECONDS ADDRESSES NETWORK

Open loop: a request is due when it is due, whether the ones before were answered or not, as far as this machine can.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

_THREADS: Final = 24
_JSON: Final = {"Content-Type": "application/json"}
# Of ten requests: what strangers can ask for. The body is cheap to make and costs the verifier the reading.
_MIX: Final = (
    ("GET", "/v1/trust-bundle", b""),
    ("POST", "/v1/challenges", b'{"app": "drill"}'),
    (
        "POST",
        "/v1/attestations",
        b'{"app": "drill", "client_data": "e30", "evidence": [{"format": "apple-app-attest"}]}',
    ),
    ("GET", "/v1/trust-bundle", b""),
    ("POST", "/v1/challenges", b'{"app": "drill"}'),
    (
        "POST",
        "/v1/attestations",
        b'{"app": "drill", "client_data": "e30", "evidence": [{"format": "apple-app-attest"}]}',
    ),
    ("GET", "/v1/client-policies/drill?install=x", b""),
    ("POST", "/v1/challenges", b'{"app": "drill"}'),
    (
        "POST",
        "/v1/attestations",
        b'{"app": "drill", "client_data": "e30", "evidence": [{"format": "apple-app-attest"}]}',
    ),
    ("GET", "/v1/trust-bundle", b""),
)


def offer(url: str, rate: float, seconds: float, addresses: int, network: str) -> Counter[str]:
    """Offer the flood; how often each answer came, as in ``POST /v1/challenges 429``."""
    place = urlsplit(url)
    counts: Counter[str] = Counter()
    lock, begin = threading.Lock(), time.monotonic()
    due = iter(range(int(rate * seconds)))

    def stranger() -> None:
        own: Counter[str] = Counter()
        while time.monotonic() < begin + seconds:
            with lock:
                number = next(due, None)
            if number is None:
                break
            wait = begin + number / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            method, path, body = _MIX[number % len(_MIX)]
            who = number % addresses
            viewer = f"10.{who >> 16 & 255}.{who >> 8 & 255}.{who & 255} XX {network}"
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
            try:
                connection.request(method, path, body or None, {**_JSON, "Bonafide-Local-Viewer": viewer})
                status = str(connection.getresponse().status)
            except (OSError, http.client.HTTPException):
                status = "no answer"
            finally:
                connection.close()
            own[f"{method} {path.partition('?')[0]} {status}"] += 1
        with lock:
            counts.update(own)

    threads = [threading.Thread(target=stranger) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def main(arguments: Sequence[str]) -> None:
    """Offer, and print."""
    url, rate, seconds, addresses, network = arguments
    print(json.dumps(offer(url, float(rate), float(seconds), int(addresses), network)))


if __name__ == "__main__":
    main(sys.argv[1:])
