"""GET /admin/apps/{app}/view/funnel: how far attempts and devices came in a window, and where the others fell out.

What one answer reads, at most: a row for each of five sources and bucket of the window, 4,500 of them.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from service.admin.keys import require_app
from service.view.funnel import FACTS, SOURCES, funnel
from service.view.live_view import or_refusal
from service.view.question import CAUSES_FINE, BadQuestion, Text, WindowQuery, window_of
from service.view.stack import ViewCall

_ALL: Final = ", ".join(FACTS)


class FunnelQuery(WindowQuery):
    """The window, what losses are told apart by (with commas between; empty for causes alone), the facts that attempts
    must have, and how many losses are shown."""

    by: Annotated[str, Field(max_length=40)] = "platform"
    platform: Text | None = None
    build: Text | None = None
    os: Text | None = None
    model: Text | None = None
    limit: Annotated[int, Field(ge=1, le=500, strict=False)] = 100


def show_funnel(request: FunnelQuery, call: ViewCall) -> dict[str, object]:
    """From the challenge to the renewal: what each step counted, and what ended before the next."""
    require_app(call.stack.apps, request.app)
    window = or_refusal(lambda: window_of(request, call.now, fine=CAUSES_FINE))
    by = or_refusal(lambda: _facts_of(request.by))
    only = {name: wanted for name in FACTS if (wanted := getattr(request, name)) is not None}
    rows = call.stack.tallies.rows(request.app, SOURCES, step=window.step, since=window.since, until=window.until)
    return {
        "app": request.app,
        "since": window.since,
        "until": window.until,
        "step": window.step,
        "by": list(by),
        **funnel(rows, by=by, only=only, limit=request.limit),
    }


def _facts_of(text: str) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else ()
    if not set(names) <= set(FACTS) or len(set(names)) < len(names):
        raise BadQuestion("by", f"Different ones of {_ALL}, with commas between.")
    return names
