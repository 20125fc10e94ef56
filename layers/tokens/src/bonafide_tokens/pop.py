"""``OAuth-Client-Attestation-PoP``: the proof of possession of clients that speak the draft and not DPoP.

draft-ietf-oauth-attestation-based-client-auth-10. Clients of earlier drafts are understood: ``iss`` until -07, ``exp``
until -05 and ``nonce`` in place of ``challenge`` before -06 are checked where they are there.

It names an audience and a moment, no method, no URL and no token: within its window it would serve another request of
the same app. A DPoP proof says more; routes that move money should ask for ``proof-once``, where its ``jti`` counts
once.
"""

from __future__ import annotations

from typing import Final

from bonafide_tokens.errors import Malformed, Reason, Rejected
from bonafide_tokens.jose import EcPublicKey, JwsKind, read_jws
from bonafide_tokens.proof import MAX_PROOF_CHARACTERS, VerifiedProof, read_claims, seconds_claim, text_claim

ATTESTATION_POP_TYPE: Final = "oauth-client-attestation-pop+jwt"
_KIND: Final = JwsKind(
    ATTESTATION_POP_TYPE, MAX_PROOF_CHARACTERS, Reason.PROOF_MALFORMED, algorithm=Reason.PROOF_ALGORITHM
)


def verify_attestation_pop(
    pop: str, *, audience: str, request_key: EcPublicKey, now: float, client: str | None = None, window: float = 60.0
) -> VerifiedProof:
    """Verify that the holder of ``request_key`` (the token's ``cnf``) made ``pop`` for ``audience`` just now.

    ``client`` is the token's app, whom ``iss`` must name where an older client sends one; ``window`` is how many
    seconds its time may lie to either side of ``now``. The challenge, if any, is returned as
    ``nonce`` for the caller to judge, who also owes the check for exactly one header and for replay. Raises
    :class:`Malformed` (``proof-malformed``) or :class:`Rejected` (``proof-…``).
    """
    jws = read_jws(pop, _KIND)
    if not jws.signed_by(request_key):
        raise Rejected(Reason.PROOF_SIGNATURE, "the signature is not the request key's")
    claims = read_claims(jws)
    jti, issued_at = text_claim(claims, "jti"), seconds_claim(claims, "iat")
    given = [text_claim(claims, name) for name in ("challenge", "nonce") if name in claims]
    if len(set(given)) > 1:
        raise Malformed(Reason.PROOF_MALFORMED, "challenge and nonce differ")
    if "iss" in claims and text_claim(claims, "iss") != client:
        raise Rejected(Reason.PROOF_TOKEN, "made by another client than the token is for")
    if "exp" in claims and seconds_claim(claims, "exp") <= now:
        raise Rejected(Reason.PROOF_TIME, "expired by its own word")
    if abs(now - issued_at) > window:
        raise Rejected(Reason.PROOF_TIME, f"made {now - issued_at:.0f} s ago by the app's clock")
    if claims.get("aud") != audience:  # one text: a PoP for several audiences could be passed on between them
        raise Rejected(Reason.PROOF_REQUEST, "made for another audience")
    return VerifiedProof(
        jti, issued_at, issued_at + window, given[0] if given else None, request_key, request_key.thumbprint()
    )
