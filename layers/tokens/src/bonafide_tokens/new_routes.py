"""Routes as operators and the stack write them: whether a new one can be meant, and how it is spelled.

Apart from ``routes``, which an authorizer loads and which must read whatever was stored before this was checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bonafide_tokens.routes import GREEDY, VARIABLE, RouteRequirement, pattern_of

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""The methods that an API Gateway can have a route for (``ANY`` is our ``*``)."""


def check_new_route(method: str, path: str) -> None:
    """Raises :class:`ValueError` for a route that can be read and yet would never match as it was meant: a method that
    no gateway has, or braces that are not the gateway's ``{name}``, or ``{name+}`` at the end.

    Apart from :class:`RouteRequirement`, which must read whatever was stored before this was checked."""
    if method != "*" and method not in METHODS:
        raise ValueError(f"{method} is no method of an API Gateway: * or one of {', '.join(sorted(METHODS))}")
    *before, last = path[1:].split("/")
    for segment in (*before, "" if GREEDY.match(last) else last):
        if ("{" in segment or "}" in segment) and not VARIABLE.match(segment):
            raise ValueError(f"{segment!r} is neither {{name}} for one segment nor {{name+}} at the end for the rest")


def is_same_place(route: RouteRequirement, method: str, path: str) -> bool:
    """Whether ``route`` covers exactly what another of ``method`` and ``path`` would, however that is spelled."""
    other = pattern_of(tuple(path[1:].split("/")) if len(path) > 1 else ())
    return (route.method, route.segments, route.open_ended) == (method, *other)


def routes_to_json(routes: Iterable[RouteRequirement]) -> list[list[str]]:
    """Routes as the trust bundle and settings spell them: ``[[method, path, requirement], …]``, and the minimum tier
    as a fourth text where there is one."""
    return [
        [route.method, route.path, route.requirement.value, *([route.minimum_tier] if route.minimum_tier else [])]
        for route in routes
    ]
