"""All scenarios by name, in the order of the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from devkit.kit.scenario import Scenario
from devkit.kit.scenarios import clocks, days, flights, policies, refusals, regions, secrets, waits

SCENARIOS: Final[Mapping[str, Scenario]] = {
    each.name: each
    for room in (days, flights, refusals, waits, clocks, policies, regions, secrets)
    for each in room.scenario.all
}
