"""The model as it stands: today's code, measured service times, the template's throttles."""

from __future__ import annotations

from pathlib import Path

from bonafide_tokens.pacing.paced import Paced
from service.policies.app_states import remembered_seconds

from bonafide.cost.costing import Prices
from devkit.simulation.region import gates
from devkit.simulation.region.limits import RAISED, default_limits
from devkit.simulation.region.service_times import measured_services
from devkit.simulation.run import Model
from devkit.simulation.usage import Usage

_HOSTILE = ({"app_build": ["hostile"]},)
"""The predicate of a simulated publication: what exactly it says makes no difference here."""


def model(
    template: Path,
    *,
    limits: Path | None = None,
    raised: bool = False,
    usage: Usage | None = None,
    grace: int = 0,
    at_once: float = 0.01,
    pace: float = 0.0,
    remembered: int = 0,
    life: int = 300,
) -> Model:
    """With the default limits, those of a file, or the raised ones. ``grace`` is the seconds over which a publication
    refuses older tokens, 0 for all at once; then ``at_once`` is the share of honest phones that its predicates name
    beside the hostile ones; ``pace`` is the parameter EnrolmentPace, ``life``
    TokenLifetimeSeconds, and ``remembered`` AppMemorySeconds.

    Raises :class:`~bonafide.operator.errors.OperatorError`.
    """
    usage = usage or Usage()
    bounds = default_limits(template)
    if raised or limits is not None:
        bounds = bounds.overlaid(RAISED if raised or limits is None else limits)
    paced = Paced(gates.PUBLISHED, 0, grace, _HOSTILE) if grace else None
    services = measured_services(usage, Prices.read())
    return Model(
        limits=bounds,
        services=services,
        usage=usage,
        paced=paced,
        at_once=at_once,
        pace=pace,
        remembered=remembered_seconds(remembered),
        life=life,
    )
