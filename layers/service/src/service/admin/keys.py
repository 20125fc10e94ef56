"""Use cases of the Admin API: revoking one attested key, or every token of an app; upkeep of what all apps need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from service.admin.problems import CHANGE_REFUSED, UNKNOWN_APP, UNKNOWN_KEY, AdminRefusal, refused_as
from service.admin.publication import published_in_doubt, shown_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.edge.request_fields import App, KeyId
from service.errors import Unavailable
from service.tables.apps import Apps
from service.tables.audit import STACK_SUBJECT, app_subject, key_subject

_LONGEST_BLOCK = 10 * 366 * 86_400


class OneKey(RequestModel):
    """GET /admin/keys/{key_id}."""

    key_id: KeyId


class BlockKey(RequestModel):
    """POST /admin/keys/{key_id}/block. For ``seconds``; without them, permanently."""

    key_id: KeyId
    reason: Annotated[str, Field(max_length=2000)] = ""  # how long one may be is said in the words of blocking
    seconds: Annotated[int, Field(ge=1, le=_LONGEST_BLOCK)] | None = None


class UnblockKey(RequestModel):
    """POST /admin/keys/{key_id}/unblock."""

    key_id: KeyId
    why: Annotated[str, Field(max_length=1000)] = ""


class RotateSigningKeys(RequestModel):
    """POST /admin/signing-keys/rotate."""

    why: Annotated[str, Field(max_length=1000)] = ""


class RefreshEndorsements(RequestModel):
    """POST /admin/endorsements/refresh. ``force`` asks Google before its last answer expires; ``accept_shrunken`` takes
    a list that lost more than half of its entries."""

    force: bool = False
    accept_shrunken: bool = False
    why: Annotated[str, Field(max_length=1000)] = ""


class OneApp(RequestModel):
    """GET /admin/apps/{app}/not-before."""

    app: App


class RefuseOlderTokens(RequestModel):
    """POST /admin/apps/{app}/not-before."""

    app: App
    why: Annotated[str, Field(max_length=1000)] = ""


def rotate_signing_keys(request: RotateSigningKeys, call: StackCall) -> dict[str, object]:
    """Make new signing keys and announce them; they are used once every relying party can know them.

    Written down first, as what follows is no transaction: an entry without a rotation is possible, the other way round
    is not.
    """
    call.stack.audit.add(entry_of(call, STACK_SUBJECT, "rotate-signing-keys", request.why))
    with shown_in_doubt("bonafide signing-key list"):
        answer = call.stack.rotation.answer({"action": "rotate"})
        try:
            return {"bundle_version": int(answer["BundleVersion"]), "kids": [str(kid) for kid in answer["Kids"]]}
        except (KeyError, TypeError, ValueError):
            raise Unavailable("rotation: an answer that is none") from None


def refresh_endorsements(request: RefreshEndorsements, call: StackCall) -> dict[str, object]:
    """Have Google's list of revoked Android keys fetched now. Written down first, as a rotation is."""
    if not call.stack.refresh.function:
        raise AdminRefusal(CHANGE_REFUSED, "This stack has no Android apps: it keeps no status list.")
    asked = {"force": request.force or request.accept_shrunken, "accept_shrunken": request.accept_shrunken}
    details = {name: str(value).lower() for name, value in asked.items()}
    call.stack.audit.add(entry_of(call, STACK_SUBJECT, "refresh-endorsements", request.why, details))
    with shown_in_doubt("bonafide endorsements show"):
        answer = call.stack.refresh.answer({"action": "refresh", **asked})
    return {name: answer.get(name) for name in ("outcome", "entries", "age", "detail")}


def block_key(request: BlockKey, call: StackCall) -> dict[str, object]:
    """Block a key: it renews no token, and with the trust bundle that is published its tokens are refused."""
    details = {} if request.seconds is None else {"seconds": request.seconds}
    entry = entry_of(call, key_subject(request.key_id), "block-key", request.reason, details)
    with _changing(request.key_id, call):
        status = call.stack.blocking.block(
            request.key_id, by=call.who, now=call.now, reason=request.reason, seconds=request.seconds, entry=entry
        )
    return {**status.to_record(), **call.stack.publication.now().to_record()}


def unblock_key(request: UnblockKey, call: StackCall) -> dict[str, object]:
    """Unblock a key."""
    entry = entry_of(call, key_subject(request.key_id), "unblock-key", request.why)
    with _changing(request.key_id, call):
        status = call.stack.blocking.unblock(request.key_id, now=call.now, entry=entry)
    return {**status.to_record(), **call.stack.publication.now().to_record()}


@contextmanager
def _changing(key_id: str, call: StackCall) -> Iterator[None]:
    look = f"bonafide device-key show {key_id}"
    with refused_as(UNKNOWN_KEY), published_in_doubt(call.stack.publication, look):
        yield


def show_not_before(request: OneApp, call: StackCall) -> dict[str, object]:
    """The time before which tokens of an app are refused."""
    require_app(call.stack.apps, request.app)
    return {"app": request.app, "tokens_not_before": call.stack.not_before.find(request.app)}


def refuse_older_tokens(request: RefuseOlderTokens, call: StackCall) -> dict[str, object]:
    """Refuse every token of an app that was minted up to now: its instances renew, under the rules that hold now."""
    require_app(call.stack.apps, request.app)
    entry = entry_of(call, app_subject(request.app), "refuse-older-tokens", request.why)
    with published_in_doubt(call.stack.publication, f"bonafide token show {request.app}"):
        moment = call.stack.not_before.refuse_older_tokens(request.app, by=call.who, now=call.now, entry=entry)
    return {"app": request.app, "tokens_not_before": moment, **call.stack.publication.now().to_record()}


def require_app(apps: Apps, app: str) -> None:
    """Raises the refusal for an app that is not registered."""
    if apps.find(app) is None:
        raise AdminRefusal(UNKNOWN_APP, f"No app called {app} is registered.")
