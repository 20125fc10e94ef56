"""GET /admin/apps/{app}/view and /view/causes: what operators look at all the time.

What one answer reads, at most: of the window one row for each source and bucket, 900 of them; of the time before no
more rows, and of a view a thirtieth where its buckets are of 2 s; of the audit a few entries. Causes look a week back
through hours. What is over changes little: a process remembers it (:mod:`service.view.remembered_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from service.admin.problems import UNKNOWN_APP, AdminRefusal
from service.edge.problems import MALFORMED_REQUEST
from service.tables.apps import RegisteredApp
from service.tables.audit import AuditEntry
from service.tallies.rows import UNKNOWN_APP as UNKNOWN
from service.tallies.rows import TallyRow
from service.view.causes import counted, report
from service.view.question import (
    CAUSES_FINE,
    BadQuestion,
    CausesQuery,
    Filters,
    ViewQuery,
    Window,
    dimensions_of,
    earlier_spans,
    filters_of,
    window_of,
)
from service.view.series import Sums, summed
from service.view.stack import ViewCall
from service.view.timeline import changes, subjects_of
from service.view.verdict import Published, judge

T = TypeVar("T")

SHORTLY: Final = 900
"""Seconds before a window in which a change of ours is still shortly before."""

_MOST_CHANGES: Final = 20


def show_view(request: ViewQuery, call: ViewCall) -> dict[str, object]:
    """What was decided in a window, by source and outcome, beside the same time before; and whose doing it is."""
    stack = call.stack
    app = _registered(request.app, call)
    window, filters = _asked(request, call.now)
    before = window.before.coarser(60)
    rows = _rows(call, request.counted_app, filters, window)
    rows_before = _rows(call, request.counted_app, filters, before)
    now_sums, before_sums = summed(rows, window, filters), summed(rows_before, before, filters)
    vendors = () if app is None else stack.vendors.of(app, window.hop)
    published = _published(call)
    return {
        "app": request.app,
        "since": window.since,
        "until": window.until,
        "step": window.step,
        "at": list(window.at),
        "series": now_sums.known_lines(),
        "totals": now_sums.totals,
        "refused_share": {**_shares(now_sums), "before": _shares(before_sums)},
        "unique_keys": now_sums.unique_keys(),
        "unrecorded": now_sums.unrecorded,
        "compared_with": {"since": before.since, "until": before.until},
        "gate": _gate(now_sums, published),
        "vendors": [vendor.to_record() for vendor in vendors],
        "incident": _newest_incident(call, request.app),
        "data_until": now_sums.data_until,
        "delay": None if now_sums.delay is None else round(now_sums.delay, 3),
        "them_or_us": judge(
            *_of_every_outcome(now_sums, before_sums, rows, rows_before),
            vendors=vendors,
            changes=_changes(call, request.app, window),
            published=published,
        )._asdict(),
    }


def list_causes(request: CausesQuery, call: ViewCall) -> dict[str, object]:
    """The decisions of a window by up to three of their facts, those that changed most first."""
    _registered(request.app, call)
    window, filters = _asked(request, call.now, fine=CAUSES_FINE)
    by = or_refusal(lambda: dimensions_of(request))
    before = window.before
    now = counted(_rows(call, request.counted_app, filters, window), filters, by)
    then = counted(_rows(call, request.counted_app, filters, before), filters, by)
    back = earlier_spans(window)
    earlier = [counted(_rows(call, request.counted_app, filters, span), filters, by) for span in back]
    return {
        "app": request.app,
        "since": window.since,
        "until": window.until,
        "step": window.step,
        "by": list(by),
        **report(now, then, earlier, by=by, window=window, limit=request.limit),
        "compared_with": {"since": before.since, "until": before.until},
        "first_seen_since": min(span.since for span in (before, *back)),
    }


def _registered(name: str, call: ViewCall) -> RegisteredApp | None:
    """The app that is asked about; ``None`` for what was counted for no registered one. Raises :class:`AdminRefusal`
    for another name."""
    app = None if name == UNKNOWN else call.stack.apps.find(name)
    if app is None and name != UNKNOWN:
        raise AdminRefusal(UNKNOWN_APP, f"No app called {name} is registered.")
    return app


def _asked(request: ViewQuery, now: float, **more: int) -> tuple[Window, Filters]:
    return or_refusal(lambda: window_of(request, now, **more)), filters_of(request)


def or_refusal(ask: Callable[[], T]) -> T:
    """What is asked for. Raises :class:`~service.admin.problems.AdminRefusal` for a question without an answer."""
    try:
        return ask()
    except BadQuestion as error:
        messages = [{"at": error.member, "text": error.sentence}]
        raise AdminRefusal(MALFORMED_REQUEST, "The request is not of the documented form.", messages) from None


def _rows(call: ViewCall, app: str, filters: Filters, window: Window) -> Sequence[TallyRow]:
    if not filters.sources:
        return ()
    return call.stack.tallies.rows(app, filters.sources, step=window.step, since=window.since, until=window.until)


def _shares(sums: Sums) -> dict[str, float | None]:
    return {source: sums.refused_share(source) for source in sums.lines}


def _of_every_outcome(
    now: Sums, before: Sums, rows: Sequence[TallyRow], rows_before: Sequence[TallyRow]
) -> tuple[Sums, Sums]:
    """The sums that a verdict is made from: a share needs all outcomes, also where one alone is asked for."""
    if now.filters.outcome is None:
        return now, before
    filters = replace(now.filters, outcome=None)
    return summed(rows, now.window, filters), summed(rows_before, before.window, filters)


def _newest_incident(call: ViewCall, app: str) -> dict[str, object] | None:
    found = call.stack.newest_incidents.of(app, call.now)
    if found is None:
        return None
    finding = found.finding
    return {"id": found.id, "title": finding.title, "at": found.opened_at, "detector": finding.detector}


def _published(call: ViewCall) -> Published | None:
    bundle = call.stack.trust_bundles.latest(call.stack.issuer, call.now)
    return None if bundle is None else Published(bundle.version, bundle.issued_at)


def _gate(sums: Sums, published: Published | None) -> dict[str, object] | None:
    gate = sums.gate
    if gate is None:
        return None
    return {
        "bundle_versions": [gate.lowest, gate.highest],
        "bundle_age": round(gate.age, 1),
        "published_version": None if published is None else published.version,
    }


def _changes(call: ViewCall, app: str, window: Window) -> list[AuditEntry]:
    subjects, _ = subjects_of(app, call.stack.apis)
    return changes(call.stack.audit, subjects, since=window.since - SHORTLY, until=window.until, limit=_MOST_CHANGES)
