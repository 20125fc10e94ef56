"""The apis table as an operator changes it: no change is lost, and every change says who made it.

What the publisher reads of the same rows is :mod:`service.tables.routes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.new_routes import routes_to_json
from bonafide_tokens.routes import RouteRequirement, routes_from_json
from bonafide_tokens.trust_bundle import open_trust_bundle

from service.aws import DynamoDBClient, get_row, scan_rows, to_item
from service.errors import Unavailable
from service.items.rows import to_row
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.tables.trust_bundles import TrustBundles
from service.transactions import transact

Routes = tuple[RouteRequirement, ...]

AUDIENCE_PATTERN: Final = r"^[!-$&-~]{1,256}$"
"""An audience that can be named in a path of the Admin API: printable ASCII without spaces and percent signs."""

MAX_ROUTES: Final = 200
"""Most routes of one API: all of them are part of every trust bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedApi:
    """One API's routes, first match wins. ``gateway`` is what it is behind (a key of ``new_routes.REBUILT``): ``rest``,
    of which the least can be rebuilt, until an operator says so. ``revision`` counts changes, and is 0 for an API
    without a row: its routes are then those of the stack's parameter. ``updated_at`` is Unix seconds."""

    audience: str
    routes: Routes
    revision: int = 0
    updated_at: int | None = None
    updated_by: str = ""
    gateway: str = "rest"

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        return to_row(self, routes=routes_to_json(self.routes))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> GuardedApi:
        """The API of a record. Raises ``KeyError`` and ``ValueError`` for anything else."""
        return cls(
            audience=record["audience"],
            routes=routes_from_json(record["routes"]),
            revision=record.get("revision") or 0,
            updated_at=record.get("updated_at"),
            updated_by=record.get("updated_by") or "",
            gateway=record.get("gateway") or "rest",
        )


@dataclass(frozen=True, slots=True)
class GuardedApis:
    """The table. Every method raises :class:`~service.errors.Unavailable`. ``published`` gives the routes of the latest
    trust bundle, by audience: what an API without a row goes by until it is changed for the first time."""

    client: DynamoDBClient
    table: str
    audit: DynamoDBAudit
    published: Callable[[], Mapping[str, Routes]]

    def list(self) -> list[GuardedApi]:
        """Every API, by audience: those of the table, and those that are only in the trust bundle."""
        rows = {api.audience: api for api in map(_api_of, scan_rows(self.client, self.table, called="apis"))}
        others = {name: GuardedApi(audience=name, routes=tuple(routes)) for name, routes in self.published().items()}
        return [api for _, api in sorted((others | rows).items())]

    def changed(self) -> tuple[str, ...]:
        """The audiences whose routes an operator ever set."""
        rows = scan_rows(self.client, self.table, called="apis", ProjectionExpression="audience")
        return tuple(sorted(row["audience"] for row in rows))

    def find(self, audience: str) -> GuardedApi | None:
        """One API, or ``None`` when neither the table nor the trust bundle has it."""
        row = get_row(self.client, self.table, {"audience": audience}, called="apis")
        if row is not None:
            return _api_of(row)
        routes = self.published().get(audience)
        return None if routes is None else GuardedApi(audience=audience, routes=tuple(routes))

    def put(self, api: GuardedApi, *, seen: int, entry: AuditEntry) -> bool:
        """Store an API over the revision ``seen``, together with its audit entry. False when that is not the one that
        stands: another operator was faster, and nothing was written."""
        put: Any = {"TableName": self.table, "Item": to_item(api.to_record())}
        if seen:
            put |= {"ConditionExpression": "revision = :seen", "ExpressionAttributeValues": to_item({":seen": seen})}
        else:
            put |= {"ConditionExpression": "attribute_not_exists(audience)"}
        failed = transact(
            self.client,
            {"api": {"Put": put}, "entry": self.audit.adding(entry)},
            what="dynamodb:TransactWriteItems apis",
            written=lambda: self.audit.has(entry),
        )
        return not failed


@dataclass(frozen=True, slots=True)
class PublishedRoutes:
    """The routes of the latest trust bundle of ``issuer``, verified as a relying party would."""

    trust_bundles: TrustBundles
    issuer: str
    root_keys: tuple[EcPublicKey, ...]

    def routes(self) -> Mapping[str, Routes]:
        """By audience; none before the first bundle. Raises :class:`~service.errors.Unavailable`."""
        stored = self.trust_bundles.latest(self.issuer)
        if stored is None:
            return {}
        try:
            # As of when it was issued: an expired bundle still says what was published.
            bundle = open_trust_bundle(
                stored.jws, root_keys=self.root_keys, issuer=self.issuer, now=float(stored.issued_at)
            )
        except TokenError as error:
            raise Unavailable(f"the latest trust bundle: {error.detail}") from error
        return bundle.apis


def check_routes(routes: Routes) -> None:
    """Raises ``ValueError``, one sentence, for a list that cannot be an API's. Two spellings of one place are one."""
    if len(routes) > MAX_ROUTES:
        raise ValueError(f"More than {MAX_ROUTES} routes of one API are too many: use patterns.")
    places: set[tuple[object, ...]] = set()
    for route in routes:
        place = (route.method, route.segments, route.open_ended)
        if place in places:
            raise ValueError(
                f"The route {route.method} {route.path} stands more than once: only the first would ever count."
            )
        places.add(place)


def is_audience(text: str) -> bool:
    """Whether an API can have this name."""
    return re.match(AUDIENCE_PATTERN, text) is not None and not text.endswith("\n")


def _api_of(row: Mapping[str, Any]) -> GuardedApi:
    try:
        return GuardedApi.from_record(row)
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(f"the row of {row.get('audience')} in the apis table cannot be read") from error
