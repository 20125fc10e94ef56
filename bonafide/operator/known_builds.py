"""Known builds of an app, as operators keep them: registered through the Admin API, and listed from the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from attestation.appraisal.builds import build_order
from service.tables.known_builds import Build, build_of_item

from bonafide.operator.admin_api import AdminCalls, segment

__all__ = ["Build", "Builds", "RegisteredBuilds"]


@dataclass(frozen=True, slots=True)
class RegisteredBuilds:
    """The builds of one stack's apps, as they are changed."""

    api: AdminCalls

    def put(self, app: str, build: Build, *, why: str = "") -> Build:
        """Register a build, or add another artefact to it; what stands now. The app must be registered.

        Raises :class:`~bonafide.operator.errors.OperatorError`.
        """
        body: dict[str, object] = {
            "platform": build.platform,
            "build": build.build,
            "parts": {name: list(digests) for name, digests in build.parts.items()},
            "why": why,
        }
        if build.version_name:
            body["version_name"] = build.version_name
        answer = self.api.call("POST", f"/admin/apps/{segment(app)}/builds", body)
        answer["parts"] = {name: tuple(digests) for name, digests in answer["parts"].items()}
        return Build(**answer)


@dataclass(frozen=True, slots=True)
class Builds:
    """The builds table, read through a boto3 DynamoDB client: all builds with their parts are too much for one answer
    of an API."""

    dynamodb: Any
    table: str

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
        return _newest_first(build_of_item(item) for page in pages for item in page["Items"])


def _newest_first(builds: Iterable[Build]) -> list[Build]:
    ordered = sorted(builds, key=lambda build: build_order(build.build) or (), reverse=True)
    return sorted(ordered, key=lambda build: build.platform)
