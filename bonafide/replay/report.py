"""A replay's result as people and scripts read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from attestation.appraisal.replay.key_sample import KeySample, to_record
from attestation.appraisal.replay.replay import OBSERVED_DISTANCE
from attestation.appraisal.replay.tally import DIMENSIONS, OTHERS, Change, Count, Releases, Row, Table, Tally

MOST_ROWS: Final = 10
NEAREST: Final = 10

TITLES: Final = {
    Change.NEWLY_REFUSED: "newly refused",
    Change.NEWLY_LET_IN: "newly let in",
    Change.LOWERED: "lowered to warning",
    Change.RAISED: "raised to affirming",
    Change.UNCHANGED: "unchanged",
}
DIMENSION_TITLES: Final = {
    "rule": "Draft's rules",
    "earlier-rule": "Rules of that time",
    "platform": "Platforms",
    "build": "App builds",
    "model": "Models",
    "os": "Systems",
    "country": "Countries",
    "app": "Apps",
}
RELEASE_TITLES: Final = {
    Change.NEWLY_REFUSED: "newly withheld",
    Change.NEWLY_LET_IN: "newly released",
    Change.UNCHANGED: "unchanged",
}
CHANGE_NAMES: Final[Mapping[Change, str]] = {change: change.value for change in Change}
RELEASE_NAMES: Final[Mapping[Change, str]] = {
    change: title.replace(" ", "-") for change, title in RELEASE_TITLES.items()
}
RELEASE_COLUMNS: Final = ("requests", "keys", "newly withheld", "its keys", "newly released", "its keys")
COLUMNS: Final = ("decisions", "keys", "newly refused", "its keys", "newly let in", "its keys", "lowered", "raised")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a script lets pass: the share of what was accepted that may newly be refused, of keys or of decisions. The
    same share holds for what was released: a draft that refuses no key, and forgets the rule that releases a secret,
    breaks apps as well."""

    share: float
    of_keys: bool

    def measured(self, tally: Tally) -> bool:
        """Whether anything was accepted, so that there is a share. The attack is a typing error: with a misspelt app
        or an empty folder, no draft would ever be stopped."""
        return tally.accepted_before.decisions > 0

    def exceeded(self, tally: Tally) -> bool:
        return (
            tally.share(Change.NEWLY_REFUSED, of_keys=self.of_keys) > self.share
            or tally.releases.share(of_keys=self.of_keys) > self.share
        )


def summary(tally: Tally, limit: Limit | None) -> dict[str, Any]:
    """JSON for scripts: every count, every table, the samples."""
    return {
        "replayed": tally.replayed.to_record(),
        "accepted_before": tally.accepted_before.to_record(),
        "changes": {
            change.value: {
                **count.to_record(),
                "share_of_decisions": tally.share(change, of_keys=False),
                "share_of_keys": tally.share(change, of_keys=True),
            }
            for change, count in tally.changes.items()
        },
        "not_replayable": dict(sorted(tally.not_replayable.items())),
        "damaged": tally.damaged,
        "elsewhere": tally.elsewhere,
        "unlisted": tally.unlisted,
        "tables": {dimension: _table_record(tally.tables[dimension]) for dimension in DIMENSIONS},
        "nearest_misses": [
            {
                "distance": "observed" if distance == OBSERVED_DISTANCE else "warning",
                "rules": list(rules),
                **count.to_record(),
                "sample": [to_record(seen) for seen in sample.drawn()],
            }
            for distance, rules, count, sample in tally.misses.nearest(NEAREST)
        ],
        "samples": {change.value: [to_record(seen) for seen in sample.drawn()] for change, sample in _samples(tally)},
        "releases": _releases_record(tally.releases),
        "limit": None
        if limit is None
        else {
            "share": limit.share,
            "of": "keys" if limit.of_keys else "decisions",
            "measured": limit.measured(tally),
            "exceeded": limit.exceeded(tally),
        },
    }


def overview(tally: Tally) -> Iterator[tuple[str, ...]]:
    """Rows: what becomes of decisions and keys, and the share of those that were accepted at the time."""
    for change, title in TITLES.items():
        count = tally.changes[change]
        shares = (
            ("", "")
            if change is Change.UNCHANGED
            else (percent(tally.share(change, of_keys=False)), percent(tally.share(change, of_keys=True)))
        )
        yield title, f"{count.decisions:,}", shares[0], keys(count), shares[1]


def rows(tally: Tally, dimension: str) -> tuple[list[tuple[str, ...]], int]:
    """The rows of one table that the draft changes anything for, the most affected first, and how many are left out."""
    affected = [
        (value, row)
        for value, row in tally.tables[dimension].ordered()
        if dimension == "rule" or any(count.decisions for count in row.changes.values())
    ]
    shown = [
        (
            *_counted(value, row),
            number(row.decisions(Change.LOWERED)),
            number(row.decisions(Change.RAISED)),
        )
        for value, row in affected[:MOST_ROWS]
    ]
    return shown, max(0, len(affected) - MOST_ROWS)


def release_overview(releases: Releases) -> Iterator[tuple[str, ...]]:
    """Rows: what becomes of requests for secrets, and how much of what was released would be withheld."""
    for change, title in RELEASE_TITLES.items():
        count, shares = releases.changes[change], ("", "")
        if change is Change.NEWLY_REFUSED:
            shares = percent(releases.share(of_keys=False)), percent(releases.share(of_keys=True))
        yield title, f"{count.decisions:,}", shares[0], keys(count), shares[1]


def release_rows(releases: Releases, dimension: str) -> tuple[list[tuple[str, ...]], int]:
    """The rows by secret or by rule, the most affected first, and how many are left out."""
    ordered = list(releases.tables[dimension].ordered())
    return [_counted(value, row) for value, row in ordered[:MOST_ROWS]], max(0, len(ordered) - MOST_ROWS)


def _counted(value: str, row: Row) -> tuple[str, ...]:
    changes = (Change.NEWLY_REFUSED, Change.NEWLY_LET_IN)
    numbers = (text for change in changes for text in (number(row.decisions(change)), number(row.keys(change))))
    return value, f"{row.all.decisions:,}", keys(row.all), *numbers


def misses(tally: Tally) -> Iterator[tuple[str, ...]]:
    """Rows of the nearest misses."""
    for distance, rules, count, sample in tally.misses.nearest(NEAREST):
        why = "an observed rule refuses" if distance == OBSERVED_DISTANCE else "warning"
        some = ", ".join(seen.key_id for seen in sample.drawn()[:1])
        yield why, ", ".join(rules), f"{count.decisions:,}", keys(count), some


def sampled(tally: Tally, change: Change) -> Iterator[tuple[str, ...]]:
    """Rows of the keys that were drawn from one change."""
    if change in tally.samples:
        yield from drawn(tally.samples[change])


def drawn(sample: KeySample) -> Iterator[tuple[str, ...]]:
    """Rows of the keys of one sample."""
    for seen in sample.drawn():
        device = " ".join(text for text in (seen.platform, seen.model, seen.app_build) if text)
        yield seen.key_id, f"{seen.decisions:,}", ", ".join(seen.rules), seen.app, device, seen.support_code


def keys(count: Count) -> str:
    """A number of keys; estimates are marked."""
    return f"{'' if count.keys.is_exact else '~'}{count.keys.count():,}"


def number(value: int) -> str:
    return f"{value:,}" if value else "·"


def percent(share: float) -> str:
    """A share for people: never 0 for something, never more digits than the counts are worth."""
    if share and share < 0.0001:
        return "<0.01 %"
    return f"{share * 100:.2f} %"


def _samples(tally: Tally) -> Iterable[tuple[Change, KeySample]]:
    return tally.samples.items()


def _releases_record(releases: Releases) -> dict[str, object]:
    return {
        "replayed": releases.replayed.to_record(),
        "released_before": releases.released_before.to_record(),
        "changes": {RELEASE_NAMES[change]: count.to_record() for change, count in releases.changes.items()},
        "withheld_share_of_requests": releases.share(of_keys=False),
        "withheld_share_of_keys": releases.share(of_keys=True),
        "tables": {name: _table_record(table, RELEASE_NAMES) for name, table in releases.tables.items()},
        "sample": [to_record(seen) for seen in releases.sample.drawn()],
    }


def _table_record(table: Table, names: Mapping[Change, str] = CHANGE_NAMES) -> Sequence[dict[str, object]]:
    return [
        {
            "value": value,
            "others": value == OTHERS and row is table.others,
            **row.all.to_record(),
            "changes": {names[change]: count.to_record() for change, count in row.changes.items()},
        }
        for value, row in table.ordered()
    ]
