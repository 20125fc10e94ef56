"""Calls of the issuer's own API that present a token and a proof over their body: reports of signals, secrets.

One path for all of them: what is checked for one and forgotten for another would be a way in.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence

from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.token import VerifiedToken
from bonafide_tokens.trust_bundle import TrustBundle

from service.edge.gateway import RequestModel
from service.edge.http import Call
from service.edge.json_body import MalformedRequest, read_json


class SignedCall(RequestModel):
    """A call as it came in; each kind adds its ``body``. ``headers`` have lower-case names and every value; ``content``
    is the body as signed; ``domain`` and ``stage_path`` are of the URL that the app called."""

    content: bytes
    method: str
    domain: str
    stage_path: str
    headers: Mapping[str, Sequence[str]]


def signed_members(max_bytes: int) -> Callable[[Call], object]:
    """Reads the members of a :class:`SignedCall`, whose body has at most ``max_bytes``."""

    def members(call: Call) -> object:
        if call.body is None:
            raise MalformedRequest("no body")
        return {
            "body": read_json(call.body, max_bytes=max_bytes),
            "content": call.body,
            "method": call.method,
            "domain": call.domain,
            "stage_path": call.stage_path,
            "headers": call.header_values,
        }

    return members


def verify_signed(
    request: SignedCall,
    *,
    route: str,
    bundle: TrustBundle,
    external_origin: str,
    token_header: str,
    proof_header: str,
    now: float,
    on_token: Callable[[VerifiedToken], object],
) -> tuple[VerifiedToken, VerifiedProof]:
    """The token, and the proof that signs this very body for this URL; it is not spent yet.

    ``route`` is the path below ``external_origin``, which is empty for the request's own domain; ``now`` is Unix
    seconds; ``on_token`` hears of a token that holds before its proof is looked at. Raises
    :class:`~bonafide_tokens.errors.TokenError`.
    """
    # Any audience: a token names relying parties, and this is its issuer, who chose them.
    token, proof = verify_presented(
        PresentedRequest(
            request.method,
            # Never the Host or X-Forwarded-* headers: a client writes those itself.
            external_origin + route if external_origin else f"https://{request.domain}{request.stage_path}",
            request.headers.get(token_header.lower(), ()),
            request.headers.get(proof_header.lower(), ()),
        ),
        bundle=bundle,
        audience=None,
        now=now,
        on_token=on_token,
    )
    signed = proof.content_digest if proof is not None else None
    if proof is None or not hmac.compare_digest((signed or "").encode(), content_digest(request.content).encode()):
        raise Rejected(Reason.PROOF_BODY, "the proof signs no body, or another one")
    return token, proof
