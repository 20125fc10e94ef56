"""Rows of tallies: exact up to their number of cells, never larger than 8 KB, and each line counted once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from bonafide_tokens.counting.key_sketch import KeySketch
from service.aws import from_item, to_item
from service.errors import Unreadable
from service.items.item_size import item_size
from service.tallies.counted_lines import PROCESSES, REMEMBERED, CountedLines
from service.tallies.merging import Bucket, Counts, parts_of
from service.tallies.rows import BundleSeen, Cell, Why
from service.tallies.tally_item import (
    MAX_CELLS,
    MAX_ROW,
    StoredTally,
    at_of,
    kept_until,
    partition,
    partitions,
    sort_key,
)
from service.tallies.tally_line import OLDEST, LineId, read_tally_line

from tests.service_stack.tally_lines import AT, EXPIRED, ORDERS, PROCESS, counts, tally_line


def line(number: int, process: str = PROCESS) -> LineId:
    return LineId(process, number)


def stored_again(stored: StoredTally) -> StoredTally:
    """As the next writer reads it."""
    return StoredTally.from_row(from_item(to_item(stored.to_item())))


def sketch(keys: Iterable[str]) -> KeySketch:
    made = KeySketch()
    for key in keys:
        made.add(key)
    return made


def test_row_is_read_as_it_was_written() -> None:
    made = Counts(
        Counter({ORDERS: 812, EXPIRED: 10**12}),
        Counter({Why("refused", "token-expired"): 2, Why("refused", ""): 5}),
        {"accepted": sketch(["a", "b"]), "refused": sketch(map(str, range(5_000)))},
        BundleSeen(3, 7, 2.5),
        0.25,
        90.0,
    )
    stored = StoredTally()
    assert stored.add(line(1), made)
    again = stored_again(stored)
    for name in ("cells", "other", "bundle", "delay", "longest_delay"):
        assert getattr(again.counts, name) == getattr(made, name)
    assert {outcome: keys.to_text() for outcome, keys in again.counts.keys.items()} == {
        outcome: keys.to_text() for outcome, keys in made.keys.items()
    }
    assert not again.add(line(1), made)


@pytest.mark.parametrize("damage", ["accepted", "other", "keys", "lines", "delays", "bundle"])
def test_damaged_row_is_unreadable(damage: str) -> None:
    stored = StoredTally()
    stored.add(line(1), Counts(Counter({ORDERS: 1}), Counter({Why("refused", ""): 1}), bundle=BundleSeen(1, 1, 0.0)))
    whole = from_item(to_item(stored.to_item()))
    for broken in (17, b"\x00", {"accepted": b"\x00"}, [1]):
        with pytest.raises(Unreadable):
            StoredTally.from_row({**whole, damage: broken})
    with pytest.raises(Unreadable):
        StoredTally.from_row({})


def likely_cell(number: int, outcome: str = "accepted") -> Cell:
    """As phones are: few platforms and builds, some models and countries."""
    draw = random.Random(number)
    facts = (
        draw.choice(["ios", "android"]),
        f"{draw.randint(200, 230)}",
        f"{draw.randint(14, 19)}.{draw.randint(0, 6)}",
        draw.choice(["iPhone", "SM-S9", "Pixel "]) + str(draw.randint(1, 30)),
        draw.choice(["NL", "DE", "US", "FR", "IT", "ES", "GB", "PL", "BR", "IN"]),
    )
    return Cell(outcome, "" if outcome == "accepted" else draw.choice(["challenge-spent", "rule:root"]), facts)


@pytest.mark.parametrize("share", [0, 25, 50, 100])
def test_cells_of_usual_texts_are_exact_up_to_their_number(share: int) -> None:
    """In any order, over many writes, with whatever comes beyond them later."""
    draw = random.Random(share)
    few = list({likely_cell(n, "refused" if n % 100 < share else "accepted") for n in range(99)})[:MAX_CELLS]
    sent, stored = Counter[Cell](), StoredTally()
    for number in range(1, 120):
        some = Counter({cell: draw.randint(1, 10**6) for cell in draw.sample(few, 5)})
        if number > 100:
            some[likely_cell(number + 1_000)] = 7
        sent.update(some)
        stored.add(line(number), Counts(some))
        stored = stored_again(stored)
    assert {cell: stored.counts.cells[cell] for cell in few} == {cell: sent[cell] for cell in few}
    assert stored.counts.cells.total() + stored.counts.other.total() == sent.total()


def test_flood_of_refusals_leaves_what_is_accepted_and_the_other_way_round() -> None:
    for flood, calm in (("refused", "accepted"), ("accepted", "refused")):
        stored = StoredTally()
        for number in range(1, 60):
            cells = Counter({likely_cell(number * 100 + n, flood): 1 for n in range(40)})
            stored.add(line(number), Counts(cells))
            stored = stored_again(stored)
        own = likely_cell(1, calm)
        stored.add(line(60), Counts(Counter({own: 3})))
        assert stored_again(stored).counts.cells[own] == 3


def random_text(draw: random.Random, octets: int = 96) -> str:
    return "".join(chr(draw.choice([*range(35, 92), *range(93, 127)])) for _ in range(octets))


@pytest.mark.parametrize("seed", range(2))
def test_row_stays_within_its_size_whatever_is_counted(seed: int) -> None:
    """The attack: texts as long and as random as they may be, from as many processes as there can be, with keys
    without number, so that every write pays for a large row."""
    draw = random.Random(seed)
    stored, sent = StoredTally(), Counter[str]()
    largest = 0
    for _ in range(40):
        process = f"{draw.getrandbits(64):016x}"
        outcomes = draw.choices(["accepted", "refused", "unavailable"], k=6)
        cells = Counter(
            {
                Cell(outcome, random_text(draw), tuple(random_text(draw) for _ in range(5))): draw.randint(1, 10**12)
                for outcome in outcomes
            }
        )
        keys = {outcome: sketch(str(draw.random()) for _ in range(120)) for outcome in outcomes}
        bundle = BundleSeen(draw.randint(0, 10**12), 10**12, 1e9)
        counted = Counts(cells, Counter({Why("refused", random_text(draw)): 10**12}), keys, bundle, 86_400.0, 86_400.0)
        stored.add(LineId(process, 10**12 - draw.randint(0, 10**11)), counted)
        for cell, times in cells.items():
            sent[cell.outcome] += times
        sent["refused"] += 10**12
        item = to_item(
            {
                "bucket": partition("a" * 64, "challenge", 3_600, AT),
                "place": sort_key(AT, 254),
                "revision": "0" * 16,
                "expires_at": kept_until(Bucket("", "", 3_600, AT), 400),
                **stored.to_item(),
            }
        )
        largest = max(largest, item_size(item))
        stored = stored_again(stored)
    assert largest <= MAX_ROW
    kept = Counter[str]()
    for outcome, times in [(cell.outcome, n) for cell, n in stored.counts.cells.items()]:
        kept[outcome] += times
    for why, times in stored.counts.other.items():
        kept[why.outcome] += times
    assert kept == sent
    assert len(stored.counts.cells) >= 4


def test_lines_are_counted_once_in_whatever_order_they_come() -> None:
    draw = random.Random(7)
    numbers = list(range(1, REMEMBERED + 1)) * 3
    draw.shuffle(numbers)
    counted, new = CountedLines(), Counter[int]()
    for number in numbers:
        if line(number) not in counted:
            new[number] += 1
            counted.add(line(number))
        counted = CountedLines.from_bytes(counted.to_bytes())
    assert new == Counter(range(1, REMEMBERED + 1))


def test_line_older_than_what_is_remembered_is_not_known_to_be_counted() -> None:
    counted = CountedLines()
    counted.add(line(1))
    counted.add(line(REMEMBERED))
    assert line(1) in counted
    counted.add(line(REMEMBERED + 1))
    assert line(1) not in counted
    assert line(2) not in counted
    assert line(REMEMBERED) in counted
    counted.add(line(1))
    assert line(1) not in counted
    counted.add(line(10 * REMEMBERED))
    assert line(REMEMBERED) not in counted


def test_process_idle_longest_is_forgotten_first() -> None:
    counted = CountedLines()
    processes = [f"{number:016x}" for number in range(PROCESSES + 1)]
    for process in processes[:-1]:
        counted.add(line(1, process))
    counted.add(line(2, processes[0]))
    assert counted.room == 0
    counted.add(line(1, processes[-1]))
    assert counted.knows(processes[0])
    assert not counted.knows(processes[1])


def test_each_line_counts_in_a_bucket_of_each_length() -> None:
    """A line with two buckets of a minute counts once in the minute's; the same line twice counts once."""
    text = tally_line(counts({ORDERS: 2}), counts({ORDERS: 3}, at=AT + 2), counts({ORDERS: 4}, app="unknown"))
    lines = [read_tally_line(text, now=AT + 5.0)] * 2
    parts = parts_of(lines, app_of=lambda app: app if app == "demo" else "-", now=AT + 5.5)
    found = {bucket: sum(each.cells.total() for each in by_line.values()) for bucket, by_line in parts.items()}
    minute, hour = AT - AT % 60, AT - AT % 3600
    assert found == {
        Bucket("demo", "authorize", 2, AT): 2,
        Bucket("demo", "authorize", 2, AT + 2): 3,
        Bucket("demo", "authorize", 60, minute): 5,
        Bucket("demo", "authorize", 3600, hour): 5,
        Bucket("-", "authorize", 2, AT): 4,
        Bucket("-", "authorize", 60, minute): 4,
        Bucket("-", "authorize", 3600, hour): 4,
    }
    (merged,) = parts[Bucket("demo", "authorize", 60, minute)].values()
    assert (merged.delay, merged.longest_delay) == (1.5, 3.5)


def test_bundles_of_a_gate_are_told_by_their_extremes() -> None:
    texts = [tally_line(counts({ORDERS: 1}), number=n, bundle=bundle) for n, bundle in enumerate([[5, 1.5], [3, 9]], 1)]
    parts = parts_of([read_tally_line(text, now=AT) for text in texts], app_of=str, now=AT)
    whole = Counts()
    for each in parts[Bucket("demo", "authorize", 2, AT)].values():
        whole.add(each)
    assert whole.bundle == BundleSeen(3, 5, 9.0)


@pytest.mark.parametrize("step", [2, 60, 3600])
def test_window_is_in_few_partitions_and_sorts_by_time(step: int) -> None:
    ats = range(AT - AT % step - 20 * step, AT, step)
    found = partitions("demo", "enrol", step, ats[0], ats[-1] + step)
    assert {partition("demo", "enrol", step, at) for at in ats} == set(found)
    assert len(found) <= 2
    keys = [sort_key(at, node) for at in ats for node in (0, 9, 254)]
    assert keys == sorted(keys)
    assert [at_of(key) for key in keys] == [at for at in ats for _ in range(3)]


def test_no_row_goes_before_all_of_its_lines_are_there() -> None:
    for step, hour_days in ((2, 400), (60, 400), (3600, 2)):
        bucket = Bucket("demo", "enrol", step, AT)
        assert kept_until(bucket, hour_days) >= AT + step + OLDEST + 3_600
