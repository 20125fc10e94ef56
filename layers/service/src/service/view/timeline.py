"""GET /admin/apps/{app}/timeline: what operators changed, from the audit, and incidents, for an app's curves."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Final

from pydantic import Field

from service.admin.guarded_apis import GuardedApis
from service.admin.keys import require_app
from service.detection.finding import ALL_APPS
from service.edge.gateway import RequestModel
from service.edge.request_fields import App
from service.incidents.incident import State
from service.tables.audit import (
    STACK_SUBJECT,
    AuditEntry,
    DynamoDBAudit,
    api_subject,
    app_subject,
    blocks_subject,
    entry_name,
)
from service.view.stack import ViewCall

SPAN: Final = 86_400
"""Seconds of a timeline that names no beginning."""

MOST_APIS: Final = 20
"""Most guarded APIs whose entries one page has: each is a query of its own."""

MAX_PAGE: Final = 200
_SHORT: Final = 200
_LATEST: Final = 1 << 36
_Details = Mapping[str, str | int]


class TimelineQuery(RequestModel):
    """GET /admin/apps/{app}/timeline. Times are Unix seconds; ``before`` is that of the page before."""

    app: App
    since: Annotated[int, Field(ge=1, le=_LATEST, strict=False)] | None = None
    until: Annotated[int, Field(ge=1, le=_LATEST, strict=False)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=False)] = 100
    before: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9T:.Z/a-f-]{1,70}$")] | None = None


def show_timeline(request: TimelineQuery, call: ViewCall) -> dict[str, object]:
    """The changes that concern an app, newest first: its own, those of its keys' blocks, of guarded APIs and of the
    stack; and the incidents that were opened, with their ends."""
    require_app(call.stack.apps, request.app)
    since = int(call.now) - SPAN if request.since is None else request.since
    subjects, complete = subjects_of(request.app, call.stack.apis)
    made = changes(
        call.stack.audit, subjects, since=since, until=request.until, before=request.before, limit=request.limit + 1
    )
    found = sorted([*made, *_of_incidents(request, call, since)], key=lambda entry: entry.entry, reverse=True)
    page = found[: request.limit]
    return {
        "app": request.app,
        "entries": [record_of(entry) for entry in page],
        "before": page[-1].entry if len(found) > len(page) else None,
        "complete": complete,
    }


def subjects_of(app: str, apis: GuardedApis) -> tuple[list[str], bool]:
    """What an app's timeline is made of, and whether that is all: APIs beyond :data:`MOST_APIS` are left out."""
    audiences = apis.changed()
    kept = [api_subject(audience) for audience in audiences[:MOST_APIS]]
    return [app_subject(app), blocks_subject(app), STACK_SUBJECT, *kept], len(audiences) <= MOST_APIS


def changes(
    audit: DynamoDBAudit,
    subjects: list[str],
    *,
    since: float,
    until: float | None = None,
    before: str | None = None,
    limit: int,
) -> list[AuditEntry]:
    """The newest entries of all subjects since a time, newest first; one query for each subject."""
    pages = (
        audit.newest(subject, limit=limit, before=before, since=since, until=until)
        for subject in dict.fromkeys(subjects)
    )
    return list(islice(heapq.merge(*pages, key=lambda entry: entry.entry, reverse=True), limit))


def _of_incidents(request: TimelineQuery, call: ViewCall, since: float) -> list[AuditEntry]:
    """Openings and ends of incidents, as entries. One that an operator closed has its end in the audit."""
    entries = []
    for app in (request.app, ALL_APPS):
        for one in call.stack.incidents.reader.page(app, since=since, until=request.until, limit=MAX_PAGE):
            told: _Details = {"incident": one.id, "detector": one.finding.detector, "title": one.finding.title[:_SHORT]}
            ended = one.ended_at if one.state is State.ENDED else None
            for at, action in ((one.opened_at, "open-incident"), (ended, "end-incident")):
                if at is not None:
                    subject, name = f"incident/{one.id}", entry_name(at, f"{action}/{one.id}")
                    entries.append(AuditEntry(subject=subject, entry=name, at=at, who="", action=action, details=told))
    ends = since, request.until or _LATEST
    return [
        entry
        for entry in entries
        if ends[0] <= entry.at < ends[1] and (request.before is None or entry.entry < request.before)
    ]


def record_of(entry: AuditEntry) -> dict[str, object]:
    """An entry of the timeline, JSON-ready; what is long in its details is left to the audit."""
    return {
        "at": entry.at,
        "kind": kind_of(entry),
        "title": title_of(entry),
        "who": entry.who,
        "reason": entry.why[:2_000],
        "subject": entry.subject,
        "entry": entry.entry,
        "details": {
            name: value for name, value in entry.details.items() if isinstance(value, int) or len(value) <= _SHORT
        },
    }


def kind_of(entry: AuditEntry) -> str:
    """Which kind of change an entry tells of; ``upkeep`` for one that is not known here."""
    return _KNOWN[entry.action][0] if entry.action in _KNOWN else "upkeep"


def title_of(entry: AuditEntry) -> str:
    """What was changed, in a sentence."""
    known = _KNOWN.get(entry.action)
    return f"{entry.action[:80]}." if known is None else known[1](entry.subject, entry.details)


def _version(verb: str) -> Callable[[str, _Details], str]:
    def title(_subject: str, details: _Details) -> str:
        rollout = details.get("rollout", 100)
        part = "" if rollout == 100 else f" for {rollout} % of the keys"
        at_once = ", in effect at once" if details.get("effect") == "now" else ""
        return f"Version {details.get('version', '?')} of the policy was {verb}{part}{at_once}."

    return title


def _approved(_subject: str, details: _Details) -> str:
    version = details.get("version", details.get("promotes", "?"))
    return f"A proposal was approved: version {version} of the policy, {details.get('rollout', 100)} % of the keys."


def _build(verb: str) -> Callable[[str, _Details], str]:
    return lambda _subject, details: f"Build {details.get('build', '?')} of {details.get('platform', '?')} was {verb}."


def _incident(verb: str) -> Callable[[str, _Details], str]:
    return lambda _subject, details: f"Incident {verb}: {details.get('title') or details.get('incident', '?')}"


def _said(sentence: str) -> Callable[[str, _Details], str]:
    return lambda _subject, _details: sentence


_KNOWN: Final[Mapping[str, tuple[str, Callable[[str, _Details], str]]]] = {
    "publish-policy": ("policy", _version("published")),
    "roll-back-policy": ("policy", _version("published, to go back")),
    "approve-policy": ("policy", _approved),
    "propose-policy": ("policy", lambda _subject, details: f"Proposal {details.get('proposal', '?')} was made."),
    "reject-policy": ("policy", lambda _subject, details: f"Proposal {details.get('proposal', '?')} was rejected."),
    "promote-policy": ("rollout", _version("rolled out further")),
    "refuse-older-tokens": ("not-before", _said("Tokens minted until then are refused.")),
    "register-app": ("registration", _said("The app was registered, or its registration changed.")),
    "entrust-secret": (
        "registration",
        lambda _subject, details: f"A secret was entrusted: {details.get('name', '?')}.",
    ),
    "forget-secret": ("registration", lambda _subject, details: f"A secret was forgotten: {details.get('name', '?')}."),
    "register-build": ("build", _build("registered")),
    "retire-build": ("build", _build("retired")),
    "restore-build": ("build", _build("let in again")),
    "set-routes": ("route", lambda subject, _details: f"The routes of {subject.removeprefix('api/')} were set."),
    "block-key": ("block", _said("A key was blocked.")),
    "unblock-key": ("unblock", _said("A key was unblocked.")),
    "unblock-rule": (
        "unblock",
        lambda _subject, details: f"Keys blocked by {details.get('rule', '?')} were unblocked.",
    ),
    "open-incident": ("incident", _incident("opened")),
    "end-incident": ("incident", _incident("ended by itself")),
    "close-incident": ("incident", _incident("closed")),
    "rotate-signing-keys": ("upkeep", _said("Signing keys were rotated.")),
    "endorse-ledger-key": ("upkeep", _said("The root endorsed the key of a ledger.")),
    "refresh-endorsements": ("upkeep", _said("Google's list of revoked keys was fetched.")),
}
"""By action of the audit: the kind, and its sentence from subject and details."""
