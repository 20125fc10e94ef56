"""What a replay counts, number by number: a few decisions, under a draft that says what it is told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from attestation.appraisal.cedar.releases import Release
from attestation.appraisal.facts import Facts
from attestation.appraisal.replay.distinct_keys import DistinctKeys, key_hash
from attestation.appraisal.replay.key_sample import KeySample, SampledKey, to_record
from attestation.appraisal.replay.recorded_decision import DamagedRecord, RecordedDecision, read_decisions
from attestation.appraisal.replay.replay import Replay
from attestation.appraisal.replay.tally import OTHERS, Change, Count, Misses, Row, Table, Tally
from attestation.appraisal.result import Finding, Tier

REFUSING = Finding("refuses", Tier.CONTRAINDICATED)
WARNING = Finding("warns", Tier.WARNING)
WATCHING = Finding("watches", Tier.CONTRAINDICATED, enforced=False)


class Said:
    """A draft whose findings stand in the facts' app."""

    def __init__(self, **findings: tuple[Finding, ...]) -> None:
        self.findings = findings

    def judge(self, facts: Facts, *, now: float | None) -> tuple[Finding, ...]:
        assert now == 5.0
        return self.findings[facts.app]

    def releases(self, facts: Facts, secrets: Sequence[str], *, now: float | None) -> tuple[Release, ...]:
        raise AssertionError(f"these decisions ask for no secrets: {facts}, {secrets}, {now}")


def decision(key_id: str = "key", says: str = "sound", **changes: Any) -> RecordedDecision:
    usual = RecordedDecision(
        at=100.0,
        app="demo",
        key_id=key_id,
        platform="android",
        app_build="42",
        os="Android 16",
        model="Pixel",
        country="DE",
        reason="",
        tier="affirming",
        rules=("earlier",),
        support_code="",
        facts=Facts("Android", says, key_id, {}, {}),
    )
    return usual._replace(**changes)


DRAFT = Said(sound=(), bad=(WARNING, REFUSING), old=(WARNING,), odd=(WATCHING,))


def tallied(*decisions: RecordedDecision, sample: int = 10) -> Tally:
    replay = Replay(DRAFT, now=5.0, sample=sample)
    for one in decisions:
        replay.add(one)
    return replay.take_tally()


def row_of(table: Table, value: str) -> tuple[int, int, dict[str, int]]:
    row = table.rows[value]
    return row.all.decisions, row.all.keys.count(), {change.value: row.decisions(change) for change in row.changes}


def test_every_table_counts_by_its_own_member() -> None:
    """One refused decision and one that stays, each with values of its own."""
    other = decision(
        "other", platform="ios", app_build="7", os="iOS 27", model="iPhone", country="FR", app="bank", rules=()
    )
    tables = tallied(decision(says="bad"), decision(says="bad"), other).tables
    hit: tuple[int, int, dict[str, int]] = (2, 1, {"newly-refused": 2})
    missed: tuple[int, int, dict[str, int]] = (1, 1, {})
    for name, value, others in (
        ("platform", "android", "ios"),
        ("build", "42", "7"),
        ("model", "Pixel", "iPhone"),
        ("os", "Android 16", "iOS 27"),
        ("country", "DE", "FR"),
        ("app", "demo", "bank"),
    ):
        assert row_of(tables[name], value) == hit
        assert row_of(tables[name], others) == missed
        assert len(tables[name].rows) == 2
    assert {value: row_of(tables["rule"], value) for value in tables["rule"].rows} == {
        "refuses": hit,
        "warns": (2, 1, {}),
    }
    assert {value: row_of(tables["earlier-rule"], value) for value in tables["earlier-rule"].rows} == {"earlier": hit}


def test_decision_that_says_nothing_has_rows_all_the_same() -> None:
    """Under a name that no value has."""
    silent = decision(platform="", app_build="", os="", model="", country="", app="")
    tables = tallied(silent).tables
    for name in ("platform", "build", "model", "os", "country", "app"):
        assert list(tables[name].rows) == ["(none)"]


def test_rule_that_lets_in_or_lowers_is_blamed_for_it() -> None:
    """Only beside a refusal does a warning go free."""
    tally = tallied(decision(says="old"), decision("b", "old", tier="contraindicated"))
    assert row_of(tally.tables["rule"], "warns") == (2, 2, {"lowered": 1, "newly-let-in": 1})


def test_totals_are_of_decisions_and_of_keys() -> None:
    """What was accepted at the time is the base of every share."""
    tally = tallied(
        *[decision("a", "bad")] * 3,
        decision("b"),
        decision("c", tier="contraindicated"),
        decision("d", "bad", tier="warning"),
    )
    assert (tally.replayed.decisions, tally.replayed.keys.count()) == (6, 4)
    assert (tally.accepted_before.decisions, tally.accepted_before.keys.count()) == (5, 3)
    assert tally.share(Change.NEWLY_REFUSED, of_keys=False) == 4 / 5
    assert tally.share(Change.NEWLY_REFUSED, of_keys=True) == 2 / 3
    assert tally.share(Change.NEWLY_LET_IN, of_keys=True) == 1 / 3
    assert tally.share(Change.LOWERED, of_keys=True) == tally.share(Change.LOWERED, of_keys=False) == 0
    assert tallied().share(Change.LOWERED, of_keys=True) == tallied().share(Change.LOWERED, of_keys=False) == 0
    assert tally.damaged == tally.elsewhere == 0
    assert tally.changes[Change.NEWLY_LET_IN].to_record() == {"decisions": 1, "keys": 1, "keys_exact": True}


def test_what_no_policy_decided_is_counted_by_reason() -> None:
    """And records that hold facts and no tier by the reason that they have in common."""
    tally = tallied(
        decision(facts=None, reason="challenge-spent"),
        decision(facts=None),
        decision(tier=""),
        decision(tier="nonsense"),
        decision(),
    )
    assert tally.not_replayable == {"challenge-spent": 1, "no-verdict": 3}
    assert tally.read == 5


def test_near_misses_are_counted_by_what_nearly_refused() -> None:
    """With a sample of their own; nearest first, then by rules, keys and decisions."""
    tally = tallied(
        *[decision(f"watched {number}", "odd") for number in range(2)],
        *[decision("watched 0", "odd")],
        *[decision(f"warned {number}", "old") for number in range(5)],
        decision("bad", "bad"),
    )
    watched, warned = tally.misses.nearest(10)
    assert (watched[0], watched[1], watched[2].decisions, watched[2].keys.count()) == (1, ("watches",), 3, 2)
    assert (warned[0], warned[1], warned[2].decisions, warned[2].keys.count()) == (2, ("warns",), 5, 5)
    assert [seen.key_id for seen in watched[3].drawn()] == ["watched 0", "watched 1"]
    assert len(warned[3].drawn()) == 3
    assert len(tally.misses.nearest(1)) == 1
    again = Misses.from_state(json.loads(json.dumps(tally.misses.to_state())), 3)
    assert again.to_state() == tally.misses.to_state()
    whole = Tally.from_state(json.loads(json.dumps(tally.to_state())))
    assert whole.to_state() == tally.to_state()
    assert whole.misses.size == 3


@pytest.mark.parametrize(
    ("heavier", "lighter"), [([("a", 1), ("b", 1)], [("c", 9)]), ([("a", 2), ("b", 1)], [("c", 1), ("d", 1)])]
)
def test_group_of_more_keys_is_nearer_then_that_of_more_decisions(
    heavier: list[tuple[str, int]], lighter: list[tuple[str, int]]
) -> None:
    """No key is nearer for renewing more often."""
    misses = Misses(3)
    for name, keys in (("z", heavier), ("a", lighter)):
        group = misses.group(2, (name,))
        assert group is not None
        for key, times in keys:
            for _ in range(times):
                group[0].add(key_hash(key))
    assert [rules for _, rules, _, _ in misses.nearest(2)] == [("z",), ("a",)]


def test_sample_holds_what_a_person_looks_up() -> None:
    """Of the latest decision; and how many there were."""
    changes = {"app": "demo", "platform": "ios", "app_build": "7", "model": "iPhone"}
    tally = tallied(
        decision(says="bad", at=102.0, support_code="B-2", **changes),
        decision(says="bad", at=103.0, support_code="C-3", **changes),
        decision(says="bad", at=101.0, support_code="A-1", **changes),
        decision("sound"),
    )
    (seen,) = tally.samples[Change.NEWLY_REFUSED].drawn()
    assert seen == SampledKey("key", 3, 103.0, "demo", "ios", "7", "iPhone", "C-3", ("refuses",))
    assert to_record(seen)["rules"] == ["refuses"]
    assert all(not sample.drawn() for change, sample in tally.samples.items() if change is not Change.NEWLY_REFUSED)
    (lowered,) = tallied(decision(says="old")).samples[Change.LOWERED].drawn()
    assert lowered.rules == ("warns",)


def test_sample_keeps_the_smallest_hashes() -> None:
    """A uniform draw of different keys, whatever their order."""
    names = sorted((f"key {number}" for number in range(30)), key=key_hash)
    sample = KeySample(5)
    for name in reversed(names):
        sample.add(key_hash(name), SampledKey(name, 1, 0.0, "", "", "", "", "", ()))
    assert {seen.key_id for seen in sample.drawn()} == set(names[:5])
    assert KeySample.from_state(sample.to_state(), 5).drawn() == sample.drawn()
    assert not KeySample(0).wants(0)


def _filled(count: int) -> Table:
    table = Table()
    for number in range(count):
        table.row(f"value {number:04}").add(number, Change.LOWERED if number % 2 else Change.UNCHANGED)
    return table


def test_table_of_a_thousand_rows_folds_by_half() -> None:
    """The less affected half goes into one row of others."""
    full = _filled(1000)
    assert (len(full.rows), full.folded) == (1000, 0)
    assert [name for name, _ in full.ordered()][-1] == "value 0998"
    over = _filled(1001)
    assert (len(over.rows), over.folded, over.others.all.decisions) == (501, 500, 500)
    assert all(int(name.removeprefix("value ")) % 2 for name in list(over.rows)[:500])
    assert [name for name, _ in over.ordered()][-1] == OTHERS


def test_rows_come_by_what_is_done_to_them() -> None:
    """The most affected first; then the most frequent; then by name."""
    table = Table()
    for name, hits, rest in (("a", 0, 1), ("b", 0, 9), ("c", 1, 0), ("d", 2, 0), ("e", 1, 0), ("f", 1, 3)):
        for number in range(hits):
            table.row(name).add(number, Change.NEWLY_REFUSED)
        for number in range(rest):
            table.row(name).add(number, Change.UNCHANGED)
    assert [name for name, _ in table.ordered()] == ["d", "f", "c", "e", "b", "a"]


def test_row_counts_keys_of_a_change() -> None:
    """A change that did not come up has none."""
    row = Row()
    for key in (1, 1, 2):
        row.add(key, Change.RAISED)
    assert (row.decisions(Change.RAISED), row.keys(Change.RAISED)) == (3, 2)
    assert (row.decisions(Change.LOWERED), row.keys(Change.LOWERED)) == (0, 0)


def _counted(keys: Iterable[int], size: int = 1024) -> DistinctKeys:
    counter = DistinctKeys(size)
    for key in keys:
        counter.add(key_hash(f"key {key}"))
    return counter


@pytest.mark.parametrize("count", [1025, 1279, 1280, 1281, 2_000, 10_000, 50_000])
def test_estimate_is_close_at_every_size(count: int) -> None:
    """Within four standard errors, from the first hash that is dropped on."""
    counter = _counted(range(count))
    assert not counter.is_exact
    assert 0 < abs(counter.count() - count) < 4 * count / 32


@pytest.mark.parametrize("count", [0, 1, 1023, 1024])
def test_few_keys_are_counted_exactly(count: int) -> None:
    """Up to the size itself."""
    counter = _counted([*range(count), *range(count)])
    assert (counter.count(), counter.is_exact) == (count, True)


def test_total_is_exact_up_to_the_number_that_the_guide_names() -> None:
    """docs/replay.md: beyond 16,384 keys it is shown with ``~``."""
    total = Count()
    for key in range(16_384):
        total.add(key_hash(f"key {key}"))
    assert (total.keys.count(), total.keys.is_exact) == (16_384, True)
    total.add(key_hash("one more"))
    assert not total.keys.is_exact


def test_counter_is_bounded() -> None:
    """Whatever comes: a quarter more than it keeps, until it drops."""
    counter, most = DistinctKeys(64), 0
    for key in range(5000):
        counter.add(key_hash(f"key {key}"))
        most = max(most, len(counter._kept))
    assert most == 80
    assert len(counter.to_state()[2]) == 64


def test_merged_counter_is_bounded() -> None:
    """However many parts are merged before it is read."""
    counter = DistinctKeys(64)
    for part in range(10):
        counter.merge(_counted(range(part * 60, part * 60 + 60), 64))
        assert len(counter._kept) <= 64


@pytest.mark.parametrize("size", [63, 65])
def test_counter_of_another_size_is_not_read(size: int) -> None:
    """A state of another release would count nonsense."""
    state = _counted(range(100), 64).to_state()
    with pytest.raises(ValueError, match="another size"):
        DistinctKeys.from_state(state, size=size)
    assert DistinctKeys.from_state(state, size=64).count() == _counted(range(100), 64).count()


@pytest.mark.parametrize("size", [1023, 1025])
def test_counters_of_different_sizes_do_not_merge(size: int) -> None:
    """A sum of both would be an estimate of neither."""
    with pytest.raises(ValueError, match="different sizes"):
        _counted(range(3)).merge(DistinctKeys(size))


def _line(**members: Any) -> str:
    record = {"message": "decision", "action": "enrol", "at": 1, **members}
    return json.dumps(record)


def test_texts_are_cut_at_256_characters() -> None:
    """They end in tables."""
    (read,) = read_decisions(_line(model="m" * 257, findings=["r" * 257, "watched (observed)"]))
    assert (read.model, read.rules) == ("m" * 256, ("r" * 256,))
    (short,) = read_decisions(_line(model="m" * 256))
    assert short.model == "m" * 256


def test_envelope_in_an_envelope_is_not_opened() -> None:
    """CloudWatch Logs writes no such thing, and who does may nest them without end."""
    inner = json.dumps({"logEvents": [{"message": _line()}]})
    outer = json.dumps({"logEvents": [{"message": _line()}, {"message": inner}]})
    assert len(list(read_decisions(outer))) == 1


@pytest.mark.parametrize("event", [None, "text", {}, {"message": 5}, {"message": None}])
def test_event_without_a_message_is_damage(event: object) -> None:
    """It should hold a line."""
    with pytest.raises(DamagedRecord, match="without a message"):
        list(read_decisions(json.dumps({"logEvents": [event]})))


@pytest.mark.parametrize("line", ["  \n", "", "{}", ' {"level": "INFO"}'])
def test_other_lines_are_passed_over(line: str) -> None:
    """Logs hold more than decisions."""
    assert list(read_decisions(line)) == []


def test_line_that_nests_without_end_is_damage() -> None:
    """How deep a JSON reader goes depends on the Python; what escapes does not."""
    with pytest.raises(DamagedRecord):
        list(read_decisions("[" * 100_000 + '"decision"'))


@pytest.mark.parametrize("between", ["", " ", "\n", " \t\r\n "])
def test_records_in_one_line_are_taken_apart(between: str) -> None:
    """As Firehose may write them."""
    text = between.join((_line(at=1), _line(at=2), _line(at=3))) + between
    assert [read.at for read in read_decisions(text)] == [1.0, 2.0, 3.0]


def test_decision_that_stands_for_several_counts_as_several() -> None:
    """The attack: a flood that is listed as a sample looks smaller than it was. Keys are those that are listed."""
    many = decision("one", "sound", tier="contraindicated", weight=64)
    tally = tallied(
        many, decision("two", "bad"), decision("three", tier="", facts=None, reason="app-unknown", weight=8)
    )
    assert (tally.replayed.decisions, tally.replayed.keys.count()) == (65, 2)
    assert tally.changes[Change.NEWLY_LET_IN].decisions == 64
    assert tally.tables["model"].rows["Pixel"].decisions(Change.NEWLY_LET_IN) == 64
    assert tally.not_replayable == {"app-unknown": 8}
    assert (tally.read, tally.unlisted) == (73, 63 + 7)
    assert Tally.from_state(tally.to_state()).unlisted == tally.unlisted
    twice = tallied(many)
    twice.merge(tally)
    assert (twice.replayed.decisions, twice.unlisted) == (129, 63 + 63 + 7)


def test_tally_of_the_release_before_is_read() -> None:
    state = tallied(decision()).to_state()
    del state["unlisted"]
    assert Tally.from_state(state).unlisted == 0
