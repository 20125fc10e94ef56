"""Settlement: a nonce is spent together with what it buys, in one DynamoDB transaction, or nothing happens at all.

Two racing redeems of one challenge, or two assertions with one counter, are decided by the database: one wins.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from attestation.challenge import OpenedChallenge
from attestation.errors import AttestationError, Reason, RejectedEvidence
from botocore.exceptions import ClientError

from .attested_keys import DynamoDBAttestedKeys, EnrolledKey, renewal_refusal
from .aws import error_code, unavailable_on_failure
from .errors import Unavailable
from .nonces import DynamoDBNonces

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

ATTEMPTS: Final = 5
"""How often a transaction that met another one is tried. Beyond that the client hears ``try-later``."""

_WAIT: Final = 0.03
_CHANCE: Final = random.SystemRandom()
_RETRIED: Final = frozenset({"TransactionCanceledException", "TransactionInProgressException"})
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_CONFLICTS: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


class Settlement(Protocol):
    """Writes the outcome of a successful attestation or renewal.

    Raises :class:`RejectedEvidence` when somebody else was faster or the key may not renew, and
    :class:`~service.errors.Unavailable` when it cannot be known now; in both cases nothing was written by us.
    """

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        """Spend the challenge and store a new key: ``challenge-spent``, ``key-already-enrolled``."""
        ...

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        """Spend the challenge and move the key's counter on to ``key.counter``: ``challenge-spent``,
        ``counter-not-greater``, ``key-unknown``, ``key-blocked``, ``key-other-app``."""
        ...

    def is_spent(self, challenge: OpenedChallenge) -> bool:
        """Whether the challenge was redeemed. Only to explain a refusal: nothing may be decided on it."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBSettlement:
    """:class:`Settlement` by TransactWriteItems."""

    client: DynamoDBClient
    nonces: DynamoDBNonces
    attested_keys: DynamoDBAttestedKeys
    sleep: Callable[[float], None] = time.sleep

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        self._settle(
            self.nonces.spending(challenge.nonce, expires_at=challenge.expires_at),
            self.attested_keys.enrolling(key),
            lambda _found: RejectedEvidence(Reason.KEY_ALREADY_ENROLLED, "this key was enrolled before"),
        )

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        self._settle(
            self.nonces.spending(challenge.nonce, expires_at=challenge.expires_at),
            self.attested_keys.renewing(key),
            lambda found: renewal_refusal(key, found),
        )

    def is_spent(self, challenge: OpenedChallenge) -> bool:
        return self.nonces.is_spent(challenge.nonce)

    def _settle(
        self,
        spending: TransactWriteItemTypeDef,
        writing: TransactWriteItemTypeDef,
        key_refusal: Callable[[Mapping[str, Any] | None], AttestationError],
    ) -> None:
        # One token for all attempts of *this* call, also botocore's own: when the first succeeded and only its answer
        # was lost, the second is told "done" instead of tripping over our own nonce. It must be random: a token made
        # from the request would tell a *replayed* request "done" as well, for ten minutes.
        token = str(uuid.uuid4())
        for attempt in range(ATTEMPTS):
            with unavailable_on_failure("dynamodb:TransactWriteItems"):
                try:
                    self.client.transact_write_items(TransactItems=[spending, writing], ClientRequestToken=token)
                    return
                except ClientError as error:
                    if error_code(error) not in _RETRIED:
                        raise
                    _raise_refusal(error.response.get("CancellationReasons", ()), key_refusal)
                    if attempt == ATTEMPTS - 1:
                        raise
            # Full jitter, so that racers do not meet again. From the system: processes restored from one SnapStart
            # snapshot would all draw the same numbers from Python's own generator.
            self.sleep(_CHANCE.uniform(0, _WAIT * 2**attempt))


def _raise_refusal(
    reasons: Sequence[Mapping[str, Any]], key_refusal: Callable[[Mapping[str, Any] | None], AttestationError]
) -> None:
    """Raise what a cancelled transaction means, if it means something: the nonce first, then the key."""
    codes = [reason.get("Code") for reason in reasons]
    if codes[:1] == [_FAILED_CONDITION]:
        raise RejectedEvidence(Reason.CHALLENGE_SPENT, "the challenge was redeemed before")
    if codes[1:2] == [_FAILED_CONDITION]:
        raise key_refusal(reasons[1].get("Item"))
    if reasons and not _CONFLICTS.intersection(filter(None, codes)):
        raise Unavailable(f"dynamodb:TransactWriteItems: {', '.join(str(code) for code in codes)}")
