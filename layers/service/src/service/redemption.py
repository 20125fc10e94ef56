"""Redemption: a nonce is spent together with what it buys, in one DynamoDB transaction, or nothing happens at all.

Two racing redeems of one challenge, or two assertions with one counter, are decided by the database: one wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from attestation.challenge import OpenedChallenge
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.errors import BonafideError

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, from_item
from service.errors import Reason as ServiceReason
from service.errors import Rejected, Unavailable
from service.receipts.new_receipts import NewReceipts
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey, row_is_blocked
from service.tables.device_bound import DeviceBound
from service.tables.nonces import DynamoDBNonces
from service.transactions import transact

ATTEMPTS: Final = 5
"""How often a transaction that met another one is tried. Beyond that the client is told ``try-later``."""

_WHAT: Final = "dynamodb:TransactWriteItems"


class SpendsPasses(Protocol):
    """What a test stage knows of its passes: :class:`service.passes.stage.StagePasses`."""

    def spending(self, key: EnrolledKey) -> TransactWriteItemTypeDef | None:
        """The part of an enrolment that fails unless the key's pass may be used; ``None`` for keys without one."""


class Redemption(Protocol):
    """Writes the outcome of a successful attestation or renewal.

    Raises :class:`Rejected` when another request was faster or the key may not renew, and
    :class:`~service.errors.Unavailable` when it cannot be known now; in both cases nothing was written by us.
    """

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> bool:
        """Spend the challenge and store a new key: ``challenge-spent``, ``key-already-enrolled``, ``key-blocked``,
        ``device-enrolments``.

        False when the same request, by ``key.enrolment``, did so before: its answer was lost, and nothing is written.
        """

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        """Spend the challenge and move the key's counter on to ``key.counter``: ``challenge-spent``,
        ``counter-not-greater``, ``key-unknown``, ``key-blocked``, ``key-other-app``."""

    def is_spent(self, challenge: OpenedChallenge) -> bool:
        """Whether the challenge was redeemed. Only to explain a refusal: nothing may be decided on it."""


@dataclass(frozen=True, slots=True)
class DynamoDBRedemption:
    """:class:`Redemption` by TransactWriteItems. ``receipts`` is needed by enrolments alone, ``passes`` by those of a
    test stage."""

    client: DynamoDBClient
    nonces: DynamoDBNonces
    attested_keys: DynamoDBAttestedKeys
    sleep: Callable[[float], None] = time.sleep
    device_bound: DeviceBound | None = None
    receipts: NewReceipts | None = None
    passes: SpendsPasses | None = None

    def enrol(self, challenge: OpenedChallenge, key: EnrolledKey) -> bool:
        again = False

        def written() -> bool:
            nonlocal again
            found = self.attested_keys.find_row(key)
            if found is not None:
                require_same_request(key, found)
                again = True
            return again

        parts = {
            "nonce": self.nonces.spending(challenge.nonce, expires_at=challenge.expires_at),
            "key": self.attested_keys.enrolling(key),
        }
        more = {
            "receipt": None if self.receipts is None else self.receipts.keeping(key),
            "public key": self.attested_keys.keeping_public_key(key),
            "count": None if self.device_bound is None else self.device_bound.counting(key),
            "pass": None if self.passes is None else self.passes.spending(key),
        }
        parts |= {name: part for name, part in more.items() if part is not None}
        failed = transact(
            self.client,
            parts,
            what=_WHAT,
            written=written,
            attempts=ATTEMPTS,
            sleep=self.sleep,
        )
        if "key" in failed:  # first: what is known of the key says whether the nonce was spent for it
            require_same_request(key, failed["key"])
        elif "nonce" in failed:
            raise Rejected(ServiceReason.CHALLENGE_SPENT, "the challenge was redeemed before")
        elif "pass" in failed:
            raise RejectedEvidence(Reason.TEST_PASS_ENDED, "the pass was revoked, or the ID token was used before")
        elif failed:  # last: a request that is answered again has been counted before
            raise Rejected(
                ServiceReason.DEVICE_ENROLMENTS, "the device's certificate enrolled as many keys as it may today"
            )
        return not failed and not again

    def renew(self, challenge: OpenedChallenge, key: EnrolledKey) -> None:
        failed = transact(
            self.client,
            {
                "nonce": self.nonces.spending(challenge.nonce, expires_at=challenge.expires_at),
                "key": self.attested_keys.renewing(key),
            },
            what=_WHAT,
            attempts=ATTEMPTS,
            sleep=self.sleep,
        )
        if "nonce" in failed:
            raise Rejected(ServiceReason.CHALLENGE_SPENT, "the challenge was redeemed before")
        if failed:
            raise renewal_refusal(key, failed["key"])

    def is_spent(self, challenge: OpenedChallenge) -> bool:
        return self.nonces.is_spent(challenge.nonce)


def require_same_request(key: EnrolledKey, found: Mapping[str, Any] | None) -> None:
    """Raise why ``key`` cannot enrol by the row it ``found`` (as an item) in its place, unless the very same request
    wrote that row: then its answer was lost, and is owed.

    A request that enrolled a key is one of those that a thief may send again. What it gets is a token for the request
    key of the client data. But it must not get more than a renewal would: neither after a block, nor after something
    was noted about the key.
    """
    row = from_item(found or {})
    if row_is_blocked(row, key.enrolled_at):
        raise Rejected(ServiceReason.KEY_BLOCKED, "an operator blocked this key")
    same = key.enrolment is not None and row.get("enrolment") == key.enrolment._asdict()
    if not same or row.get("app") != key.app or "noted" in row:
        raise Rejected(ServiceReason.KEY_ALREADY_ENROLLED, "this key was enrolled before, by another request")


def renewal_refusal(key: EnrolledKey, found: Mapping[str, Any] | None) -> BonafideError[Any] | Unavailable:
    """Why DynamoDB refused to renew ``key``, by the row it ``found`` (as an item) instead."""
    if not found:
        return Rejected(ServiceReason.KEY_UNKNOWN, "the key vanished between reading and writing")
    row = from_item(found)
    if row_is_blocked(row, key.last_seen):
        return Rejected(ServiceReason.KEY_BLOCKED, "an operator blocked this key a moment ago")
    if row.get("app") != key.app:
        return Rejected(ServiceReason.KEY_OTHER_APP, "the key belongs to another app")
    if row.get("expires_at", 0) <= key.last_seen:
        return Rejected(ServiceReason.KEY_UNKNOWN, "the key expired")
    if row.get("region", "") != key.region:
        return Unavailable("the key has just moved to another region")
    if key.counter is None:
        return RejectedEvidence(Reason.KEY_OTHER_PLATFORM, "a key with a counter, renewed without one")
    return RejectedEvidence(Reason.COUNTER_NOT_GREATER, f"counter {key.counter} after {row.get('counter')}")
