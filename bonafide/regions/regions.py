"""Regions, through the Admin API: which there are, what each serves, and the documents that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bonafide.operator.admin_api import AdminCalls, segment


@dataclass(frozen=True, slots=True)
class Regions:
    """What an operator may do with regions. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    def show(self) -> dict[str, Any]:
        """The newest document, and which region was asked (``here``)."""
        return self.api.call("GET", "/admin/regions")

    def change(self, region: str, change: str, seen: dict[str, Any], **members: str) -> dict[str, Any]:
        """Have the document of the next epoch signed: ``found``, ``add``, ``lose``, ``restore``, ``administer``,
        ``sign``. ``seen`` is what :meth:`show` answered; ``members`` are those of the request."""
        path = f"/admin/regions/{segment(region)}/{segment(change)}"
        return self.api.call("POST", path, {**members, "expected_epoch": seen["epoch"]})
