"""An app's runtime secrets, through the Admin API: sealed there, and never read back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bonafide.operator.admin_api import AdminCalls, segment
from bonafide.operator.errors import OperatorError


@dataclass(frozen=True, slots=True)
class RuntimeSecretsOfApp:
    """What an operator may do with the secrets of ``app``. Every method raises
    :class:`~bonafide.operator.errors.OperatorError`, which never quotes a value, and answers with the secret as it is
    then: all but the value."""

    api: AdminCalls
    app: str

    def list(self) -> dict[str, Any]:
        """``secrets``, those that wait for a second person among them, and ``approval``: whether new values do."""
        return self.api.call("GET", self._path())

    def store(self, name: str, kept: Mapping[str, object], *, rotate: bool, why: str = "") -> dict[str, Any]:
        """Store a secret (``kept`` by :func:`value` or as a reference), or give it its next version."""
        return self.api.call("POST", self._path(name, "rotate" if rotate else ""), {**kept, "why": why})

    def revoke(self, name: str, *, why: str = "") -> dict[str, Any]:
        """Release it no more."""
        return self.api.call("POST", self._path(name, "revoke"), {"why": why})

    def proposal(self, name: str, version: int) -> dict[str, Any]:
        """The proposal of that version."""
        for secret in self.list()["secrets"]:
            if (secret["name"], secret["version"], secret["state"]) == (name, version, "proposed"):
                return dict(secret)
        raise OperatorError(f"No version {version} of {name} waits for a second person.")

    def approve(self, proposal: Mapping[str, Any], *, why: str = "") -> dict[str, Any]:
        """Make a proposal the secret; what was proposed in its place since then is refused."""
        looked_at = {"proposed_by": proposal["by"], "proposed_at": proposal["at"]}
        body = {"version": proposal["version"], **looked_at, "why": why}
        return self.api.call("POST", self._path(str(proposal["name"]), "approve"), body)

    def reject(self, name: str, version: int, *, why: str = "") -> dict[str, Any]:
        """Withdraw a proposal."""
        return self.api.call("POST", self._path(name, "reject"), {"version": version, "why": why})

    def _path(self, *names: str) -> str:
        path = f"/admin/apps/{segment(self.app)}/runtime-secrets"
        return "/".join((path, *(segment(name) for name in names if name)))


def value(content: bytes) -> dict[str, object]:
    """A value as the Admin API takes it."""
    return {"value": base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")}
