"""The runtime_secrets table: one row per secret, and one per proposed version of it under the two-person rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, get_row, query_rows, to_item
from service.errors import Overtaken, Unreadable
from service.items.rows import from_row, to_row
from service.secrets.runtime_secret import RuntimeSecret, SecretSource, SecretState
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact

PROPOSAL_OF: Final = "proposal/"
"""Before a secret's name: the row of the version that waits for a second person. No name has a slash."""


class RuntimeSecrets(Protocol):
    """Where a use case finds secrets."""

    def find(self, app: str, name: str) -> RuntimeSecret | None:
        """The secret, whatever its state, or ``None``. Raises :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class DynamoDBRuntimeSecrets:
    """:class:`RuntimeSecrets` in DynamoDB."""

    client: DynamoDBClient
    table: str

    def find(self, app: str, name: str) -> RuntimeSecret | None:
        # Consistent: what was rotated or revoked a moment ago must not be released once more.
        row = get_row(self.client, self.table, {"app": app, "secret": name}, called="runtime_secrets")
        return None if row is None else _secret_of(row)

    def find_proposal(self, app: str, name: str) -> RuntimeSecret | None:
        """The version that waits for a second person, or ``None``."""
        return self.find(app, PROPOSAL_OF + name)

    def of(self, app: str) -> tuple[RuntimeSecret, ...]:
        """Every secret of ``app`` and every proposal, by name. Raises :class:`~service.errors.Unavailable`."""
        rows = query_rows(self.client, self.table, "app = :app", {":app": app}, called="runtime_secrets")
        return tuple(sorted(map(_secret_of, rows), key=lambda one: (one.name, one.version)))


@dataclass(frozen=True, slots=True)
class RuntimeSecretChanges:
    """The same as operators change them: each change with its audit entry, which holds no value.

    All raise :class:`~service.errors.Overtaken` where the row is not what was ``seen``, and
    :class:`~service.errors.Unavailable`.
    """

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit
    stored: DynamoDBRuntimeSecrets

    def put(self, secret: RuntimeSecret, entry: AuditEntry, *, seen: RuntimeSecret | None) -> None:
        """Store a version in place of ``seen``, the row as it was read."""
        self._write({"secret": self._putting(secret, secret.name, seen), "entry": self.audit.adding(entry)}, entry)

    def propose(self, secret: RuntimeSecret, entry: AuditEntry, *, seen: RuntimeSecret | None) -> None:
        """Store a version that waits, in place of an earlier proposal, if there is one."""
        row = PROPOSAL_OF + secret.name
        self._write({"secret": self._putting(secret, row, seen), "entry": self.audit.adding(entry)}, entry)

    def approve(
        self, secret: RuntimeSecret, entry: AuditEntry, *, proposal: RuntimeSecret, seen: RuntimeSecret | None
    ) -> None:
        """Make a proposal the secret: ``secret`` is it, active."""
        parts = {
            "secret": self._putting(secret, secret.name, seen),
            "proposal": self._removing(proposal),
            "entry": self.audit.adding(entry),
        }
        self._write(parts, entry)

    def reject(self, proposal: RuntimeSecret, entry: AuditEntry) -> None:
        """Forget a proposal."""
        self._write({"proposal": self._removing(proposal), "entry": self.audit.adding(entry)}, entry)

    def _putting(self, secret: RuntimeSecret, row: str, seen: RuntimeSecret | None) -> TransactWriteItemTypeDef:
        item = to_row(secret, source=secret.source.value, state=secret.state.value, secret=row)
        condition, values = _unchanged(seen)
        part: Any = {
            "Put": {"TableName": self.table, "Item": to_item(item), "ConditionExpression": condition, **values}
        }
        return cast("TransactWriteItemTypeDef", part)

    def _removing(self, proposal: RuntimeSecret) -> TransactWriteItemTypeDef:
        condition, values = _unchanged(proposal)
        key = to_item({"app": proposal.app, "secret": PROPOSAL_OF + proposal.name})
        part: Any = {"Delete": {"TableName": self.table, "Key": key, "ConditionExpression": condition, **values}}
        return cast("TransactWriteItemTypeDef", part)

    def _write(self, parts: Mapping[str, TransactWriteItemTypeDef], entry: AuditEntry) -> None:
        what = "dynamodb:TransactWriteItems runtime_secrets"
        if transact(self.client, parts, what=what, written=lambda: self.audit.has(entry)):
            raise Overtaken("Another operator changed this secret at the same moment.")


def _unchanged(seen: RuntimeSecret | None) -> tuple[str, dict[str, Any]]:
    if seen is None:
        return "attribute_not_exists(app)", {}
    names = {"#version": "version", "#state": "state", "#by": "by", "#at": "at"}
    values = {":version": seen.version, ":state": seen.state.value, ":by": seen.by, ":at": seen.at}
    condition = "#version = :version AND #state = :state AND #by = :by AND #at = :at"
    return condition, {"ExpressionAttributeNames": names, "ExpressionAttributeValues": to_item(values)}


def _secret_of(row: Mapping[str, Any]) -> RuntimeSecret:
    try:
        return from_row(RuntimeSecret, row, source=SecretSource(row["source"]), state=SecretState(row["state"]))
    except (KeyError, ValueError) as error:
        raise Unreadable("a row of runtime_secrets cannot be read") from error
