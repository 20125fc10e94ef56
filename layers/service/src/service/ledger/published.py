"""What a stack published, read from its tables in the order in which it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, query_rows, scan_rows
from service.errors import Unreadable
from service.ledger.entries import BUNDLE, POLICY, Entry, State, Subject, build_entry, bundle_entry, policy_entry
from service.ledger.log import MOST_AT_ONCE
from service.policies.digest import digest_of

_POLICIES_AT_ONCE: Final = 100
"""Versions that are read together: each has two documents of 64 KiB at most."""


@dataclass(frozen=True, slots=True)
class PublishedTables:
    """The tables of one stack. Reading raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    apps: str
    policies: str
    bundles: str
    builds: str
    issuer: str

    def after(self, state: State) -> Iterator[Entry]:
        """What may be missing from a log in this state: versions above its last ones, and all known builds."""
        rows = scan_rows(
            self.client, self.apps, called="apps", ProjectionExpression="#app", ExpressionAttributeNames={"#app": "app"}
        )
        apps = sorted(state.apps() | {str(row["app"]) for row in rows})
        for app in apps:
            yield from self._policies(app, state.version(Subject(POLICY, app)))
        for app in apps:
            yield from self._builds(app)
        yield from self._bundles(state.version(Subject(BUNDLE, self.issuer)))

    def _policies(self, app: str, above: int) -> Iterator[Entry]:
        while True:
            rows = query_rows(
                self.client,
                self.policies,
                "app = :app AND version > :above",
                {":app": app, ":above": above},
                called="policies",
                ProjectionExpression="version, appraisal, #client, #at",
                ExpressionAttributeNames={"#at": "at", "#client": "client"},
                PaginationConfig={"MaxItems": _POLICIES_AT_ONCE},
            )
            for row in rows:
                above, appraisal, client, at = _members("policies", row, version=int, appraisal=str, client=str, at=int)
                # Of the documents themselves: an insider who rewrites them leaves the digest beside them as it is.
                yield policy_entry(app, above, digest_of(appraisal, client), at)
            if len(rows) < _POLICIES_AT_ONCE:
                return

    def _builds(self, app: str) -> Iterator[Entry]:
        for row in query_rows(
            self.client,
            self.builds,
            "app = :app",
            {":app": app},
            called="builds",
            ProjectionExpression="build, parts, updated_at",
        ):
            name, parts, at = _members("builds", row, build=str, parts=str, updated_at=int)
            platform, _, build = name.partition("#")
            try:
                yield build_entry(app, platform, build, json.loads(parts), at)
            except (ValueError, TypeError, AttributeError):
                raise Unreadable("a row of the builds table cannot be read") from None

    def _bundles(self, above: int) -> Iterator[Entry]:
        for row in self._bundle_rows(self.issuer, above):
            version, at = _members("trust_bundles", row, version=int, issued_at=int)
            parts = [row] if "jws" in row else self._bundle_rows(str(row.get("parts", "")), -1)
            jws = "".join(part for (part,) in (_members("trust_bundles", one, jws=str) for one in parts))
            yield bundle_entry(self.issuer, version, jws, at)

    def _bundle_rows(self, issuer: str, above: int) -> list[dict[str, Any]]:
        return query_rows(
            self.client,
            self.bundles,
            "issuer = :issuer AND version > :above",
            {":issuer": issuer, ":above": above},
            called="trust_bundles",
            ProjectionExpression="version, jws, parts, issued_at",
            # One step of the log takes no more, and a first run finds a year of bundles.
            PaginationConfig={"MaxItems": MOST_AT_ONCE},
        )


def _members(called: str, row: Mapping[str, Any], **members: type) -> list[Any]:
    found = [row.get(name) for name in members]
    if any(type(value) is not kind for value, kind in zip(found, members.values(), strict=True)):
        raise Unreadable(f"a row of the {called} table cannot be read")
    return found
