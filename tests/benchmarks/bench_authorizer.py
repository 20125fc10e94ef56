"""Prints what the authorizer costs: cold import, decisions, memory, beside raw P-256, PyJWT and a usual authorizer.

``python -m tests.benchmarks.bench_authorizer``. Every row of a table is timed in the same run, once per round.
Never fails on a number.
"""

from __future__ import annotations

import json
import platform
import secrets
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tests.benchmarks.extent import SHORT, budget

# isort: split
import cryptography
import jwt
from attestation.challenge import issue_challenge, open_challenge
from bonafide_tokens.gate.request import GatedRequest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.proof import verify_proof
from bonafide_tokens.signing import SigningKey, make_proof, mint_token, public_key_of
from bonafide_tokens.token import verify_token
from bonafide_tokens.trust_bundle import open_trust_bundle
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from gateway_event import read_event

from tests.benchmarks.authorizer_process import (
    Imported,
    Spread,
    bundle_server,
    import_costs,
    resident_memory,
    spread,
)
from tests.unit.gate.stand import (
    AUDIENCE,
    ISSUER,
    RESULT,
    Call,
    Stand,
    bundle,
    effect,
    private_key,
    public_key,
    signed,
    token,
)

Timed = Callable[..., object] | tuple[Callable[[], object], Callable[[object], object]]
TOKEN_HERE, PROOF_HERE = "token-here", "proof-here"
GATEWAY_HEADERS = (
    "Accept-Encoding",
    "CloudFront-Forwarded-Proto",
    "CloudFront-Is-Desktop-Viewer",
    "CloudFront-Is-Mobile-Viewer",
    "CloudFront-Is-SmartTV-Viewer",
    "CloudFront-Is-Tablet-Viewer",
    "CloudFront-Viewer-ASN",
    "CloudFront-Viewer-Country",
    "Via",
    "X-Amz-Cf-Id",
    "X-Amzn-Trace-Id",
    "X-Forwarded-For",
    "X-Forwarded-Port",
)
NOW = time.time()
ES256 = ec.ECDSA(hashes.SHA256())
IMPORT_ROUNDS = 2 if SHORT else 11
RAW = "raw P-256 verification (cryptography)"
TOKENS, PROOFS = 6000, 6000

BUDGETS = {  # decision row → (most times the raw verification, most microseconds)
    "decision, new token": (1.5, None),
    "decision, token seen before": (None, 40.0),
    "decision, seen, with a proof": (1.8, None),
}


class Load:
    """An authorizer at work. Each decision gets an event that was just parsed from JSON, as in Lambda."""

    def __init__(self) -> None:
        self.stand = Stand(bundle(issued_at=NOW - 60, expires_at=NOW + 21_600), list_accepted=False)
        self.stand.now = NOW
        self.tokens = [token(now=NOW, jti=secrets.token_urlsafe(16)) for _ in range(TOKENS)]
        self.read = Call(token=TOKEN_HERE, proof=None, method="GET", path="/v1/whoami")
        self.write = Call(token=self.tokens[0], proof=PROOF_HERE, method="POST", path="/v1/orders")
        self.proofs = [self.proof(number) for number in range(PROOFS)]
        self._reading = json.dumps(_usual_headers(self.read.event()))
        self._writing = json.dumps(_usual_headers(self.write.event()))
        self._tokens, self._proofs = iter(self.tokens[1:]), iter(self.proofs)

    def proof(self, number: int) -> str:
        """A proof for the write, each with an id of its own."""
        return make_proof(
            private_key("request"),
            method="POST",
            url=self.write.url,
            token=self.tokens[0],
            jti=f"proof-{number}-{secrets.token_urlsafe(8)}",
            now=NOW,
        )

    def new_token(self) -> object:
        return json.loads(self._reading.replace(TOKEN_HERE, next(self._tokens)))

    def seen_token(self) -> object:
        return json.loads(self._reading.replace(TOKEN_HERE, self.tokens[0]))

    def seen_token_with_proof(self) -> object:
        return json.loads(self._writing.replace(PROOF_HERE, next(self._proofs)))

    def request(self, event: object) -> GatedRequest:
        return read_event(event, settings=self.stand.settings, invocation_id="")

    def decide(self, request: Any) -> None:
        if not self.stand.gate.decide(request, NOW).allowed:
            raise RuntimeError("the benchmark's own request was refused")

    def answer(self, event: object) -> None:
        answer = self.stand.answer(event)
        if effect(answer) != "Allow":
            raise RuntimeError(f"the benchmark's own request was refused: {answer['context']}")


def _usual_headers(event: dict[str, Any]) -> dict[str, Any]:
    """The event with the dozen headers that CloudFront and API Gateway add."""
    for name in GATEWAY_HEADERS:
        event["headers"][name] = "some value"
        event["multiValueHeaders"][name] = ["some value"]
    return event


def timed(rows: dict[str, Timed], *, rounds: int = 4 if SHORT else 40, calls: int = 60) -> dict[str, Spread]:
    """Microseconds of one call of each row. Every row is timed once per round, so that all see the same machine.

    A row is what is timed or, as a pair, what prepares its argument untimed and what is timed with it.
    """
    timings: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, row in rows.items():
            spent = 0.0
            for _ in range(calls):
                if isinstance(row, tuple):
                    argument = row[0]()
                    started = time.perf_counter()
                    row[1](argument)
                else:
                    started = time.perf_counter()
                    row()
                spent += time.perf_counter() - started
            timings[name].append(spent / calls * 1e6)
    return {name: spread(values) for name, values in timings.items()}


def decisions(load: Load) -> dict[str, Spread]:
    """The checks, the gate around them, and the handler around that (event in; answer and log line out)."""
    seen, proof = load.tokens[0], load.proofs[-1]
    message, signature = b"a" * 900, private_key("token").sign(b"a" * 900, ES256)
    key, keys = public_key("token"), {"k7": public_key("token")}
    thumbprint, request_key = public_key("request").thumbprint(), public_key("request")
    pem = key.key
    rows: dict[str, Timed] = {
        RAW: (load.seen_token, lambda _: key.key.verify(signature, message, ES256)),  # after the same work as the rest
        "verify_token": lambda: verify_token(seen, keys=keys, issuer=ISSUER, audience=AUDIENCE, now=NOW),
        "PyJWT decode": lambda: jwt.decode(
            seen, pem, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, leeway=300
        ),
        "verify_proof": lambda: verify_proof(
            proof, method="POST", url=load.write.url, token=seen, request_key_thumbprint=thumbprint, now=NOW
        ),
        "verify_proof, request key known": lambda: verify_proof(
            proof,
            method="POST",
            url=load.write.url,
            token=seen,
            request_key_thumbprint=thumbprint,
            now=NOW,
            request_key=request_key,
        ),
        "decision, new token": (lambda: load.request(load.new_token()), load.decide),
        "decision, token seen before": (lambda: load.request(load.seen_token()), load.decide),
        "decision, seen, with a proof": (lambda: load.request(load.seen_token_with_proof()), load.decide),
        "handler, new token": (load.new_token, load.answer),
        "handler, token seen before": (load.seen_token, load.answer),
        "handler, seen, with a proof": (load.seen_token_with_proof, load.answer),
    }
    with Path("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):
        return timed(rows)


def verifier_side() -> dict[str, Spread]:
    """What the verifier functions do per request."""
    key, sealing_key = SigningKey("k7", private_key("token")), secrets.token_bytes(32)
    request_key, random = public_key("request"), secrets.token_bytes(16)
    challenge = issue_challenge(app="orders-ios", key=sealing_key, random=random, now=NOW)
    claims = {"iss": ISSUER, "sub": "orders-ios", "exp": int(NOW) + 300}
    jws = signed(bundle(issued_at=NOW, expires_at=NOW + 21_600))
    root = public_key("root")
    rows: dict[str, Timed] = {
        "raw P-256 signature (cryptography)": lambda: key.private_key.sign(b"a" * 900, ES256),
        "mint_token": lambda: mint_token(
            signing_key=key,
            issuer=ISSUER,
            app="orders-ios",
            audience=(AUDIENCE,),
            request_key=request_key,
            key_id="a" * 43,
            platform="ios",
            app_build="2718",
            result=RESULT,
            jti="a" * 22,
            now=NOW,
            lifetime=300,
        ),
        "PyJWT encode, three claims": lambda: jwt.encode(claims, key.private_key, algorithm="ES256"),
        "issue_challenge": lambda: issue_challenge(app="orders-ios", key=sealing_key, random=random, now=NOW),
        "open_challenge": lambda: open_challenge(challenge, keys=(sealing_key,), lifetime=300, now=NOW).require_app(
            "orders-ios"
        ),
        "open_trust_bundle": lambda: open_trust_bundle(jws, root_key=root, issuer=ISSUER, now=NOW),
    }
    return timed(rows)


def print_imports(rows: dict[str, Imported]) -> None:
    ours = rows["this authorizer"].imports.fastest
    print(f"\nFresh process, {IMPORT_ROUNDS} rounds                   process ms         import ms")
    print(f"  {'':<40}{'median':>9}{'fastest':>9}{'median':>9}{'fastest':>9}  modules   × ours")
    for name, row in rows.items():
        ratio = f"{row.imports.fastest / ours:9.2f}" if row.modules else ""
        numbers = "".join(f"{value:9.1f}" for value in (*row.process, *row.imports))
        print(f"  {name:<40}{numbers}{row.modules:9d}{ratio}")


def print_rows(title: str, rows: dict[str, Spread]) -> None:
    """The first row is the floor that the others are compared with."""
    floor = next(iter(rows.values()))
    print(f"\n{title:<50}{'median µs':>10}{'fastest':>9}{'× floor':>9}   budget")
    for name, row in rows.items():
        times, most = BUDGETS.get(name, (None, None))
        told = budget(f"≤ {times} ×", row.fastest / floor.fastest, times) if times else ""
        told = budget(f"≤ {most:g} µs", row.fastest, most) if most else told
        print(f"  {name:<48}{row.median:10.1f}{row.fastest:9.1f}{row.fastest / floor.fastest:9.2f}   {told}")


def main() -> None:
    print(f"Python {platform.python_version()}, cryptography {cryptography.__version__}, PyJWT {jwt.__version__}, "
          f"{platform.machine()}")  # fmt: skip
    key = ec.generate_private_key(ec.SECP256R1())
    point, signature = public_key_of(key).point, key.sign(b"message", ES256)
    print_imports(import_costs(point=point, signature=signature, rounds=IMPORT_ROUNDS))
    load = Load()
    print_rows("Authorizer, warm", decisions(load))
    print_rows("Verifier side", verifier_side())
    print(f"\nToken: {len(load.tokens[0])} characters; proof: {len(load.proofs[0])}")
    with bundle_server(signed(bundle(issued_at=NOW - 60, expires_at=NOW + 21_600))) as url:
        environment = {
            "TRUST_BUNDLE_URL": url,
            "ROOT_PUBLIC_KEY": b64url_encode(public_key("root").point),
            "TOKEN_ISSUER": ISSUER,
            "AUDIENCE": AUDIENCE,
            "DEFAULT_REQUIREMENT": "token",
        }
        memory = resident_memory(_both_ways(load.write.event()), load.tokens[:4000], load.proofs[:2000], environment)
    if memory is not None:
        print(f"Resident: {memory[0]:.1f} MB after the first decision, {memory[1]:.1f} MB with 4,000 tokens and "
              f"2,000 proofs remembered ({budget('budget 60', memory[1], 60)})")  # fmt: skip


def _both_ways(event: dict[str, Any]) -> dict[str, Any]:
    """The event for a route of the stand's bundle that only monitors, so that it passes with a proof and without."""
    return event | {"methodArn": event["methodArn"].replace("/v1/orders", "/beta/orders")}


if __name__ == "__main__":
    main()
