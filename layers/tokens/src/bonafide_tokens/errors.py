"""Why a token, a proof or a trust bundle does not hold: two exceptions, and the closed list of reasons.

Nothing but :class:`TokenError` leaves this package's checks, whatever the bytes. What a client is told is the
``refusal`` that each reason names; which reason it was, and ``detail``, are for the operator. Reasons that would help
to probe the checks (a wrong issuer or an unknown key, a bad signature or a bad algorithm) share one answer; reasons
that an honest app can act on have one of their own.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final, Generic, NamedTuple, Self, TypeVar


class Refusal(NamedTuple):
    """A public answer: what a refused client is told.

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

UNAVAILABLE: Final = Refusal(_OWN, "retry", "The request cannot be checked at the moment.", UNCHECKED)
_UNSERVED: Final = Refusal(_OWN, "retry", "This route cannot be served at the moment.", UNCHECKED)
_NO_TOKEN: Final = Refusal(_ATTESTATION, "attest", "This API needs an attestation token.", "no-token")
_INVALID: Final = Refusal(_ATTESTATION, "attest", "The attestation token is not valid.", "invalid")
_OTHER_API: Final = Refusal(_ATTESTATION, "attest", "The attestation token is for another API.", "wrong-audience")
_TIER: Final = Refusal(_ATTESTATION, "reattest", "This route asks for a device of a higher trust tier.", "invalid")
_REVOKED: Final = Refusal(_ATTESTATION, "reattest", "The attestation token was revoked.", "revoked")
_NEW_POLICY: Final = Refusal(_FRESH, "reattest", "The attestation token must be renewed under a new policy.", "revoked")
_EXPIRED: Final = Refusal(_FRESH, "renew", "The attestation token has expired.", "expired")
_ENDING: Final = Refusal(_FRESH, "renew", "The attestation token ends too soon.", "expired")
_TOO_EARLY: Final = Refusal(_FRESH, "renew", "The attestation token is not valid yet.", "invalid")
_NO_PROOF: Final = Refusal(_PROOF, "sign", "This request needs a proof by the token's key.", "invalid")
_BAD_PROOF: Final = Refusal(_PROOF, "sign", "The proof is not valid for this request.", "invalid")
_UNSIGNED: Final = Refusal(_PROOF, "sign", "This request needs a signature by the token's key.", "invalid")
_OLD_PROOF: Final = Refusal(_PROOF, "sign", "The proof was not made just now.", "invalid")
_USED_PROOF: Final = Refusal(_PROOF, "sign", "The proof was used before.", "replayed")
_OTHER_BODY: Final = Refusal(_PROOF, "sign", "The proof does not sign this body.", "invalid")
_NONCE: Final = Refusal("use_dpop_nonce", "sign", "The proof needs the nonce given here.", "invalid")
_CHALLENGE: Final = Refusal("use_attestation_challenge", "sign", "The proof needs the challenge given here.", "invalid")


@unique
class Reason(StrEnum):
    """Why a token, a proof or a trust bundle was refused, and the public answer. Each comment names the attack or the
    fault. A reason cannot be written without an answer."""

    refusal: Refusal

    def __new__(cls, value: str, refusal: Refusal) -> Self:
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.refusal = refusal
        return reason

    # Reading: of the readers that the checks below use; a check says what it read.
    ENCODING_INVALID = "encoding-invalid", UNAVAILABLE  # JSON or base64url that does not parse strictly
    KEY_UNREADABLE = "key-unreadable", UNAVAILABLE  # a public key that is off the curve or of another type

    # Tokens.
    TOKEN_MISSING = "token-missing", _NO_TOKEN
    TOKEN_MALFORMED = "token-malformed", _INVALID
    TOKEN_ALGORITHM = "token-algorithm", _INVALID  # none, HS256 with the public key, embedded keys
    TOKEN_TYPE = "token-type", _INVALID  # another JWT of ours or of the platform passed off as a token
    TOKEN_KEY_UNKNOWN = "token-key-unknown", _INVALID
    TOKEN_SIGNATURE = "token-signature", _INVALID
    TOKEN_ISSUER = "token-issuer", _INVALID
    TOKEN_AUDIENCE = "token-audience", _OTHER_API  # a token for another API
    TOKEN_EXPIRED = "token-expired", _EXPIRED
    TOKEN_FROM_FUTURE = "token-from-future", _TOO_EARLY
    TOKEN_SUPERSEDED = "token-superseded", _NEW_POLICY  # minted before the app's not-before: renew under the new policy
    TOKEN_TIER = "token-tier", _TIER  # a token of a device that was barely accepted, on a route that asks for more
    TOKEN_ENVIRONMENT = "token-environment", _INVALID  # a tester's or a build pipeline's token, where customers are
    TOKEN_ENDING = "token-ending", _ENDING  # a token about to expire, let in by a cached answer after its end
    KEY_BLOCKED = "key-blocked", _REVOKED  # the token's attested key was cut off by an operator or a policy

    # Proofs.
    PROOF_MISSING = "proof-missing", _NO_PROOF  # stolen token without its key
    PROOF_UNSEEN = "proof-unseen", _NO_PROOF  # no attack: the route asks for one, a TOKEN authorizer is shown none
    PROOF_MALFORMED = "proof-malformed", _BAD_PROOF
    PROOF_ALGORITHM = "proof-algorithm", _BAD_PROOF
    PROOF_KEY = "proof-key", _BAD_PROOF  # stolen token, thief's own key
    PROOF_SIGNATURE = "proof-signature", _BAD_PROOF
    PROOF_REQUEST = "proof-request", _BAD_PROOF  # proof of another method or URL
    PROOF_TOKEN = "proof-token", _BAD_PROOF  # proof made for another token
    PROOF_TIME = "proof-time", _OLD_PROOF
    PROOF_REPLAYED = "proof-replayed", _USED_PROOF
    PROOF_NONCE = "proof-nonce", _NONCE  # proofs made in advance, to be used when the key is out of reach
    PROOF_CHALLENGE = "proof-challenge", _CHALLENGE  # the same, as OAuth-Client-Attestation-PoP
    PROOF_UNSIGNED = "proof-unsigned", _UNSIGNED  # a proof where the route asks for the query and body to be signed
    PROOF_COVERAGE = "proof-coverage", _BAD_PROOF  # a signature that leaves out what is then changed: query, body
    PROOF_BODY = "proof-body", _OTHER_BODY  # a genuine proof, replayed over a body that the attacker chose
    PROOF_UNSPENT = "proof-unspent", _UNSERVED  # no attack: the route asks for proof once, and no table can spend it
    PROOF_CACHED = "proof-cached", _UNSERVED  # no attack: the gateway caches answers, and none may serve this route

    # Trust bundles.
    BUNDLE_INVALID = "bundle-invalid", UNAVAILABLE  # not signed by the root key, or not ours
    BUNDLE_ROLLBACK = "bundle-rollback", UNAVAILABLE  # an old bundle replayed to revive a retired key
    BUNDLE_UNAVAILABLE = "bundle-unavailable", UNAVAILABLE

    # The way.
    ORIGIN_SECRET = "origin-secret", _UNSERVED  # a call around the edge: past its filters, from a country of its choice


R = TypeVar("R", bound=StrEnum)


class BonafideError(Exception, Generic[R]):
    """Base of every refusal of Bonafide's, of this package and of those above it.

    ``reason`` is a member of the closed enum of its package; ``detail`` says in one sentence, for the operator, what
    was seen. ``detail`` never holds evidence, tokens or key material.
    """

    def __init__(self, reason: R, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


class TokenError(BonafideError[Reason]):
    """Base of every error of this package; ``reason`` is a member of :class:`Reason`."""


class Malformed(TokenError):
    """The text cannot be read as what it claims to be. Says nothing about trust."""


class Rejected(TokenError):
    """The text was read, and what it says is false or not for us."""
