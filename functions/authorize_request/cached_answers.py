"""What API Gateway's cache of answers allows, where it is on.

The gateway keeps an answer under the identity source (the token) and gives it to later requests of the same token
without asking again, whatever their route. So no route may need anything that differs between two requests of one
token: a proof, or a higher tier than another route asks for.
"""

from __future__ import annotations

from collections.abc import Sequence

from attestation.route_requirement import Demand, Requirement, RouteRequirement
from gateway_event import GatewayRequest, Kind

_PROOFS = frozenset({Requirement.PROOF, Requirement.PROOF_ONCE})
_OPEN = frozenset({Requirement.OFF, Requirement.MONITOR})


def beyond_caching(routes: Sequence[RouteRequirement], default: Requirement) -> str:
    """Which routes of an API a cached answer cannot serve, for the operator; empty when there are none."""
    return ", ".join(demand.route for demand in _demands(routes, default) if _needs_each_request(demand))


def guards_anything(routes: Sequence[RouteRequirement], default: Requirement) -> bool:
    """Whether any route of an API refuses anybody."""
    return any(demand.requirement not in _OPEN for demand in _demands(routes, default))


def cannot_be_cached(request: GatewayRequest, demand: Demand, token: str | None, *, mixed: bool, guarded: bool) -> str:
    """Why this request must not be answered while answers are cached, for the operator; empty when it may.

    ``mixed`` is whether the API has routes beyond caching at all, ``guarded`` whether it has any that refuse;
    ``token`` is the one to be let in by, ``None`` for a request that would pass unverified.
    """
    if _needs_each_request(demand):
        return "the route asks for a proof or a tier, and answers are cached: set AUTHORIZER_CACHE_SECONDS to 0"
    if request.kind is Kind.HTTP_2 and (mixed or (token is None and guarded)):
        return "a simple response is cached for all routes, and not all of them would let this request pass"
    if token is not None and request.identity is not None and token not in request.identity:
        return "answers are cached, and not under the token: make its header the authorizer's identity source"
    return ""


def _demands(routes: Sequence[RouteRequirement], default: Requirement) -> list[Demand]:
    """Everything that a request of this API can be asked for."""
    demands = []
    for route in routes:
        demands.append(route.demand)
        if route.method == "*" and route.open_ended and not route.segments:  # covers all that is left
            return demands
    return [*demands, Demand(default, None, f"every other route (DEFAULT_REQUIREMENT is {default})")]


def _needs_each_request(demand: Demand) -> bool:
    if demand.requirement in _PROOFS:
        return True
    return demand.minimum_tier is not None and demand.requirement is not Requirement.MONITOR
