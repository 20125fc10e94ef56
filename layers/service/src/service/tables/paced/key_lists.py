"""Keys that a publication names: up to 50,000 of them in one row of the revocations table, by the digest of the list.

Eight bytes a key are 400,000, and DynamoDB takes items of 409,600. The row is written before the transaction that names
its digest: four megabytes are the most of a transaction, and each byte counts twice there. A list that nothing names in
the end goes with its time to live.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bonafide_tokens.pacing.new_pacing import Pacing, packed_keys

from service.aws import DynamoDBClient, get_row, to_item, unavailable_on_failure
from service.tables.paced.stored import StoredPacing

KEPT: Final = 30 * 86_400
"""Seconds that a list is kept: a proposal that names it may wait for its second person."""

_PARTITION: Final = "*keys/"
"""Begins the partition of a list. No app is called like that: their names begin with a letter or a digit."""


@dataclass(frozen=True, slots=True)
class KeyLists:
    """The lists in the revocations table. Methods raise :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def stored(self, pacing: Pacing, *, now: float) -> StoredPacing:
        """``pacing`` as rows have it; the keys that it names are kept from now on."""
        digest = self._put(packed_keys(pacing.keys), now) if pacing.keys else ""
        return StoredPacing(seconds=pacing.seconds, at_once=pacing.at_once, keys=len(pacing.keys), keys_digest=digest)

    def find(self, digest: str) -> frozenset[int] | None:
        """The keys of a list, by their prefixes; ``None`` for one that is gone, or is not what its digest says."""
        packed = self._find(digest)
        return None if packed is None else frozenset(struct.unpack(f">{len(packed) // 8}Q", packed))

    def renew(self, digest: str, *, now: float) -> bool:
        """Keep a list for as long as a new one. False when it is gone."""
        packed = self._find(digest)
        return packed is not None and self._put(packed, now) == digest

    def _find(self, digest: str) -> bytes | None:
        row = get_row(self.client, self.table, _key(digest), called="revocations")
        packed = None if row is None else row.get("keys")
        whole = isinstance(packed, bytes) and len(packed) % 8 == 0 and sha256(packed).hexdigest() == digest
        return packed if whole else None

    def _put(self, packed: bytes, now: float) -> str:
        digest = sha256(packed).hexdigest()
        row = {**_key(digest), "keys": packed, "expires_at": int(now) + KEPT}
        with unavailable_on_failure("dynamodb:PutItem revocations"):
            self.client.put_item(TableName=self.table, Item=to_item(row))
        return digest


def _key(digest: str) -> dict[str, object]:
    return {"app": f"{_PARTITION}{digest}", "revoked": "keys"}
