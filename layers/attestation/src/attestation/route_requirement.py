"""Route requirements: what a route asks of a request, and which route a request is for.

Path patterns: exact segments; ``*`` stands for any one segment; a last ``*`` for the rest of the path, of any depth
and also none (``/v1/*`` covers ``/v1``, ``/v1/a`` and ``/v1/a/b``; ``/*`` covers everything). Case matters, as it
does to API Gateway; a slash at the end of a path does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum, unique
from typing import Final, NamedTuple


@unique
class Requirement(StrEnum):
    """What a route asks for, from least to most.

    ``off``: nothing is looked at. ``monitor``: everything passes and its class is recorded. ``token``: a token; a
    proof only counts when there is one. ``proof``: a token and a proof by its request key. ``proof-once``: the same,
    and the proof's ``jti`` is spent in a table, so that it counts once anywhere and not only once per process.
    """

    OFF = "off"
    MONITOR = "monitor"
    TOKEN = "token"
    PROOF = "proof"
    PROOF_ONCE = "proof-once"


MINIMUM_TIERS: Final = ("warning", "affirming")
"""The tiers that a route may ask for at least, from less to more. No token is minted for any other tier."""

_STRICTNESS: Final = {requirement: rank for rank, requirement in enumerate(Requirement)}
_TIER_RANK: Final = {tier: rank for rank, tier in enumerate((None, *MINIMUM_TIERS))}
_METHOD: Final = re.compile(r"\*\Z|[A-Z]{1,16}\Z")
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_~!$&'()+,=:@-][A-Za-z0-9._~!$&'()+,=:@-]*)+\Z")
_DECODINGS: Final = 3


class Demand(NamedTuple):
    """What one request needs: the requirement, the lowest tier (``None``: any), and the route that says so, as
    ``POST /payments/*``; empty where no route covers the request and the default counts."""

    requirement: Requirement
    minimum_tier: str | None = None
    route: str = ""


class _Route(NamedTuple):
    method: str
    path: str
    requirement: Requirement
    minimum_tier: str | None
    segments: tuple[str, ...]
    open_ended: bool
    demand: Demand


class RouteRequirement(_Route):
    """The requirement of the routes that ``method`` (``*`` for any) and the ``path`` pattern cover.

    ``minimum_tier`` is the lowest tier that a token may have there (``warning`` or ``affirming``), ``None`` for no
    more than the token's being valid. Raises :class:`ValueError` for a method that is not in capitals, a pattern that
    is not one, a tier that is not one of these, and a tier on a route that is ``off``. ``segments`` and
    ``open_ended`` are the pattern taken apart, ``demand`` is what every request that it covers needs.
    """

    __slots__ = ()

    def __new__(
        cls, method: str, path: str, requirement: Requirement, minimum_tier: str | None = None
    ) -> RouteRequirement:
        segments = tuple(path[1:].split("/")) if len(path) > 1 else ()
        if not _METHOD.match(method):
            raise ValueError(f"route method {method!r} is neither * nor in capitals")
        if not path.startswith("/") or any(not s or ("*" in s and s != "*") for s in segments):
            raise ValueError(f"route path {path!r} is not a pattern: exact segments, *, and /* at the end")
        if minimum_tier is not None and minimum_tier not in MINIMUM_TIERS:
            raise ValueError(f"minimum tier {minimum_tier!r} is not one of {', '.join(MINIMUM_TIERS)}")
        if minimum_tier is not None and requirement is Requirement.OFF:
            raise ValueError("a route that is off looks at no token, so it cannot ask for a tier")
        open_ended = segments[-1:] == ("*",)
        if open_ended:
            segments = segments[:-1]
        demand = Demand(requirement, minimum_tier, f"{method} {path}")
        return super().__new__(cls, method, path, requirement, minimum_tier, segments, open_ended, demand)

    def covers(self, method: str, segments: tuple[str, ...]) -> bool:
        """Whether this route is the one for ``method`` and the path of ``segments``."""
        own = self.segments
        if self.method != "*" and self.method != method:
            return False
        if self.open_ended:
            segments = segments[: len(own)]
        if segments == own:
            return True
        if "*" not in own or len(segments) != len(own):
            return False
        return all(pattern in ("*", segment) for pattern, segment in zip(own, segments, strict=True))


def demand_for(
    routes: Sequence[RouteRequirement], method: str, path: str, default: Requirement = Requirement.PROOF
) -> Demand:
    """What ``method`` on ``path`` asks for: the first route that covers it, else ``default``.

    A path that could be read in more than one way (escapes, dot segments, doubled slashes, backslashes, path
    parameters) is read in all of them, and the strictest requirement and the highest tier count: the gateway, the
    backend's framework and we may each resolve ``/public/%2e%2e/admin`` differently, and the gate must not be the
    one that is fooled.
    """
    if _PLAIN.match(path):
        return _first(routes, method, tuple(path[1:].split("/")), default)
    readings = _readings(path)
    if readings is None:  # not even readable: whatever the backend makes of it, it needs the most
        return strictest([Demand(default), *(route.demand for route in routes)])
    return strictest([_first(routes, method, reading, default) for reading in sorted(readings)])


def _first(routes: Sequence[RouteRequirement], method: str, segments: tuple[str, ...], default: Requirement) -> Demand:
    for route in routes:
        if route.covers(method, segments):
            return route.demand
    return Demand(default)


def strictest(demands: Sequence[Demand]) -> Demand:
    """One demand that satisfies them all: the strictest requirement (and its route) with the highest tier."""
    first = max(demands, key=lambda demand: _STRICTNESS[demand.requirement])
    tier = max((demand.minimum_tier for demand in demands), key=_TIER_RANK.__getitem__)
    return first._replace(minimum_tier=tier)


def tier_reaches(tier: str, minimum: str | None) -> bool:
    """Whether a token's ``tier`` is at least ``minimum``. A tier that we do not know reaches nothing."""
    return minimum is None or _TIER_RANK.get(tier, 0) >= _TIER_RANK[minimum]


def _readings(path: str) -> set[tuple[str, ...]] | None:
    """Every way to read an odd path, as segments; ``None`` when there is no end to them or it is no text."""
    readings = set()
    for _ in range(_DECODINGS):
        if any(not character.isprintable() for character in path):
            return None
        readings |= {_literal(path), _resolved(path)}
        decoded = _decoded(path)
        if decoded is None:
            return None
        if decoded == path:
            return readings
        path = decoded
    return None


def _literal(path: str) -> tuple[str, ...]:
    return tuple(segment for segment in path.split("/") if segment)


def _resolved(path: str) -> tuple[str, ...]:
    kept: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        name = segment.split(";", 1)[0]
        if name == "..":
            del kept[-1:]
        elif name not in ("", "."):
            kept.append(name)
    return tuple(kept)


def _decoded(path: str) -> str | None:
    if "%" not in path:
        return path
    try:
        data = path.encode("utf-8")
        return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode("ascii")), data).decode(
            "utf-8"
        )
    except UnicodeError:  # overlong or broken UTF-8, the old way to smuggle a slash
        return None


def routes_to_json(routes: Iterable[RouteRequirement]) -> list[list[str]]:
    """Routes as the trust bundle and settings spell them: ``[[method, path, requirement], …]``, and the minimum tier
    as a fourth text where there is one."""
    return [
        [route.method, route.path, route.requirement.value, *([route.minimum_tier] if route.minimum_tier else [])]
        for route in routes
    ]


def routes_from_json(items: object) -> tuple[RouteRequirement, ...]:
    """Inverse of :func:`routes_to_json`. Raises :class:`ValueError` when ``items`` is something else.

    A requirement that this version does not know, or one with conditions added that it does not know, counts as
    ``proof`` (or what it says, if that is more), a tier that it does not know as ``affirming``: an authorizer older
    than its bundle must err on the strict side, not fail.
    """
    if not isinstance(items, list):
        raise ValueError("routes are not a list")  # noqa: TRY004  one error for all that is wrong with them
    return tuple(_route_from_json(item) for item in items)


def _route_from_json(item: object) -> RouteRequirement:
    if not isinstance(item, list) or len(item) < 3 or not all(isinstance(part, str) for part in item[:3]):
        raise ValueError("a route is not [method, path, requirement]")
    method, path, name = item[:3]
    requirement = Requirement(name) if name in _STRICTNESS else Requirement.PROOF
    tier = None
    if len(item) > 3:
        known = isinstance(item[3], str) and item[3] in MINIMUM_TIERS
        tier = item[3] if known else MINIMUM_TIERS[-1]
        if len(item) > 4 or not known:
            requirement = max(requirement, Requirement.PROOF, key=_STRICTNESS.__getitem__)
    return RouteRequirement(method, path, requirement, tier)
