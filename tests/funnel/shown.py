"""What the funnel of a fleet must show, and by how many points it is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from service.tallies.rows import TallyRow
from service.view.funnel import UNEXPLAINED, funnel

from tests.funnel.fleet import Plan

MOST_POINTS_OFF = 0.5


class Compared(NamedTuple):
    """One number of the page: what it should be and what it is, in per cent of all devices."""

    what: str
    wanted: float
    shown: float

    @property
    def points_off(self) -> float:
        """Percentage points between the two."""
        return abs(self.wanted - self.shown)


def compared(rows: Sequence[TallyRow], plan: Plan) -> tuple[dict[str, Any], list[Compared]]:
    """The funnel of ``rows``, and its numbers beside what the fleet did."""
    answer = funnel(rows, by=("platform",))
    losses: Mapping[tuple[str, str], float] = {
        (loss["after"], loss["cause"]): loss["share"] * 100
        for loss in answer["losses"]  # type: ignore[attr-defined]
    }
    steps = {step["step"]: step for step in answer["steps"]}  # type: ignore[attr-defined]

    def share(count: int) -> float:
        return 100 * count / plan.devices

    silent = sum(map(plan.silent_of, plan.causes))
    found = [
        Compared("cannot attest", share(plan.cannot_attest), 100 - 100 * steps["evidence"]["share"]),
        Compared("  unexplained", share(silent), losses.get(("challenge", UNEXPLAINED), 0.0)),
        *(
            Compared(f"  {code}", share(count - plan.silent_of(code)), losses.get(("challenge", code), 0.0))
            for code, count in plan.causes.items()
        ),
        Compared("evidence not verified", share(plan.strangers), losses.get(("evidence", "anchor-unknown"), 0.0)),
        Compared("refused by a rule", share(plan.refused), losses.get(("verified", "rule:android-unlocked"), 0.0)),
        Compared("accepted", share(plan.genuine), 100 * steps["accepted"]["share"]),
    ]
    return answer, found
