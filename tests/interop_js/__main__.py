"""`make interop`: npm's dpop and oauth4webapi make proofs that our gate takes, and refuses when changed; npm's
jose verifies our tokens by the JWK Set.

``python -m tests.interop_js ROOM NODE``; ROOM has the packages and ``oracle.mjs``. Prints a table; exit code 1 if one
case is not as it must be.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from attestation.appraisal.result import AttestationResult, Tier
from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.jose import EcPublicKey, b64url_encode, public_key_from_jwk
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.proof_nonce import make_nonce
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import SigningKey, jwks, mint_token
from bonafide_tokens.trust_bundle import TrustBundle
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER: Final = "interop-stack"
AUDIENCE: Final = "https://api.example.com"
METHOD: Final = "POST"
URL: Final = "https://api.example.com/v1/orders"
NONCE_KEY: Final = bytes(32)
BODY: Final = b'{"amount":100}'
PATIENCE: Final = 60.0

TAKEN: Final = ""
PROOFS: Final[Mapping[str, str]] = {
    "plain": TAKEN,
    "with a query": TAKEN,
    "with the nonce": TAKEN,
    "with a body": TAKEN,
    "another method": Reason.PROOF_REQUEST.value,
    "another path": Reason.PROOF_REQUEST.value,
    "another host": Reason.PROOF_REQUEST.value,
    "another token": Reason.PROOF_TOKEN.value,
    "another key": Reason.PROOF_KEY.value,
    "another nonce": Reason.PROOF_NONCE.value,
    "another body": Reason.PROOF_BODY.value,
    "an hour old": Reason.PROOF_TIME.value,
    "no token": Reason.PROOF_MALFORMED.value,
}
"""What becomes of each proof: the reason of the refusal, or nothing."""

TOKENS: Final[Mapping[str, str]] = {
    "plain": TAKEN,
    "another issuer": "ERR_JWT_CLAIM_VALIDATION_FAILED",
    "another audience": "ERR_JWT_CLAIM_VALIDATION_FAILED",
    "another type": "ERR_JWT_CLAIM_VALIDATION_FAILED",
    "after its end": "ERR_JWT_EXPIRED",
    "a changed claim": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    "another stack's keys": "ERR_JWKS_NO_MATCHING_KEY",
}
"""What npm's jose says of each token."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A signing key, and the token that it minted for the oracle's request key."""

    key: SigningKey
    request_key: EcPublicKey

    def token(self, jti: str) -> str:
        return mint_token(
            signing_key=self.key,
            issuer=ISSUER,
            app="demo",
            audience=(AUDIENCE,),
            request_key=self.request_key,
            key_id=b64url_encode(bytes(32)),
            platform="harmony",
            app_build="42",
            result=AttestationResult(
                tier=Tier.AFFIRMING, findings=(), trustworthiness={"hardware": 2}, policy_version=1
            ),
            jti=jti,
            now=time.time(),
            lifetime=300,
        )

    def says(self, proof: str, token: str, case: str) -> str:
        """The reason for which the gate refuses the proof; empty where it takes it."""
        now = time.time()
        bundle = TrustBundle(ISSUER, 1, now - 60, now + 600, {self.key.kid: self.key.public_key}, {}, {})
        url = URL + ("?page=2" if case == "with a query" else "")
        try:
            presented = verify_presented(
                PresentedRequest(METHOD, url, (token,), (proof,)),
                bundle=bundle,
                audience=AUDIENCE,
                now=now,
                nonce_key=NONCE_KEY if case.endswith("nonce") else None,
            )
        except TokenError as error:
            return error.reason.value
        signed = None if presented.proof is None else presented.proof.content_digest
        if case.endswith("body") and signed != content_digest(BODY):  # only a backend sees the body
            return Reason.PROOF_BODY.value
        return TAKEN


def main(room: str, node: str) -> int:
    """Ask the oracle, and compare."""
    oracle = subprocess.Popen([node, "oracle.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=room)
    try:
        assert oracle.stdout is not None
        request_key = public_key_from_jwk(json.loads(oracle.stdout.readline()))
        stack = Stack(SigningKey("interop-1", ec.generate_private_key(ec.SECP256R1())), request_key)
        other = SigningKey("interop-2", ec.generate_private_key(ec.SECP256R1()))
        token = stack.token("aW50ZXJvcC0x")
        given = {
            "token": token,
            "otherToken": stack.token("aW50ZXJvcC0y"),
            "method": METHOD,
            "url": URL,
            "nonce": make_nonce(key=NONCE_KEY, audience=AUDIENCE, now=time.time()),
            "digest": content_digest(BODY),
            "otherDigest": content_digest(BODY + b" "),
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks": jwks({stack.key.kid: stack.key.public_key}),
            "otherJwks": jwks({other.kid: other.public_key}),
        }
        answer, _ = oracle.communicate(json.dumps(given) + "\n", timeout=PATIENCE)
        return judged(json.loads(answer), stack, token)
    finally:
        oracle.kill()
        oracle.wait()


def judged(answer: Mapping[str, Any], stack: Stack, token: str) -> int:
    """Print what came of each case. The exit code."""
    rows = [
        (one["library"], one["case"], stack.says(one["proof"], token, one["case"]), PROOFS[one["case"]])
        for one in answer["proofs"]
    ]
    rows += [("jose", one["case"], one["refused"], TOKENS[one["case"]]) for one in answer["tokens"]]
    for library, case, said, due in rows:
        wrong_word = "" if said == due else f"   WRONG, not {due or 'taken'}"
        print(f"{library:13} {case:22} {said or 'taken'}{wrong_word}")
    wrong = sum(1 for *_, said, due in rows if said != due)
    seen = {(library == "jose", case) for library, case, *_ in rows}
    if seen != {(False, case) for case in PROOFS} | {(True, case) for case in TOKENS}:
        print("The oracle left a case out.")
        wrong += 1
    print(f"{len(rows)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
