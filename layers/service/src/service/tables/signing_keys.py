"""The signing_keys table: token-signing keys and challenge-sealing keys, wrapped, with their dates.

Region documents lie there, too, under kids of their own: what may write documents alone can plant no key.

A key's kid is ``<purpose>-<n>``; the next key takes n + 1 with a conditional put, so two rotations at the same moment
make one key. In a stack of several regions it is ``<purpose>-<region>-<n>``: each has keys of its own.

A key's life: *announced* (stored, no ``active_from`` yet) → *active* (from ``active_from`` until a newer one
is) → *retired* (from ``retired_at``: nothing it made is still good).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple, Protocol

from bonafide_tokens.jose import EcPublicKey, public_key_from_jwk

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, scan_rows, to_item, unavailable_on_failure
from service.items.rows import from_row, to_row
from service.transactions import transact

DOCUMENTS: Final = "regions"
"""How the kids of region documents begin, and of no key: the Admin function may write only rows that are called so."""


@unique
class Purpose(StrEnum):
    """What a key is for."""

    TOKEN = "token"
    CHALLENGE = "challenge"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """One row. ``wrapped`` is the sealed private half; times are Unix seconds; ``public_jwk`` only for token keys;
    ``region`` is whose key it is, ``None`` for those from before a stack had several."""

    kid: str
    purpose: Purpose
    wrapped: bytes
    public_jwk: Mapping[str, str] | None = None
    created_at: int
    active_from: int | None = None
    retired_at: int | None = None
    region: str | None = None

    @property
    def number(self) -> int:
        """The n of the kid."""
        return int(self.kid.rpartition("-")[2])

    def public_key(self) -> EcPublicKey:
        """A token key's public half. Raises :class:`ValueError` for a key of another purpose."""
        if self.public_jwk is None:
            raise ValueError("only token keys have a public half")
        return public_key_from_jwk(self.public_jwk)

    def is_retired(self, now: float) -> bool:
        """Whether nothing this key made can still be good."""
        return self.retired_at is not None and self.retired_at <= now

    def is_active(self, now: float) -> bool:
        """Whether it may make new tokens or challenges, if no newer key is."""
        return self.active_from is not None and self.active_from <= now and not self.is_retired(now)


def newest_first(keys: tuple[StoredKey, ...], purpose: Purpose) -> tuple[StoredKey, ...]:
    """The keys of one purpose, highest number first."""
    return tuple(sorted((k for k in keys if k.purpose is purpose), key=lambda k: k.number, reverse=True))


class Contents(NamedTuple):
    """What the table holds: keys, and the region documents (:mod:`service.regions.document`) as they were signed."""

    keys: tuple[StoredKey, ...]
    documents: tuple[str, ...] = ()


class SigningKeys(Protocol):
    """The table as readers and rotation see it. Every method raises :class:`~service.errors.Unavailable`."""

    def all(self) -> tuple[StoredKey, ...]:
        """Every key, in no order."""

    def contents(self) -> Contents:
        """Every key and every region document, in no order, in one read."""

    def add(self, key: StoredKey, *, retiring: Mapping[str, int] | None = None) -> bool:
        """Store a new key and set ``retired_at`` of the ``retiring`` kids, all or nothing.

        False when its kid is taken or an old key vanished: another process rotated.
        """

    def activate(self, kid: str, active_from: int, *, retiring: Mapping[str, int]) -> bool:
        """Give an announced key its ``active_from`` and the ``retiring`` kids their ``retired_at``, all or nothing.

        False when another process did.
        """

    def remove(self, kid: str) -> None:
        """Forget a retired key."""


@dataclass(frozen=True, slots=True)
class DynamoDBSigningKeys:
    """:class:`SigningKeys` in DynamoDB. The table holds a handful of rows, so reading is one Scan."""

    client: DynamoDBClient
    table: str

    def all(self) -> tuple[StoredKey, ...]:
        return self.contents().keys

    def contents(self) -> Contents:
        rows = scan_rows(self.client, self.table, called="signing_keys")
        documents = (row.get("document") for row in rows if row["kid"].startswith(DOCUMENTS))
        return Contents(
            tuple(_key_of(row) for row in rows if _is_key(row)), tuple(text for text in documents if type(text) is str)
        )

    def add(self, key: StoredKey, *, retiring: Mapping[str, int] | None = None) -> bool:
        public = None if key.public_jwk is None else json.dumps(dict(key.public_jwk))
        put: TransactWriteItemTypeDef = {
            "Put": {
                "TableName": self.table,
                "Item": to_item(to_row(key, purpose=key.purpose.value, public_jwk=public)),
                "ConditionExpression": "attribute_not_exists(kid)",
            }
        }
        return self._transact([put, *self._retiring(retiring or {})])

    def activate(self, kid: str, active_from: int, *, retiring: Mapping[str, int]) -> bool:
        unannounced = "attribute_exists(kid) AND attribute_not_exists(active_from)"
        update = self._update(kid, "SET active_from = :moment", unannounced, active_from)
        return self._transact([update, *self._retiring(retiring)])

    def remove(self, kid: str) -> None:
        with unavailable_on_failure("dynamodb:DeleteItem signing_keys"):
            self.client.delete_item(TableName=self.table, Key={"kid": {"S": kid}})

    def _retiring(self, retiring: Mapping[str, int]) -> list[TransactWriteItemTypeDef]:
        setting = "SET retired_at = if_not_exists(retired_at, :moment)"
        return [self._update(kid, setting, "attribute_exists(kid)", moment) for kid, moment in retiring.items()]

    def _update(self, kid: str, setting: str, condition: str, moment: int) -> TransactWriteItemTypeDef:
        return {
            "Update": {
                "TableName": self.table,
                "Key": {"kid": {"S": kid}},
                "UpdateExpression": setting,
                "ConditionExpression": condition,
                "ExpressionAttributeValues": to_item({":moment": moment}),
            }
        }

    def _transact(self, items: list[TransactWriteItemTypeDef]) -> bool:
        parts = {str(number): item for number, item in enumerate(items)}
        return not transact(self.client, parts, what="dynamodb:TransactWriteItems signing_keys")


def _is_key(row: Mapping[str, Any]) -> bool:
    """Whether a row is a key by its kid, which says what the writer was allowed to write."""
    return any(row["kid"].startswith(f"{purpose}-") and row.get("purpose") == purpose for purpose in Purpose)


def _key_of(row: Mapping[str, Any]) -> StoredKey:
    public = json.loads(row["public_jwk"]) if "public_jwk" in row else None
    return from_row(StoredKey, row, purpose=Purpose(row["purpose"]), public_jwk=public)
