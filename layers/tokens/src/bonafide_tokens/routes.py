"""Route requirements: what a route asks of a request, and which route a request is for.

Path patterns: exact segments; ``*`` stands for any one segment; a last ``*`` for the rest of the path, of any depth
and also none (``/v1/*`` covers ``/v1``, ``/v1/a`` and ``/v1/a/b``; ``/*`` covers everything). API Gateway's own
notation is understood: ``{name}`` for any one segment, also the last, and a last ``{name+}`` for one segment or more.
Case matters, as it does to API Gateway; a slash at the end of a path does not.

How a backend resolves an odd path is not predicted. A path that URL parsers, frameworks or gateways could resolve to
another path gets the strictest demand of all routes, unless the gateway's own route says what it resolved it to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum, unique
from functools import lru_cache
from typing import Final, NamedTuple


@unique
class Requirement(StrEnum):
    """What a route asks for, from least to most.

    ``off``: nothing is looked at. ``monitor``: everything passes and its class is recorded. ``token``: a token; a
    proof only counts when there is one. ``proof``: a token and a proof by its request key. ``proof-once``: the same,
    and the proof's ``jti`` is spent in a table, so that it counts once anywhere and not only once per process.
    ``signed-request``: a token, and an HTTP message signature by its request key that covers the query and the body
    too. ``signed-request-once``: the same, and its ``nonce`` is spent as a ``jti`` is.
    """

    OFF = "off"
    MONITOR = "monitor"
    TOKEN = "token"
    PROOF = "proof"
    PROOF_ONCE = "proof-once"
    SIGNED_REQUEST = "signed-request"
    SIGNED_REQUEST_ONCE = "signed-request-once"


# Tuples, since each is searched for every request: an enum's hash is a call of Python's.
SIGNED: Final = (Requirement.SIGNED_REQUEST, Requirement.SIGNED_REQUEST_ONCE)
ONCE: Final = (Requirement.PROOF_ONCE, Requirement.SIGNED_REQUEST_ONCE)
PROVEN: Final = (Requirement.PROOF, Requirement.PROOF_ONCE, *SIGNED)
"""The requirements that a token alone does not satisfy."""

COMPONENTS: Final = ("@query", "@query-param", "@target-uri", "content-digest")
"""What a route may ask of signatures beyond what each must cover: the query as it was sent, or parameter by parameter;
the whole URL as it was sent; the body also where none is announced."""


MINIMUM_TIERS: Final = ("warning", "affirming")
"""The tiers that a route may ask for at least, from less to more. No token is minted for any other tier."""

_STRICTNESS: Final = {requirement: rank for rank, requirement in enumerate(Requirement)}
_TIER_RANK: Final = {tier: rank for rank, tier in enumerate((None, *MINIMUM_TIERS))}

_METHOD: Final = re.compile(r"\*\Z|[A-Z]{1,16}\Z")
VARIABLE: Final = re.compile(r"\{[A-Za-z0-9._:-]+\}\Z")
GREEDY: Final = re.compile(r"\{[A-Za-z0-9._:-]+\+\}\Z")
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+\Z")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_AMBIGUOUS: Final = re.compile(
    r"[;\\?#%]"  # path parameters, the other slash, the ends of a path, an escape that is left after decoding
    r"|//"  # an empty segment: kept, dropped, or the beginning of a host
    r"|(?:\A|/)\.{1,2}(?:/|\Z)"  # a dot segment
    r"|(?:\A|/) | (?:/|\Z)"  # spaces at the ends of a segment, which URL parsers and file systems strip
)
_CLIMBS: Final = re.compile(r"\A[/\\]{2}|(?:\A|[/\\])\.{1,2}(?:[;?# ][^/\\]*)?(?:[/\\]|\Z)")
_DECODINGS: Final = 8


class Demand(NamedTuple):
    """What one request needs: the requirement, the lowest tier (``None``: any), and the route that says so, as
    ``POST /payments/*``; empty where no route covers the request and the default counts. ``components`` is what a
    signature must cover beyond the usual; on a ``monitor`` route, any say that it is judged as ``signed-request``."""

    requirement: Requirement
    minimum_tier: str | None = None
    route: str = ""
    components: tuple[str, ...] = ()

    @property
    def signed(self) -> bool:
        """Whether requests are judged by their signature."""
        return self.requirement in SIGNED or (self.requirement is Requirement.MONITOR and bool(self.components))


class _Route(NamedTuple):
    method: str
    path: str
    requirement: Requirement
    minimum_tier: str | None
    segments: tuple[str, ...]
    open_ended: bool
    demand: Demand
    components: tuple[str, ...] = ()


class RouteRequirement(_Route):
    """The requirement of the routes that ``method`` (``*`` for any) and the ``path`` pattern cover.

    ``minimum_tier`` is the lowest tier that a token may have there (``warning`` or ``affirming``), ``None`` for no
    more than the token's being valid; ``components`` (:data:`COMPONENTS`, separated by spaces) what signatures must
    cover beyond the usual. Raises :class:`ValueError` for a method that is not in capitals, a pattern that is not one,
    a tier that is not one of these, a tier on a route that is ``off``, and components that are none or on a route that
    looks at no signature. ``segments`` (``*`` for any) and ``open_ended`` are the pattern taken apart, ``demand`` is
    what every request that it covers needs.
    """

    __slots__ = ()

    def __new__(
        cls, method: str, path: str, requirement: Requirement, minimum_tier: str | None = None, components: str = ""
    ) -> RouteRequirement:
        if minimum_tier == "" and components:
            minimum_tier = None  # only what stands after it is asked for
        segments = tuple(path[1:].split("/")) if len(path) > 1 else ()
        if not _METHOD.match(method):
            raise ValueError(f"route method {method!r} is neither * nor in capitals")
        if not path.startswith("/") or any(not s or ("*" in s and s != "*") for s in segments):
            raise ValueError(f"route path {path!r} is not a pattern: exact segments, *, and /* at the end")
        if minimum_tier is not None and minimum_tier not in MINIMUM_TIERS:
            raise ValueError(f"minimum tier {minimum_tier!r} is not one of {', '.join(MINIMUM_TIERS)}")
        if minimum_tier is not None and requirement is Requirement.OFF:
            raise ValueError("a route that is off looks at no token, so it cannot ask for a tier")
        covered = tuple(sorted(set(components.split())))
        if not set(covered) <= set(COMPONENTS):
            raise ValueError(f"a signature can be asked to cover {', '.join(COMPONENTS)}, not {components!r}")
        if covered and requirement not in SIGNED and requirement is not Requirement.MONITOR:
            raise ValueError(f"a route that asks for {requirement} looks at no signature, so it has no components")
        segments, open_ended = pattern_of(segments)
        demand = Demand(requirement, minimum_tier, f"{method} {path}", covered)
        return super().__new__(cls, method, path, requirement, minimum_tier, segments, open_ended, demand, covered)

    def covers(self, method: str, segments: tuple[str, ...]) -> bool:
        """Whether this route is the one for ``method`` and the path of ``segments``."""
        own = self.segments
        return self.method in ("*", method) and _fits(own, segments[: len(own)] if self.open_ended else segments)


def pattern_of(segments: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """The segments of a pattern with ``*`` for those that vary, and whether more may follow."""
    last = segments[-1] if segments else ""
    plain = tuple("*" if VARIABLE.match(segment) else segment for segment in segments)
    if last == "*":
        return plain[:-1], True
    if GREEDY.match(last):
        return (*plain[:-1], "*"), True
    return plain, False


def demand_for(
    routes: Sequence[RouteRequirement],
    method: str,
    path: str,
    default: Requirement = Requirement.PROOF,
    gateway_route: str = "",
) -> Demand:
    """What ``method`` on ``path`` asks for: the first route that covers it, else ``default``.

    A path that could be resolved to another path gets the strictest requirement and the highest tier of all routes: the
    gateway, the backend's framework and we may each resolve ``/public/%2e%2e/admin`` differently, and the gate must not
    be the one that is fooled. ``gateway_route`` is the path of the gateway's own route, as ``/orders/{order}``, empty
    where it is not known: without a greedy variable it says what the gateway resolved the path to, and so it outranks
    our own reading. HEAD counts as GET too, as frameworks answer it by what they have for GET.
    """
    if method == "HEAD":
        as_get = demand_for(routes, "GET", path, default, gateway_route)
        return strictest([_demand_of(routes, method, path, default, gateway_route), as_get])
    return _demand_of(routes, method, path, default, gateway_route)


def _demand_of(
    routes: Sequence[RouteRequirement], method: str, path: str, default: Requirement, gateway_route: str
) -> Demand:
    template = _template(gateway_route) if gateway_route else None
    if _PLAIN.match(path):
        segments = tuple(path[1:].split("/"))
        first = _first(routes, method, segments, default)
        if template is None or _fits(template, segments):
            return first
        return strictest([first, *_reachable(routes, method, template, default)])
    readings = _readings(path)
    if template is not None and not (readings is None and climbs(path)):
        if readings is not None and all(_fits(template, reading) for reading in readings):
            return strictest([_first(routes, method, reading, default) for reading in readings])
        return strictest(_reachable(routes, method, template, default))
    if readings is None:
        return strictest(every_demand(routes, default))
    return strictest([_first(routes, method, reading, default) for reading in readings])


def every_demand(routes: Sequence[RouteRequirement], default: Requirement) -> list[Demand]:
    """Everything that a request can be asked for, whatever its method and path."""
    demands = []
    for route in routes:
        demands.append(route.demand)
        if route.method == "*" and route.open_ended and not route.segments:  # no request is left for those below
            return demands
    return [*demands, Demand(default)]


def _first(routes: Sequence[RouteRequirement], method: str, segments: tuple[str, ...], default: Requirement) -> Demand:
    for route in routes:
        if route.covers(method, segments):
            return route.demand
    return Demand(default)


@lru_cache(maxsize=256)
def _template(gateway_route: str) -> tuple[str, ...] | None:
    """A gateway's route as segments, ``*`` for variables; ``None`` where it says nothing of the path: a greedy
    variable, HTTP APIs' ``$default``, no path at all, or text that is no configurable route. An emulator may show
    the client's own path there."""
    start, *segments = gateway_route.removesuffix("/").split("/")
    fixed = "/".join([start, *("x" if VARIABLE.match(segment) else segment for segment in segments)])
    if start or (segments and not _PLAIN.match(fixed)):
        return None
    return pattern_of(tuple(segments))[0]


def _fits(template: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    return len(template) == len(segments) and all(
        own in ("*", segment) for own, segment in zip(template, segments, strict=True)
    )


def _reachable(
    routes: Sequence[RouteRequirement], method: str, template: tuple[str, ...], default: Requirement
) -> list[Demand]:
    """What the requests of one of the gateway's routes can be asked for: variables may have any value."""
    demands: list[Demand] = []
    for route in routes:
        if route.covers(method, template):  # all of them: a variable is covered by a variable only
            return [*demands, route.demand]
        own = route.segments
        if (
            route.method in ("*", method)
            and (len(own) <= len(template) if route.open_ended else len(own) == len(template))
            and all("*" in (a, b) or a == b for a, b in zip(own, template, strict=False))
        ):
            demands.append(route.demand)
    return [*demands, Demand(default)]


def strictest(demands: Sequence[Demand]) -> Demand:
    """One demand that satisfies them all: the strictest requirement (and its route) with the highest tier and all that
    signatures must cover."""
    if len(demands) == 1:
        return demands[0]
    first = max(demands, key=lambda demand: _STRICTNESS[demand.requirement])
    tier = max((demand.minimum_tier for demand in demands), key=_TIER_RANK.__getitem__)
    strict = first.requirement
    if strict in SIGNED and any(demand.requirement in ONCE for demand in demands):
        strict = Requirement.SIGNED_REQUEST_ONCE
    components: set[str] = set()
    if strict in SIGNED or strict is Requirement.MONITOR:
        components.update(*(one.components for one in demands if (one.requirement in SIGNED) is (strict in SIGNED)))
    return Demand(strict, tier, first.route, tuple(sorted(components)))


def tier_reaches(tier: str, minimum: str | None) -> bool:
    """Whether a token's ``tier`` is at least ``minimum``. A tier that we do not know reaches nothing."""
    return minimum is None or _TIER_RANK.get(tier, 0) >= _TIER_RANK[minimum]


def is_ambiguous(path: str) -> bool:
    """Whether software may resolve ``path`` to another path than its text, plain or with its escapes decoded."""
    return not _PLAIN.match(path) and _readings(path) is None


def climbs(path: str) -> bool:
    """Whether a path, at any decoding, may leave the route that the gateway took it for: dot segments, the beginning of
    a host, or text that cannot be read to its end."""
    for _ in range(_DECODINGS):
        if not path.isprintable() or any(_CLIMBS.search(form) for form in _forms(path)):
            return True
        decoded = _decoded(path)
        if decoded is None or decoded == path:
            return decoded is None
        path = decoded
    return True


def _readings(path: str) -> set[tuple[str, ...]] | None:
    """The path as it stands and decoded, as segments; ``None`` when it is ambiguous, or no text.

    Only harmless characters may be escaped, and once: what they stand for is the same wherever it is decoded.
    """
    decoded = _decoded(path)
    if decoded is None or not decoded.isprintable():
        return None
    forms = _forms(decoded)
    if any(_AMBIGUOUS.search(form) or form.count("/") != path.count("/") for form in forms):
        return None
    return {tuple(filter(None, form.split("/"))) for form in (path, *forms)}


def _forms(path: str) -> set[str]:
    """``path`` as it stands, and as software has it that composes characters or folds their compatibility forms: U+FF0F
    is a slash then, and U+2026 three dots."""
    if path.isascii():
        return {path}
    from unicodedata import normalize  # here: few paths need it

    return {path, normalize("NFC", path), normalize("NFKC", path)}


def _decoded(path: str) -> str | None:
    if "%" not in path:
        return path
    try:
        data = path.encode("utf-8")
        return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), data).decode("utf-8")
    except UnicodeError:  # overlong or broken UTF-8, the old way to smuggle a slash
        return None


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
    method, path, name, *more = item
    requirement = Requirement(name) if name in _STRICTNESS else Requirement.PROOF
    tier, components = None, ""
    if more:
        empty = more[0] == "" and len(more) > 1  # where only what follows it is asked for
        known = empty or more[0] in MINIMUM_TIERS
        tier = None if empty else more[0] if known else MINIMUM_TIERS[-1]
        if len(more) > 1 and _can_sign(requirement, more[1]):
            components = more[1]
            more = more[1:]
        if len(more) > 1 or not known:
            requirement = max(requirement, Requirement.PROOF, key=_STRICTNESS.__getitem__)
            components = components if requirement in SIGNED else ""
    return RouteRequirement(method, path, requirement, tier, components)


def _can_sign(requirement: Requirement, components: object) -> bool:
    """Whether these components are ones that this version knows, for a requirement that looks at signatures."""
    signed = requirement in SIGNED or requirement is Requirement.MONITOR
    return signed and isinstance(components, str) and set(components.split()) <= set(COMPONENTS)
