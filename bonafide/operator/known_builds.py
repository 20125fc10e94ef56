"""Known builds of an app, as operators keep them: registered from artefacts, and listed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from attestation.appraisal.builds import build_order

from bonafide.operator.errors import OperatorError

MAX_PARTS_BYTES: Final = 350_000
"""An item of DynamoDB holds 400 KB; the rest is for everything else in the row."""

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One known build. ``parts`` maps a part's name to every SHA-256 (hex) that it may have."""

    platform: str
    build: str
    version_name: str | None = None
    parts: Mapping[str, tuple[str, ...]]
    registered_at: int | None = None
    updated_at: int | None = None

    def joined(self, other: Build) -> Build:
        """This build with another artefact of it: each part may be as either has it."""
        parts = dict(self.parts)
        for name, digests in other.parts.items():
            parts[name] = tuple(dict.fromkeys((*parts.get(name, ()), *digests)))
        return Build(
            platform=self.platform,
            build=self.build,
            version_name=other.version_name or self.version_name,
            parts=parts,
        )

    def to_record(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "platform": self.platform,
            "build": self.build,
            "version_name": self.version_name,
            "parts": {name: list(digests) for name, digests in self.parts.items()},
            "registered_at": self.registered_at,
            "updated_at": self.updated_at,
        }


@dataclass(frozen=True, slots=True)
class Builds:
    """The builds table and, in the apps table, whether an app has any; through a boto3 DynamoDB client."""

    dynamodb: Any
    table: str
    apps_table: str
    clock: Callable[[], float] = time.time

    def put(self, app: str, build: Build) -> Build:
        """Register a build, or add another artefact to it. The app must be registered.

        Raises :class:`OperatorError`. The row is written before the app says that it has builds, so that no renewal in
        between finds its build unknown.
        """
        for _ in range(_ATTEMPTS):
            made = self._join(app, build)
            if made is not None:
                self._mark(app, build.platform)
                return made
        raise OperatorError(f"Build {build.build} of {app} keeps changing: try again.")

    def _join(self, app: str, build: Build) -> Build | None:
        """The build with what stands of it, stored; ``None`` when another artefact was joined to it at this moment."""
        stood = self._find(app, build.platform, build.build)
        wanted = build if stood is None else stood.joined(build)
        parts = json.dumps(wanted.parts, separators=(",", ":"))
        if len(parts) > MAX_PARTS_BYTES:
            raise OperatorError(
                f"Build {build.build} has {len(wanted.parts)} parts, more than a row can hold: "
                f"register without native libraries of platforms that the app does not measure."
            )
        values = {
            ":parts": {"S": parts},
            ":version_name": {"S": wanted.version_name or ""},
            ":now": {"N": str(int(self.clock()))},
        }
        condition = "attribute_not_exists(app)"
        if stood is not None:
            condition = "parts = :seen"
            values[":seen"] = {"S": json.dumps(stood.parts, separators=(",", ":"))}
        try:
            answer = self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(app, build.platform, build.build),
                UpdateExpression="SET parts = :parts, version_name = :version_name, updated_at = :now, "
                "registered_at = if_not_exists(registered_at, :now)",
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return None
        return _build(answer["Attributes"])

    def list(self, app: str, platform: str | None = None) -> list[Build]:
        """An app's builds, by platform, the newest first."""
        query: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": "app = :app",
            "ExpressionAttributeValues": {":app": {"S": app}},
            "ConsistentRead": True,
        }
        if platform is not None:
            query["KeyConditionExpression"] += " AND begins_with(build, :platform)"
            query["ExpressionAttributeValues"][":platform"] = {"S": f"{platform}#"}
        pages = self.dynamodb.get_paginator("query").paginate(**query)
        return _newest_first(_build(item) for page in pages for item in page["Items"])

    def _find(self, app: str, platform: str, build: str) -> Build | None:
        answer = self.dynamodb.get_item(TableName=self.table, Key=_key(app, platform, build), ConsistentRead=True)
        return _build(answer["Item"]) if "Item" in answer else None

    def _mark(self, app: str, platform: str) -> None:
        try:
            self.dynamodb.update_item(
                TableName=self.apps_table,
                Key={"app": {"S": app}},
                UpdateExpression="SET known_builds.#platform.registered = :registered",
                ConditionExpression="attribute_exists(known_builds.#platform)",
                ExpressionAttributeNames={"#platform": platform},
                ExpressionAttributeValues={":registered": {"BOOL": True}},
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise OperatorError(
                f"No app called {app} is registered, or by an older release: register it again."
            ) from error


def _key(app: str, platform: str, build: str) -> dict[str, Any]:
    return {"app": {"S": app}, "build": {"S": f"{platform}#{build}"}}


def _build(item: Mapping[str, Any]) -> Build:
    platform, _, number = item["build"]["S"].partition("#")
    return Build(
        platform=platform,
        build=number,
        version_name=item["version_name"]["S"] or None,
        parts={name: tuple(digests) for name, digests in json.loads(item["parts"]["S"]).items()},
        registered_at=int(item["registered_at"]["N"]),
        updated_at=int(item["updated_at"]["N"]),
    )


def _newest_first(builds: Iterable[Build]) -> list[Build]:
    ordered = sorted(builds, key=lambda build: build_order(build.build) or (), reverse=True)
    return sorted(ordered, key=lambda build: build.platform)
