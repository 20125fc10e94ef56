"""Proofs that were spent, in the nonces table: for routes that ask for ``proof-once``, across all processes.

The only call to AWS that an authorizer can make, for the routes that ask for it and nowhere else; ``botocore`` (the
Lambda runtime has it) is loaded by the first such request, so that no other one pays for it.
"""

from __future__ import annotations

import uuid
from functools import cache
from hashlib import sha256
from typing import Any, Final

from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.proof import VerifiedProof

PREFIX: Final = "proof."
"""Begins the key of every row that an authorizer writes; its role may write no others, so it can spend no challenge."""

_KEPT_AFTER_EXPIRY: Final = 3600
_SECONDS_TO_CONNECT: Final = 1
_SECONDS_TO_READ: Final = 1
_ATTEMPTS: Final = 2
_SECONDS_BETWEEN: Final = 1  # botocore draws from nothing to 2⁰ seconds before the first repetition
LONGEST: Final = _ATTEMPTS * (_SECONDS_TO_CONNECT + _SECONDS_TO_READ) + _SECONDS_BETWEEN
"""Seconds that spending a proof takes at most. The function's timeout has room for it, after a wait for the bundle."""


class SpentProofs:
    """Spends proofs in the table of that name, by one conditional write each."""

    def __init__(self, table: str, client: Any = None) -> None:
        self._table = table
        self._client = client

    def spend(self, proof: VerifiedProof) -> None:
        """Raises :class:`Rejected`: ``proof-replayed`` when it was spent before, ``proof-unspent`` when that
        cannot be found out."""
        name = sha256(f"{proof.request_key_thumbprint}.{proof.jti}".encode("utf-8", "surrogatepass")).digest()
        attempt = {"S": uuid.uuid4().hex}  # names this call: sent again by the SDK, it finds its own row
        # Kept well beyond the proof's own life, as TTL deletes when it likes and another host's clock may lag.
        row = {
            "nonce": {"S": PREFIX + b64url_encode(name)},
            "expires_at": {"N": str(int(proof.expires_at) + _KEPT_AFTER_EXPIRY)},
            "spent_by": attempt,
        }
        try:
            client = self._client or _dynamodb()
            client.put_item(
                TableName=self._table,
                Item=row,
                ConditionExpression="attribute_not_exists(nonce) OR spent_by = :attempt",
                ExpressionAttributeValues={":attempt": attempt},
            )
        except Exception as error:
            if _code(error) == "ConditionalCheckFailedException":
                raise Rejected(Reason.PROOF_REPLAYED, "this proof was spent before") from None
            seen = _code(error) or type(error).__name__
            raise Rejected(Reason.PROOF_UNSPENT, f"the nonces table did not answer ({seen})") from None


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@cache
def _dynamodb() -> Any:
    from botocore.config import Config  # here: 60 ms that only a proof-once route is worth
    from botocore.session import get_session

    # One attempt more than none. When the answer to the first is lost, the second finds that it was its own.
    config = Config(
        connect_timeout=_SECONDS_TO_CONNECT, read_timeout=_SECONDS_TO_READ, retries={"total_max_attempts": _ATTEMPTS}
    )
    return get_session().create_client("dynamodb", config=config)
