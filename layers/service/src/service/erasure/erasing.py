"""POST /admin/erased-keys/{key_id}: forgets what the tables keep of a key. Log and archive are erased apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.admin.problems import UNKNOWN_KEY, refused_as
from service.admin.publication import shown_in_doubt
from service.admin.stack import entry_of
from service.detection.finding import ALL_APPS
from service.edge.gateway import RequestModel
from service.edge.request_fields import KeyId
from service.erasure.members import IncidentMembers
from service.errors import NotKnown
from service.tables.audit import key_subject
from service.tables.blocking import Erasure, KeyStatus, is_blocked
from service.view.stack import ViewCall


class EraseKey(RequestModel):
    """POST /admin/erased-keys/{key_id}. With ``dry_run`` it is only said what would be done."""

    key_id: KeyId
    dry_run: bool = False
    why: Annotated[str, Field(max_length=1000)] = ""


def erase_key(request: EraseKey, call: ViewCall) -> dict[str, object]:
    """Forget a key: in incidents first, then its rows, as the row says of which app it is. A block stays."""
    seen = _status(request.key_id, call)
    found = Erasure(known=seen is not None, blocked=seen is not None and is_blocked(seen, call.now))
    incidents = 0
    if not request.dry_run:
        entry = entry_of(call, key_subject(request.key_id), "erase-key", request.why)
        with shown_in_doubt(f"bonafide device-key show {request.key_id}"), refused_as(UNKNOWN_KEY):
            incidents = _members(call).forget(request.key_id, (*_apps(seen, call), ALL_APPS), call.now)
            found = call.stack.blocking.erase(request.key_id, now=call.now, entry=entry)
    return {
        "key_id": request.key_id,
        "known": found.known,
        "blocked": found.blocked,
        "incidents": incidents,
        "erased": not request.dry_run,
    }


def _status(key_id: str, call: ViewCall) -> KeyStatus | None:
    try:
        return call.stack.blocking.show(key_id)
    except NotKnown:
        return None


def _apps(seen: KeyStatus | None, call: ViewCall) -> list[str]:
    """Whose incidents may name the key: of a forgotten one, those of any app."""
    return [one.app for one in call.stack.registrations.list()] if seen is None else [seen.app]


def _members(call: ViewCall) -> IncidentMembers:
    incidents = call.stack.incidents
    return IncidentMembers(incidents.client, incidents.table, incidents.seal)
