"""Use cases of the Admin API: taking back what was granted, one attested key or every token of an app."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.admin.problems import CHANGE_REFUSED, CONFLICT, UNKNOWN_APP, UNKNOWN_KEY, AdminRefusal
from service.admin.publication import Publication, published_in_doubt
from service.edge.http import RequestModel
from service.edge.request_fields import App, KeyId
from service.tables.apps import Apps
from service.tables.audit import AuditEntry, app_subject, key_subject
from service.tables.blocking import Blocking, BlockingRefused, KeyChanging, KeyNotKnown
from service.tables.not_before import NotBefore

_LONGEST_BLOCK = 10 * 366 * 86_400


class OneKey(RequestModel):
    """GET /admin/keys/{key_id}."""

    key_id: KeyId


class BlockKey(RequestModel):
    """POST /admin/keys/{key_id}/block. For ``seconds``, or for good without them."""

    key_id: KeyId
    reason: Annotated[str, Field(max_length=2000)] = ""  # how long one may be is said in the words of blocking
    seconds: Annotated[int, Field(ge=1, le=_LONGEST_BLOCK)] | None = None


class UnblockKey(RequestModel):
    """POST /admin/keys/{key_id}/unblock."""

    key_id: KeyId
    why: Annotated[str, Field(max_length=1000)] = ""


class OneApp(RequestModel):
    """GET /admin/apps/{app}/not-before."""

    app: App


class RefuseOlderTokens(RequestModel):
    """POST /admin/apps/{app}/not-before."""

    app: App
    why: Annotated[str, Field(max_length=1000)] = ""


def show_key(request: OneKey, *, who: str, now: float, blocking: Blocking) -> dict[str, object]:
    """One key: whose it is, and whether it is blocked."""
    del who, now
    try:
        return blocking.show(request.key_id).to_record()
    except BlockingRefused as error:
        raise _refusal(error) from None


def block_key(
    request: BlockKey, *, who: str, now: float, blocking: Blocking, publication: Publication
) -> dict[str, object]:
    """Block a key: it renews no token, and with the trust bundle that is published its tokens are refused."""
    details = {} if request.seconds is None else {"seconds": request.seconds}
    entry = AuditEntry(
        subject=key_subject(request.key_id), at=now, who=who, action="block-key", why=request.reason, details=details
    )
    try:
        with published_in_doubt(publication, f"bonafide key show {request.key_id}"):
            standing = blocking.block(
                request.key_id, by=who, now=now, reason=request.reason, seconds=request.seconds, entry=entry
            )
    except BlockingRefused as error:
        raise _refusal(error) from None
    return {**standing.to_record(), **publication.now().to_record()}


def unblock_key(
    request: UnblockKey, *, who: str, now: float, blocking: Blocking, publication: Publication
) -> dict[str, object]:
    """Let a blocked key in again."""
    entry = AuditEntry(subject=key_subject(request.key_id), at=now, who=who, action="unblock-key", why=request.why)
    try:
        with published_in_doubt(publication, f"bonafide key show {request.key_id}"):
            standing = blocking.unblock(request.key_id, now=now, entry=entry)
    except BlockingRefused as error:
        raise _refusal(error) from None
    return {**standing.to_record(), **publication.now().to_record()}


def show_not_before(request: OneApp, *, who: str, now: float, apps: Apps, not_before: NotBefore) -> dict[str, object]:
    """The time before which tokens of an app are refused."""
    del who, now
    require_app(apps, request.app)
    return {"app": request.app, "tokens_not_before": not_before.find(request.app)}


def refuse_older_tokens(
    request: RefuseOlderTokens,
    *,
    who: str,
    now: float,
    apps: Apps,
    not_before: NotBefore,
    publication: Publication,
) -> dict[str, object]:
    """Refuse every token of an app that was minted up to now: its instances renew, under the rules that hold now."""
    require_app(apps, request.app)
    entry = AuditEntry(subject=app_subject(request.app), at=now, who=who, action="refuse-older-tokens", why=request.why)
    with published_in_doubt(publication, f"bonafide app not-before {request.app}"):
        moment = not_before.refuse_older_tokens(request.app, by=who, now=now, entry=entry)
    return {"app": request.app, "tokens_not_before": moment, **publication.now().to_record()}


def require_app(apps: Apps, app: str) -> None:
    """Raises the refusal for an app that is not registered."""
    if apps.find(app) is None:
        raise AdminRefusal(UNKNOWN_APP, f"No app called {app} is registered.")


def _refusal(error: BlockingRefused) -> AdminRefusal:
    match error:
        case KeyNotKnown():
            return AdminRefusal(UNKNOWN_KEY, str(error))
        case KeyChanging():
            return AdminRefusal(CONFLICT, str(error))
        case _:
            return AdminRefusal(CHANGE_REFUSED, str(error))
