"""What a refused client is told. One table, from reasons to public answers, for every API that takes tokens.

The reason itself stays in the log. Reasons that would help to probe the checks (a wrong issuer or an unknown key,
a bad signature or a bad algorithm) share one answer; reasons that an honest app can act on have one of their own.
"""

from __future__ import annotations

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
        return _RETRY[self.action]

    @property
    def www_authenticate(self) -> str:
        """The challenge (RFC 9110 §11.6.1) for the ``WWW-Authenticate`` header."""
        return f'DPoP error="{self.error}", error_description="{self.title}", action="{self.action}", algs="ES256"'


_RETRY: Final = {
    "attest": "after-challenge",
    "reattest": "after-challenge",
    "renew": "after-challenge",
    "sign": "now",
    "retry": "later",
}
VERIFIED: Final = "verified"
UNCHECKED: Final = "unchecked"
"""Request class of unchecked requests: a route that is ``off``, or a stack that allows without a trust bundle."""

_ATTESTATION: Final = "invalid_client_attestation"
_FRESH: Final = "use_fresh_attestation"
_PROOF: Final = "invalid_dpop_proof"
_OWN: Final = "temporarily_unavailable"

_NO_TOKEN: Final = Refusal(_ATTESTATION, "attest", "This API needs an attestation token.", "no-token")
_INVALID: Final = Refusal(_ATTESTATION, "attest", "The attestation token is not valid.", "invalid")
_AUDIENCE: Final = Refusal(_ATTESTATION, "attest", "The attestation token is for another API.", "wrong-audience")
_EXPIRED: Final = Refusal(_FRESH, "renew", "The attestation token has expired.", "expired")
_ENDING: Final = Refusal(_FRESH, "renew", "The attestation token ends too soon.", "expired")
_EARLY: Final = Refusal(_FRESH, "renew", "The attestation token is not valid yet.", "invalid")
_SUPERSEDED: Final = Refusal(_FRESH, "reattest", "The attestation token must be renewed under a new policy.", "revoked")
_BLOCKED: Final = Refusal(_ATTESTATION, "reattest", "The attestation token was revoked.", "revoked")
_UNSIGNED: Final = Refusal(_PROOF, "sign", "This request needs a proof by the token's key.", "invalid")
_BAD_PROOF: Final = Refusal(_PROOF, "sign", "The proof is not valid for this request.", "invalid")
_LATE_PROOF: Final = Refusal(_PROOF, "sign", "The proof was not made just now.", "invalid")
_REPLAYED: Final = Refusal(_PROOF, "sign", "The proof was used before.", "replayed")
_LOW: Final = Refusal(_ATTESTATION, "reattest", "This route asks for a device of a higher trust tier.", "invalid")
_OTHER_BODY: Final = Refusal(_PROOF, "sign", "The proof does not sign this body.", "invalid")
_STALE_NONCE: Final = Refusal("use_dpop_nonce", "sign", "The proof needs the nonce given here.", "invalid")
_STALE_CHALLENGE: Final = Refusal(
    "use_attestation_challenge", "sign", "The proof needs the challenge given here.", "invalid"
)
_NOT_ONCE: Final = Refusal(_OWN, "retry", "This route cannot be served at the moment.", UNCHECKED)
UNAVAILABLE: Final = Refusal(_OWN, "retry", "The request cannot be checked at the moment.", UNCHECKED)


def refusal_of(reason: Reason) -> Refusal:
    """The public answer for ``reason``. Exhaustive by type: a reason without an answer fails mypy."""
    match reason:
        case Reason.TOKEN_MISSING:
            return _NO_TOKEN
        case (
            Reason.TOKEN_MALFORMED
            | Reason.TOKEN_ALGORITHM
            | Reason.TOKEN_TYPE
            | Reason.TOKEN_KEY_UNKNOWN
            | Reason.TOKEN_SIGNATURE
            | Reason.TOKEN_ISSUER
        ):
            return _INVALID
        case Reason.TOKEN_AUDIENCE:
            return _AUDIENCE
        case Reason.TOKEN_EXPIRED:
            return _EXPIRED
        case Reason.TOKEN_FROM_FUTURE:
            return _EARLY
        case Reason.TOKEN_SUPERSEDED:
            return _SUPERSEDED
        case Reason.TOKEN_TIER:
            return _LOW
        case Reason.TOKEN_ENDING:
            return _ENDING
        case Reason.KEY_BLOCKED:
            return _BLOCKED
        case Reason.PROOF_MISSING | Reason.PROOF_UNSEEN:
            return _UNSIGNED
        case (
            Reason.PROOF_MALFORMED
            | Reason.PROOF_ALGORITHM
            | Reason.PROOF_KEY
            | Reason.PROOF_SIGNATURE
            | Reason.PROOF_REQUEST
            | Reason.PROOF_TOKEN
        ):
            return _BAD_PROOF
        case Reason.PROOF_TIME:
            return _LATE_PROOF
        case Reason.PROOF_REPLAYED:
            return _REPLAYED
        case Reason.PROOF_BODY:
            return _OTHER_BODY
        case Reason.PROOF_NONCE:
            return _STALE_NONCE
        case Reason.PROOF_CHALLENGE:
            return _STALE_CHALLENGE
        case Reason.PROOF_UNSPENT | Reason.PROOF_CACHED:
            return _NOT_ONCE
        case (
            Reason.BUNDLE_INVALID
            | Reason.BUNDLE_ROLLBACK
            | Reason.BUNDLE_UNAVAILABLE
            | Reason.ENCODING_INVALID  # of the readers below; a check says what it read
            | Reason.KEY_UNREADABLE
        ):
            return UNAVAILABLE
