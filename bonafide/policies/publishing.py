"""An app's policies as the command sees them, through the Admin API."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide.operator.admin_api import AdminApi, segment
from bonafide.operator.deployment import Deployment
from bonafide.policies.drafts import APPRAISAL_FILE, CLIENT_FILE

FILES: Final[Mapping[str, str]] = {"appraisal": APPRAISAL_FILE, "client": CLIENT_FILE}
"""The two documents, and how the files of a draft are called."""


@dataclass(frozen=True, slots=True)
class Documents:
    """Both documents of a version, and what people call it. An empty client policy is none."""

    name: str
    appraisal: str
    client: str

    @classmethod
    def of(cls, name: str, record: Mapping[str, Any]) -> Documents:
        """The documents of a record of the Admin API."""
        return cls(name, str(record["appraisal"]), str(record["client"]))


@dataclass(frozen=True, slots=True)
class AppPolicies:
    """The policies of one app. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    deployment: Deployment
    app: str

    def status(self) -> dict[str, Any]:
        """The active version, the one that is rolling out, and the proposal that waits."""
        return self._call("GET")

    def version(self, number: int) -> dict[str, Any]:
        """A version with its documents; 0 is the built-in default."""
        return self._call("GET", f"/versions/{number}")

    def proposal(self, number: int) -> dict[str, Any]:
        """A proposal with its documents."""
        return self._call("GET", f"/proposals/{number}")

    def documents(self, number: int) -> Documents:
        """The documents of a version."""
        return Documents.of(f"version {number}", self.version(number))

    def history(self, limit: int) -> list[dict[str, Any]]:
        """The versions, newest first."""
        versions: list[dict[str, Any]] = self._call("GET", f"/history?limit={limit}")["versions"]
        return versions

    def change(self, verb: str, members: Mapping[str, object]) -> dict[str, Any]:
        """Carry out a change: ``""`` publishes, the others are ``promote``, ``rollback``, ``approve``, ``reject``."""
        return self._call("POST", f"/{verb}" if verb else "", members)

    def _call(self, method: str, below: str = "", body: Mapping[str, object] | None = None) -> dict[str, Any]:
        return AdminApi(self.deployment).call(method, f"/admin/policies/{segment(self.app)}{below}", body)


def difference(old: Documents, new: Documents) -> str:
    """How two versions differ, as unified diffs; empty for no difference."""
    parts: list[str] = []
    for document, file in FILES.items():
        before, after = getattr(old, document), getattr(new, document)
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"{file} ({old.name})", f"{file} ({new.name})", lineterm=""
        )
        parts.extend(lines)
    return "\n".join(parts)
