"""Proofs that were spent here, in the nonces table: each is good for one report.

Rows are those of the authorizer's ``proof-once``, whose module cannot be shared: it does without this layer.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.proof import VerifiedProof

from service.aws import DynamoDBClient, put_row_if

PREFIX: Final = "proof."
"""Begins the key of every row; the function's role may write no others, so it can spend no challenge."""

KEPT_AFTER_EXPIRY: Final = 3600


class SpentProofs(Protocol):
    """Where proofs are spent."""

    def spend(self, proof: VerifiedProof) -> None:
        """Raises :class:`Rejected` (``proof-replayed``) when it was spent before, and
        :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class DynamoDBSpentProofs:
    """:class:`SpentProofs` in DynamoDB, by one conditional write each."""

    client: DynamoDBClient
    table: str

    def spend(self, proof: VerifiedProof) -> None:
        attempt = uuid.uuid4().hex  # names this call: sent again by the SDK, it finds its own row
        # Kept well beyond the proof's own life, as TTL deletes when it likes and another host's clock may lag.
        row = {"nonce": name_of(proof), "expires_at": int(proof.expires_at) + KEPT_AFTER_EXPIRY, "spent_by": attempt}
        unspent = "attribute_not_exists(nonce) OR spent_by = :attempt"
        if not put_row_if(self.client, self.table, row, unspent, {":attempt": attempt}, called="nonces"):
            raise Rejected(Reason.PROOF_REPLAYED, "this proof was spent before")


def name_of(proof: VerifiedProof) -> str:
    """The key of a proof's row. A ``jti`` is unique per key, not in the world: another app must not be able to burn
    it."""
    name = f"{proof.request_key_thumbprint}.{proof.jti}".encode("utf-8", "surrogatepass")
    return PREFIX + b64url_encode(sha256(name).digest())
