"""Withdrawing builds of an app, through the Admin API: they enrol and renew nothing from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attestation.appraisal.builds import same_build

from bonafide.operator.admin_api import AdminCalls, segment


@dataclass(frozen=True, slots=True)
class RetiredBuilds:
    """The retired builds of one stack's apps. Every method raises
    :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    def list(self, app: str) -> Mapping[str, Sequence[str]]:
        """By platform."""
        retired: Mapping[str, Sequence[str]] = self.api.call("GET", _path(app))["retired"]
        return retired

    def change(self, app: str, platform: str, build: str, *, retired: bool, reason: str) -> Mapping[str, Any]:
        """Retire a build, or let it in again; the answer as it came, with ``changed`` and all that stand."""
        body = {"platform": platform, "build": build, "retired": retired, "why": reason}
        return self.api.call("POST", _path(app), body)


def is_retired(retired: Mapping[str, Sequence[str]], platform: str, build: str) -> bool:
    """Whether a build is among the retired ones."""
    return any(same_build(one, build) for one in retired.get(platform, ()))


def _path(app: str) -> str:
    return f"/admin/apps/{segment(app)}/retired-builds"
