"""What a refused client is told. One table, from reasons to public answers, for every API that takes tokens.

The reason itself stays in the log. Reasons that would help to probe the checks (a wrong issuer or an unknown key,
a bad signature or a bad algorithm) share one answer; reasons that an honest app can act on have one of their own.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason


class Refusal(NamedTuple):
    """A public answer.

    ``error`` follows OAuth's names (draft-ietf-oauth-attestation-based-client-auth, RFC 9449 §7.1); ``action`` is what
    the app can do: ``attest`` (enrol and get a token), ``reattest`` (have the token renewed under the active policy),
    ``renew`` (get a fresh token), ``sign`` (make a new proof), ``retry`` (nothing, later). ``title`` is one plain
    sentence without quotes, as it is pasted into JSON and a header. ``request_class`` is the class that dashboards
    count.
    """

    error: str
    action: str
    title: str
    request_class: str

    @property
    def retry(self) -> str:
        """``action`` in the words of the verifier's problems: whether the request may be tried again, and when."""
        return {"sign": "now", "retry": "later"}.get(self.action, "after-challenge")

    @property
    def www_authenticate(self) -> str:
        """The challenge (RFC 9110 §11.6.1) for the ``WWW-Authenticate`` header."""
        return f'DPoP error="{self.error}", error_description="{self.title}", action="{self.action}", algs="ES256"'


VERIFIED: Final = "verified"
UNCHECKED: Final = "unchecked"
"""Request class of unchecked requests: a route that is ``off``, or a stack that allows without a trust bundle."""

_ATTESTATION: Final = "invalid_client_attestation"
_FRESH: Final = "use_fresh_attestation"
_PROOF: Final = "invalid_dpop_proof"
_OWN: Final = "temporarily_unavailable"

_INVALID: Final = Refusal(_ATTESTATION, "attest", "The attestation token is not valid.", "invalid")
_BAD_PROOF: Final = Refusal(_PROOF, "sign", "The proof is not valid for this request.", "invalid")
UNAVAILABLE: Final = Refusal(_OWN, "retry", "The request cannot be checked at the moment.", UNCHECKED)


def refusal_of(reason: Reason) -> Refusal:
    """The public answer for ``reason``. Exhaustive by type: a reason without an answer fails mypy."""
    match reason:
        case Reason.TOKEN_MISSING:
            return Refusal(_ATTESTATION, "attest", "This API needs an attestation token.", "no-token")
        case Reason.TOKEN_MALFORMED | Reason.TOKEN_ALGORITHM | Reason.TOKEN_TYPE:
            return _INVALID
        case Reason.TOKEN_KEY_UNKNOWN | Reason.TOKEN_SIGNATURE | Reason.TOKEN_ISSUER:
            return _INVALID
        case Reason.TOKEN_AUDIENCE:
            return Refusal(_ATTESTATION, "attest", "The attestation token is for another API.", "wrong-audience")
        case Reason.TOKEN_EXPIRED:
            return Refusal(_FRESH, "renew", "The attestation token has expired.", "expired")
        case Reason.TOKEN_FROM_FUTURE:
            return Refusal(_FRESH, "renew", "The attestation token is not valid yet.", "invalid")
        case Reason.TOKEN_SUPERSEDED:
            return Refusal(_FRESH, "reattest", "The attestation token must be renewed under a new policy.", "revoked")
        case Reason.TOKEN_TIER:
            return Refusal(_ATTESTATION, "reattest", "This route asks for a device of a higher trust tier.", "invalid")
        case Reason.TOKEN_ENDING:
            return Refusal(_FRESH, "renew", "The attestation token ends too soon.", "expired")
        case Reason.KEY_BLOCKED:
            return Refusal(_ATTESTATION, "reattest", "The attestation token was revoked.", "revoked")
        case Reason.PROOF_MISSING | Reason.PROOF_UNSEEN:
            return Refusal(_PROOF, "sign", "This request needs a proof by the token's key.", "invalid")
        case Reason.PROOF_MALFORMED | Reason.PROOF_ALGORITHM | Reason.PROOF_SIGNATURE:
            return _BAD_PROOF
        case Reason.PROOF_KEY | Reason.PROOF_REQUEST | Reason.PROOF_TOKEN:
            return _BAD_PROOF
        case Reason.PROOF_TIME:
            return Refusal(_PROOF, "sign", "The proof was not made just now.", "invalid")
        case Reason.PROOF_REPLAYED:
            return Refusal(_PROOF, "sign", "The proof was used before.", "replayed")
        case Reason.PROOF_BODY:
            return Refusal(_PROOF, "sign", "The proof does not sign this body.", "invalid")
        case Reason.PROOF_NONCE:
            return Refusal("use_dpop_nonce", "sign", "The proof needs the nonce given here.", "invalid")
        case Reason.PROOF_CHALLENGE:
            return Refusal("use_attestation_challenge", "sign", "The proof needs the challenge given here.", "invalid")
        case Reason.PROOF_UNSPENT | Reason.PROOF_CACHED:
            return Refusal(_OWN, "retry", "This route cannot be served at the moment.", UNCHECKED)
        case Reason.BUNDLE_INVALID | Reason.BUNDLE_ROLLBACK | Reason.BUNDLE_UNAVAILABLE:
            return UNAVAILABLE
        case Reason.ENCODING_INVALID | Reason.KEY_UNREADABLE:  # of the readers below; a check says what it read
            return UNAVAILABLE


def request_code(request_id: str) -> str:
    """The support code of a request: what a refused client may quote, and an operator finds in the log.

    Where there is no secret (an authorizer, a backend), a code derived from the reason could be computed for every
    reason by anyone who reads this file, and would give the reason away. A code of the request id says nothing that
    the client does not know already. Eight characters of Crockford's base32, as all our support codes.
    """
    number = int.from_bytes(sha256(request_id.encode("utf-8", "replace")).digest()[:5])
    return "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(35, -1, -5))
