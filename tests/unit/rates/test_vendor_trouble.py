"""Vendor trouble: what is told of Apple, Google and Huawei, and what is not theirs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from service.detection.finding import Finding
from service.detection.rates.vendor_trouble import FAILING, VendorTrouble
from service.detection.rates.window import ALL_APPS, VendorSeen

from tests.unit.rates.rows import DAY, Clock, Minute

APPS = ("orders", "bank")
FACTS = ("42", "iOS 26.1", "iPhone17,1")


def usual(at: int, *, reports: int = 0, changed: int = 0) -> Minute:
    """Ten enrolments, a report now and then of a vendor that could not be reached, and a root that is not known."""
    number = at // 60
    return {
        "enrol": {
            ("accepted", "", "ios", *FACTS, "DE"): 10,
            ("refused", "anchor-unknown", "ios", *FACTS, "DE"): changed + (number % 40 == 0),
        },
        "beacon": {("reported", "vendor-unreachable", "ios", *FACTS): reports + (number % 30 == 0)},
    }


def passes(clock: Clock, minutes: Sequence[Minute], *, look: bool = True) -> Sequence[Finding]:
    """A minute of both apps."""
    for app, counts in zip(APPS, minutes, strict=False):
        clock.count(counts, app=app)
    return clock.passes(look=look)


def run(clock: Clock, minutes: int, *, every: int = 1, **more: int) -> list[Finding]:
    """Minutes in which both apps have ``more``."""
    found: list[Finding] = []
    for number in range(minutes):
        found += passes(clock, [usual(clock.at, **more)] * 2, look=number % every == 0)
    return found


@pytest.fixture(scope="module")
def learned() -> Clock:
    """Two apps that are known for a day and a bit."""
    clock = Clock(VendorTrouble(), app=ALL_APPS)
    assert run(clock, 25 * 60, every=8) == []
    return clock


@pytest.fixture
def clock(learned: Clock) -> Clock:
    """A copy, because a test goes on with it."""
    return Clock(VendorTrouble(), app=ALL_APPS, at=learned.at, state=learned.state, _rows=[*learned._rows])


def test_ordinary_hours_have_no_trouble(clock: Clock) -> None:
    assert run(clock, 6 * 60, every=3) == []


def test_reports_of_two_apps_are_told_within_minutes_and_of_no_app(clock: Clock) -> None:
    minute, found = 0, list[Finding]()
    while not found and minute < 10:
        minute += 1
        found = run(clock, 1, reports=8)
    assert minute <= 4
    (finding,) = found
    assert (finding.detector, finding.app, finding.scope) == ("vendor-trouble", "", "population")
    assert finding.subject == "apple:reports"
    assert finding.counts["apps"] == 2
    assert finding.remedy.kind == "wait"
    assert any("anyone's word" in sentence for sentence in finding.because)


def test_reports_of_one_app_where_others_are_well_are_no_vendors_trouble(clock: Clock) -> None:
    for _ in range(20):
        assert passes(clock, [usual(clock.at, reports=30), usual(clock.at)]) == ()


def test_evidence_that_is_refused_in_two_apps_at_once(clock: Clock) -> None:
    found = run(clock, 10, changed=8)
    assert {finding.subject for finding in found} == {"apple:changed"}
    assert found[-1].named["why"] == "anchor-unknown"
    assert found[-1].remedy.kind == "look"


def test_evidence_that_is_refused_in_one_app_is_not_told(clock: Clock) -> None:
    for _ in range(20):
        assert passes(clock, [usual(clock.at, changed=30), usual(clock.at)]) == ()


@pytest.mark.parametrize("why", ["endorsements-stale", "endorsements-missing"])
def test_a_list_that_cannot_be_used(clock: Clock, why: str) -> None:
    found: Sequence[Finding] = ()
    for _ in range(8):
        minute: Minute = {"enrol": {("unavailable", why, "android", "42", "Android 15", "M", "DE"): 3}}
        found = passes(clock, [minute, usual(clock.at)])
    assert [finding.subject for finding in found] == [f"google:list:{why}"]


@pytest.mark.parametrize("name", ["google-status-list", "play-decode", "apple-fraud-metric"])
def test_a_service_that_fails_for_minutes(clock: Clock, name: str) -> None:
    clock.vendors = [VendorSeen(name, "failing", "It fails: the breaker opened."), VendorSeen("apple", "unknown")]
    begin, writes = clock.at, clock.writes
    found = run(clock, 8)
    assert {finding.subject.partition(":")[2] for finding in found} == {f"service:{name}"}
    assert found[0].last - begin >= FAILING
    assert found[0].since < begin + 120
    assert found[-1].because == ("It fails: the breaker opened.",)
    assert clock.writes - writes <= 2
    clock.vendors = [VendorSeen(name, "ok")]
    assert run(clock, 3) == []


def test_one_failed_call_is_none(clock: Clock) -> None:
    for _ in range(10):
        clock.vendors = [VendorSeen("play-decode", "failing")]
        assert run(clock, 2) == []
        clock.vendors = [VendorSeen("play-decode", "late")]
        assert run(clock, 1) == []


def test_a_service_that_failed_is_told_at_once_of_a_stack_without_traffic() -> None:
    clock = Clock(VendorTrouble(), app=ALL_APPS, vendors=[VendorSeen("google-status-list", "failing")])
    found = [finding for _ in range(6) for finding in clock.minute({})]
    assert found


def test_trouble_that_is_known_on_the_first_day_is_silent() -> None:
    clock = Clock(VendorTrouble(), app=ALL_APPS)
    assert run(clock, 60, reports=8) == []


def test_one_apps_window_is_not_looked_at() -> None:
    clock = Clock(VendorTrouble())
    assert run(clock, 5, reports=50) == []
    assert clock.state is None


def test_a_day_of_trouble_is_not_the_new_usual(clock: Clock) -> None:
    run(clock, DAY // 60, every=8, reports=8)
    assert run(clock, 3, reports=8)


@pytest.mark.parametrize("state", [b"", b"nonsense", b"[1,2]", b"[1,0,0,{},7]", b'[1,"x",0,{},{}]'])
def test_a_state_that_cannot_be_read_is_begun_anew(state: bytes) -> None:
    clock = Clock(VendorTrouble(), app=ALL_APPS, state=state)
    assert run(clock, 20) == []
    assert clock.state != state


def test_its_state_is_small_and_written_eight_times_an_hour_at_most(clock: Clock) -> None:
    writes = clock.writes
    run(clock, 120)
    assert clock.writes - writes <= 16
    assert clock.state is not None
    assert len(clock.state) < 1_024
