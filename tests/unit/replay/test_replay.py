"""Replay: recorded decisions judged again, counted, and merged. Bounded, whatever the records say."""

from __future__ import annotations

import json
import pickle
import random
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.facts import Facts
from attestation.appraisal.replay.distinct_keys import DistinctKeys, key_hash
from attestation.appraisal.replay.key_sample import KeySample, SampledKey
from attestation.appraisal.replay.recorded_decision import MAX_LINE, DamagedRecord, read_decisions
from attestation.appraisal.replay.replay import OBSERVED_DISTANCE, WARNING_DISTANCE, Replay, change_of, verdict_of
from attestation.appraisal.replay.tally import MAX_VALUES, OTHERS, Change, Table, Tally
from attestation.appraisal.result import Finding, Tier

from tests.benchmarks.bench_replay import NOW, OneByOne, draft
from tests.benchmarks.recorded_population import START, RecordedPopulation

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Twenty thousand decisions of two thousand devices."""
    return list(RecordedPopulation(devices=2000).lines(0, 20_000, 20_000))


def replayed(lines: list[str], **changes: Any) -> Tally:
    replay = Replay(CedarPolicy.compile(draft()), now=NOW, **changes)
    for line in lines:
        replay.read(line)
    return replay.take_tally()


def state(tally: Tally) -> str:
    return json.dumps(tally.to_state(), sort_keys=True)


def changed(line: str, **members: Any) -> str:
    return json.dumps({**json.loads(line), **members})


@pytest.mark.parametrize(
    "number", [pytest.param(20_000, marks=pytest.mark.exhaustive, id="whole"), pytest.param(6_000, id="sample")]
)
def test_every_result_equals_that_of_judging_one_by_one(lines: list[str], number: int) -> None:
    """What is remembered changes nothing, on all of 20,000 decisions."""
    remembering = Replay(CedarPolicy.compile(draft()), now=NOW)
    plain = Replay(OneByOne(CedarPolicy.compile(draft())), now=NOW)
    judged = 0
    for line in lines[:number]:
        for decision in read_decisions(line):
            result = remembering.add(decision)
            assert result == plain.add(decision)
            judged += result is not None
    assert judged > 0.95 * number
    assert state(remembering.tally) == state(plain.tally)
    assert remembering.tally.changes[Change.NEWLY_REFUSED].decisions > number // 400


def test_policy_that_was_active_changes_nothing(lines: list[str]) -> None:
    """A draft equal to the policy of that time: every verdict is the recorded one."""
    replay = Replay(default_policy(), now=NOW)
    for line in lines[:4000]:
        replay.read(line)
    unchanged = replay.tally.changes[Change.UNCHANGED].decisions
    assert unchanged == replay.tally.replayed.decisions > 3900


def test_tallies_of_parts_are_the_tally_of_the_whole(lines: list[str]) -> None:
    """In any order, through processes (pickle) and functions (JSON)."""
    whole = replayed(lines[:6000])
    parts = [replayed(lines[start : start + 1500]) for start in range(0, 6000, 1500)]
    merged = Tally()
    for part in (pickle.loads(pickle.dumps(part)) for part in reversed(parts)):  # noqa: S301 - our own
        merged.merge(Tally.from_state(json.loads(json.dumps(part.to_state()))))
    assert state(merged) == state(whole)


def test_memory_does_not_grow_with_decisions(lines: list[str]) -> None:
    """Each decision with texts of its own: tables stay at their size, and the process within 32 MiB more."""
    replay = Replay(CedarPolicy.compile(draft()), now=NOW)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(20_000):
        line = lines[number % 500]
        for decision in read_decisions(line):
            replay.add(decision._replace(model=f"model {number}", key_id=f"key {number}", reason=f"r{number}"))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    table = replay.tally.tables["model"]
    assert len(table.rows) <= MAX_VALUES
    assert sum(row.all.decisions for _, row in table.ordered()) == replay.tally.replayed.decisions
    assert len(replay.tally.not_replayable) <= MAX_VALUES + 1
    assert grown < 32


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (Tier.AFFIRMING, Tier.CONTRAINDICATED, Change.NEWLY_REFUSED),
        (Tier.WARNING, Tier.CONTRAINDICATED, Change.NEWLY_REFUSED),
        (Tier.CONTRAINDICATED, Tier.WARNING, Change.NEWLY_LET_IN),
        (Tier.AFFIRMING, Tier.WARNING, Change.LOWERED),
        (Tier.WARNING, Tier.AFFIRMING, Change.RAISED),
        (Tier.CONTRAINDICATED, Tier.CONTRAINDICATED, Change.UNCHANGED),
    ],
)
def test_change_is_what_becomes_of_a_decision(before: Tier, after: Tier, change: Change) -> None:
    """Refused or let in comes first; among accepted ones, the tier."""
    assert change_of(before, after) is change


def test_nearest_miss_is_one_word_of_the_draft_away() -> None:
    """An observed rule that would refuse comes before a warning; what is refused missed nothing."""
    observed = Finding("watched", Tier.CONTRAINDICATED, enforced=False)
    warning = Finding("old", Tier.WARNING)
    assert verdict_of((observed, warning)).miss == (OBSERVED_DISTANCE, ("watched",))
    assert verdict_of((warning,)).miss == (WARNING_DISTANCE, ("old",))
    assert verdict_of((Finding("bad", Tier.CONTRAINDICATED), observed)).miss is None
    assert verdict_of(()).miss is None


def test_rule_that_refuses_is_blamed_and_a_warning_beside_it_is_not(lines: list[str]) -> None:
    """Who reads the table looks for what to change."""
    tables = replayed(lines).tables
    assert tables["rule"].rows["screen-captured"].decisions(Change.NEWLY_REFUSED) > 0
    assert tables["rule"].rows["play-missing"].decisions(Change.NEWLY_REFUSED) == 0


def test_share_is_of_what_was_let_in(lines: list[str]) -> None:
    """The attack: a flood of requests that are refused anyway, so that one percent of customers looks like nothing."""
    refused = next(line for line in lines if json.loads(line)["tier"] == "contraindicated")
    quiet, flooded = replayed(lines[:3000]), replayed(lines[:3000] + [refused] * 9000)
    for of_keys in (True, False):
        share = quiet.share(Change.NEWLY_REFUSED, of_keys=of_keys)
        assert flooded.share(Change.NEWLY_REFUSED, of_keys=of_keys) == pytest.approx(share, abs=0.001)
        assert share > 0


def test_only_the_asked_app_and_time_count(lines: list[str]) -> None:
    """From the first moment on, up to the second, which is not in it."""
    middle = START + 3 * 86_400
    tally = replayed(lines, app="bank", since=START, until=middle)
    expected = [record for record in map(json.loads, lines) if record["app"] == "bank" and record["at"] < middle]
    assert tally.read == len(expected)
    assert tally.elsewhere == len(lines) - len(expected)


def test_refusals_before_appraisal_are_counted_by_reason(lines: list[str]) -> None:
    """No facts, nothing to judge again; and facts without a verdict are told apart."""
    line = next(line for line in lines if '"facts"' in line)
    early = changed(line, tier="", reason="challenge-spent")
    early = json.dumps({name: value for name, value in json.loads(early).items() if name != "facts"})
    tally = replayed([early, early, changed(line, tier="")])
    assert tally.not_replayable == {"challenge-spent": 2, "no-verdict": 1}
    assert tally.replayed.decisions == 0


def damaged(line: str) -> Iterator[str]:
    yield changed(line, at=10**400)
    yield changed(line, at=float("nan"))
    yield line[: len(line) // 2]
    yield "[" * 100_000 + '"decision"'
    yield changed(line, at="yesterday")
    yield changed(line, at=True)
    yield changed(line, model=7)
    yield changed(line, facts=[])
    yield changed(line, facts={"kind": "Nokia"})
    yield changed(line, findings="none")
    yield changed(line, weight=0)
    yield changed(line, weight=10**30)
    yield changed(line, weight=True)
    yield changed(line, detail="x" * MAX_LINE)
    yield "not a line of ours"


def test_damaged_lines_are_counted_and_stop_nothing(lines: list[str]) -> None:
    """A cut-off object must not keep a million decisions from being judged."""
    broken = list(damaged(lines[0]))
    tally = replayed([*broken, lines[0], "", '{"level":"INFO","message":"unavailable"}'])
    assert (tally.damaged, tally.replayed.decisions) == (len(broken), 1)


def test_lines_of_other_kinds_are_no_decisions(lines: list[str]) -> None:
    """The gate's own decision lines, metrics, and whatever else a log has."""
    assert list(read_decisions(changed(lines[0], action="authorize"))) == []
    assert list(read_decisions('{"message":"about a \\"decision\\""}')) == []


def test_records_are_read_as_firehose_may_write_them(lines: list[str]) -> None:
    """Two in one line, and still in the envelope of a CloudWatch Logs subscription."""
    events = [{"id": "1", "timestamp": 1, "message": line} for line in lines[:2]]
    envelope = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": events})
    for text in (lines[0] + lines[1], f"{lines[0]} {lines[1]}\n", envelope):
        assert [decision.at for decision in read_decisions(text)] == [json.loads(line)["at"] for line in lines[:2]]
    with pytest.raises(DamagedRecord):
        list(read_decisions(lines[0] + lines[1][:-5]))


def test_texts_of_apps_are_fit_for_a_terminal(lines: list[str]) -> None:
    """The attack: escape sequences in a model's name, for the reader of the table."""
    (decision,) = read_decisions(changed(lines[0], model="\x1b[2J\ud800 phone"))
    assert decision.model == "\ufffd[2J\ufffd phone"


@pytest.mark.parametrize("count", [0, 1, 1024, 1025, 1500, 20_000])
def test_distinct_keys_are_exact_while_few_and_close_when_many(count: int) -> None:
    """Up to the bound exact, beyond within four standard errors; repeats count once."""
    counter = DistinctKeys(1024)
    for number in range(count):
        counter.add(key_hash(f"key {number}"))
        counter.add(key_hash(f"key {number // 2}"))
    assert counter.is_exact is (count <= 1024)
    assert counter.count() == count if counter.is_exact else abs(counter.count() - count) < count * 4 / 32


def test_distinct_keys_merge_like_one_counter() -> None:
    """On whatever side hashes were dropped, and in whatever order."""
    for first, second in ((10, 20), (10, 500), (500, 10), (500, 700)):
        one, other, both = (DistinctKeys(64) for _ in range(3))
        for number in range(first):
            one.add(key_hash(f"a{number}"))
            both.add(key_hash(f"a{number}"))
        for number in range(second):
            other.add(key_hash(f"b{number}"))
            both.add(key_hash(f"b{number}"))
        other.merge(one)
        one.merge(other)
        assert one.to_state() == other.to_state() == both.to_state()
        assert DistinctKeys.from_state(json.loads(json.dumps(one.to_state())), size=64).count() == both.count()
    with pytest.raises(ValueError, match="different sizes"):
        one.merge(DistinctKeys(65))


def test_sample_of_keys_is_the_same_in_any_order_with_exact_counts() -> None:
    """A fair draw of different keys: the loudest has no better chance, and what is drawn is counted from the start."""
    chance = random.Random(1)
    events = [(f"key {number}", at) for number in range(300) for at in range(1 + 40 * (number == 7))]
    samples = []
    for _ in range(3):
        chance.shuffle(events)
        sample = KeySample(20)
        for key_id, at in events:
            sample.add(key_hash(key_id), SampledKey(key_id, 1, float(at), "a", "ios", "1", "m", "", ()))
        samples.append(sample.drawn())
    assert samples[0] == samples[1] == samples[2]
    assert len(samples[0]) == 20
    totals = {key_id: sum(1 for other, _ in events if other == key_id) for key_id, _ in events}
    assert all(seen.decisions == totals[seen.key_id] for seen in samples[0])
    assert KeySample(0).drawn() == ()


def test_table_that_overflows_keeps_the_affected_rows_and_the_sum() -> None:
    """The rest is one row of others, and says how many values it holds."""
    table = Table()
    table.row("hit").add(1, Change.NEWLY_REFUSED)
    for number in range(3 * MAX_VALUES):
        table.row(f"value {number}").add(number, Change.UNCHANGED)
    assert table.rows["hit"].decisions(Change.NEWLY_REFUSED) == 1
    ordered = list(table.ordered())
    assert ordered[0][0] == "hit"
    assert ordered[-1][0] == OTHERS
    assert table.folded + len(table.rows) == 3 * MAX_VALUES + 1
    assert sum(row.all.decisions for _, row in ordered) == 3 * MAX_VALUES + 1


def test_facts_in_another_form_are_refused_and_not_an_exception(lines: list[str]) -> None:
    """A record of another release: the draft cannot be evaluated on it, and says policy-error."""
    record = json.loads(next(line for line in lines if '"facts"' in line))
    record["facts"]["claims"] = {"key_storage": ["nonsense"]}
    replay = Replay(CedarPolicy.compile(draft()), now=NOW)
    result = replay.add(next(iter(read_decisions(json.dumps(record)))))
    assert result is not None
    assert "policy-error" in result[1].refusing


def test_generated_lines_are_like_the_services(lines: list[str]) -> None:
    """The population says something about production only if its records have the members that the service writes."""
    source = (Path(__file__).parents[3] / "layers/service/src/service/telemetry/decisions.py").read_text("utf-8")
    record = json.loads(lines[0])
    for member in record.keys() - {"level", "message", "timestamp", "service", "facts"}:
        assert f"            {member}=" in source, member
    assert Facts.from_record(record["facts"]).key_id == record["key_id"]
