"""What a client bounds by itself, and where it turns when its region is lost."""

from __future__ import annotations

import pytest

from devkit.client_core.budgets import ATTESTATIONS, CALLS, Budget, calls_windows
from devkit.client_core.challenges import HeldChallenge
from devkit.client_core.homes import HomeWatch, asked_in_turn, known_regions

_REGIONS = {"eu": "https://eu.example.com", "us": "https://us.example.com", "ap": "https://ap.example.com"}


def test_ten_calls_in_a_minute_and_sixty_in_an_hour() -> None:
    budget = Budget(CALLS)
    assert [budget.spend(second) for second in range(11)] == [True] * 10 + [False]
    assert budget.wait(10) == 50
    assert budget.spend(60)
    spent = sum(budget.spend(second) for second in range(61, 3600))
    assert spent == 60 - 11
    assert budget.wait(3599) == 1
    assert budget.spend(3600)


@pytest.mark.parametrize(("expires_in", "an_hour"), [(30, 600), (60, 300), (299, 61), (300, 60), (86_400, 60)])
def test_short_tokens_have_calls_enough(expires_in: int, an_hour: int) -> None:
    """Two hours of the earliest renewals that there can be, of three calls each as if every challenge had ended."""
    minute, hour = calls_windows(expires_in)
    assert (minute, hour.most) == (CALLS[0], an_hour)
    budget = Budget(CALLS)
    budget.bound(calls_windows(expires_in))
    for n in range(int(7200 / (0.7 * expires_in))):
        assert all(budget.spend(n * 0.7 * expires_in) for _ in range(3)), n


def test_what_is_refused_is_not_counted() -> None:
    """A loop that goes on asking is let in again at the time that it would have been."""
    budget = Budget(ATTESTATIONS)
    assert sum(budget.spend(second) for second in range(3599)) == 3
    assert budget.spend(3600)


def test_attestations_are_counted_across_restarts() -> None:
    before = Budget(ATTESTATIONS)
    assert all(before.spend(at) for at in (0, 1, 2))
    assert not Budget(ATTESTATIONS, before.spent_at).spend(3)
    assert Budget(ATTESTATIONS, before.spent_at).wait(3) == 3597


def test_ten_attestations_in_a_day() -> None:
    budget = Budget(ATTESTATIONS)
    assert sum(budget.spend(at) for at in range(0, 86_400, 600)) == 10


def test_a_clock_that_was_set_back_neither_frees_nor_locks_for_ever() -> None:
    """An hour back is still inside the day; years ahead are forgotten."""
    spent = [100_000.0 + at for at in range(10)]
    assert Budget(ATTESTATIONS, spent).wait(100_000 - 3600) > 0
    assert Budget(ATTESTATIONS, [10**9 + at for at in range(10)]).spend(100_000)


def test_the_client_policy_adds_regions_and_changes_none() -> None:
    """Nor their order: what is built in comes first."""
    regions = known_regions(_REGIONS, {"mars": "https://mars.example.com", "eu": "https://evil.example"})
    assert regions == {**_REGIONS, "mars": "https://mars.example.com"}
    assert list(regions) == ["eu", "us", "ap", "mars"]


def test_regions_are_asked_in_turn_and_home_among_them() -> None:
    assert [asked_in_turn(list(_REGIONS), "us", turn) for turn in range(5)] == ["ap", "eu", "us", "ap", "eu"]
    assert [asked_in_turn(["home"], "home", turn) for turn in range(2)] == ["home", "home"]


def test_home_is_lost_after_a_minute_and_three_attempts() -> None:
    watch = HomeWatch()
    watch.failed(0)
    watch.failed(30)
    assert not watch.is_lost(3600)
    watch.failed(59)
    assert not watch.is_lost(59)
    assert watch.is_lost(60)
    watch.answered()
    assert not watch.is_lost(61)


def test_three_attempts_at_once_are_no_loss() -> None:
    watch = HomeWatch()
    for _ in range(3):
        watch.failed(100)
    assert not watch.is_lost(159)


def test_unknown_key_elsewhere_counts_after_ten_minutes() -> None:
    """Until then the key may only not have reached that region."""
    watch = HomeWatch()
    assert not watch.unknown_key_counts(10_000)
    watch.failed(0)
    assert not watch.unknown_key_counts(599)
    assert watch.unknown_key_counts(600)


@pytest.mark.parametrize(
    ("held", "age", "usable"),
    [
        (HeldChallenge("c", 0), 240, True),
        (HeldChallenge("c", 0), 241, False),
        (HeldChallenge("c", 0, expires_in=100), 80, True),
        (HeldChallenge("c", 0, expires_in=100), 81, False),
        (HeldChallenge("", 0), 1, False),
    ],
)
def test_challenges_age(held: HeldChallenge, age: float, usable: bool) -> None:
    assert held.usable(age) is usable
