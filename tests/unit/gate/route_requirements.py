"""What a list of routes requires of one method and path."""

from __future__ import annotations

from collections.abc import Sequence

from bonafide_tokens.routes import (
    Requirement,
    RouteRequirement,
    demand_for,
)

OFF, MONITOR, TOKEN, PROOF, PROOF_ONCE, *_ = Requirement


def requirement_for(
    routes: Sequence[RouteRequirement], method: str, path: str, default: Requirement = PROOF
) -> Requirement:
    """The requirement alone."""
    return demand_for(routes, method, path, default).requirement
