"""GET /admin/keys/{key_id}: one attested key, its block, and what is known of its device."""

from __future__ import annotations

from attestation.appraisal.facts import facts_of
from attestation.appraisal.policy import AppraisalContext

from service.admin.keys import OneKey
from service.admin.problems import UNKNOWN_KEY, refused_as
from service.errors import Rejected, Unreadable
from service.view.stack import ViewCall


def show_key(request: OneKey, call: ViewCall) -> dict[str, object]:
    """One key: its app, whether it is blocked, and the facts that its last accepted evidence left in its row."""
    with refused_as(UNKNOWN_KEY):
        status = call.stack.blocking.show(request.key_id)
    facts = _facts(request.key_id, status.app, call)
    return {**status.to_record(), "facts": facts, "risk": _risk(request.key_id, status.app, call)}


def _risk(key_id: str, app: str, call: ViewCall) -> dict[str, object] | None:
    """Apple's metric: the last known value, when Apple said it, how the last question to Apple ended, and when the next
    one is due; ``None`` for a key without a receipt, or with one that cannot be read."""
    try:
        row = call.stack.receipts.find(key_id)
    except Unreadable:
        return None
    if row is None or row.app != app:
        return None
    return {
        "metric": row.risk_metric,
        "earlier_metric": row.earlier_metric,
        "read_at": row.read_at,
        "asked_at": row.asked_at,
        "outcome": row.outcome.value,
        "due_at": row.due_at,
        "usable_until": row.usable_until,
    }


def _facts(key_id: str, app: str, call: ViewCall) -> dict[str, object] | None:
    """As policies see them, without what only a request has; ``None`` for a row whose claims cannot be read or were
    erased."""
    try:
        key = call.stack.attested_keys.find(key_id)
    except (Rejected, Unreadable):
        return None
    if key is None:
        return None
    known = facts_of(AppraisalContext(claims=key.recalled().claims, client_data=None, now=call.now, app=app))
    return {"kind": known.kind, "claims": dict(known.claims), "signals": known.context["signals"]}
