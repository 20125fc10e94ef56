"""What API Gateway's cache of answers allows, where it is on.

The gateway keeps an answer under the identity source (the token) and gives it to later requests of the same token
without asking again, whatever their route. So no route may need anything that differs between two requests of one
token: a proof, or a higher tier than another route asks for.
"""

from __future__ import annotations

from collections.abc import Iterable

from bonafide_tokens.gate.request import GatedRequest, Kind
from bonafide_tokens.routes import PROVEN, Demand, Requirement

_OPEN = frozenset({Requirement.OFF, Requirement.MONITOR})
_WILDCARDS = frozenset("*?$")


def guards_anything(demands: Iterable[Demand]) -> bool:
    """Whether any of an API's routes can refuse a request."""
    return any(demand.requirement not in _OPEN for demand in demands)


def cannot_be_cached(request: GatedRequest, demand: Demand, token: str | None, *, mixed: bool, guarded: bool) -> str:
    """Why this request must not be answered while answers are cached, for the operator; empty when it may.

    ``mixed`` is whether the API has routes beyond caching at all, ``guarded`` whether it has any that refuse;
    ``token`` is the one to be let in by, ``None`` for a request that would pass unverified.
    """
    if needs_each_request(demand):
        return "the route asks for a proof or a tier, and answers are cached: set AUTHORIZER_CACHE_SECONDS to 0"
    if request.kind is Kind.HTTP_2 and (mixed or (token is None and guarded)):
        return "a simple response is cached for all routes, and not all of them would let this request pass"
    if token is not None and request.identity is not None and token not in request.identity:
        return "answers are cached, and not under the token: make its header the authorizer's identity source"
    if request.kind is not Kind.HTTP_2 and (token is None or mixed):
        return cannot_be_narrowed(request)
    return ""


def cannot_be_narrowed(request: GatedRequest) -> str:
    """Why no cached answer can be for this request's route alone, for the operator; empty when one can.

    ``*`` and ``?`` in a policy's resource stand for other characters, ``$`` begins a policy variable, and nothing
    escapes them everywhere: an answer for ``/*****/users`` would be kept as one for ``/admin/users`` too.
    """
    if request.kind is Kind.HTTP_2:
        return "a simple response is cached for all routes"
    # The path of a WebSocket's handshake is the gateway's own $connect; stages are no part of a path.
    if request.kind is not Kind.WEBSOCKET and not _WILDCARDS.isdisjoint(request.path):
        return "the path holds *, ? or $, and a cached answer for it would be one for other paths too"
    return ""


def named(demand: Demand) -> str:
    """The route that a demand comes from, for the operator."""
    return demand.route or f"every other route (DEFAULT_REQUIREMENT is {demand.requirement})"


def needs_each_request(demand: Demand) -> bool:
    """Whether what is asked for differs between two requests of one token, so that no cached answer can serve it."""
    if demand.requirement in PROVEN:
        return True
    return demand.minimum_tier is not None and demand.requirement is not Requirement.MONITOR
