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
    beyond = [f"{route.method} {route.path}" for route in routes if _needs_each_request(route)]
    if default in _PROOFS:
        beyond.append(f"every route not listed (DEFAULT_REQUIREMENT is {default.value})")
    return ", ".join(beyond)


def guards_anything(routes: Sequence[RouteRequirement], default: Requirement) -> bool:
    """Whether any route of an API refuses anybody."""
    return default not in _OPEN or any(route.requirement not in _OPEN for route in routes)


def cannot_be_cached(request: GatewayRequest, demand: Demand, token: str | None, *, mixed: bool, guarded: bool) -> str:
    """Why this request must not be answered while answers are cached, for the operator; empty when it may.

    ``mixed`` is whether the API has routes beyond caching at all, ``guarded`` whether it has any that refuse;
    ``token`` is the one to be let in by, ``None`` for a request that would pass unverified.
    """
    if demand.requirement in _PROOFS or (demand.minimum_tier and demand.requirement is not Requirement.MONITOR):
        return "the route asks for a proof or a tier, and answers are cached: set AUTHORIZER_CACHE_SECONDS to 0"
    if request.kind is Kind.HTTP_2 and (mixed or (token is None and guarded)):
        return "a simple response is cached for all routes, and not all of them would let this request pass"
    if token is not None and request.identity is not None and token not in request.identity:
        return "answers are cached, and not under the token: make its header the authorizer's identity source"
    return ""


def _needs_each_request(route: RouteRequirement) -> bool:
    return route.requirement in _PROOFS or (
        route.minimum_tier is not None and route.requirement is not Requirement.MONITOR
    )
