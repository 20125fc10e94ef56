"""Enrolments are paced by the service's own code, and renewals do not notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devkit.simulation.models import model
from devkit.simulation.run import Run, simulate
from devkit.simulation.scenarios import SCENARIOS
from tests.simulation.agreement import TEMPLATE

pytestmark = pytest.mark.long

PHONES = 5_000_000
INSTALLS = 500_000
PACE = 200.0
RELEASE = replace(SCENARIOS["app-release"], installs=INSTALLS / PHONES, seconds=6_000.0, step=10.0, warm=600.0)


@pytest.fixture(scope="module")
def paced() -> Run:
    return simulate("app-release", RELEASE, PHONES, model(TEMPLATE, raised=True, pace=PACE), as_cohorts=True)


def test_enrolments_stay_under_the_pace(paced: Run) -> None:
    """But for the first minute, in which nothing is counted yet: there the throttle of the route is the bound."""
    later = [row["enrolled"] for row in paced.rows if row["seconds"] > 60]
    assert 0.8 * PACE <= max(later) <= PACE
    assert max(row["enrolled"] for row in paced.rows) <= 1.25 * PACE


def test_nobody_waits_longer_than_an_hour(paced: Run) -> None:
    assert paced.recorder.enrolled == pytest.approx(INSTALLS, rel=0.01)
    assert paced.recorder.lost_installs < 0.005 * INSTALLS


def test_renewals_do_not_notice(paced: Run) -> None:
    assert set(paced.refused()) == {"admission"}
    assert paced.recorder.renewals.quantile(0.99) < 0.1
