"""One receipt that is due: verified, sent to Apple, the answer verified, noted on the key, and kept.

The order is what loses nothing: the old receipt stays until a newer one about the same key is verified, and the row
moves on last. A process that ends anywhere leaves a receipt that is due, and the next one asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from attestation.apple.receipt import Receipt, ReceiptType, verify_receipt
from attestation.endorsements import Endorsements
from attestation.errors import AttestationError, RejectedEvidence
from attestation.errors import Reason as EvidenceReason
from attestation.evidence import AppleReceipt
from attestation.reference_values import AppleReferenceValues

from service.errors import Unavailable
from service.receipts.apple_server import Ask, pause_in, receipt_in
from service.receipts.device_check import DeviceCheckKey, Tokens
from service.receipts.stored_receipt import Outcome, StoredReceipt
from service.receipts.table import Receipts
from service.tables.attested_keys import EnrolledKey
from service.vendors.outbound import Unreachable

MAX_AGE: Final = 300.0
"""How old a receipt may be that Apple sends, in seconds: step 5 of "Verify the receipt", against replays."""
LONGEST_PAUSE: Final = 3600.0
_ATTEMPTS: Final = 3
_REFUSED: Final = {400: Outcome.NOT_TAKEN, 401: Outcome.UNAUTHORIZED}


class KeysWithRisk(Protocol):
    """The attested keys, as far as receipts need them. Both raise :class:`~service.errors.Unavailable`."""

    def find(self, key_id: str) -> EnrolledKey | None: ...

    def note_risk(self, key_id: str, app: str, metric: int, at: int) -> bool:
        """Note a metric that Apple said at ``at`` on a key, unless a later one is there. False when the key is gone."""
        ...


class Reading(NamedTuple):
    """A metric that Apple said of the device of a key at ``at`` (Unix seconds), and the one before."""

    key_id: str
    app: str
    at: int
    metric: int
    earlier: int | None


class Done(NamedTuple):
    """How one receipt was dealt with. ``pause`` is what Apple wants, in seconds; ``detail`` for the operator."""

    outcome: Outcome
    reading: Reading | None = None
    pause: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Deals with one receipt after the other. ``interval`` is the time between two questions, in seconds; ``clock``
    says the time (Unix seconds). Safe to share between threads."""

    receipts: Receipts
    keys: KeysWithRisk
    endorsements: Endorsements
    ask: Ask
    tokens: Tokens
    interval: int
    clock: Callable[[], float]

    def one(self, key_id: str, expected: AppleReferenceValues, team: DeviceCheckKey) -> Done:
        """Deal with the receipt of a key. Raises :class:`~service.errors.Unavailable`; it is due then, as before."""
        now = self.clock()
        row = self.receipts.find(key_id)
        if row is None or row.due_at is None or row.due_at > now:  # the index was a moment behind
            return Done(Outcome.OVERTAKEN)
        key = self.keys.find(key_id)
        if key is None or key.app != row.app or key.expires_at <= now:
            return self._keep(row.ended(Outcome.GONE, now=now), row)
        try:
            stored = self._verify(row.receipt, key, expected, now)
        except AttestationError as error:
            if error.reason is EvidenceReason.RECEIPT_EXPIRED:
                return self._keep(row.ended(Outcome.EXPIRED, now=now), row, error)
            # What a relay put in its place, or an app whose registration changed, which may change back.
            return self._keep(row.failed(Outcome.UNVERIFIED, now=now), row, error)
        if not row.noted:
            return self._note_again(row, stored, now)
        if stored.not_before is not None and stored.not_before > now:  # as after a crash between two writes
            return self._keep(row.not_yet(now=now, not_before=stored.not_before), row)
        return self._ask(row, stored, key, expected, team)

    def _ask(
        self,
        row: StoredReceipt,
        stored: Receipt,
        key: EnrolledKey,
        expected: AppleReferenceValues,
        team: DeviceCheckKey,
    ) -> Done:
        now = self.clock()
        try:
            answer = self.ask(key.claims.environment, row.receipt, self.tokens.of(team, now))
        except Unreachable as error:
            return self._keep(row.failed(Outcome.FAILED, now=self.clock()), row, error)
        now = self.clock()
        match answer.status:
            case 200:
                return self._answered(row, stored, key, expected, receipt_in(answer.body))
            case 304:
                return self._keep(row.not_yet(now=now, not_before=stored.not_before), row)
            case 404:
                return self._keep(row.missed(now=now), row)
            case 429:  # nothing is the matter with this receipt: it stays first in its queue
                return Done(Outcome.BUSY, pause=pause_in(answer, LONGEST_PAUSE))
            case status if status in _REFUSED:
                return self._keep(row.failed(_REFUSED[status], now=now), row)
            case status:
                done = self._keep(row.failed(Outcome.FAILED, now=now), row)
                return done._replace(pause=pause_in(answer, LONGEST_PAUSE), detail=f"status {status}")

    def _answered(
        self,
        row: StoredReceipt,
        stored: Receipt,
        key: EnrolledKey,
        expected: AppleReferenceValues,
        receipt: bytes | None,
    ) -> Done:
        now = self.clock()
        try:
            if receipt is None:
                raise RejectedEvidence(EvidenceReason.RECEIPT_TYPE, "the answer is no receipt in base64")
            told = self._verify(receipt, key, expected, now, new=True)
            if told.creation_time <= stored.creation_time:
                raise RejectedEvidence(
                    EvidenceReason.RECEIPT_TOO_OLD, "the receipt is not newer than the one it is for"
                )
            if told.expiration_time is not None and told.expiration_time <= now:
                raise RejectedEvidence(EvidenceReason.RECEIPT_EXPIRED, "the receipt has expired")
        except AttestationError as error:
            return self._keep(row.failed(Outcome.BAD_ANSWER, now=now), row, error)
        return self._take(row, receipt, told, key, now)

    def _take(self, row: StoredReceipt, receipt: bytes, told: Receipt, key: EnrolledKey, now: float) -> Done:
        noted = self._note(row.key_id, row.app, told)
        for _ in range(_ATTEMPTS):
            after = row.read(receipt, told, now=now, interval=self.interval)
            if not noted:
                after = after.unnoted(now)
            if self.receipts.replace(after, row):
                return Done(Outcome.READ, reading=_reading(after, told))
            # Another process, whose lease followed ours, was faster: the newer receipt stays.
            found = self.receipts.find(row.key_id)
            if found is None or found.app != key.app or found.made_at >= after.made_at:
                return Done(Outcome.OVERTAKEN)
            row = found
        raise Unavailable("dynamodb:PutItem receipts: too many writers of one row")

    def _note_again(self, row: StoredReceipt, stored: Receipt, now: float) -> Done:
        if not self._note(row.key_id, row.app, stored):
            return self._keep(row.unnoted(now), row)
        return self._keep(row.settled(stored, now=now, interval=self.interval), row)

    def _note(self, key_id: str, app: str, told: Receipt) -> bool:
        if told.risk_metric is None:
            return True
        try:
            self.keys.note_risk(key_id, app, told.risk_metric, int(told.creation_time))
        except Unavailable:  # as where it met a renewal of the key: again in a minute, without asking Apple
            return False
        return True

    def _keep(self, after: StoredReceipt, row: StoredReceipt, error: Exception | None = None) -> Done:
        detail = "" if error is None else str(getattr(error, "reason", error))
        written = self.receipts.replace(after, row)
        return Done(after.outcome, detail=detail) if written else Done(Outcome.OVERTAKEN)

    def _verify(
        self, receipt: bytes, key: EnrolledKey, expected: AppleReferenceValues, now: float, *, new: bool = False
    ) -> Receipt:
        """A receipt about this key. ``new`` ones are just made, and exchanged ones."""
        told = verify_receipt(
            AppleReceipt(receipt=receipt),
            attested_public_key=key.claims.public_key,
            reference_values=expected,
            endorsements=self.endorsements,
            now=now,
            expected_type=ReceiptType.RECEIPT if new else None,
            max_age=MAX_AGE if new else None,
        )
        if told.app_id != key.claims.app_id:
            raise RejectedEvidence(EvidenceReason.APP_MISMATCH, "the receipt is of another app of the same owner")
        return told


def _reading(row: StoredReceipt, told: Receipt) -> Reading | None:
    if told.risk_metric is None:
        return None
    return Reading(row.key_id, row.app, int(told.creation_time), told.risk_metric, row.earlier_metric)
