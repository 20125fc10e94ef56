"""The app_secrets table: what an app's owner entrusts to us, wrapped by KMS. Today: keys of Play Integrity.

Nothing of it is ever in an environment variable, a log line or a snapshot: functions unwrap it when evidence first asks
for it. ``bonafide app play-key`` and ``bonafide app play-account`` write the rows; functions can only read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Protocol

from service.aws import DynamoDBClient, query_rows, to_item, unavailable_on_failure
from service.items.rows import from_row, to_row


@unique
class SecretKind(StrEnum):
    """What a secret is for."""

    PLAY_RESPONSE_KEYS = "play-response-keys"
    PLAY_SERVICE_ACCOUNT = "play-service-account"


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
    """The name that KMS binds a secret to. Operators may seal under ``app/…`` and under nothing else."""
    return f"app/{app}/{name}"


class AppSecrets(Protocol):
    """Where a use case finds an app's secrets."""

    def of(self, app: str) -> tuple[AppSecret, ...]:
        """Every secret of ``app``, by name. Raises :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class DynamoDBAppSecrets:
    """:class:`AppSecrets` in DynamoDB, and what the operator's command writes."""

    client: DynamoDBClient
    table: str

    def of(self, app: str) -> tuple[AppSecret, ...]:
        rows = query_rows(self.client, self.table, "app = :app", {":app": app}, called="app_secrets")
        return tuple(from_row(AppSecret, row, kind=SecretKind(row["kind"])) for row in rows)

    def put(self, secret: AppSecret) -> None:
        """Store a secret, replacing one of the same name."""
        row = to_row(secret, kind=secret.kind.value)
        with unavailable_on_failure("dynamodb:PutItem app_secrets"):
            self.client.put_item(TableName=self.table, Item=to_item(row))

    def remove(self, app: str, name: str) -> bool:
        """Forget a secret. False when there was none of that name."""
        with unavailable_on_failure("dynamodb:DeleteItem app_secrets"):
            answer = self.client.delete_item(
                TableName=self.table, Key=to_item({"app": app, "name": name}), ReturnValues="ALL_OLD"
            )
        return "Attributes" in answer
