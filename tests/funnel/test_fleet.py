"""A small fleet, by real evidence, real tally lines and the real worker; the thousand are `python -m tests.funnel`."""

from __future__ import annotations

import pytest

from tests.funnel.counting import Kept, Written, kept, listening
from tests.funnel.fleet import A_FEW, A_THOUSAND, Fleet, Plan
from tests.funnel.forged import flood
from tests.funnel.shown import compared
from tests.service_stack.memory_stack import MemoryStack


@pytest.fixture(scope="module")
def lived() -> tuple[Fleet, Written, Kept]:
    """What the small fleet did, wrote, and what is left of it in the table."""
    with listening() as written:
        stack = MemoryStack()
        since = stack.now
        fleet = Fleet(stack, A_FEW)
        fleet.live()
    return fleet, written, kept(written.lines, step=60, since=since, until=stack.now)


def test_plan_is_what_was_asked_for() -> None:
    """1,000 devices, 8 % of them without evidence, of three causes, a quarter of them silent."""
    assert (A_THOUSAND.devices, A_THOUSAND.cannot_attest, len(A_THOUSAND.causes)) == (1000, 80, 3)
    assert sum(map(A_THOUSAND.silent_of, A_THOUSAND.causes)) == 20


def test_devices_did_what_was_planned(lived: tuple[Fleet, Written, Kept]) -> None:
    """Else the funnel would be compared with a wish."""
    fleet, _, _ = lived
    plan: Plan = fleet.plan
    assert fleet.did["enrolled"] == fleet.did["renewed"] == plan.genuine
    assert fleet.did["silent"] == 3
    assert {code: fleet.did[code] for code in plan.causes} == dict.fromkeys(plan.causes, 3)
    assert fleet.did["403 evidence-rejected"] == plan.strangers + plan.refused
    assert fleet.did["called"] >= 2 * plan.genuine


def test_shares_and_causes_are_exact_up_to_acceptance(lived: tuple[Fleet, Written, Kept]) -> None:
    """Sleepers asked for challenges, too, and count for none that never arrived."""
    _, _, table = lived
    answer, found = compared(table.rows, A_FEW)
    assert {one.what: one.points_off < 0.001 for one in found} == {one.what: True for one in found}
    assert answer["excess"] == 0
    assert answer["unexplained"]["count"] == 3
    losses = {(loss["after"], loss["cause"]): loss["facts"] for loss in answer["losses"]}
    assert losses["challenge", "key-generation-failed"] == {"platform": "android"}
    assert losses["challenge", "vendor-quota"] == {"platform": "harmony"}


def test_devices_with_a_token_are_seen_to_use_and_renew_it(lived: tuple[Fleet, Written, Kept]) -> None:
    """Few keys are estimated almost exactly: 38 of them with a standard error of 0.85, of which 6 are seven."""
    _, _, table = lived
    answer, _ = compared(table.rows, A_FEW)
    devices = {step["step"]: step["count"] for step in answer["steps"]}
    assert devices["used"] == pytest.approx(A_FEW.genuine, abs=6)
    assert devices["renewed"] == pytest.approx(A_FEW.genuine, abs=6)


def test_forged_reports_write_little_and_change_no_verdict() -> None:
    """All are counted, in a number of lines and rows that the time bounds and not the reports."""
    told = flood(2_000, rate=500.0)
    assert told.counted == 2_000
    assert told.before == told.after
    assert (told.lines, told.items) <= (told.most_lines, told.most_items)
    assert told.bounded
