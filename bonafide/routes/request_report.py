"""Who gets in and who would not: what authorizers counted, per route and request class.

Counts are in tally lines (docs/threat-view.md). Authorizers of earlier releases wrote a line for each decision instead;
a decision line of today's says that it is counted, and adds no more than what the route asked for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from bonafide.operator.errors import OperatorError

CLASSES: Final = ("verified", "no-token", "expired", "invalid", "replayed", "revoked", "wrong-audience")
"""The request classes, as dashboards show them. ``unchecked``, of routes that are off, is none."""

_PATTERN: Final = (
    '{ ($.message = "tally" && $.source = "authorize") || ($.message = "decision" && $.action = "authorize") }'
)
_LONGEST_LINE: Final = 32_768


class DecisionLine(NamedTuple):
    """What the report needs of decisions that are alike. ``moment`` is Unix seconds, ``None`` where it is not known;
    ``mode`` is what the route asked for, empty where it is not known; ``times`` how many there were. What a process
    counted without its route has an empty ``audience`` and ``route``."""

    audience: str
    method: str
    route: str
    mode: str
    request_class: str
    allowed: bool
    moment: float | None
    times: int = 1


@dataclass(slots=True)
class RouteReport:
    """One route of one API. ``passed`` are requests that were let in whatever their class: what ``monitor`` hides."""

    audience: str
    method: str
    route: str
    modes: set[str] = field(default_factory=set)
    classes: Counter[str] = field(default_factory=Counter)
    passed: int = 0

    @property
    def total(self) -> int:
        return sum(self.classes.values())

    @property
    def would_be_refused(self) -> int:
        """Requests that passed and would not under ``token`` or ``proof``."""
        return self.passed - self.classes["verified"] - self.classes["unchecked"]

    def to_record(self) -> dict[str, object]:
        return {
            "audience": self.audience,
            "method": self.method,
            "route": self.route,
            "modes": sorted(self.modes),
            "classes": {name: self.classes[name] for name in (*CLASSES, "unchecked")},
            "total": self.total,
            "would_be_refused": self.would_be_refused,
        }


def report(decisions: Iterable[DecisionLine], *, audience: str | None = None, since: float = 0) -> list[RouteReport]:
    """The decisions of ``audience`` (``None``: of all) since a moment, by audience, route and method. Those whose
    moment is not known count."""
    routes: dict[tuple[str, str, str], RouteReport] = {}
    for line in decisions:
        if (audience is not None and line.audience != audience) or (line.moment is not None and line.moment < since):
            continue
        key = (line.audience, line.route, line.method)
        found = routes.setdefault(key, RouteReport(line.audience, line.method, line.route))
        found.modes.update([line.mode] if line.mode else [])
        found.classes[line.request_class] += line.times
        found.passed += line.times if line.allowed else 0
    return [found for _, found in sorted(routes.items()) if found.total]


def read_line(text: str, moment: float | None) -> list[DecisionLine]:
    """What one line of an authorizer's log tells; nothing for anything but a tally and a decision. ``moment`` is the
    line's own; buckets of a tally have theirs."""
    if '"authorize"' not in text or len(text) > _LONGEST_LINE:
        return []
    try:
        line = json.loads(text)
        match line:
            case {"message": "decision", "action": "authorize"}:
                return [_decision(line, moment)]
            case {"message": "tally", "source": "authorize", "v": 1, "counts": [*counts]}:
                return [decided for entry in counts for decided in _tally(entry)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    return []


def _tally(entry: Mapping[str, Any]) -> Iterator[DecisionLine]:
    at = float(entry["at"])
    for outcome, why, facts, times in entry["cells"]:
        route, request_class, _, _ = facts
        audience, method, path = (*str(route).split(" ", 2), "", "")[:3]
        allowed, unchecked = outcome == "accepted", request_class == "unchecked"
        mode = ""
        if allowed and bool(why) != unchecked:  # what passes although it is wrong: its route is only monitored
            mode = "off" if unchecked else "monitor"
        yield DecisionLine(audience, method, path, mode, str(request_class), allowed, at, int(times))
    for outcome, times in entry.get("other", {}).items():
        yield DecisionLine("", "", "", "", "", outcome == "accepted", at, int(times))


def _decision(line: Mapping[str, Any], moment: float | None) -> DecisionLine:
    method, route = str(line.get("method", "")), str(line.get("route", ""))
    # An HTTP API names its routes with the method ("GET /orders", "ANY /orders"), a REST API without, a TOKEN
    # authorizer not at all. What no route of ours covers either is every other path. `bonafide route set` reads it all.
    pattern = route.rpartition(" ")[2] or str(line.get("route_pattern", "")).partition(" ")[2] or "/*"
    return DecisionLine(
        audience=str(line.get("audience", "")),
        method=method,
        route=pattern,
        mode=str(line.get("requirement", "")),
        request_class=str(line.get("request_class", "")),
        allowed=line.get("outcome") == "accepted",
        moment=moment,
        times=0 if line.get("counted") is True else 1,
    )


def local_decisions(folders: Sequence[Path]) -> Iterator[DecisionLine]:
    """The decisions in local stacks' logs. Their moments are those of the access logs beside them."""
    moments: dict[str, float] = {}
    for line in _lines(folders, "access.log"):
        try:
            seen = json.loads(line)
            moments[seen["request_id"]] = seen["time"] / 1000
        except (ValueError, KeyError, TypeError):
            continue
    for text in _lines(folders, "*.log"):
        if '"authorize"' not in text:
            continue
        for decision in read_line(text, None):
            known = decision.moment is not None
            yield decision if known else decision._replace(moment=moments.get(json.loads(text).get("request_id", "")))


def _lines(folders: Sequence[Path], pattern: str) -> Iterator[str]:
    for path in sorted(path for folder in folders for path in folder.glob(pattern)):
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file


def deployed_decisions(logs: Any, groups: Iterable[str], *, since: float) -> Iterator[DecisionLine]:
    """The decisions in CloudWatch Logs, through a boto3 ``logs`` client. Raises :class:`OperatorError` for a group
    that is not there."""
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since * 1000), filterPattern=_PATTERN
        )
        try:
            for page in pages:
                for event in page.get("events", ()):
                    yield from _of_event(event)
        except logs.exceptions.ResourceNotFoundException as error:
            raise OperatorError(f"There is no log group {group}.") from error


def _of_event(event: Mapping[str, Any]) -> list[DecisionLine]:
    return read_line(event.get("message", ""), event.get("timestamp", 0) / 1000)
