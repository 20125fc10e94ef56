"""Registering an app: what an operator says about it, checked, and written to the apps table."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .operator_error import OperatorError

_APP: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
# Team ids and the older app id prefixes are ten characters; bundle ids are those of CFBundleIdentifier.
_APPLE_APP_ID: Final = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
_AUDIENCE: Final = re.compile(r"[!-~]{1,256}\Z")
ENVIRONMENTS: Final = ("production", "development")

DEMO_APP: Final = "demo"
DEMO_APPLE_APP_ID: Final = "B0NAF1DE42.org.bonafide.demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One app as registered. ``audiences`` may be empty: tokens are then for the stack's own audience."""

    app: str
    apple_app_ids: tuple[str, ...]
    apple_environments: tuple[str, ...] = ("production",)
    audiences: tuple[str, ...] = ()
    created_at: int | None = None
    updated_at: int | None = None

    def check(self) -> None:
        """Raises :class:`OperatorError` for the first thing that cannot be right."""
        if not _APP.match(self.app):
            raise OperatorError(
                f"{self.app!r} cannot be an app's name: use lower-case letters, digits, '.', '_' and '-', 64 at most."
            )
        if not self.apple_app_ids:
            raise OperatorError("Name at least one app id with --apple-app-id TEAMID1234.com.example.app.")
        for app_id in self.apple_app_ids:
            if not _APPLE_APP_ID.match(app_id) or len(app_id) > 166:
                raise OperatorError(f"{app_id!r} is not <team id>.<bundle id>, as in TEAMID1234.com.example.app.")
        for environment in self.apple_environments:
            if environment not in ENVIRONMENTS:
                raise OperatorError(f"{environment!r} is not an environment: {' or '.join(ENVIRONMENTS)}.")
        for audience in self.audiences:
            if not _AUDIENCE.match(audience):
                raise OperatorError(f"{audience!r} cannot be an audience: printable ASCII without spaces.")

    def to_record(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "app": self.app,
            "apple_app_ids": list(self.apple_app_ids),
            "apple_environments": list(self.apple_environments),
            "audiences": list(self.audiences),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


@dataclass(frozen=True, slots=True)
class Registrations:
    """The apps table, through a boto3 DynamoDB client."""

    dynamodb: Any
    table: str
    clock: Callable[[], float] = time.time

    def put(self, registration: Registration) -> Registration:
        """Register an app, or change one that is. Returns what now stands. Raises :class:`OperatorError`."""
        registration.check()
        now = {"N": str(int(self.clock()))}
        answer = self.dynamodb.update_item(
            TableName=self.table,
            Key={"app": {"S": registration.app}},
            UpdateExpression="SET audiences = :audiences, reference_values = :reference_values, updated_at = :now, "
            "created_at = if_not_exists(created_at, :now)",
            ExpressionAttributeValues={
                ":audiences": _texts(registration.audiences),
                ":reference_values": {
                    "M": {
                        "apple": {
                            "M": {
                                "app_ids": _texts(registration.apple_app_ids),
                                "environments": _texts(registration.apple_environments),
                            }
                        }
                    }
                },
                ":now": now,
            },
            ReturnValues="ALL_NEW",
        )
        return _registration(answer["Attributes"])

    def get(self, app: str) -> Registration:
        """One app. Raises :class:`OperatorError` when it is not registered."""
        item = self.dynamodb.get_item(TableName=self.table, Key={"app": {"S": app}}, ConsistentRead=True).get("Item")
        if item is None:
            raise OperatorError(f"No app called {app} is registered.")
        return _registration(item)

    def list(self) -> list[Registration]:
        """Every app, by name."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        return sorted((_registration(item) for page in pages for item in page["Items"]), key=lambda r: r.app)


def _texts(values: Sequence[str]) -> dict[str, object]:
    return {"L": [{"S": value} for value in dict.fromkeys(values)]}


def _registration(item: dict[str, Any]) -> Registration:
    apple = item.get("reference_values", {}).get("M", {}).get("apple", {}).get("M", {})

    def texts(attribute: dict[str, Any]) -> tuple[str, ...]:
        return tuple(value["S"] for value in attribute.get("L", [])) or tuple(attribute.get("SS", ()))

    def moment(name: str) -> int | None:
        return int(float(item[name]["N"])) if "N" in item.get(name, {}) else None

    return Registration(
        app=item["app"]["S"],
        apple_app_ids=texts(apple.get("app_ids", {})),
        apple_environments=texts(apple.get("environments", {})),
        audiences=texts(item.get("audiences", {})),
        created_at=moment("created_at"),
        updated_at=moment("updated_at"),
    )
