"""The apis table: what each route of each guarded API asks for, by audience."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bonafide_tokens.routes import RouteRequirement, routes_from_json

from service.aws import DynamoDBClient, scan_rows
from service.errors import Unavailable


class Apis(Protocol):
    """Where the publisher looks routes up."""

    def all(self) -> Mapping[str, tuple[RouteRequirement, ...]]:
        """The routes of every API, first match wins. Raises :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class DynamoDBApis:
    """:class:`Apis` in DynamoDB. ``bonafide route set`` writes the rows; ``routes`` is spelled as in trust bundles."""

    client: DynamoDBClient
    table: str

    def all(self) -> Mapping[str, tuple[RouteRequirement, ...]]:
        # Consistent: a change of a route is published at once, and the publisher must find it.
        rows = scan_rows(self.client, self.table, called="apis")
        try:
            return {row["audience"]: routes_from_json(row["routes"]) for row in rows}
        except (KeyError, ValueError) as error:
            # Leaving the row out would open or close routes that an operator set; the last bundle goes on instead.
            raise Unavailable("a row of the apis table has no readable routes") from error
