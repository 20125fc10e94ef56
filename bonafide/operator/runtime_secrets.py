"""An app's runtime secrets, through the Admin API: sealed there, and never read back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bonafide.operator.admin_api import AdminCalls, segment


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

    def decide(self, name: str, version: int, *, approve: bool, why: str = "") -> dict[str, Any]:
        """Approve or reject another person's proposal."""
        verb = "approve" if approve else "reject"
        return self.api.call("POST", self._path(name, verb), {"version": version, "why": why})

    def _path(self, *names: str) -> str:
        path = f"/admin/apps/{segment(self.app)}/runtime-secrets"
        return "/".join((path, *(segment(name) for name in names if name)))


def value(content: bytes) -> dict[str, object]:
    """A value as the Admin API takes it."""
    return {"value": base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")}
