"""Use cases of the Admin API: which keys are blocked, and unblocking all that one rule blocked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.admin.blocked_key_pages import MOST_LISTED
from service.admin.publication import published_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App, KeyId
from service.tables.audit import STACK_SUBJECT, blocks_subject, rule_subject

_Rule = Annotated[str, Field(min_length=1, max_length=256)]


class ListBlockedKeys(RequestModel):
    """GET /admin/blocked-keys. ``after`` is the ``after`` of the page before."""

    app: App | None = None
    rule: _Rule | None = None
    after: KeyId | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=False)] = 100


class UnblockRule(RequestModel):
    """POST /admin/blocked-keys/unblock. ``after`` is the ``after`` of the answer before, to go on."""

    rule: _Rule
    app: App | None = None
    after: KeyId | None = None
    why: Annotated[str, Field(max_length=1000)] = ""


def list_blocked_keys(request: ListBlockedKeys, call: StackCall) -> dict[str, object]:
    """A page of the keys whose block is active, in no order."""
    page = call.stack.blocked_keys.page(now=call.now, **request.model_dump())
    keys = [status.to_record() for status in page.keys]
    return {"keys": keys, "after": page.after, "examined": page.examined}


def unblock_rule(request: UnblockRule, call: StackCall) -> dict[str, object]:
    """Unblock keys that one rule blocked, as many as one call can: call again while ``after`` is not null."""
    if request.after is None:
        # Before anything is done: what was begun is known, however it ends. Each key has an entry of its own besides.
        details = {} if request.app is None else {"app": request.app}
        call.stack.audit.add(entry_of(call, rule_subject(request.rule), "unblock-rule", request.why, details))
        timeline = STACK_SUBJECT if request.app is None else blocks_subject(request.app)
        call.stack.audit.add(entry_of(call, timeline, "unblock-rule", request.why, {**details, "rule": request.rule}))
    with published_in_doubt(call.stack.publication, f"bonafide device-key list --blocked --rule {request.rule}"):
        done = call.stack.blocked_keys.unblock_rule(
            request.rule, who=call.who, now=call.now, why=request.why, app=request.app, after=request.after
        )
    answer = {"rule": request.rule, "unblocked": done.keys, "changing": done.changing, "after": done.after}
    published = call.stack.publication.now().to_record() if done.keys else {}
    return {**answer, "examined": done.examined, **published}
