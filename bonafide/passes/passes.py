"""An app's test passes, through the Admin API: what stands in for evidence on a test stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bonafide.operator.admin_api import AdminCalls, segment


@dataclass(frozen=True, slots=True)
class PassesOfApp:
    """What an operator may do with the test passes of ``app``. Every method raises
    :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls
    app: str

    def list(self) -> dict[str, Any]:
        """``passes``, used ID tokens among them, and ``issuers``, the CI systems that the app trusts."""
        return self.api.call("GET", self._path("test-passes"))

    def mint(self, asked: Mapping[str, object], *, why: str = "") -> dict[str, Any]:
        """Mint one; the answer has it as ``pass``, and no other answer has. ``asked`` are the request's members."""
        return self.api.call("POST", self._path("test-passes"), {**asked, "why": why})

    def revoke(self, pass_id: str, *, why: str = "") -> dict[str, Any]:
        """Revoke one, and block the key that enrolled with it."""
        return self.api.call("POST", self._path("test-passes", pass_id, "revoke"), {"why": why})

    def trust(self, issuers: Sequence[Mapping[str, Any]], *, why: str = "") -> dict[str, Any]:
        """Trust these CI systems from now on, in the place of those before."""
        return self.api.call("PUT", self._path("test-issuers"), {"issuers": [*issuers], "why": why})

    def _path(self, *names: str) -> str:
        return "/".join((f"/admin/apps/{segment(self.app)}", *(segment(name) for name in names)))
