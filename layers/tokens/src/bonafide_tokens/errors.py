"""Why a token, a proof or a trust bundle does not hold: two exceptions, and the closed list of reasons.

Nothing but :class:`TokenError` leaves this package's checks, whatever the bytes. What a client is told is chosen by
``reason`` from one table; which reason it was, and ``detail``, are for the operator.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Generic, TypeVar


@unique
class Reason(StrEnum):
    """Why a token, a proof or a trust bundle was refused. Each comment names the attack or the fault."""

    # Reading.
    ENCODING_INVALID = "encoding-invalid"  # JSON or base64url that does not parse strictly
    KEY_UNREADABLE = "key-unreadable"  # a public key that is off the curve or of another type

    # Tokens.
    TOKEN_MISSING = "token-missing"
    TOKEN_MALFORMED = "token-malformed"
    TOKEN_ALGORITHM = "token-algorithm"  # none, HS256 with the public key, embedded keys
    TOKEN_TYPE = "token-type"  # another JWT of ours or of the platform passed off as a token
    TOKEN_KEY_UNKNOWN = "token-key-unknown"
    TOKEN_SIGNATURE = "token-signature"
    TOKEN_ISSUER = "token-issuer"
    TOKEN_AUDIENCE = "token-audience"  # a token for another API
    TOKEN_EXPIRED = "token-expired"
    TOKEN_FROM_FUTURE = "token-from-future"
    TOKEN_SUPERSEDED = "token-superseded"  # minted before the app's not-before: renew under the new policy
    TOKEN_TIER = "token-tier"  # a token of a device that was barely accepted, on a route that asks for more
    TOKEN_ENDING = "token-ending"  # a token about to expire, let in by a cached answer after its end
    KEY_BLOCKED = "key-blocked"  # the token's attested key was cut off by an operator or a policy

    # Proofs.
    PROOF_MISSING = "proof-missing"  # stolen token without its key
    PROOF_UNSEEN = "proof-unseen"  # no attack: a TOKEN authorizer is shown no proof, but the route asks for one
    PROOF_MALFORMED = "proof-malformed"
    PROOF_ALGORITHM = "proof-algorithm"
    PROOF_KEY = "proof-key"  # stolen token, thief's own key
    PROOF_SIGNATURE = "proof-signature"
    PROOF_REQUEST = "proof-request"  # proof of another method or URL
    PROOF_TOKEN = "proof-token"  # proof made for another token
    PROOF_TIME = "proof-time"
    PROOF_REPLAYED = "proof-replayed"
    PROOF_NONCE = "proof-nonce"  # proofs made in advance, to be used when the key is out of reach
    PROOF_CHALLENGE = "proof-challenge"  # the same, as OAuth-Client-Attestation-PoP
    PROOF_BODY = "proof-body"  # a genuine proof, replayed over a body that the attacker chose
    PROOF_UNSPENT = "proof-unspent"  # no attack: the route asks for proof once, and there is no table to spend it in
    PROOF_CACHED = "proof-cached"  # no attack: the gateway caches answers, and no answer may serve this route again

    # Trust bundles.
    BUNDLE_INVALID = "bundle-invalid"  # not signed by the root key, or not ours
    BUNDLE_ROLLBACK = "bundle-rollback"  # an old bundle replayed to revive a retired key
    BUNDLE_UNAVAILABLE = "bundle-unavailable"


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
