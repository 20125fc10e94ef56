"""A factory batch is out of its range by its share of enrolments, whatever its number."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from service.detection.population.leaked_keybox import LEAST, WINDOW, LeakedKeybox
from service.detection.sighting import Sighting

from tests.unit.detection.population.made_up import START, folded, in_pieces, name_of, sighting

KEYBOX = LeakedKeybox()
BATCHES = 20
LEAKED = name_of("batch", 3, size=16)


def enrolment(number: int, after: float, batch: int) -> Sighting:
    return sighting(
        number,
        after,
        issuer=name_of("batch", batch, size=16),
        issuer_kind="factory",
        issuer_mark=f"mark {batch}",
        request_key=name_of("request key", number, size=16),
    )


def ordinary(chance: random.Random, windows: int, each: int, first: int = 0) -> list[Sighting]:
    """So many enrolments in each window, of batches with a long tail."""
    return sorted(
        (
            enrolment(first + number, chance.random() * windows * WINDOW, int(BATCHES * chance.random() ** 2))
            for number in range(windows * each)
        ),
        key=lambda one: one.at,
    )


@pytest.fixture(scope="module")
def learned() -> bytes:
    state, finding = folded(KEYBOX, "factory", ordinary(random.Random(1), 20, 20))
    assert finding is None
    assert state is not None
    return state


def test_a_batch_that_surges_is_warned_of(learned: bytes) -> None:
    leak = [enrolment(10_000 + number, 20 * WINDOW + number * 30, 3) for number in range(60)]

    _, finding = folded(KEYBOX, "factory", leak, learned)

    assert finding is not None
    assert finding.scope == "batch"
    assert finding.issuers == ("mark 3",)
    assert set(finding.keys) <= {each.key_id for each in leak}
    assert 'action == Action::"affirm"' in finding.remedy.rule
    assert folded(KEYBOX, "factory", leak[: LEAST - 1], learned)[1] is None


def test_all_batches_together_may_surge(learned: bytes) -> None:
    campaign = [replace(each, at=each.at + 20 * WINDOW) for each in ordinary(random.Random(2), 1, 800, 50_000)]

    assert folded(KEYBOX, "factory", campaign, learned)[1] is None


def test_a_slow_leak_is_found_over_days(learned: bytes) -> None:
    chance = random.Random(4)
    usual = [replace(each, at=each.at + 20 * WINDOW) for each in ordinary(chance, 12, 20, 60_000)]
    leak = [enrolment(90_000 + n, 20 * WINDOW + n * WINDOW / 14, 3) for n in range(14 * 12)]

    assert folded(KEYBOX, "factory", sorted(usual + leak, key=lambda one: one.at), learned)[1] is not None


def test_it_ends_and_the_batch_is_usual_again(learned: bytes) -> None:
    leak = [enrolment(10_000 + number, 20 * WINDOW + number * 30, 3) for number in range(200)]
    state, _ = folded(KEYBOX, "factory", leak, learned)
    after = [replace(each, at=each.at + 26 * WINDOW) for each in ordinary(random.Random(6), 8, 20, 70_000)]

    assert folded(KEYBOX, "factory", after, state)[1] is None


def test_quiet_months_stay_quiet() -> None:
    chance = random.Random(7)
    for month in range(3):
        state = None
        for week in range(4):
            more = ordinary(chance, 28, 15, 10_000 * week + 100_000 * month)
            state, finding = folded(
                KEYBOX, "factory", [replace(one, at=one.at + week * 28 * WINDOW) for one in more], state
            )
            assert finding is None


def test_a_new_phone_begins_to_sell(learned: bytes) -> None:
    chance = random.Random(8)
    usual = [replace(each, at=each.at + 20 * WINDOW) for each in ordinary(chance, 12, 40, 60_000)]
    new = [enrolment(80_000 + n, 20 * WINDOW + n * WINDOW / 2, 99) for n in range(24)]

    assert folded(KEYBOX, "factory", sorted(usual + new, key=lambda one: one.at), learned)[1] is None


def test_a_batch_stays_known_when_the_epoch_changes(learned: bytes) -> None:
    leak = [
        replace(enrolment(10_000 + n, 20 * WINDOW + n * 30, 3), issuer="under the new epoch", earlier_issuer=LEAKED)
        for n in range(60)
    ]

    before = folded(KEYBOX, "factory", [enrolment(10_000 + n, 20 * WINDOW + n * 30, 3) for n in range(60)], learned)[1]
    after = folded(KEYBOX, "factory", leak, learned)[1]
    assert before is not None
    assert after is not None
    assert before.because == after.because


@pytest.mark.parametrize("seed", range(4))
def test_order_and_repetition_change_nothing_within_a_window(learned: bytes, seed: int) -> None:
    chance = random.Random(seed)
    one_window = [replace(each, at=each.at + 20 * WINDOW) for each in ordinary(chance, 1, 200, 10_000)]
    start = (START + 20 * WINDOW) // WINDOW * WINDOW + WINDOW
    one_window = [replace(each, at=start + index) for index, each in enumerate(one_window)]
    opened, _ = folded(KEYBOX, "factory", one_window[:1], learned)

    state, _ = folded(KEYBOX, "factory", one_window, opened)
    again, _ = folded(KEYBOX, "factory", one_window, state)

    assert again == state


@pytest.mark.parametrize(
    "members", [{"proved": False}, {"outcome": "refused"}, {"issuer_kind": "rkp"}, {"source": "renew"}, {"issuer": ""}]
)
def test_what_does_not_count(members: dict[str, object]) -> None:
    one = replace(enrolment(1, 0, 1), **members)  # type: ignore[arg-type]

    assert not KEYBOX.slots_of(one)


def test_ten_thousand_batches_fit() -> None:
    chance = random.Random(9)
    state = None
    for start in range(0, 3_000, 300):
        many = [enrolment(start + n, (start + n) * 60.0, chance.randrange(10_000)) for n in range(300)]
        state, _ = folded(KEYBOX, "factory", many, state)


def test_pieces_give_the_same_sample(learned: bytes) -> None:
    start = (START + 21 * WINDOW) // WINDOW * WINDOW - START
    window = [enrolment(10_000 + n, start + n, n % 5) for n in range(100)]
    state, _ = folded(KEYBOX, "factory", window, learned)

    assert in_pieces(KEYBOX, "factory", window, 3)[1] is None
    assert folded(KEYBOX, "factory", random.Random(1).sample(window, 100), state)[0] == state
