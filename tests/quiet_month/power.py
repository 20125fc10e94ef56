"""What the detectors are able to see: the smallest jump that each tells, and after how many minutes, by traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

from service.detection.rates.spike import CHANCES, LEAST, TRIES
from service.detection.rates.tails import log_upper_tail

from tests.quiet_month.days import BEGIN, DAY, Change, Days, Release
from tests.quiet_month.stand import Reader, Stand

LEARNED = 15
"""Days that are known before; what happens then begins at 10:00."""
TRAFFIC = (100, 10_000, 1_000_000)
HOURS = 8
"""For how long a jump goes on."""
JUMPS = (2.0, 3.0, 5.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True)
class Event:
    """``detector`` should tell it under a subject that begins with ``subject``."""

    title: str
    detector: str
    subject: str
    source: str
    whys: tuple[str, ...]


EVENTS = (
    Event("refused renewals of one reason (0.4 %)", "spike", "renew:key-unknown", "renew", ("key-unknown",)),
    Event("refused enrolments of one reason (1.2 %)", "spike", "enrol:rule", "enrol", ("rule:boot-unverified",)),
    Event("enrolments", "spike", "enrol:all", "enrol", ("",)),
    Event("'not supported' reports", "spike", "beacon:app-attest", "beacon", ("app-attest-not-supported",)),
    Event("reports of a vendor", "vendor-trouble", "", "beacon", ("vendor-unreachable", "vendor-error")),
)


COUNTED = (
    ("refused renewals, 0.4 %", 0.45 * 0.004),
    ("refused enrolments, 1.2 %", 0.015 * 0.012),
    ("enrolments, 1.5 % of decisions", 0.015),
    ("reports, 0.05 % of decisions", 0.0005),
)
"""What may rise, and which share of a day's decisions it is as a rule."""
DISPERSIONS = (0.05, 0.2, 0.5)


def bounds() -> Iterator[str]:
    """How many times what is usual a spike is told, by the law alone: within 5 minutes, and within the hour."""
    yield f"{'times what is usual, in 5 minutes / an hour':<46}" + "".join(f"{each:>16,}" for each in TRAFFIC)
    for title, share in COUNTED:
        for dispersion in DISPERSIONS:
            told = ("/".join(_times(each * share, dispersion, span) for span in (300, 3_600)) for each in TRAFFIC)
            yield f"{f'{title}, dispersion {dispersion:g}':<46}" + "".join(f"{each:>16}" for each in told)


def _times(daily: float, dispersion: float, seconds: int) -> str:
    """The least multiple of an average span's count that is told, after two weeks."""
    mean = daily * seconds / 86_400
    unsure = 1 / (10 * daily / 24 + 0.5)
    for step in range(400):
        times = 2.0 * 1.02**step
        count = int(times * mean)
        chance = log_upper_tail(count // TRIES, mean / TRIES, dispersion + unsure)
        if count >= LEAST and chance < math.log(CHANCES[seconds]):
            return f"{times:.1f}" if times < 100 else f"{times:.0f}"
    return "-"


@dataclass(slots=True)
class _Learned:
    days: Days
    reader: Reader
    stand: Stand


def learned(traffic: int, seed: int) -> _Learned:
    """An app of so many decisions a day that is known for :data:`LEARNED` days."""
    days = Days(seed, traffic)
    reader, stand = Reader(days.app, days.builds), Stand()
    for at, rows in days.minutes(LEARNED + 10 / 24):
        window = reader.window(at, rows, wanted=at // 60 % 8 == 0)
        if window is not None:
            stand.look(window)
    return _Learned(days, reader, stand)


def delay(
    known: _Learned, detector: str, subject: str, change: Change, releases: tuple[Release, ...] = ()
) -> int | None:
    """Minutes until it is told, at most :data:`HOURS`."""
    state = deepcopy(known)
    state.days.change, state.days.releases = change, releases
    begin = BEGIN + LEARNED * DAY + 36_000
    for at, rows in state.days.minutes(HOURS / 24, begin):
        window = state.reader.window(at, rows)
        assert window is not None
        for finding in state.stand.look(window):
            if finding.detector == detector and subject in finding.subject:
                return (at + 60 - begin) // 60
    return None


def raised(event: Event, times: float) -> Change:
    """So many times as many as usual."""

    def change(_at: float, source: str, why: str) -> float:
        return times if source == event.source and why in event.whys else 1.0

    return change


def table(traffic: tuple[int, ...] = TRAFFIC, seed: int = 1) -> Iterator[str]:
    """Lines of the table: for each event and jump minutes until it was told, by traffic."""
    known: Mapping[int, _Learned] = {each: learned(each, seed) for each in traffic}
    yield f"{'minutes until it is told, by decisions a day':<48}" + "".join(f"{each:>12,}" for each in traffic)
    for event in EVENTS:
        for times in JUMPS:
            found = [delay(known[each], event.detector, event.subject, raised(event, times)) for each in traffic]
            yield f"{f'{event.title} x {times:g}':<48}" + "".join(f"{_told(each):>12}" for each in found)
            if all(each is not None and each <= 2 for each in found):
                break
    for half in (1.5, 0.1):
        release = Release("4400", LEARNED + 10 / 24, half=half, registered=False)
        found = [
            delay(known[each], "failing-build", "build:", lambda _at, _source, _why: 1.0, (release,))
            for each in traffic
        ]
        title = f"a build of which nothing is known, half in {half:g} d"
        yield f"{title:<48}" + "".join(f"{_told(each):>12}" for each in found)


def _told(minutes: int | None) -> str:
    return f"over {HOURS * 60}" if minutes is None else f"{minutes}"
