"""The app_secrets table: what an app's owner entrusts to us, wrapped by KMS: keys of Play Integrity, and of
Apple's DeviceCheck.

Nothing of it is ever in an environment variable, a log line or a snapshot: functions unwrap it when evidence first asks
for it. The Admin API seals it and writes the rows; the functions that judge can only read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, Protocol

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, query_rows, to_item
from service.items.rows import from_row, to_row
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact


@unique
class SecretKind(StrEnum):
    """What a secret is for."""

    PLAY_RESPONSE_KEYS = "play-response-keys"
    PLAY_SERVICE_ACCOUNT = "play-service-account"
    DEVICE_CHECK_KEY = "device-check-key"


_KINDS: Final = frozenset(SecretKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSecret:
    """One row: ``wrapped`` holds the secret of ``app`` called ``name``, sealed under :attr:`kid`."""

    app: str
    name: str
    kind: SecretKind
    wrapped: bytes = field(repr=False)
    created_at: int

    @property
    def kid(self) -> str:
        """What the wrapping binds: see :func:`secret_kid`."""
        return secret_kid(self.app, self.name)


def secret_kid(app: str, name: str) -> str:
    """The name that KMS binds a secret to. The Admin API may seal under ``app/…`` and under nothing else."""
    return f"app/{app}/{name}"


class AppSecrets(Protocol):
    """Where a use case finds an app's secrets."""

    def of(self, app: str) -> tuple[AppSecret, ...]:
        """Every secret of ``app``, by name. Raises :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class DynamoDBAppSecrets:
    """:class:`AppSecrets` in DynamoDB."""

    client: DynamoDBClient
    table: str

    def of(self, app: str) -> tuple[AppSecret, ...]:
        rows = query_rows(self.client, self.table, "app = :app", {":app": app}, called="app_secrets")
        # Of a kind that is not known here, a newer release keeps it: a rollback must not cost the others.
        return tuple(from_row(AppSecret, row, kind=SecretKind(row["kind"])) for row in rows if row["kind"] in _KINDS)


@dataclass(frozen=True, slots=True)
class EntrustedSecrets:
    """The same as operators change them: each change with its audit entry, which has no secret in it.

    Both changes raise :class:`~service.errors.Unavailable`.
    """

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit
    stored: DynamoDBAppSecrets

    def put(self, secret: AppSecret, entry: AuditEntry) -> None:
        """Store a secret, replacing one of the same name."""
        row = to_row(secret, kind=secret.kind.value)
        self._write({"Put": {"TableName": self.table, "Item": to_item(row)}}, entry)

    def remove(self, app: str, name: str, entry: AuditEntry) -> bool:
        """Forget a secret. False when there was none of that name."""
        key = to_item({"app": app, "name": name})
        there = "attribute_exists(app)"
        return self._write({"Delete": {"TableName": self.table, "Key": key, "ConditionExpression": there}}, entry)

    def _write(self, change: TransactWriteItemTypeDef, entry: AuditEntry) -> bool:
        parts = {"secret": change, "entry": self.audit.adding(entry)}
        what = "dynamodb:TransactWriteItems app_secrets"
        return not transact(self.client, parts, what=what, written=lambda: self.audit.has(entry))
