"""The apps table: which apps are registered, and what is expected of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from attestation.reference_values import ReferenceValues

from service.aws import DynamoDBClient, get_row, scan_rows
from service.reference_values import read_reference_values
from service.tables.known_builds import BuildExpectations, read_build_expectations

APP_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""A registered app's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredApp:
    """One app. ``audiences`` are the APIs its tokens are for; none means the stack's default audience.

    ``builds`` says what is expected of the app's builds: by default nothing. Until ``stressed_until`` (Unix seconds) an
    operator wants its tokens to live longer and to be renewed later.
    """

    app: str
    audiences: tuple[str, ...] = ()
    reference_values: ReferenceValues
    builds: BuildExpectations = field(default_factory=BuildExpectations)
    stressed_until: int = 0


class AppNames(Protocol):
    """Which apps there are."""

    def names(self) -> tuple[str, ...]:
        """Every registered app. Raises :class:`~service.errors.Unavailable`."""
        ...


class Apps(Protocol):
    """Where use cases look an app up."""

    def find(self, app: str) -> RegisteredApp | None:
        """The registered app, or ``None``. Raises :class:`~service.errors.Unavailable`, also for a row that is no
        registration: half of one must not pass for all that is expected."""


@dataclass(frozen=True, slots=True)
class DynamoDBApps:
    """:class:`Apps` and :class:`AppNames` in DynamoDB. ``bonafide app register`` writes the rows."""

    client: DynamoDBClient
    table: str

    def find(self, app: str) -> RegisteredApp | None:
        return self.read(get_row(self.client, self.table, {"app": app}, called="apps", consistent=False))

    def read(self, row: Mapping[str, Any] | None) -> RegisteredApp | None:
        """The app in a row of the table. Raises :class:`~service.errors.Unavailable` for one that is damaged."""
        return None if row is None else _app_of(row)

    def names(self) -> tuple[str, ...]:
        rows = scan_rows(self.client, self.table, called="apps", ProjectionExpression="app")
        return tuple(sorted(row["app"] for row in rows))


def _app_of(item: Mapping[str, Any]) -> RegisteredApp:
    return RegisteredApp(
        app=item["app"],
        audiences=tuple(item.get("audiences", ())),
        reference_values=read_reference_values(item.get("reference_values", {}), f"app {item['app']}"),
        builds=read_build_expectations(item.get("known_builds", {}), f"app {item['app']}"),
        stressed_until=until if type(until := item.get("stressed_until", 0)) is int else 0,
    )
