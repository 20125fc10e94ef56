"""Changing an API's list of routes, where the first match decides and so the order matters."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto, unique

from bonafide_tokens.new_routes import check_new_route, is_same_place
from bonafide_tokens.routes import Requirement, RouteRequirement
from service.admin.guarded_apis import MAX_ROUTES

from bonafide.operator.errors import OperatorError

Routes = tuple[RouteRequirement, ...]
CONNECT = "/$connect"


@unique
class Place(Enum):
    """Where a route goes: ``FITTING`` leaves it where it is, and puts a new one before the first that would hide it."""

    FITTING = auto()
    FIRST = auto()
    LAST = auto()


_GATEWAYS_OWN = {"$default": "/*", "$connect": CONNECT}
"""Route keys of API Gateway that are no paths, and how a list of ours names what they take."""


def read_route(text: str, *, new: bool = True) -> tuple[str, str]:
    """``POST /payments/*`` as method and path pattern; the method may be left out for any.

    API Gateway's own notation is understood, as ``bonafide route report`` prints it: ``ANY``, ``{name}``, ``{name+}``,
    ``$default`` and ``$connect``. Raises :class:`OperatorError`; also, for a ``new`` route, for one that would never
    match as it was meant.
    """
    method, space, path = text.strip().partition(" ")
    if not space:
        method, path = "*", method
    method = "*" if method.upper() == "ANY" else method.upper()
    path = _GATEWAYS_OWN.get(path.strip(), path.strip())
    if path == CONNECT and method == "*":
        method = "GET"  # a handshake is nothing else
    try:
        RouteRequirement(method, path, Requirement.PROOF)
        if new:
            check_new_route(method, path)
    except ValueError as error:
        raise OperatorError(f"{text!r} is no route, as in 'POST /payments/*': {error}.") from error
    return method, path


def new_route(method: str, path: str, mode: str, tier: str | None, components: Sequence[str] = ()) -> RouteRequirement:
    """The route with this mode, lowest tier and what signatures must cover. Raises :class:`OperatorError`."""
    if mode not in list(Requirement):
        raise OperatorError(f"{mode!r} is no mode: {', '.join(Requirement)}.")
    try:
        return RouteRequirement(method, path, Requirement(mode), tier, " ".join(components))
    except ValueError as error:
        raise OperatorError(f"That route cannot be: {error}.") from error


def placed(routes: Sequence[RouteRequirement], route: RouteRequirement, place: Place = Place.FITTING) -> Routes:
    """``routes`` with ``route`` among them, in place of one with the same method and path."""
    same = next((index for index, old in enumerate(routes) if is_same_place(old, route.method, route.path)), None)
    others = [old for index, old in enumerate(routes) if index != same]
    if place is Place.FIRST:
        index = 0
    elif place is Place.LAST:
        index = len(others)
    elif same is not None:
        index = same
    else:
        index = next((i for i, old in enumerate(others) if hides(old, route)), len(others))
    if len(others) >= MAX_ROUTES:
        raise OperatorError(f"More than {MAX_ROUTES} routes of one API are too many: use patterns.")
    return (*others[:index], route, *others[index:])


def removed(routes: Sequence[RouteRequirement], method: str, path: str) -> Routes:
    """``routes`` without the one of this method and path. Raises :class:`OperatorError` when there is none."""
    left = tuple(old for old in routes if not is_same_place(old, method, path))
    if len(left) == len(routes):
        raise OperatorError(f"There is no route {method} {path} to remove.")
    return left


def hidden(routes: Sequence[RouteRequirement]) -> dict[RouteRequirement, RouteRequirement]:
    """The routes that no request ever reaches, each with the one above it that takes all of its requests."""
    found = {}
    for index, route in enumerate(routes):
        above = next((old for old in routes[:index] if hides(old, route)), None)
        if above is not None:
            found[route] = above
    return found


def hides(above: RouteRequirement, below: RouteRequirement) -> bool:
    """Whether every request that ``below`` covers is one that ``above`` covers."""
    if above.method not in ("*", below.method):
        return False
    own, other = above.segments, below.segments
    if above.open_ended:
        other = other[: len(own)]
    elif below.open_ended:
        return False
    return len(own) == len(other) and all(a in ("*", b) for a, b in zip(own, other, strict=True))


def meets(one: RouteRequirement, other: RouteRequirement) -> bool:
    """Whether some request is covered by both."""
    if "*" not in (one.method, other.method) and one.method != other.method:
        return False
    shorter, longer = sorted((one, other), key=lambda route: len(route.segments))
    if len(shorter.segments) < len(longer.segments) and not shorter.open_ended:
        return False
    return all("*" in (a, b) or a == b for a, b in zip(shorter.segments, longer.segments, strict=False))
