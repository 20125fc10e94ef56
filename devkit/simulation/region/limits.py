"""The limits that a simulated stack runs into: those of the services, in ``limits.json``, and the template's throttles.

A limit says where it is from and whether anything of ours ever ran into it. What nothing exercised is an assumption,
and every report lists it as one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from bonafide.operator.errors import OperatorError
from devkit.local.template import mapping, read_template

HERE: Final = Path(__file__).parents[1]
RAISED: Final = HERE / "raised.json"
THROTTLED_BY: Final = {
    "challenges": "Challenge",
    "enrolments": "Enrolment",
    "renewals": "Renewal",
    "policies": "ClientPolicy",
    "bundles": "TrustBundle",
}
"""The routes that phones and authorizers use, and the beginning of the parameters that throttle each."""


class Limit(NamedTuple):
    """One limit of a service. ``exercised`` names what of ours ran into it; ``None`` is an assumption."""

    value: float
    unit: str
    what: str
    source: str
    read: str
    exercised: str | None


class Throttle(NamedTuple):
    """A token bucket of API Gateway: ``rate`` a second, ``burst`` at once."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class Limits:
    """All that bounds a stack. ``services`` by name, ``throttles`` by route, ``play_daily`` requests of Google's."""

    services: Mapping[str, Limit]
    throttles: Mapping[str, Throttle]
    raised: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        return self.services[name].value

    @property
    def assumptions(self) -> dict[str, Limit]:
        """Those that nothing of ours exercised."""
        return {name: limit for name, limit in self.services.items() if limit.exercised is None}

    def overlaid(self, path: Path) -> Limits:
        """With the values of a file, ``{"limits": {name: number}, "parameters": {name: number}}``.

        Raises :class:`OperatorError` for a file that is no such object, a name that is not known, or a number that is
        none.
        """
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, RecursionError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else "it is no JSON"
            raise OperatorError(f"{path} has no limits: {said}.") from error
        if type(found) is not dict or not found.keys() <= {"about", "limits", "parameters"}:
            raise OperatorError(f"{path} needs an object with limits, parameters or both.")
        services, throttles = dict(self.services), dict(self.throttles)
        for name, value in _numbers(path, found.get("limits", {})).items():
            if name not in services:
                raise OperatorError(f"{path}: there is no limit {name!r}; there are {', '.join(services)}.")
            services[name] = services[name]._replace(value=value, read=f"raised by {path.name}")
        known = {f"{stem}{end}": route for route, stem in THROTTLED_BY.items() for end in ("Rate", "Burst")}
        for name, value in _numbers(path, found.get("parameters", {})).items():
            if name not in known:
                raise OperatorError(f"{path}: there is no throttle {name!r}; there are {', '.join(known)}.")
            route = known[name]
            rate, burst = throttles[route]
            throttles[route] = Throttle(value, burst) if name.endswith("Rate") else Throttle(rate, value)
        changed = (*found.get("limits", {}), *found.get("parameters", {}))
        return replace(self, services=services, throttles=throttles, raised=changed)


def default_limits(template: Path) -> Limits:
    """Those of ``limits.json``, and the throttles that ``template`` sets by default."""
    members: Mapping[str, Any] = json.loads((HERE / "limits.json").read_text("utf-8"))["limits"]
    parameters = template_parameters(template)
    throttles = {
        route: Throttle(float(parameters[f"{stem}Rate"]), float(parameters[f"{stem}Burst"]))
        for route, stem in THROTTLED_BY.items()
    }
    return Limits({name: Limit(**limit) for name, limit in members.items()}, throttles)


def template_parameters(template: Path) -> dict[str, Any]:
    """The defaults of a template's parameters, by name. Raises :class:`TemplateError`."""
    parameters = mapping(read_template(template).get("Parameters"), "Parameters")
    return {name: parameter.get("Default") for name, parameter in parameters.items()}


def _numbers(path: Path, given: object) -> dict[str, float]:
    sound = type(given) is dict and all(
        type(value) in (int, float) and 0 < value < math.inf for value in given.values()
    )
    if not sound or type(given) is not dict:
        raise OperatorError(f"{path}: limits and parameters are objects of numbers above 0.")
    return {name: float(value) for name, value in given.items()}
