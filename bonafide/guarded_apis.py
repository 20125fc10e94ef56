"""The apis table as an operator changes it: no change is lost, and every change says who made it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from attestation.route_requirement import RouteRequirement, routes_from_json, routes_to_json
from service.aws import from_item, to_item

from .deployment import Deployment
from .operator_error import OperatorError
from .publication import published_bundle
from .route_list import Routes

_AUDIENCE: Final = re.compile(r"[!-~]{1,256}\Z")
_ATTEMPTS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedApi:
    """One API's routes, first match wins. ``revision`` counts changes, and is 0 for an API without a row: its routes
    are then those of the stack's parameter."""

    audience: str
    routes: Routes
    revision: int = 0
    updated_at: int | None = None
    updated_by: str = ""

    def to_record(self) -> dict[str, object]:
        return {
            "audience": self.audience,
            "routes": routes_to_json(self.routes),
            "revision": self.revision,
            "updated_at": self.updated_at,
            "updated_by": self.updated_by,
        }


@dataclass(frozen=True, slots=True)
class GuardedApis:
    """The apis table, through a boto3 DynamoDB client. ``in_force`` gives the routes of the latest trust bundle, by
    audience: what an API without a row goes by until it is changed for the first time."""

    dynamodb: Any
    table: str
    in_force: Callable[[], Mapping[str, Routes]]
    operator: Callable[[], str]
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, deployment: Deployment) -> GuardedApis:
        """The APIs of a stack."""

        def in_force() -> Mapping[str, Routes]:
            bundle = published_bundle(deployment)
            return {} if bundle is None else bundle.apis

        return cls(deployment.aws("dynamodb"), deployment.tables["apis"], in_force, deployment.operator)

    def list(self) -> list[GuardedApi]:
        """Every API, by audience: those of the table, and those that are only in the trust bundle."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
        rows = {api.audience: api for page in pages for api in map(_api_of, page["Items"])}
        others = {name: GuardedApi(audience=name, routes=tuple(routes)) for name, routes in self.in_force().items()}
        return [api for _, api in sorted((others | rows).items())]

    def find(self, audience: str) -> GuardedApi | None:
        """One API, or ``None`` when neither the table nor the trust bundle has it."""
        item = self.dynamodb.get_item(TableName=self.table, Key={"audience": {"S": audience}}, ConsistentRead=True)
        if "Item" in item:
            return _api_of(item["Item"])
        routes = self.in_force().get(audience)
        return None if routes is None else GuardedApi(audience=audience, routes=tuple(routes))

    def change(self, audience: str, edit: Callable[[Routes], Routes]) -> GuardedApi:
        """Apply ``edit`` to an API's routes, on top of whatever others changed meanwhile; what stands now.

        ``edit`` may be called more than once. Raises :class:`OperatorError`.
        """
        if not _AUDIENCE.match(audience):
            raise OperatorError(f"{audience[:80]!r} cannot be an audience: printable ASCII without spaces.")
        for _ in range(_ATTEMPTS):
            stood = self.find(audience) or GuardedApi(audience=audience, routes=())
            wanted = GuardedApi(
                audience=audience,
                routes=edit(stood.routes),
                revision=stood.revision + 1,
                updated_at=int(self.clock()),
                updated_by=self.operator(),
            )
            if self._put(wanted, seen=stood.revision):
                return wanted
        raise OperatorError(f"Others keep changing {audience} at this moment: try again.")

    def _put(self, api: GuardedApi, *, seen: int) -> bool:
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(audience)"}
        if seen:
            condition = {
                "ConditionExpression": "revision = :seen",
                "ExpressionAttributeValues": to_item({":seen": seen}),
            }
        try:
            self.dynamodb.put_item(TableName=self.table, Item=to_item(api.to_record()), **condition)
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _api_of(item: Mapping[str, Any]) -> GuardedApi:
    row = from_item(item)
    try:
        routes: tuple[RouteRequirement, ...] = routes_from_json(row["routes"])
    except (KeyError, ValueError) as error:
        raise OperatorError(f"The row of {row.get('audience')} in the apis table cannot be read.") from error
    return GuardedApi(
        audience=row["audience"],
        routes=routes,
        revision=row.get("revision", 0),
        updated_at=row.get("updated_at"),
        updated_by=row.get("updated_by", ""),
    )
