"""What a client bounds by itself, and where it turns when its region is lost."""

from __future__ import annotations

import pytest

from devkit.client_core.budgets import ATTESTATIONS, CALLS, Budget, calls_windows
from devkit.client_core.challenges import HeldChallenge
from devkit.client_core.homes import Homes

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


def test_a_name_moves_home_and_a_url_does_not() -> None:
    regions = Homes(built_in=_REGIONS, home="eu")
    assert not regions.moved_to("https://evil.example")
    assert regions.home == "eu"
    assert regions.moved_to("us")
    assert regions.url(regions.home) == "https://us.example.com"


def test_the_client_policy_adds_regions_and_changes_none() -> None:
    added = {"eu": "https://evil.example", "mars": "https://mars.example.com"}
    regions = Homes(built_in=_REGIONS, home="eu", from_policy=added)
    assert regions.url("eu") == _REGIONS["eu"]
    assert regions.moved_to("mars")


def test_a_remembered_home_that_is_gone_is_replaced() -> None:
    """It was named by a policy that does not name it any more."""
    assert Homes(built_in=_REGIONS, home="mars").home == "eu"
    with pytest.raises(ValueError, match="at least one"):
        Homes(built_in={}, home="eu")


def test_home_is_lost_after_a_minute_and_three_attempts() -> None:
    regions = Homes(built_in=_REGIONS, home="us")
    regions.failed(0)
    regions.failed(30)
    assert regions.elsewhere(3600) is None
    regions.failed(59)
    assert regions.elsewhere(59) is None
    assert regions.elsewhere(60) == "ap"
    regions.answered()
    assert regions.elsewhere(61) is None


def test_the_region_after_the_last_is_the_first() -> None:
    regions = Homes(built_in=_REGIONS, home="ap")
    for at in (0, 30, 60):
        regions.failed(at)
    assert regions.elsewhere(60) == "eu"


def test_an_app_of_one_region_has_none_to_turn_to() -> None:
    regions = Homes(built_in={"home": "https://eu.example.com"}, home="home")
    for at in (0, 30, 60):
        regions.failed(at)
    assert regions.elsewhere(3600) is None


def test_unknown_key_elsewhere_counts_after_ten_minutes() -> None:
    """Until then the key may only not have reached that region."""
    regions = Homes(built_in=_REGIONS, home="eu")
    assert not regions.unknown_key_counts(10_000)
    regions.failed(0)
    assert not regions.unknown_key_counts(599)
    assert regions.unknown_key_counts(600)


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
