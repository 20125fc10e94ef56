"""Spikes: refusals by reason, enrolments, and reports of devices that cannot attest, against other days' same hour.

A spike stands out twice: from what the clock says (so many at this hour of this day), and from what else happens now
(so many of so many). A busy day raises all counts alike and is no spike; nor is a quiet one, when renewals fail and
enrolments do not. The chance that a count has by its negative binomial must be below :data:`CHANCES`, and it must be
more than twice what is usual, and a share of all that an operator would mind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from service.detection.detector import Looked
from service.detection.finding import Finding, Remedy
from service.detection.rates.counts import Counts, Series, counts_of
from service.detection.rates.rhythm import HOUR, OTHER, SHORT, Rhythm, Usual
from service.detection.rates.tails import log_upper_tail
from service.detection.rates.window import ALL_APPS, HOURS, MINUTES, TallyWindow
from service.tallies.rows import FACTS, TallyRow

CHANCES: Final = {300: 1e-8, 900: 1e-8, 3_600: 1e-7}
"""Of a count as high by chance, in a span of so many seconds. A month has 720 hours and 8,640 spans of five minutes: an
app with 20 series has 0.003 false incidents a month by chance. The bounds below are for what no distribution says."""
LEAST: Final = 24
"""Decisions below which nothing is a spike."""
TIMES: Final = ((14.0, 2.0), (2.0, 3.0), (0.25, 10.0))
"""How many times what is usual a spike is at least, by for how many days the app is known. Before a quarter of a day
nothing is told."""
LEAST_SHARE: Final = 0.002
"""What a spike adds at least, as a share of its basis."""
TRIES: Final = 3
"""A phone that is refused tries again: so many decisions count as one."""
ONE_PHONE: Final = 100
"""Decisions that one phone may cause in a span; what phones of one kind in one country cause below that is left out."""
LEARNING_DAYS: Final = TIMES[0][0]

SETTLED: Final = 180
"""Seconds after which an hour's counts are there: deliveries are tried again after one and three minutes."""
_SPANS: Final = tuple(CHANCES)[:2]
_QUIET: Final = 1_800.0
_CLOCK_CHANCE: Final = math.log(1e-4)
_SHARED: Final = 0.6
_JUDGED: Final = ("enrol", "renew", "signal", "authorize")
_CALLED: Final = {"enrol": "enrolments", "renew": "renewals", "signal": "reported signals", "authorize": "requests"}
_ENROLMENTS: Final = Series("enrol", "", "renew")


def read_row(row: TallyRow, counts: Counts) -> None:
    """Refusals of a source by reason, beside all that it decided; enrolments beside renewals; reports of devices that
    cannot attest beside both."""
    made = 0
    for (outcome, why), times in row.by_why().items():
        if outcome == "refused" and row.source in _JUDGED:
            counts.times[Series(row.source, why, row.source)] += times
        elif outcome == "reported":
            counts.times[Series(row.source, why, "active")] += times
        if outcome in ("accepted", "refused"):
            made += times
    counts.bases[row.source] += made
    if row.source == "enrol":
        counts.times[_ENROLMENTS] += made
    if row.source in ("enrol", "renew"):
        counts.bases["active"] += made


class _Span(NamedTuple):
    seconds: int
    begin: float
    end: float
    rows: Sequence[TallyRow]


@dataclass(frozen=True, slots=True)
class Spike:
    """The detector; see the module."""

    name: str = "spike"
    version: int = 1

    def look(self, tallies: TallyWindow, state: bytes | None, now: float) -> Looked:
        """Learn the hours that are over, and judge the last minutes. Without a readable state it begins anew."""
        if tallies.app == ALL_APPS:
            return Looked(None, ())
        rhythm = _rhythm(state)
        due = _hours_due(rhythm, tallies, now)
        if due:
            rhythm = deepcopy(rhythm)
            for hour in due:
                _learn(rhythm, hour, tallies, now)
            state = rhythm.to_bytes()
        if not _times(rhythm.age(now)):
            return Looked(state, ())
        found: dict[Series, tuple[float, Finding]] = {}
        for span in _spans(tallies, now):
            for series, chance, finding in _found(rhythm, span, tallies, now):
                if series not in found or chance < found[series][0]:
                    found[series] = chance, finding
        return Looked(state, tuple(finding for _, finding in found.values()))


def _times(age: float) -> float | None:
    return next((times for days, times in TIMES if age >= days), None)


@lru_cache(maxsize=8)
def _rhythm(state: bytes | None) -> Rhythm:
    """What a state says; of a state that was not written since, the same again: it must not be changed."""
    try:
        return Rhythm.from_bytes(state)
    except ValueError:
        return Rhythm()


def _hours_due(rhythm: Rhythm, tallies: TallyWindow, now: float) -> range:
    """The hours that are over and were not learned yet."""
    newest = int((now - SETTLED) // HOUR) - 1
    oldest = newest - HOURS + 2
    if rhythm.first < 0:
        begun = [row.at // HOUR for each in tallies.hours.values() for row in each]
        oldest = max(oldest, min(begun, default=newest + 1))
    return range(max(rhythm.last + 1, oldest), newest + 1)


def _learn(rhythm: Rhythm, hour: int, tallies: TallyWindow, now: float) -> None:
    """Learn an hour. One without rows was quiet."""
    rows = [row for each in tallies.hours.values() for row in each if row.at == hour * HOUR]
    end = (hour + 1) * HOUR
    short = [
        counts_of(_rows(tallies, begin, begin + SHORT), read_row)
        for begin in (end - 2 * SHORT, end - SHORT)
        if begin > now // 60 * 60 - MINUTES * 60
    ]
    rhythm.learn(hour, counts_of(rows, read_row), short)


def _rows(tallies: TallyWindow, begin: float, end: float) -> list[TallyRow]:
    return [row for each in tallies.minutes.values() for row in each if begin <= row.at < end]


def _spans(tallies: TallyWindow, now: float) -> Iterator[_Span]:
    """The last five minutes, the last quarter of an hour, and the hour so far or, in its first quarter, the one before.
    The minute that still grows is in all of them, as long as it is."""
    minute = now // 60 * 60
    for seconds in _SPANS:
        begin = minute + 60 - seconds
        yield _Span(seconds, begin, now, _rows(tallies, begin, now))
    hour = now // HOUR * HOUR
    begin, end = (hour, now) if now - hour >= _SPANS[-1] else (hour - HOUR, hour)
    yield _Span(HOUR, begin, end, [row for each in tallies.hours.values() for row in each if row.at == begin])


def _found(rhythm: Rhythm, span: _Span, tallies: TallyWindow, now: float) -> Iterator[tuple[Series, float, Finding]]:
    counts = rhythm.known(counts_of(span.rows, read_row))
    times = _times(rhythm.age(now)) or math.inf
    for series, count in counts.times.items():
        basis = counts.bases[series.basis]
        if count < max(LEAST, LEAST_SHARE * basis):
            continue
        usual = rhythm.usual(series, basis, span.begin, max(60.0, span.end - span.begin))
        if count < times * max(usual.mean, usual.volume) or count - usual.mean < LEAST_SHARE * basis:
            continue
        phones = (count - _of_one_phone(series, span)) // TRIES
        chance = log_upper_tail(phones, usual.mean / TRIES, usual.dispersion)
        clock = log_upper_tail(phones, usual.volume / TRIES, usual.dispersion)
        if chance < math.log(CHANCES[span.seconds]) and clock < _CLOCK_CHANCE:
            yield series, chance, _finding(series, count, basis, usual, span, tallies, rhythm.age(now))


def _of_one_phone(series: Series, span: _Span) -> int:
    """How many of the series may be one phone's: as far as cells say, the most that have all facts in common."""
    alike: Counter[tuple[str, ...]] = Counter()
    for row in span.rows:
        if row.source == series.source:
            for cell, times in row.cells.items():
                if cell.why == series.why and cell.outcome != "accepted":
                    alike[cell.facts] += times
    most = max(alike.values(), default=0)
    return most if most < ONE_PHONE else 0


def _finding(
    series: Series, count: int, basis: int, usual: Usual, span: _Span, tallies: TallyWindow, age: float
) -> Finding:
    last = max((row.at + row.step for row in span.rows if row.source == series.source), default=span.end)
    learning = age < LEARNING_DAYS
    return Finding(
        detector="spike",
        subject=f"{series.source}:{series.why}" if series.why else f"{series.source}:all",
        app=tallies.app,
        since=span.begin,
        last=max(span.begin, min(last, span.end)),
        title=_title(series, count, basis, usual),
        counts={"decisions": count, "of": basis, "usual": round(max(usual.mean, usual.volume))},
        named={"source": series.source, "why": series.why, **_shared(series, tallies)},
        confidence=0.7 if learning else 0.95,
        because=tuple(_because(series, count, basis, usual, span, age)),
        scope="population",
        remedy=_remedy(series, tallies.app),
        quiet_after=_QUIET,
    )


def _title(series: Series, count: int, basis: int, usual: Usual) -> str:
    if series == _ENROLMENTS:
        return f"{count / max(1.0, usual.volume, usual.mean):.1f} times as many enrolments as usual at this hour."
    if series.source == "beacon":
        return f"More devices than usual say that they cannot attest: {series.why}."
    rose = f"from {usual.mean / max(1, basis):.1%} to {count / max(1, basis):.1%}"
    return f"Refused {_CALLED[series.source]} with the reason {series.why} rose {rose}."


def _because(series: Series, count: int, basis: int, usual: Usual, span: _Span, age: float) -> Iterator[str]:
    minutes = max(1, round((span.end - span.begin) / 60))
    yield (
        f"{count:,} in {minutes} minutes, where the same hour of other days has {usual.volume:,.1f} and this many "
        f"other decisions ({basis:,}) come with {usual.mean:,.1f}."
    )
    yield (
        f"The share varies by {math.sqrt(usual.dispersion):.0%} as a rule; a count as high comes by chance less than "
        f"once in {1 / CHANCES[span.seconds]:,.0f} times."
    )
    if age < LEARNING_DAYS:
        yield (
            f"The app is known for {age:.1f} days and its week's rhythm is not, so only {_times(age):.0f} times as many"
            " as usual is told."
        )
    if series.source == "beacon":
        yield "Reports are anyone's word, and no verdict reads them."
    if series.why == OTHER:
        yield "These are reasons beyond those that are known apart."


def _shared(series: Series, tallies: TallyWindow) -> dict[str, str]:
    """The facts that most of what was counted lately has in common."""
    names = FACTS[series.source]
    cells: Counter[tuple[str, ...]] = Counter()
    for row in tallies.minutes.get(series.source, ()):
        for cell, times in row.cells.items():
            if (cell.why == series.why and cell.outcome != "accepted") or series == _ENROLMENTS:
                cells[cell.facts] += times
    all_times, shared = sum(cells.values()), {}
    for place, name in enumerate(names):
        by_value: Counter[str] = Counter()
        for facts, times in cells.items():
            by_value[facts[place]] += times
        value, times = max(by_value.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        if value and times >= _SHARED * all_times:
            shared[name] = value
    return shared


def _remedy(series: Series, app: str) -> Remedy:
    if series.why.startswith("rule:"):
        return Remedy(
            kind="look",
            text="See whom the rule refuses and when it was published; if it was lately, it may be taken back. The "
            "timeline has publications beside the curve.",
            command=f"bonafide policy rollback --app {app}",
        )
    if series.source == "beacon":
        return Remedy(
            kind="look",
            text="Reports cost their sender nothing. See whether enrolments fell as well: then devices are stopped "
            "before they ask, by a release of the app or of their system.",
        )
    if series == _ENROLMENTS:
        return Remedy(
            kind="look",
            text="A release or a campaign brings new installs, and so does a farm: see incidents of farms, and whether "
            "these enrolments have a country, model or build in common.",
        )
    return Remedy(
        kind="look", text="See what these decisions have in common, and what was changed or released just before."
    )
