"""The apps table: which apps are registered, and what is expected of each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from attestation.reference_values import AppleReferenceValues, Environment, ReferenceValues

from .aws import from_item, to_item, unavailable_on_failure

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

APP_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""A registered app's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredApp:
    """One app. ``audiences`` are the APIs its tokens are for; none means the stack's default audience."""

    app: str
    audiences: tuple[str, ...] = ()
    reference_values: ReferenceValues


class Apps(Protocol):
    """Where use cases look an app up."""

    def find(self, app: str) -> RegisteredApp | None:
        """The registered app, or ``None``. Raises :class:`~service.errors.Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBApps:
    """:class:`Apps` in DynamoDB. ``register`` and ``list`` are for operators' tools."""

    client: DynamoDBClient
    table: str

    def find(self, app: str) -> RegisteredApp | None:
        with unavailable_on_failure("dynamodb:GetItem apps"):
            item = self.client.get_item(TableName=self.table, Key={"app": {"S": app}}).get("Item")
        return None if item is None else _app_of(from_item(item))

    def list(self) -> tuple[RegisteredApp, ...]:
        """Every registered app, by name."""
        with unavailable_on_failure("dynamodb:Scan apps"):
            pages = self.client.get_paginator("scan").paginate(TableName=self.table)
            apps = [_app_of(from_item(item)) for page in pages for item in page["Items"]]
        return tuple(sorted(apps, key=lambda app: app.app))

    def register(self, app: RegisteredApp, *, now: float | None = None) -> None:
        """Create an app or replace what is expected of it; its first registration date stays."""
        moment = int(time.time() if now is None else now)
        values = to_item(
            {
                ":audiences": [*app.audiences],
                ":reference_values": _record_of(app.reference_values),
                ":now": moment,
            }
        )
        with unavailable_on_failure("dynamodb:UpdateItem apps"):
            self.client.update_item(
                TableName=self.table,
                Key={"app": {"S": app.app}},
                UpdateExpression="SET audiences = :audiences, reference_values = :reference_values, "
                "updated_at = :now, created_at = if_not_exists(created_at, :now)",
                ExpressionAttributeValues=values,
            )


def _app_of(item: Mapping[str, Any]) -> RegisteredApp:
    apple = item.get("reference_values", {}).get("apple")
    return RegisteredApp(
        app=item["app"],
        audiences=tuple(item.get("audiences", ())),
        reference_values=ReferenceValues(
            apple=None
            if apple is None
            else AppleReferenceValues(
                app_ids=tuple(apple["app_ids"]),
                environments=frozenset(Environment(name) for name in apple["environments"]),
            )
        ),
    )


def _record_of(values: ReferenceValues) -> dict[str, object]:
    if values.apple is None:
        return {}
    return {
        "apple": {
            "app_ids": list(values.apple.app_ids),
            "environments": sorted(environment.value for environment in values.apple.environments),
        }
    }
