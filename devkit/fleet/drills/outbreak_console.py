"""The story's operator, by the means that an operator has: the Admin API, and replay over the recorded decisions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from attestation.appraisal.replay.tally import Change

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment
from bonafide.operator.registration import Registrations
from bonafide.replay.decisions import parts_of_path
from bonafide.replay.replaying import ReplayOrder, replay
from devkit.fleet.drills.outbreak import OUTBREAK_APP, Replayed, StoryBroke, registration

_NAMED: Final = 1000
"""Most keys that a replay names: more than the story has devices."""


@dataclass(frozen=True, slots=True)
class StackConsole:
    """A local stack, and the folder that its decisions are recorded in."""

    api: AdminApi
    decisions: Path

    @classmethod
    def of(cls, deployment: Deployment, decisions: Path) -> StackConsole:
        """The console of a running local stack, with the story's app registered."""
        Registrations(deployment.aws("dynamodb"), deployment.tables["apps"]).put(registration())
        return cls(AdminApi(deployment), decisions)

    def publish(self, appraisal: str, *, why: str, now: bool) -> int:
        head = self.api.call("GET", _policies())
        body = {
            "appraisal": appraisal,
            "why": why,
            "effect": "now" if now else "next-renewal",
            "expected_version": head["latest"],
        }
        return _version(self.api.call("POST", _policies(), body))

    def rollback(self, *, why: str) -> int:
        return _version(self.api.call("POST", _policies("/rollback"), {"why": why, "effect": "now"}))

    def replay(self, appraisal: str, *, since: float) -> Replayed:
        begin = time.monotonic()
        order = ReplayOrder(draft=appraisal, now=time.time(), app=OUTBREAK_APP, since=since, sample=_NAMED)
        tally = replay(order, parts_of_path(self.decisions, since=since, until=None)).tally
        return Replayed(
            keys=tally.accepted_before.keys.count(),
            refused=frozenset(key.key_id for key in tally.samples[Change.NEWLY_REFUSED].drawn()),
            decisions=tally.replayed.decisions,
            seconds=time.monotonic() - begin,
        )


def _policies(more: str = "") -> str:
    return f"/admin/policies/{OUTBREAK_APP}{more}"


def _version(answer: dict[str, Any]) -> int:
    added = answer.get("added")
    if not isinstance(added, dict):
        raise StoryBroke("The stack asks for a second person's approval, and the story has one operator.")
    return int(added["version"])
