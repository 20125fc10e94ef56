"""What the authorizer in front of an API cannot do, said before a route asks it to."""

from __future__ import annotations

from collections.abc import Iterable

from bonafide_tokens.new_routes import check_rebuilt
from bonafide_tokens.routes import ONCE, Requirement, RouteRequirement

from bonafide.operator.deployment import Deployment, GateSettings
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import RegisteredApps
from bonafide.routes.guarded_apis import GuardedApi, GuardedApis

_WITHOUT_PROOFS = frozenset({Requirement.OFF, Requirement.MONITOR, Requirement.TOKEN})


def require_known_audience(deployment: Deployment, audience: str, apis: GuardedApis, apps: RegisteredApps) -> None:
    """Raises :class:`OperatorError` for an unknown audience: neither the stack's own, nor one that has routes,
    nor one that tokens of a registered app are for."""
    if audience == deployment.audience or apis.find(audience) is not None:
        return
    known = {deployment.audience, *(name for app in apps.list() for name in app.audiences)}
    known |= {api.audience for api in apis.list()}
    if audience not in known:
        raise OperatorError(
            f"No app's tokens are for {audience}, and it has no routes: there are {', '.join(sorted(known))}. "
            "Say --new for an API that comes later."
        )


def require_table(deployment: Deployment, audience: str, requirement: str | None, *, said: bool) -> None:
    """Raises :class:`OperatorError` where a route is to ask for proofs or signatures that count once and its
    authorizer is known to have no table to spend them in, or is not known to have one and the operator has not ``said``
    so: it would refuse every request."""
    if requirement not in ONCE:
        return
    gate = _gate_of(deployment, audience)
    if gate is None and not said:
        raise OperatorError(
            f"An authorizer without PROOF_NONCES_TABLE refuses every request of a {requirement} route, and whether the "
            f"one of {audience} has it cannot be seen from here. Say --gate-has-table if it has."
        )
    if gate is not None and not gate.proof_once:
        raise OperatorError(
            f"The authorizer of {deployment.stack_name} has no table to spend proofs in and would refuse every request "
            "of this route: deploy the stack with EnableProofOnce=true first."
        )


def require_rebuilt(api: GuardedApi) -> None:
    """Raises :class:`OperatorError` for what the Admin API would refuse, before it is asked: a route that asks
    signatures to cover what cannot be rebuilt behind the API's gateway."""
    try:
        for route in api.routes:
            check_rebuilt(route, api.gateway)
    except ValueError as error:
        raise OperatorError(f"That route cannot be: {error}. Say --gateway for another kind.") from error


def cache_warnings(deployment: Deployment, audience: str, routes: Iterable[RouteRequirement]) -> list[str]:
    """What cached answers make impossible, where they are known to be cached."""
    gate = _gate_of(deployment, audience)
    if gate is None or not gate.cache_seconds:
        return []
    warnings = []
    if gate.cache_seconds >= gate.token_lifetime:
        warnings.append(
            f"Answers are cached for {gate.cache_seconds:g} s and tokens live {gate.token_lifetime:g} s: every token "
            "is refused, as the cache would outlive it. Lower AuthorizerCacheSeconds."
        )
    refused = [
        f"{route.method} {route.path}"
        for route in routes
        if route.requirement not in _WITHOUT_PROOFS
        or (route.minimum_tier is not None and route.requirement is not Requirement.MONITOR)
    ]
    if refused:
        warnings.append(
            f"Answers are cached for {gate.cache_seconds:g} s, so routes that ask for a proof or a tier are refused: "
            f"{', '.join(refused)}. Set AuthorizerCacheSeconds to 0."
        )
    return warnings


def _gate_of(deployment: Deployment, audience: str) -> GateSettings | None:
    """The settings of the authorizer of ``audience``, where it is the stack's own."""
    return deployment.gate if audience == deployment.audience else None
