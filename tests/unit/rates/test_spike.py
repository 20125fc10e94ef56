"""Spikes: what is told, what is not, and what the detector keeps."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from service.detection.rates.rhythm import MAX_SERIES, Rhythm
from service.detection.rates.spike import Spike
from service.detection.rates.window import ALL_APPS, window_of

from tests.unit.rates.rows import APP, DAY, HOUR, MONDAY, Cells, Clock, Minute

PHONES = [("android", "42", "Android 15", f"Maker {number}", "DE") for number in range(12)]


def busy(at: int, *, level: float = 20.0) -> int:
    """How much happens in a minute, by the time of day and week."""
    day, hour = (at - MONDAY) // DAY % 7, at % DAY / HOUR
    wave = 1.0 + 0.8 * math.sin((hour - 9) / 24 * 2 * math.pi)
    return max(1, round(level * wave * (1.4 if day >= 5 else 1.0)))


def usual(at: int, *, level: float = 20.0) -> Minute:
    """A minute in which one renewal of fifty is refused, and one enrolment comes for twenty renewals."""
    made = busy(at, level=level)
    phone = PHONES[at // 60 % len(PHONES)]
    return {
        "renew": {
            ("accepted", "", *PHONES[0]): made,
            ("refused", "rule:android-boot-unverified", *phone): 1 if at // 60 % 3 == 0 else 0,
        },
        "enrol": {("accepted", "", *PHONES[1]): max(1, made // 20)},
        "beacon": {("reported", "app-attest-not-supported", *phone[:4]): 1 if at // 60 % 20 == 0 else 0},
    }


def refusals(at: int, times: int, why: str = "rule:build-unknown") -> Minute:
    """An ordinary minute with refusals on top, of all kinds of phones."""
    minute = {source: dict(cells) for source, cells in usual(at).items()}
    for number, phone in enumerate(PHONES):
        minute["renew"]["refused", why, *phone] = times // len(PHONES) + (number < times % len(PHONES))
    return minute


def known_for(hours: int) -> Clock:
    """An app that is known since a Monday; each hour has what twenty of its minutes have, three times."""
    clock = Clock(Spike())
    for _ in range(hours):
        total: dict[str, Counter[tuple[str, ...]]] = {}
        for minute in range(0, 60, 3):
            for source, cells in usual(clock.at + minute * 60).items():
                total.setdefault(source, Counter()).update(cells)
        total["renew"] = Counter(
            {cell: times if cell[0] == "refused" else 3 * times for cell, times in total["renew"].items()}
        )
        total["enrol"] = Counter({cell: 3 * times for cell, times in total["enrol"].items()})
        total["beacon"] = Counter({("reported", "app-attest-not-supported"): 3})
        clock.hour(total)
    return clock


@pytest.fixture(scope="module")
def learned() -> Clock:
    """Eighteen days are known; it is Friday, 12:00."""
    return known_for(18 * 24 + 12)


@pytest.fixture
def clock(learned: Clock) -> Clock:
    """A copy, because a test goes on with it."""
    return Clock(Spike(), at=learned.at, state=learned.state, _rows=list(learned._rows), _hours=dict(learned._hours))


def test_a_rhythm_is_no_spike(clock: Clock) -> None:
    assert clock.run(26, usual, every=4) == []


def test_a_reason_never_seen_is_told_within_minutes(clock: Clock) -> None:
    begin = clock.at
    minute, found = 0, clock.look(begin + 5.0)
    while not found and minute < 6:
        minute += 1
        found = clock.minute(refusals(clock.at, 24))
    assert minute <= 3
    finding = found[0]
    assert (finding.detector, finding.subject, finding.app) == ("spike", "renew:rule:build-unknown", APP)
    assert finding.scope == "population"
    assert finding.keys == ()
    assert begin - 900 <= finding.since <= finding.last <= clock.at + 60
    assert finding.named["why"] == "rule:build-unknown"
    assert finding.named["platform"] == "android"
    assert "model" not in finding.named
    assert finding.remedy.rule == ""
    assert "rollback" in finding.remedy.command
    assert finding.confidence > 0.9


def test_it_is_found_again_each_minute_and_no_longer_when_it_is_over(clock: Clock) -> None:
    for _ in range(10):
        found = clock.minute(refusals(clock.at, 60))
    assert [one.subject for one in found] == ["renew:rule:build-unknown"]
    while clock.at % HOUR < 50 * 60:  # the hour that it was in still stands out, and says since when nothing came
        found = clock.minute(usual(clock.at))
    clock.run(1.5, usual, every=10)
    assert clock.minute(usual(clock.at)) == ()


def test_a_phone_that_tries_all_the_time_is_no_spike(clock: Clock) -> None:
    for _ in range(10):
        minute = {source: dict(cells) for source, cells in usual(clock.at).items()}
        minute["renew"]["refused", "signature-invalid", *PHONES[3]] = 6
        assert clock.minute(minute) == ()


def test_more_of_everything_is_no_spike(clock: Clock) -> None:
    def thrice(at: int) -> Minute:
        return {source: {cell: 3 * n for cell, n in cells.items()} for source, cells in usual(at).items()}

    assert clock.run(4, thrice) == []


def test_fewer_renewals_do_not_make_enrolments_a_spike(clock: Clock) -> None:
    assert clock.run(2, lambda at: {"enrol": usual(at)["enrol"]}) == []


def test_enrolments_beyond_the_hour_and_beyond_renewals_are_told(clock: Clock) -> None:
    def more(at: int) -> Minute:
        return {**usual(at), "enrol": {("accepted", "", *phone): 5 for phone in PHONES}}

    found = clock.run(0.2, more)
    assert {one.subject for one in found} == {"enrol:all"}
    assert "enrolments" in found[0].title


def test_reports_are_told_as_anyones_word(clock: Clock) -> None:
    def more(at: int) -> Minute:
        cells: Cells = {("reported", "app-attest-not-supported", *phone[:4]): 4 for phone in PHONES}
        return {**usual(at), "beacon": cells}

    found = clock.run(0.2, more)
    assert {one.subject for one in found} == {"beacon:app-attest-not-supported"}
    assert any("anyone's word" in sentence for sentence in found[-1].because)


@pytest.mark.parametrize("hours", [1, 3, 5])
def test_an_app_that_is_hardly_known_has_no_spikes(hours: int) -> None:
    clock = known_for(hours)
    assert clock.run(0.2, lambda at: refusals(at, 200)) == []


@pytest.mark.parametrize(("hours", "said"), [(9, "0.4 days"), (30, "1.3 days"), (5 * 24, "5.0 days")])
def test_an_app_that_is_known_for_days_has_spikes_that_say_so(hours: int, said: str) -> None:
    clock = known_for(hours)
    found = clock.run(0.2, lambda at: refusals(at, 200))
    assert found[-1].confidence < 0.8
    assert any(f"known for {said}" in sentence for sentence in found[-1].because)


def test_what_goes_on_for_a_day_and_a_half_is_the_new_usual(clock: Clock) -> None:
    assert clock.run(2, lambda at: refusals(at, 12), every=11)
    clock.run(34, lambda at: refusals(at, 12), every=30)
    assert clock.run(1, lambda at: refusals(at, 12)) == []


def test_the_state_is_written_once_an_hour_and_is_small(clock: Clock) -> None:
    before = clock.writes
    clock.run(12.1, usual, every=5)
    assert clock.writes - before == 12
    assert clock.state is not None
    assert len(clock.state) < 2_048


def test_looking_twice_at_a_minute_changes_nothing(clock: Clock) -> None:
    clock.run(1.2, usual)
    state = clock.state
    for _ in range(3):
        clock.look(clock.at + 5.0)
    assert clock.state == state


def test_minutes_that_are_left_out_do_no_harm(clock: Clock) -> None:
    begun = clock.at
    clock.run(1.8, usual, every=1000)
    assert clock.at == begun + 108 * 60
    clock.run(0.2, usual)
    assert clock.run(2, usual) == []


@pytest.mark.parametrize("state", [b"", b"nonsense", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_state_that_cannot_be_read_is_begun_anew(state: bytes) -> None:
    clock = Clock(Spike(), state=state)
    assert clock.run(3, usual) == []
    assert clock.state != state


def test_all_apps_together_are_not_looked_at() -> None:
    assert Spike().look(window_of(ALL_APPS, [], MONDAY), None, MONDAY) == (None, ())


@pytest.mark.parametrize("reasons", [3, 200])
def test_reasons_without_end_take_no_more_room(reasons: int) -> None:
    def many(at: int) -> Minute:
        number = at // 60
        cells = {("refused", f"rule:{(number * 7 + i) % reasons}", *PHONES[i]): 1 for i in range(7)}
        return {**usual(at), "renew": {**usual(at)["renew"], **cells}}

    clock = Clock(Spike())
    clock.run(30, many, every=30)
    rhythm = Rhythm.from_bytes(clock.state)
    assert len(rhythm.times) <= MAX_SERIES + 5
    assert clock.state is not None
    assert len(clock.state) < 16_384


def test_a_rhythm_reads_what_it_wrote(learned: Clock) -> None:
    rhythm = Rhythm.from_bytes(learned.state)
    again = Rhythm.from_bytes(rhythm.to_bytes())
    assert again == rhythm
    assert again.to_bytes() == rhythm.to_bytes()
