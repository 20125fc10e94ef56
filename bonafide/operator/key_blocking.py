"""Taking back what was granted, through the Admin API: one attested key, or every token of an app.

Each change is published by the stack itself; its answer says as which trust bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from service.tables.blocking import NEVER, KeyStatus

from bonafide.operator.admin_api import AdminApi, AdminCalls, segment
from bonafide.operator.deployment import Deployment

__all__ = ["NEVER", "KeyBlocking", "KeyStatus", "status_of"]

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeyBlocking:
    """Keys, not-befores and stretched lives of one stack. Every method raises
    :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls

    @classmethod
    def of(cls, deployment: Deployment) -> KeyBlocking:
        """The keys of a stack."""
        return cls(AdminApi(deployment))

    def show(self, key_id: str) -> tuple[KeyStatus, Answer]:
        """One key, and the answer as it came: with facts, and Apple's risk metric."""
        answer = self.api.call("GET", f"/admin/keys/{segment(key_id)}")
        return status_of(answer), answer

    def block(self, key_id: str, *, reason: str = "", seconds: int | None = None) -> tuple[KeyStatus, Answer]:
        """Block a key, for ``seconds`` or permanently; an existing block is replaced. Returns the key and the answer as
        it came."""
        body = {"reason": reason, "seconds": seconds}
        answer = self.api.call("POST", f"/admin/keys/{segment(key_id)}/block", body)
        return status_of(answer), answer

    def unblock(self, key_id: str, *, reason: str = "") -> tuple[KeyStatus, Answer]:
        """Let a key renew again; it has a whole idle period to do so."""
        answer = self.api.call("POST", f"/admin/keys/{segment(key_id)}/unblock", {"why": reason})
        return status_of(answer), answer

    def stretched_until(self, app: str) -> int:
        """Until when tokens of an app are stretched (Unix seconds); 0 where they are not."""
        return int(self.api.call("GET", _stress(app))["stressed_until"])

    def stretch(self, app: str, seconds: int, *, reason: str) -> int:
        """Stretch them from now on, for so many ``seconds``, 0 to end it; until when."""
        return int(self.api.call("POST", _stress(app), {"seconds": seconds, "why": reason})["stressed_until"])

    def not_before(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        moment: int | None = self.api.call("GET", _not_before(app))["tokens_not_before"]
        return moment

    def refuse_older_tokens(self, app: str) -> tuple[int, Answer]:
        """Refuse every token of an app that was minted up to now; its not-before."""
        answer = self.api.call("POST", _not_before(app), {})
        return int(answer["tokens_not_before"]), answer


def _stress(app: str) -> str:
    return f"/admin/apps/{segment(app)}/stress"


def _not_before(app: str) -> str:
    return f"/admin/apps/{segment(app)}/not-before"


def status_of(record: Answer) -> KeyStatus:
    """The key of a record of the Admin API."""
    return KeyStatus(**{member.name: record[member.name] for member in fields(KeyStatus)})
