"""A stack's stored copy of Google's status list, as an operator sees it, and asking for a newer one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from service.errors import Unavailable
from service.vendors.status_lists import DynamoDBStatusLists, StoredStatusList

from bonafide.operator.deployment import REFRESH_FUNCTION, Deployment
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

    def refresh(self, *, force: bool = False, accept_shrunken: bool = False) -> dict[str, Any]:
        """Have the stack refresh its list now; what came of it."""
        name = self.deployment.functions.get(REFRESH_FUNCTION)
        if name is None:
            raise OperatorError(f"Stack {self.deployment.stack_name} has no Android apps: it keeps no status list.")
        event = {"action": "refresh", "force": force, "accept_shrunken": accept_shrunken}
        answer = self.deployment.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode("utf-8"))
        payload = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError") or not isinstance(payload, dict):
            raise OperatorError(f"{REFRESH_FUNCTION} failed; its log says more.")
        return payload
