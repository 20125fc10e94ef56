"""The trust_bundles table: every published bundle, by issuer and version."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from bonafide_tokens.signing import jwks
from bonafide_tokens.trust_bundle import TrustBundle

from service.aws import DynamoDBClient, put_row_if, query_rows
from service.remembered import Remembered, RememberedByName

KEPT_AFTER_EXPIRY: Final = 400 * 86_400
"""Seconds a row outlives its bundle: an audit trail, and the memory of the last version. Were the last row deleted,
numbering would start again at 1 and every authorizer would refuse the new bundle as a rollback."""

_PART: Final = 300_000
"""Characters of a bundle in one item, which DynamoDB limits to 400 KB: a bundle with many blocked keys has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBundle:
    """One row. ``expires_at`` is the bundle's (Unix seconds), ``jwks`` the JSON text of its JWK Set."""

    version: int
    jws: str
    jwks: str
    issued_at: int
    expires_at: int


class TrustBundles(Protocol):
    """The table as publisher and server see it. Both methods raise :class:`~service.errors.Unavailable`."""

    def latest(self, issuer: str, *, above: int = 0) -> StoredBundle | None:
        """The bundle with the highest version, also when it expired; ``None`` when that is not ``above`` the one given,
        which costs next to nothing: what is unchanged is not read."""

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        """Store a new version. False when the version is taken: another process published it."""


@dataclass(frozen=True, slots=True)
class DynamoDBTrustBundles:
    """:class:`TrustBundles` in DynamoDB.

    A bundle too large for one item lies in parts under a key of their own, written before the row that names them: a
    reader that sees the row finds the parts. Parts of a version that another process took are orphans, until TTL
    deletes them.
    """

    client: DynamoDBClient
    table: str

    def latest(self, issuer: str, *, above: int = 0) -> StoredBundle | None:
        items = self._query(issuer, above=above, newest_first=True, limit=1)
        if not items:
            return None
        row = items[0]
        jws = row["jws"] if "jws" in row else "".join(part["jws"] for part in self._query(row["parts"]))
        return StoredBundle(
            version=row["version"],
            jws=jws,
            jwks=row["jwks"],
            issued_at=row["issued_at"],
            expires_at=row["expires_at"] - KEPT_AFTER_EXPIRY,
        )

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        row: dict[str, object] = {
            "issuer": bundle.issuer,
            "version": bundle.version,
            "jws": jws,
            "jwks": json.dumps(jwks(bundle.keys), separators=(",", ":")),
            "issued_at": int(bundle.issued_at),
            "expires_at": int(bundle.expires_at) + KEPT_AFTER_EXPIRY,
        }
        if len(jws) > _PART:
            parts = f"{bundle.issuer}#{uuid.uuid4()}"
            for number, begin in enumerate(range(0, len(jws), _PART)):
                part = {"issuer": parts, "version": number, "jws": jws[begin : begin + _PART]}
                self._put({**part, "expires_at": row["expires_at"]})
            row = {**row, "jws": None, "parts": parts}
        return self._put(row)

    def _query(
        self, issuer: str, *, above: int = -1, newest_first: bool = False, limit: int | None = None
    ) -> list[dict[str, Any]]:
        return query_rows(
            self.client,
            self.table,
            # In the key's condition: a filter would have whole bundles read, and paid for, to throw them away.
            "issuer = :issuer AND version > :above",
            {":issuer": issuer, ":above": above},
            called="trust_bundles",
            ScanIndexForward=not newest_first,
            PaginationConfig={"MaxItems": limit, "PageSize": limit} if limit else {},
        )

    def _put(self, row: Mapping[str, object]) -> bool:
        return put_row_if(self.client, self.table, row, "attribute_not_exists(issuer)", called="trust_bundles")


MEMORY: Final = 1.0
"""Seconds after which a server looks for a newer bundle before it answers, while its table is well."""

_FRESH: Final = 0.5


@dataclass(slots=True)
class RememberedTrustBundles:
    """The latest bundle of each issuer from memory, at most :data:`MEMORY` seconds old; older ones, at once, while the
    table is down or slow (:mod:`service.remembered`). What has not changed is not read again."""

    table: TrustBundles
    _by_issuer: RememberedByName[StoredBundle | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_issuer = RememberedByName(make=self._remembered, most=4)

    def latest(self, issuer: str, now: float) -> StoredBundle | None:
        """The bundle with the highest version. Raises :class:`~service.errors.Unavailable` when none is known."""
        return self._by_issuer.current(issuer, now)

    def _remembered(self, issuer: str) -> Remembered[StoredBundle | None]:
        def read(known: StoredBundle | None, _now: float) -> StoredBundle | None:
            return self.table.latest(issuer, above=0 if known is None else known.version) or known

        return Remembered(read=read, fresh=_FRESH, first=MEMORY, whole=lambda bundle: bundle is not None)
