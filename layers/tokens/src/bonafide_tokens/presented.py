"""Whether a request's token and proof hold: the one path for authorizers, the issuer's own API and backends.

Order: exactly one token, the token itself, its app's and key's status in the trust bundle, its tier, the proof. What
needs a memory of proofs or the body stays with the caller: replay (:class:`~bonafide_tokens.proof.ReplayMemory`) and
:func:`~bonafide_tokens.signed_body.content_digest`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from bonafide_tokens.errors import Malformed, Reason, Rejected
from bonafide_tokens.proof import VerifiedProof, verify_proof
from bonafide_tokens.proof_nonce import nonce_holds
from bonafide_tokens.routes import tier_reaches
from bonafide_tokens.token import VerifiedToken, request_key_of, verify_token
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle
from bonafide_tokens.verified_tokens import RememberedToken, VerifiedTokens

if TYPE_CHECKING:
    from bonafide_tokens.signatures.message import Message

_NOTHING_REVOKED: Final = AppStatus()


class PresentedRequest(NamedTuple):
    """A request with what it presents.

    ``url`` is the URL as the client called it, empty when unknown: from your own settings, never from the ``Host`` or
    ``X-Forwarded-*`` headers, which clients write. ``tokens``, ``proofs`` and ``pops`` are **all** values of the
    headers ``OAuth-Client-Attestation``, ``DPoP`` and ``OAuth-Client-Attestation-PoP``; ``proofs`` is ``None`` where
    the caller cannot see them. ``message`` makes what a signature of the whole request covers; ``None`` where the
    caller cannot.
    """

    method: str
    url: str
    tokens: Sequence[str]
    proofs: Sequence[str] | None
    pops: Sequence[str] = ()
    message: Callable[[], Message] | None = None


class Presented(NamedTuple):
    """A token that holds, and the proof that came with it; ``None`` only where none was needed and none came."""

    token: VerifiedToken
    proof: VerifiedProof | None


def verify_presented(
    request: PresentedRequest,
    *,
    bundle: TrustBundle,
    audience: str | None,
    now: float,
    skew: float = 5.0,
    proof_needed: bool = True,
    signed: Collection[str] | None = None,
    attestation_field: str = "oauth-client-attestation",
    minimum_tier: str | None = None,
    nonce_key: bytes | None = None,
    remembered: VerifiedTokens | None = None,
    on_token: Callable[[VerifiedToken], object] = lambda _: None,
) -> Presented:
    """Verify what ``request`` presents at ``now`` (Unix seconds), under an opened trust bundle.

    ``audience`` is the API that the token must be for; ``None`` for the token's issuer, who is in no audience and is
    addressed by its issuer name. ``skew`` is how many seconds clocks may differ; ``minimum_tier`` the lowest tier that
    will do; ``nonce_key`` the secret of the nonces that proofs must carry, if any. A proof that comes is checked, also
    where none is needed. ``signed``, where it is not ``None``, asks for a signature of the request instead, which
    covers these components beyond the usual and the header ``attestation_field``, where the token is. ``remembered``
    saves verifying a token again; ``on_token`` is called with a verified token at once, so that what is refused
    afterwards can be logged with its key.

    Raises :class:`Malformed` or :class:`Rejected`; :func:`~bonafide_tokens.refusals.refusal_of` says what to answer.
    """
    text = _only(request.tokens, Reason.TOKEN_MISSING, Reason.TOKEN_MALFORMED)
    known = _token(text, bundle, audience, now, skew, VerifiedTokens() if remembered is None else remembered)
    token = known.token
    on_token(token)
    if token.environment not in ("", bundle.environment):
        raise Rejected(Reason.TOKEN_ENVIRONMENT, "of a test pass, and this is no test stage")
    bundle.apps.get(token.app, _NOTHING_REVOKED).require(token, now=now)
    if not tier_reaches(token.tier, minimum_tier):
        raise Rejected(Reason.TOKEN_TIER, f"the route asks for {minimum_tier}, not {token.tier}")
    if request.proofs is None:
        if proof_needed or signed is not None:
            raise Rejected(Reason.PROOF_UNSEEN, "the route needs a REQUEST authorizer, this is a TOKEN one")
        return Presented(token, None)
    recipient = audience or bundle.issuer
    if signed is not None:
        from bonafide_tokens.signatures.signed_request import verify_signed_request  # here: few routes ask for one

        stale = Reason.PROOF_NONCE
        if request.message is None or not request.url:
            raise Rejected(Reason.PROOF_REQUEST, "the request's URL or query is unknown here: set EXTERNAL_ORIGIN")
        proof = verify_signed_request(
            request.message(),
            request_key=known.request_key or request_key_of(text),
            request_key_thumbprint=token.request_key_thumbprint,
            attestation_field=attestation_field,
            components=signed,
            now=now,
        )
    elif request.pops:
        # Beside a PoP, a DPoP proof belongs to some other token and may be by another key, says the draft.
        from bonafide_tokens.pop import verify_attestation_pop  # here: most apps never send one

        stale = Reason.PROOF_CHALLENGE
        pop = _only(request.pops, Reason.PROOF_MISSING, Reason.PROOF_MALFORMED)
        request_key = known.request_key or request_key_of(text)
        proof = verify_attestation_pop(pop, audience=recipient, request_key=request_key, now=now, client=token.app)
    elif proof_needed or request.proofs:
        stale = Reason.PROOF_NONCE
        proof_text = _only(request.proofs, Reason.PROOF_MISSING, Reason.PROOF_MALFORMED)
        if not request.url:
            raise Rejected(Reason.PROOF_REQUEST, "the request's URL is unknown: set EXTERNAL_ORIGIN")
        proof = verify_proof(
            proof_text,
            method=request.method,
            url=request.url,
            token=text,
            request_key_thumbprint=token.request_key_thumbprint,
            now=now,
            request_key=known.request_key,
        )
    else:
        return Presented(token, None)
    if nonce_key and not nonce_holds(proof.nonce or "", key=nonce_key, audience=recipient, now=now, skew=skew):
        raise Rejected(stale, "made without a nonce of ours that is still young")
    known.request_key = proof.request_key
    return Presented(token, proof)


def _token(
    text: str, bundle: TrustBundle, audience: str | None, now: float, skew: float, memory: VerifiedTokens
) -> RememberedToken:
    scope = (bundle.issuer, bundle.region, bundle.version, audience)
    digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
    known = memory.recall(digest, scope=scope, now=now, skew=skew)
    if known is None:
        token = verify_token(text, keys=bundle.keys, issuer=bundle.issuer, audience=audience, now=now, skew=skew)
        known = RememberedToken(token, scope, len(text))
        memory.remember(digest, known)
    return known


def _only(values: Sequence[str], missing: Reason, malformed: Reason) -> str:
    """The one value of a header (RFC 9449 §4.3 check 1). Two are refused: which one would the backend believe?"""
    if not values or (len(values) == 1 and values[0] == ""):
        raise Rejected(missing, "the header is not there")
    if len(values) > 1 or type(values[0]) is not str or "," in values[0]:
        raise Malformed(malformed, "the header is there more than once")
    return values[0]
