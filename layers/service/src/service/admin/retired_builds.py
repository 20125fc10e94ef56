"""Builds that their owner withdrew: they enrol and renew nothing, whatever the policy says.

Their numbers stand in the app's own row, by platform, so that judging a request costs no further read. They stay there
when the app is registered again, and when the build was never among the known ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from attestation.appraisal.builds import same_build

from service.admin.registration import PLATFORMS
from service.aws import DynamoDBClient, unavailable_on_failure
from service.errors import ChangeRefused, NotKnown, Overtaken
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact

MAX_RETIRED: Final = 200
"""Most retired builds of one app and platform: beyond that, set a minimum build."""

_BUILD: Final = re.compile(r"[!-~]{1,64}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class RetiredBuilds:
    """The retired builds of apps. Both methods raise :class:`ChangeRefused` and
    :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    apps_table: str
    audit: DynamoDBAudit

    def list(self, app: str) -> dict[str, tuple[str, ...]]:
        """By platform, as they were retired."""
        known = self._known_builds(app)
        return {platform: retired for platform in PLATFORMS if (retired := _retired(known, platform))}

    def change(self, app: str, platform: str, build: str, *, retired: bool, entry: AuditEntry) -> bool:
        """Retire a build, or let it in again; ``entry`` is written with it. False when it stood so already."""
        if platform not in PLATFORMS or not _BUILD.match(build):
            raise ChangeRefused(
                f"{platform} {build[:64]!r} is no build: a platform ({', '.join(PLATFORMS)}) and a number."
            )
        known = self._known_builds(app)
        stood = _retired(known, platform)
        others = tuple(one for one in stood if not same_build(one, build))
        if retired == (len(others) < len(stood)):
            return False
        wanted = (*others, build) if retired else others
        if len(wanted) > MAX_RETIRED:
            raise ChangeRefused(f"More than {MAX_RETIRED} builds of {app} are retired: set a minimum build instead.")
        facts = dict(known.get(platform, {}).get("M", {}))
        facts["retired"] = {"L": [{"S": one} for one in wanted]}
        self._write(app, known, {**known, platform: {"M": facts}}, entry)
        return True

    def _known_builds(self, app: str) -> dict[str, Any]:
        with unavailable_on_failure("dynamodb:GetItem apps"):
            answer = self.client.get_item(TableName=self.apps_table, Key={"app": {"S": app}}, ConsistentRead=True)
        if "Item" not in answer:
            raise NotKnown(f"No app called {app} is registered.")
        return dict(answer["Item"].get("known_builds", {}).get("M", {}))

    def _write(self, app: str, stood: Mapping[str, Any], wanted: Mapping[str, Any], entry: AuditEntry) -> None:
        there = "known_builds = :was" if stood else "attribute_not_exists(known_builds)"
        values: dict[str, Any] = {":wanted": {"M": wanted}, **({":was": {"M": stood}} if stood else {})}
        update: Any = {
            "TableName": self.apps_table,
            "Key": {"app": {"S": app}},
            "UpdateExpression": "SET known_builds = :wanted",
            "ConditionExpression": f"attribute_exists(app) AND {there}",
            "ExpressionAttributeValues": values,
        }
        parts: Any = {"app": {"Update": update}, "entry": self.audit.adding(entry)}
        what = "dynamodb:TransactWriteItems apps"
        if transact(self.client, parts, what=what, written=lambda: self.audit.has(entry)):
            raise Overtaken(f"{app} was changed at this moment: try again.")


def _retired(known: Mapping[str, Any], platform: str) -> tuple[str, ...]:
    return tuple(item["S"] for item in known.get(platform, {}).get("M", {}).get("retired", {}).get("L", ()))
