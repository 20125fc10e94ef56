"""Prints what the verifier functions cost: whole handlers less DynamoDB and KMS, beside raw P-256 and the parts.

``python -m tests.benchmarks.bench_service``. Every row is timed in the same run, once per round. The decision line is
written (to nowhere). Never fails on a number.
"""

from __future__ import annotations

import os
import platform
from contextlib import redirect_stdout
from dataclasses import dataclass, replace

import cryptography
import pydantic
from attestation.challenge import OpenedChallenge, issue_challenge, open_challenge
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from service.edge.json_body import read_json
from service.tables.attested_keys import EnrolledKey
from service.telemetry.decisions import logger

from tests.benchmarks.extent import budget
from tests.benchmarks.timing import Call, medians
from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import APP, LIFETIME, NOW, MemoryStack

RAW = "raw P-256 verification (cryptography)"
BUDGETS = {"renew_token, whole handler": 1000.0, "issue_challenge (seal only)": 50.0}
"""Most microseconds, by ARCHITECTURE §15."""


@dataclass
class Forgetful:
    """A redemption that agrees to everything and keeps nothing, so that one request can be timed many times."""

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> None: ...

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None: ...

    def is_spent(self, challenge: OpenedChallenge) -> bool:  # noqa: ARG002
        return False


def main() -> None:
    """Time and print."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        logger().registered_handler.stream = nowhere  # type: ignore[attr-defined]
        with redirect_stdout(nowhere):  # where metrics go
            timed = medians(_rows())
    versions = f"cryptography {cryptography.__version__}, pydantic {pydantic.VERSION}"
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}")
    print("Verifier functions, less DynamoDB and KMS\n")
    print(f"{'':44}{'µs':>9}{'× raw':>8}   budget µs")
    for name, microseconds in timed.items():
        most = BUDGETS.get(name)
        told = "" if most is None else budget(f"≤ {most:.0f}", microseconds, most)
        print(f"{name:44}{microseconds:9.1f}{microseconds / timed[RAW]:8.2f}   {told}")


def _rows() -> dict[str, Call]:
    stack = MemoryStack()
    installation = stack.installation()
    stack.enrol(installation)
    stored = stack.attested_keys.rows[installation.bonafide_key_id]
    renewal = rest_event("POST", "/v1/tokens", installation.renewal_body(installation.client_data(stack.challenge())))
    other = stack.installation()
    data = other.client_data(stack.challenge())
    attestation = rest_event("POST", "/v1/attestations", other.attestation_body(data))
    replayed = rest_event("POST", "/v1/attestations", {**other.attestation_body(data), "app": "nobody"})
    stack.redemption = Forgetful()  # type: ignore[assignment]
    stack.attested_keys.rows[stored.key_id] = replace(stored, counter=0)
    stack.restart()
    challenge_event = rest_event("POST", "/v1/challenges", {"app": APP})
    handlers = stack.handlers

    def answered(path: str, event: dict[str, object], status: int, method: str = "POST") -> Call:
        handler = handlers[method, path]
        answer = handler(event, None)
        assert answer["statusCode"] == status, answer
        return lambda: handler(event, None)

    private_key = ec.generate_private_key(ec.SECP256R1())
    public_key, algorithm = private_key.public_key(), ec.ECDSA(hashes.SHA256())
    signature = private_key.sign(b"message", algorithm)
    key, random = bytes(32), bytes(16)
    sealed = issue_challenge(app=APP, key=key, random=random, now=NOW)
    body = renewal["body"].encode("utf-8")
    return {
        RAW: lambda: public_key.verify(signature, b"message", algorithm),
        "raw P-256 signature (cryptography)": lambda: private_key.sign(b"message", algorithm),
        "issue_challenge (seal only)": lambda: issue_challenge(app=APP, key=key, random=random, now=NOW),
        "open_challenge": lambda: open_challenge(sealed, keys=(key,), lifetime=LIFETIME, now=NOW).require_app(APP),
        "read_json of a renewal's body": lambda: read_json(body),
        "issue_challenge, whole handler": answered("/v1/challenges", challenge_event, 201),
        "renew_token, whole handler": answered("/v1/tokens", renewal, 200),
        "appraise_evidence, whole handler": answered("/v1/attestations", attestation, 201),
        "appraise_evidence, challenge of another app": answered("/v1/attestations", replayed, 409),
        "serve_policy, from memory": answered("/v1/trust-bundle", rest_event("GET", "/v1/trust-bundle"), 200, "GET"),
    }


if __name__ == "__main__":
    main()
