"""What judges the drills: each thing that it must notice, made to happen."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from bonafide_tokens.jose import b64url_encode

from tests.regions.bed import EU, US, DrillFailed
from tests.regions.judged import Judgement, judge, nonce_of
from tests.regions.phones import Redeem
from tests.regions.race import Raced, require_trap


def challenge(number: int) -> str:
    return b64url_encode(bytes([number]) * 48)


def redeem(number: int, region: str = EU, status: int = 200) -> Redeem:
    return Redeem(at=1.0, region=region, key_id="key", challenge=challenge(number), status=status)


def judged(redeems: Iterable[Redeem], **spent: Iterable[int]) -> Judgement:
    tables = {region: [nonce_of(challenge(number)) for number in numbers] for region, numbers in spent.items()}
    return judge(redeems, tables)


def test_nothing_is_wrong_with_what_was_spent_once() -> None:
    """A lost answer may have been spent or not; a refusal counts for nothing."""
    found = judged([redeem(1), redeem(2, US), redeem(3, EU, 0), redeem(1, US, 409)], eu=[1, 3], us=[2])
    assert found == Judgement(redeems=4, succeeded=2, unanswered=1, spent=3, faults=())


@pytest.mark.parametrize("second", [EU, US])
def test_two_successes_of_one_challenge_are_a_fault(second: str) -> None:
    assert judged([redeem(1), redeem(1, second)], eu=[1], us=[]).faults[0].startswith("one challenge was redeemed 2")


def test_a_success_without_a_spent_nonce_is_a_fault() -> None:
    assert judged([redeem(1, US)], eu=[1], us=[]).faults == ("us answered 200, and its table has no such nonce",)


def test_a_nonce_in_two_regions_is_a_fault_though_no_phone_knows_of_both() -> None:
    assert judged([redeem(1), redeem(1, US, 0)], eu=[1], us=[1]).faults == (
        "1 nonces are spent in more than one region",
    )


def raced(**answers: int) -> Raced:
    """`eu_201=1, us_wrong=3` and so on, in a race whose home is eu."""
    names = {"201": "201", "spent": "409 challenge-unusable", "wrong": "409 wrong-region", "later": "503 try-later"}
    came = {tuple(name.split("_")): number for name, number in answers.items()}
    return Raced("a race", EU, {(region, names[kind]): n for (region, kind), n in came.items()}, frozenset({EU}))


def test_one_winner_at_home_is_right() -> None:
    raced(eu_201=1, eu_spent=4, us_wrong=5).require_once()


@pytest.mark.parametrize(
    "answers",
    [
        {"eu_201": 2, "us_wrong": 5},
        {"eu_201": 1, "us_201": 1},
        {"eu_spent": 5, "us_wrong": 5},
        {"us_201": 1, "eu_spent": 5},
        {"eu_201": 1, "eu_wrong": 4, "us_wrong": 5},
        {"eu_201": 1, "us_later": 5},
        {"eu_201": 1, "us_spent": 5},
    ],
)
def test_any_other_end_of_a_race_is_a_fault(answers: dict[str, int]) -> None:
    with pytest.raises(DrillFailed):
        raced(**answers).require_once()


def test_a_race_that_every_build_wins_proves_nothing() -> None:
    require_trap(raced(eu_201=1, us_201=1))
    with pytest.raises(DrillFailed):
        require_trap(raced(eu_201=1, us_wrong=9))
