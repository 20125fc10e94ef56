"""Which recorded requests a route of a list would decide, by what authorizers wrote down of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Final

from bonafide_tokens.new_routes import is_same_place
from bonafide_tokens.routes import Requirement, RouteRequirement

from bonafide.operator.errors import OperatorError
from bonafide.routes.request_report import DecisionLine, RouteReport
from bonafide.routes.route_list import Routes, hides, meets, read_route

READING: Final = 20.0
"""Seconds that reading recorded requests may take, before a change is made without knowing them all."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Recorded requests of one route of the gateway that a route of ours decides: all of them, or some. A greedy route
    has many paths, and logs keep no path."""

    requests: RouteReport
    all: bool

    def to_record(self) -> dict[str, object]:
        seen = self.requests
        return {
            "method": seen.method,
            "route": seen.route,
            "total": seen.total,
            "would_be_refused": seen.would_be_refused,
            "all": self.all,
        }


def covered(routes: Routes, method: str, path: str, recorded: Iterable[RouteReport]) -> list[Covered]:
    """The recorded requests that the route of ``method`` and ``path`` would decide in this list of ``routes``."""
    found = []
    for requests in recorded:
        try:
            as_route = RouteRequirement(*read_route(f"{requests.method} {requests.route}", new=False), Requirement.OFF)
        except (OperatorError, ValueError):
            continue  # a name that no gateway of ours gives
        asked = [as_route]
        if as_route.method == "HEAD":  # counts as GET too
            asked.append(RouteRequirement("GET", as_route.path, Requirement.OFF))
        whole = [_decided(routes, method, path, one) for one in asked]
        if any(decided is not None for decided in whole):
            found.append(Covered(requests, all=True in whole))
    return found


def asked_now(routes: Routes, requests: RouteReport) -> set[str]:
    """What the routes of a list ask for of these requests; empty where none of them covers all, as the authorizer's own
    default counts for the rest."""
    try:
        asked = RouteRequirement(*read_route(f"{requests.method} {requests.route}", new=False), Requirement.OFF)
    except (OperatorError, ValueError):
        return set()
    found = set[str]()
    for route in routes:
        if meets(route, asked) or hides(route, asked):
            found.add(route.requirement.value)
        if hides(route, asked):
            return found
    return set()


def _decided(routes: Routes, method: str, path: str, asked: RouteRequirement) -> bool | None:
    """Whether the route decides all of ``asked`` or some of it; ``None`` for none of it."""
    partly = False
    for route in routes:
        if is_same_place(route, method, path):
            if hides(route, asked):
                return not partly
            return False if meets(route, asked) else None
        if hides(route, asked):
            return None
        partly = partly or meets(route, asked)
    return None


def in_time(decisions: Iterable[DecisionLine], seconds: float = READING) -> Iterator[DecisionLine]:
    """As many of ``decisions`` as can be had in ``seconds``: a log may have a week of a busy API."""
    end = monotonic() + seconds
    for decision in decisions:
        yield decision
        if monotonic() > end:
            return
