"""A stack's stored copy of Google's status list, as an operator sees it, and asking for a newer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.errors import Unavailable
from service.vendors.status_lists import DynamoDBStatusLists, StoredStatusList

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError


@dataclass(frozen=True, slots=True)
class EndorsementFeed:
    """The feed of one stack. Every method raises :class:`OperatorError`."""

    deployment: Deployment

    def stored(self) -> StoredStatusList | None:
        """The list as it is stored, ``None`` before the first fetch."""
        table = DynamoDBStatusLists(self.deployment.aws("dynamodb"), self.deployment.tables["endorsements"])
        try:
            return table.find()
        except Unavailable as error:
            raise OperatorError(f"The endorsements table cannot be read: {error.what}.") from error

    def refresh(self, *, force: bool = False, accept_shrunken: bool = False, why: str = "") -> dict[str, Any]:
        """Have the stack refresh its list now, through the Admin API; what came of it."""
        body = {"force": force, "accept_shrunken": accept_shrunken, "why": why}
        return AdminApi(self.deployment).call("POST", "/admin/endorsements/refresh", body)
