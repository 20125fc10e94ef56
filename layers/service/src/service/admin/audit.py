"""Use cases of the Admin API: who changed what, when and why."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.admin.stack import StackCall
from service.edge.gateway import RequestModel
from service.items.rows import to_row
from service.tables.audit import MAX_ENTRIES, AuditEntry


class ReadAudit(RequestModel):
    """GET /admin/audit?subject=app/demo. ``before`` is the ``entry`` to go on from."""

    subject: Annotated[str, Field(min_length=1, max_length=300)]
    limit: Annotated[int, Field(ge=1, le=MAX_ENTRIES, strict=False)] = 50
    before: Annotated[str, Field(min_length=1, max_length=80)] | None = None


def read_audit(request: ReadAudit, call: StackCall) -> dict[str, object]:
    """The entries about one subject, newest first."""
    found = call.stack.audit.newest(request.subject, limit=request.limit, before=request.before)
    return {"entries": [record_of(entry) for entry in found]}


def record_of(entry: AuditEntry) -> dict[str, object]:
    """An entry, JSON-ready."""
    return to_row(entry)
