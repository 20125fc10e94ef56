"""Keys of detectors' facts, in the fact_keys table: wrapped by KMS, each under its own name as encryption context.

``facts-<epoch>`` and ``pseudonyms-<epoch>`` are those of :mod:`service.detection.epochs`. ``members-1`` seals who is
named in incidents, ``rows-1`` what rows of attested keys hold of a device's certificates; both stay. Each function may
unwrap only the kinds that it uses, by its role and by the key policy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, Protocol

from service.aws import DynamoDBClient, get_row, put_row_if, scan_rows, unavailable_on_failure
from service.detection.detection_facts import DetectionFacts
from service.detection.epochs import EPOCH_SECONDS, KEY_BYTES, EpochKeys, epoch_of
from service.detection.sealed_facts import NONCE_BYTES, seal
from service.keys.kms import WrappingKey
from service.remembered import Remembered, RememberedByName

AHEAD: Final = 2 * 86_400
"""Seconds before an epoch begins at which its keys are made."""

REREAD: Final = 300.0
"""Seconds after which a key that was not there is looked for again, in the background."""

_PREPARED: Final = 3600
_MOST: Final = 16


@unique
class FactPurpose(StrEnum):
    """What a key is for."""

    FACTS = "facts"
    PSEUDONYMS = "pseudonyms"
    MEMBERS = "members"
    ROWS = "rows"


_OF_EPOCHS: Final = (FactPurpose.FACTS, FactPurpose.PSEUDONYMS)
_STAYING: Final = (FactPurpose.MEMBERS, FactPurpose.ROWS)


def kid_of(purpose: FactPurpose, number: int) -> str:
    """The name of a key, as its row and its encryption context have it. Keys that stay have number 1."""
    return f"{purpose.value}-{number}"


class FactKeyTable(Protocol):
    """The table. Every method raises :class:`~service.errors.Unavailable`."""

    def find(self, kid: str) -> bytes | None:
        """The wrapped key of that name, if there is one."""

    def kids(self) -> frozenset[str]:
        """The names of all keys."""

    def add(self, kid: str, wrapped: bytes, created_at: int) -> bool:
        """Store a new key; false where another process did."""

    def remove(self, kid: str) -> None:
        """Forget a key, for good."""


@dataclass(frozen=True, slots=True)
class DynamoDBFactKeys:
    """:class:`FactKeyTable` in DynamoDB. It holds eight rows at most, so their names are one Scan."""

    client: DynamoDBClient
    table: str

    def find(self, kid: str) -> bytes | None:
        row = get_row(self.client, self.table, {"kid": kid}, called="fact_keys")
        return None if row is None else bytes(row["wrapped"])

    def kids(self) -> frozenset[str]:
        return frozenset(row["kid"] for row in scan_rows(self.client, self.table, called="fact_keys"))

    def add(self, kid: str, wrapped: bytes, created_at: int) -> bool:
        row = {"kid": kid, "wrapped": wrapped, "created_at": created_at}
        return put_row_if(self.client, self.table, row, "attribute_not_exists(kid)", called="fact_keys")

    def remove(self, kid: str) -> None:
        with unavailable_on_failure("dynamodb:DeleteItem fact_keys"):
            self.client.delete_item(TableName=self.table, Key={"kid": {"S": kid}})


@dataclass(frozen=True, slots=True)
class LoadedEpochs:
    """Keys that a reader of lines has: :class:`~service.detection.epochs.KeysOfEpochs`."""

    keys: dict[int, EpochKeys]

    def of(self, epoch: int) -> EpochKeys | None:
        """The keys of an epoch, if there are any."""
        return self.keys.get(epoch)


@dataclass(slots=True)
class FactKeys:
    """The keys of one process, unwrapped when first needed: a SnapStart snapshot must hold none. Thread-safe."""

    table: FactKeyTable
    wrapping: WrappingKey
    _by_kid: RememberedByName[bytes | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_kid = RememberedByName(make=self._remembering, most=_MOST)

    def find(self, purpose: FactPurpose, number: int, now: float) -> bytes | None:
        """A key, or ``None`` where the stack has none. Raises :class:`~service.errors.Unavailable`."""
        return self._by_kid.current(kid_of(purpose, number), now)

    def at_hand(self, purpose: FactPurpose, number: int, now: float) -> bytes | None:
        """A key, if it is in memory; else it is read in the background, for the next time. Never waits or raises."""
        return self._by_kid.at_hand(kid_of(purpose, number), now)

    def of_epochs(self, now: float) -> LoadedEpochs:
        """The keys of the epoch of ``now`` and of the one before. Raises :class:`~service.errors.Unavailable`."""
        loaded = {}
        for epoch in (epoch_of(now) - 1, epoch_of(now)):
            facts, pseudonyms = (self.find(purpose, epoch, now) for purpose in _OF_EPOCHS)
            if facts is not None and pseudonyms is not None:
                loaded[epoch] = EpochKeys(facts, pseudonyms)
        return LoadedEpochs(loaded)

    def _remembering(self, kid: str) -> Remembered[bytes | None]:
        def read(known: bytes | None, _now: float) -> bytes | None:
            if known is not None:
                return known  # a key never changes
            wrapped = self.table.find(kid)
            return None if wrapped is None else self.wrapping.unwrap(kid, wrapped)

        return Remembered(read=read, fresh=REREAD, first=float("inf"))


@dataclass(slots=True)
class FactSeal:
    """Seals facts into the decision lines of one process. What it cannot do yet or now, it leaves: no request waits for
    it, and none fails with it."""

    keys: FactKeys
    random: Callable[[int], bytes] = os.urandom
    also: tuple[FactPurpose, ...] = ()
    """Keys that stay and that requests may soon need."""

    def prepare(self, now: float) -> None:
        """Have the key read while the request is at work, and the next epoch's in the hour before it begins."""
        for epoch in {epoch_of(now), epoch_of(now + _PREPARED)}:
            self.keys.at_hand(FactPurpose.FACTS, epoch, now)
        for purpose in self.also:
            self.keys.at_hand(purpose, 1, now)

    def seal(self, facts: DetectionFacts, now: float) -> str:
        """The member ``detection`` of the line of a decision at ``now``; empty where there is no key at hand."""
        epoch = epoch_of(now)
        key = self.keys.at_hand(FactPurpose.FACTS, epoch, now)
        return "" if key is None else seal(facts, epoch=epoch, key=key, nonce=self.random(NONCE_BYTES))


@dataclass(frozen=True, slots=True)
class FactKeyRotation:
    """Makes the keys of epochs before they begin, and forgets those of epochs that are two ago: then what was sealed
    under them can be opened no more."""

    table: FactKeyTable
    wrapping: WrappingKey
    random: Callable[[int], bytes] = os.urandom

    def run(self, now: float) -> None:
        """Do what is due. Raises :class:`~service.errors.Unavailable` when a step failed; running again finishes it."""
        epoch = epoch_of(now)
        wanted = {kid_of(purpose, each) for purpose in _OF_EPOCHS for each in (epoch, epoch_of(now + AHEAD))}
        kept = {kid_of(purpose, epoch - 1) for purpose in _OF_EPOCHS}
        staying = {kid_of(purpose, 1) for purpose in _STAYING}
        known = self.table.kids()
        for kid in sorted((wanted | staying) - known):
            self.table.add(kid, self.wrapping.wrap(kid, self.random(KEY_BYTES)), int(now))
        for kid in known - wanted - kept - staying:
            if _is_over(kid, epoch):
                self.table.remove(kid)


def _is_over(kid: str, epoch: int) -> bool:
    """Whether a key is of an epoch before the last one. The keys of a clock that ran ahead stay."""
    purpose, _, number = kid.rpartition("-")
    return purpose in _OF_EPOCHS and number.isdecimal() and (int(number) + 2) * EPOCH_SECONDS <= epoch * EPOCH_SECONDS
