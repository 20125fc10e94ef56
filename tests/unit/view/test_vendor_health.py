"""How vendors do, from what the stack knows: their list's age, the breaker, the quota."""

from __future__ import annotations

import pytest
from attestation.reference_values import AndroidReferenceValues, ReferenceValues
from service.tables.apps import RegisteredApp
from service.vendors.play_requests import AskedToday, Breaker
from service.vendors.status_lists import StoredStatusList
from service.view.vendor_health import State, Vendor, VendorHealth

from tests.service_stack.vendor_fakes import MemoryStatusLists
from tests.unit.view.tally_rows import FRESH

DAY = 86_400.0
ANDROID = AndroidReferenceValues(packages=("a.demo", "b.demo"), signing_digests=frozenset({b"x" * 32}))
APP = RegisteredApp(app="demo", reference_values=ReferenceValues(android=ANDROID))


class Asked:
    """What was asked of Google, by package."""

    def __init__(self, **packages: AskedToday) -> None:
        self.packages = packages

    def asked_today(self, package: str, _now: float) -> AskedToday | None:
        return self.packages.get(package.partition(".")[0])


def vendors(age: int | None = 60, **packages: AskedToday) -> dict[str, Vendor]:
    lists = MemoryStatusLists()
    if age is not None:
        made = StoredStatusList(content=b"", entries=12, fetched_at=FRESH - age, fresh_until=FRESH, revision=1)
        lists.replace(made)
    found = VendorHealth(lists, Asked(**packages), max_age=DAY).of(APP, FRESH)
    return {vendor.name: vendor for vendor in found}


@pytest.mark.parametrize(
    ("age", "state"),
    [(0, State.OK), (43_200, State.OK), (43_201, State.LATE), (86_400, State.LATE), (86_401, State.FAILING)],
)
def test_list_is_late_from_half_of_its_time_on(age: int, state: State) -> None:
    """Before it is too old, so that there is time to act."""
    vendor = vendors(age)["google-status-list"]
    assert (vendor.state, vendor.age) == (state, age)


def test_list_that_was_never_fetched_is_a_failure() -> None:
    """No Android device can enrol."""
    assert (vendors(None)["google-status-list"].state, vendors(None)["google-status-list"].age) == (State.FAILING, None)


@pytest.mark.parametrize(
    ("today", "state", "words"),
    [
        (AskedToday(1_204, 0, Breaker(), 0), State.OK, "1,204 asked today"),
        (AskedToday(9, 2, Breaker(), 0), State.LATE, "the last 2 failed"),
        (AskedToday(9, 3, Breaker(until=FRESH + 10, times=2), 0), State.FAILING, "opened 2x in a row"),
        (AskedToday(9, 3, Breaker(until=FRESH - 60, times=2), 0), State.FAILING, "Google fails"),
        (AskedToday(9, 3, Breaker(until=FRESH - 7_200, times=1), 0), State.LATE, "failed when it was last asked"),
        (AskedToday(9, 0, Breaker(), FRESH + 60), State.FAILING, "Google has had enough until"),
        (AskedToday(9, 0, Breaker(), FRESH - 60), State.OK, "9 asked today"),
    ],
)
def test_worst_of_the_packages_is_plays_state(today: AskedToday, state: State, words: str) -> None:
    """An app may have several; each is told."""
    vendor = vendors(a=today, b=AskedToday(1, 0, Breaker(), 0))["play-decode"]
    assert vendor.state is state
    assert words in vendor.detail
    assert "b.demo: 1 asked today" in vendor.detail


def test_vendors_that_are_not_asked_are_not_known() -> None:
    """And only those of the app's platforms are told."""
    assert vendors()["play-decode"].state is State.UNKNOWN
    assert set(vendors()) == {"google-status-list", "play-decode"}
