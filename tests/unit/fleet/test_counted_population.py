"""The population as tallies: reproducible, overdispersed, as rows of the table and windows of a runner have them."""

from __future__ import annotations

from collections import Counter
from statistics import mean, variance

import pytest
from service.detection.rates.window import HOURS, MINUTES
from service.tallies.rows import FACTS, OUTCOMES, TallyRow

from devkit.fleet.population.releases import Release
from devkit.fleet.population.tallies import TALLIED, plan, tallies, vendors_at, windows
from devkit.fleet.population.world import START

A_DAY = 50_000


def rows(name: str, seed: int = 1, days: float = 0.5) -> list[TallyRow]:
    return list(tallies(name, seed, days, a_day=A_DAY))


@pytest.mark.parametrize("name", TALLIED)
def test_rows_are_as_the_table_has_them_and_the_same_for_the_same_seed(name: str) -> None:
    first = rows(name, days=0.05)

    assert first == rows(name, days=0.05)
    assert first != rows(name, seed=2, days=0.05)
    for row in first:
        assert row.step == 60
        assert row.at % 60 == 0
        for cell in row.cells:
            assert cell.outcome in OUTCOMES[row.source]
            assert len(cell.facts) == len(FACTS[row.source])
        assert sum(row.by_outcome().values()) == sum(row.by_why().values())


def test_counts_vary_more_than_those_of_a_poisson_process() -> None:
    by_quarter: dict[int, list[int]] = {}
    for row in tallies("ordinary-day", 3, 5, a_day=20_000):
        if row.source == "renew":
            quarters = by_quarter.setdefault(row.at // 900 % 96, [])
            day = (row.at - int(START)) // 86_400
            quarters.extend([0] * (day + 1 - len(quarters)))
            quarters[day] += sum(row.by_outcome().values())
    working = [[count for day, count in enumerate(each) if day % 7 < 4] for each in by_quarter.values()]

    assert mean(variance(each) / mean(each) for each in working) > 1.3


@pytest.mark.parametrize(
    ("name", "source", "why", "days"),
    [
        ("botched-release", "renew", "rule:build-unknown", 1),
        ("repackaged", "enrol", "signer-mismatch", 1),
        ("vendor-outage", "enrol", "try-later", 0.2),
        ("beacons", "beacon", "app-attest-not-supported", 0.2),
    ],
)
def test_an_event_shows_from_its_beginning_on(name: str, source: str, why: str, days: float) -> None:
    begin = plan(name, 1, days).begin
    times = Counter[bool]()
    for row in tallies(name, 1, days, a_day=300_000):
        if row.source == source:
            times[row.at >= begin - 60] += sum(count for key, count in row.by_why().items() if key.why == why)

    assert times[True] > 4
    assert times[True] > 3 * times[False]


def test_a_window_has_what_a_runner_reads() -> None:
    found = list(windows("ordinary-day", 1, 0.2, a_day=A_DAY))
    last = found[-1]

    assert len(found) == 0.2 * 1440
    assert len(last.minutes["renew"]) in (MINUTES - 1, MINUTES)
    assert len(last.hours["renew"]) == HOURS
    assert all(row.at <= last.now for rows in (*last.minutes.values(), *last.hours.values()) for row in rows)
    whole = [row for row in rows("ordinary-day", days=0.2) if row.source == "renew"]
    hour = last.hours["renew"][0]
    parts = [row for row in whole if hour.at <= row.at < hour.at + 3600]
    assert sum(hour.by_outcome().values()) == sum(sum(row.by_outcome().values()) for row in parts)


def test_a_registered_release_is_known_before_it_is_seen_and_an_unregistered_one_never() -> None:
    assert min(plan("two-releases", 1, 30).registered["4210"], 1e12) < START + 8 * 86_400
    assert "4210" not in plan("botched-release", 1, 30).registered


def test_the_view_tells_of_a_vendor_only_while_it_fails() -> None:
    begin = plan("vendor-outage", 1, 2).begin
    states = [{each.state for each in vendors_at("vendor-outage", 1, 2, begin + wait)} for wait in (-60, 300, 9_000)]

    assert states == [{"ok"}, {"ok", "failing"}, {"ok"}]


def test_a_staged_release_reaches_few_at_first_and_all_in_the_end() -> None:
    release = Release(build="1", at=0.0)

    assert release.share_at(-1) == 0
    assert release.share_at(6 * 3600) < 0.01
    assert release.share_at(30 * 86_400) > 0.99
