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
from attestation.errors import Reason, RejectedEvidence
from botocore.exceptions import ClientError

from .attested_keys import DynamoDBAttestedKeys, EnrolledKey, renewal_refusal, require_same_request
from .aws import error_code, unavailable_on_failure
from .device_bound import DeviceBound
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

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> bool:
        """Spend the challenge and store a new key: ``challenge-spent``, ``key-already-enrolled``, ``key-blocked``,
        ``device-enrolments``.

        False when the same request, by ``key.enrolment``, did so before: its answer was lost, and nothing is written.
        """
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
    device_bound: DeviceBound | None = None

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> bool:
        def refuse(nonce_spent: bool, key_known: bool, found: Mapping[str, Any] | None) -> None:
            if key_known:  # first: what is known of the key says whether the nonce was spent for it
                require_same_request(key, found)
            elif nonce_spent:
                raise RejectedEvidence(Reason.CHALLENGE_SPENT, "the challenge was redeemed before")

        def met_itself() -> bool:
            found = self.attested_keys.find_row(key)
            if found is not None:
                refuse(False, True, found)
            return found is not None

        counting = None if self.device_bound is None else self.device_bound.counting(key)
        return self._settle(
            [
                self.nonces.spending(challenge.nonce, expires_at=challenge.expires_at),
                self.attested_keys.enrolling(key),
                *([] if counting is None else [counting]),
            ],
            refuse,
            met_itself,
        )

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        def refuse(nonce_spent: bool, _key_refuses: bool, found: Mapping[str, Any] | None) -> None:
            if nonce_spent:
                raise RejectedEvidence(Reason.CHALLENGE_SPENT, "the challenge was redeemed before")
            raise renewal_refusal(key, found)

        self._settle(
            [
                self.nonces.spending(challenge.nonce, expires_at=challenge.expires_at),
                self.attested_keys.renewing(key),
            ],
            refuse,
        )

    def is_spent(self, challenge: OpenedChallenge) -> bool:
        return self.nonces.is_spent(challenge.nonce)

    def _settle(
        self,
        writes: Sequence[TransactWriteItemTypeDef],
        refuse: Callable[[bool, bool, Mapping[str, Any] | None], None],
        met_itself: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Write all or nothing: the nonce, the key, and perhaps a count. ``refuse`` raises what a failed condition
        means, by which of the first two failed and the key's row, unless it means that all is written already;
        ``met_itself`` asks that after a conflict. False then."""
        # One token for all attempts of *this* call, also botocore's own: when the first succeeded and only its answer
        # was lost, the second is told "done" instead of tripping over our own nonce. It must be random: a token made
        # from the request would tell a *replayed* request "done" as well, for ten minutes.
        token = str(uuid.uuid4())
        for attempt in range(ATTEMPTS):
            with unavailable_on_failure("dynamodb:TransactWriteItems"):
                try:
                    self.client.transact_write_items(TransactItems=writes, ClientRequestToken=token)
                    return True
                except ClientError as error:
                    if error_code(error) not in _RETRIED:
                        raise
                    if _is_refused(error.response.get("CancellationReasons", ()), refuse) or met_itself():
                        return False
                    if attempt == ATTEMPTS - 1:
                        raise
            # Full jitter, so that racers do not meet again. From the system: processes restored from one SnapStart
            # snapshot would all draw the same numbers from Python's own generator.
            self.sleep(_CHANCE.uniform(0, _WAIT * 2**attempt))
        raise AssertionError("unreachable")


def _is_refused(
    reasons: Sequence[Mapping[str, Any]], refuse: Callable[[bool, bool, Mapping[str, Any] | None], None]
) -> bool:
    """Whether a condition failed; raises what that means. False for a transaction that may be tried again."""
    codes = [reason.get("Code") for reason in reasons]
    nonce_spent, key_refuses = (codes[at : at + 1] == [_FAILED_CONDITION] for at in (0, 1))
    if nonce_spent or key_refuses:
        refuse(nonce_spent, key_refuses, reasons[1].get("Item") if len(reasons) > 1 else None)
        return True
    if codes[2:] == [_FAILED_CONDITION]:  # last: a request that is answered again has been counted before
        raise RejectedEvidence(
            Reason.DEVICE_ENROLMENTS, "the device's certificate enrolled as many keys as it may today"
        )
    if reasons and not _CONFLICTS.intersection(filter(None, codes)):
        raise Unavailable(f"dynamodb:TransactWriteItems: {', '.join(str(code) for code in codes)}")
    return False
