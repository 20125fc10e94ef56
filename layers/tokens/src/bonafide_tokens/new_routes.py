"""Routes as operators and the stack write them: whether a new one can be meant, and how it is spelled.

Apart from ``routes``, which an authorizer loads and which must read whatever was stored before this was checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bonafide_tokens.routes import COMPONENTS, GREEDY, VARIABLE, RouteRequirement, pattern_of

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""The methods that an API Gateway can have a route for (``ANY`` is our ``*``)."""

_DECODED: Final = frozenset({"@query-param", "content-digest"})
REBUILT: Final = {
    "rest": _DECODED,
    "http": frozenset(COMPONENTS),
    "websocket": _DECODED - {"content-digest"},
    "backend": frozenset(COMPONENTS),
}
"""What can be rebuilt of a request behind each kind of gateway, of what a route may ask signatures to cover beyond the
usual. ``http`` is an HTTP API with payload 2.0; payload 1.0 has queries decoded, as ``rest``. ``backend`` is a check in
the backend itself, which sees what the client sent."""


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


def check_rebuilt(route: RouteRequirement, gateway: str) -> None:
    """Raises :class:`ValueError` for a route that asks signatures to cover what cannot be rebuilt behind ``gateway`` (a
    key of :data:`REBUILT`): each request of it would be refused."""
    lost = sorted(set(route.components) - REBUILT[gateway])
    if lost:
        able = ", ".join(name for name, components in REBUILT.items() if components.issuperset(lost))
        raise ValueError(
            f"{' and '.join(lost)} cannot be rebuilt behind a gateway of the kind {gateway}; for {route.method} "
            f"{route.path} ask for @query-param, or say which of {able} this API is behind"
        )


def is_same_place(route: RouteRequirement, method: str, path: str) -> bool:
    """Whether ``route`` covers exactly what another of ``method`` and ``path`` would, however that is spelled."""
    other = pattern_of(tuple(path[1:].split("/")) if len(path) > 1 else ())
    return (route.method, route.segments, route.open_ended) == (method, *other)


def routes_to_json(routes: Iterable[RouteRequirement]) -> list[list[str]]:
    """Routes as the trust bundle and settings spell them: ``[[method, path, requirement], …]``, and the minimum tier
    as a fourth text where there is one; what signatures must cover as a fifth, after an empty tier where there is none.
    """
    return [
        [
            route.method,
            route.path,
            route.requirement.value,
            *_more(route.minimum_tier or "", " ".join(route.components)),
        ]
        for route in routes
    ]


def _more(tier: str, components: str) -> list[str]:
    return [tier, components] if components else [tier] if tier else []
