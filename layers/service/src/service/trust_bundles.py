"""The trust_bundles table: every published bundle, by issuer and version."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from attestation.trust_bundle import TrustBundle, jwks
from botocore.exceptions import ClientError

from .aws import error_code, from_item, to_item, unavailable_on_failure
from .errors import Unavailable
from .telemetry import log_unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_AFTER_EXPIRY: Final = 400 * 86_400
"""Seconds a row outlives its bundle: an audit trail, and the memory of the last version. Were the last row deleted,
numbering would start again at 1 and every authorizer would refuse the new bundle as a rollback."""


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

    def latest(self, issuer: str) -> StoredBundle | None:
        """The bundle with the highest version, also when it expired."""
        ...

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        """Store a new version. False when the version is taken: somebody else published."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBTrustBundles:
    """:class:`TrustBundles` in DynamoDB."""

    client: DynamoDBClient
    table: str

    def latest(self, issuer: str) -> StoredBundle | None:
        with unavailable_on_failure("dynamodb:Query trust_bundles"):
            items = self.client.query(
                TableName=self.table,
                KeyConditionExpression="issuer = :issuer",
                ExpressionAttributeValues=to_item({":issuer": issuer}),
                ScanIndexForward=False,
                Limit=1,
                ConsistentRead=True,
            )["Items"]
        if not items:
            return None
        row = from_item(items[0])
        return StoredBundle(
            version=row["version"],
            jws=row["jws"],
            jwks=row["jwks"],
            issued_at=row["issued_at"],
            expires_at=row["expires_at"] - KEPT_AFTER_EXPIRY,
        )

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        item = to_item(
            {
                "issuer": bundle.issuer,
                "version": bundle.version,
                "jws": jws,
                "jwks": json.dumps(jwks(bundle.keys), separators=(",", ":")),
                "issued_at": int(bundle.issued_at),
                "expires_at": int(bundle.expires_at) + KEPT_AFTER_EXPIRY,
            }
        )
        with unavailable_on_failure("dynamodb:PutItem trust_bundles"):
            try:
                self.client.put_item(
                    TableName=self.table, Item=item, ConditionExpression="attribute_not_exists(issuer)"
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


MEMORY: Final = 2.0
"""Seconds that a server keeps the latest bundle before it looks again."""


@dataclass(slots=True)
class RememberedTrustBundles:
    """The latest bundle from memory, at most :data:`MEMORY` seconds old; older ones only while the table is down."""

    table: TrustBundles
    _latest: StoredBundle | None = None
    _next_read: float = 0.0

    def latest(self, issuer: str, now: float) -> StoredBundle | None:
        """The bundle with the highest version. Raises :class:`~service.errors.Unavailable` when none is known."""
        if now >= self._next_read:
            try:
                self._latest = self.table.latest(issuer)
            except Unavailable as error:
                if self._latest is None:
                    raise
                log_unavailable(error.what)
            self._next_read = now + MEMORY
        return self._latest
