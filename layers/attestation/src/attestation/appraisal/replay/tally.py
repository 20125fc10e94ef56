"""What a replay counts. Everything here merges, in any order, so that parts can be counted in processes or functions,
and everything is bounded, whatever the records say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum, unique
from typing import Any, Final

from attestation.appraisal.replay.distinct_keys import DistinctKeys
from attestation.appraisal.replay.key_sample import KeySample

MAX_VALUES: Final = 1000
"""Most rows of one table; beyond, the least affected go into one row of others."""
OTHERS: Final = "(others)"

_TOTAL: Final = 16_384
_ROW: Final = 256

DIMENSIONS: Final = ("rule", "earlier-rule", "platform", "build", "model", "os", "country", "app")
"""The tables. ``rule`` is the draft's, ``earlier-rule`` that of the policy which decided at the time."""


@unique
class Change(StrEnum):
    """What the draft would do to a decision."""

    NEWLY_REFUSED = "newly-refused"
    NEWLY_LET_IN = "newly-let-in"
    LOWERED = "lowered"
    RAISED = "raised"
    UNCHANGED = "unchanged"


CHANGES: Final = tuple(Change)
RELEASE_CHANGES: Final = (Change.NEWLY_REFUSED, Change.NEWLY_LET_IN, Change.UNCHANGED)
RELEASE_DIMENSIONS: Final = ("secret", "rule")


class Count:
    """Decisions, and the different keys that made them."""

    __slots__ = ("decisions", "keys")

    def __init__(self, size: int = _TOTAL) -> None:
        self.decisions = 0
        self.keys = DistinctKeys(size)

    def add(self, hashed: int, times: int = 1) -> None:
        self.decisions += times
        self.keys.add(hashed)

    def merge(self, other: Count) -> None:
        self.decisions += other.decisions
        self.keys.merge(other.keys)

    def to_state(self) -> list[Any]:
        return [self.decisions, self.keys.to_state()]

    @classmethod
    def from_state(cls, state: list[Any], size: int = _TOTAL) -> Count:
        count = cls(size)
        count.decisions, count.keys = int(state[0]), DistinctKeys.from_state(state[1], size=size)
        return count

    def to_record(self) -> dict[str, object]:
        return {"decisions": self.decisions, "keys": self.keys.count(), "keys_exact": self.keys.is_exact}


class Row:
    """One value of one dimension: how many decisions and keys had it, and what the draft does to them."""

    __slots__ = ("all", "changes")

    def __init__(self) -> None:
        self.all = Count(_ROW)
        self.changes: dict[Change, Count] = {}

    def add(self, hashed: int, change: Change, times: int = 1) -> None:
        self.all.add(hashed, times)
        # Rows of unchanged values are the many; they carry one counter instead of two.
        if change is not Change.UNCHANGED:
            self.of(change).add(hashed, times)

    def of(self, change: Change) -> Count:
        """The count of a change; made when it is first asked for."""
        count = self.changes.get(change)
        if count is None:
            count = self.changes[change] = Count(_ROW)
        return count

    def decisions(self, change: Change) -> int:
        return self.changes[change].decisions if change in self.changes else 0

    def keys(self, change: Change) -> int:
        return self.changes[change].keys.count() if change in self.changes else 0

    @property
    def weight(self) -> tuple[int, int]:
        """Rows with more of it are kept."""
        return sum(count.decisions for count in self.changes.values()), self.all.decisions

    def merge(self, other: Row) -> None:
        self.all.merge(other.all)
        for change, count in other.changes.items():
            self.of(change).merge(count)

    def to_state(self) -> list[Any]:
        return [self.all.to_state(), {change.value: count.to_state() for change, count in self.changes.items()}]

    @classmethod
    def from_state(cls, state: list[Any]) -> Row:
        row = cls()
        row.all = Count.from_state(state[0], _ROW)
        row.changes = {Change(name): Count.from_state(count, _ROW) for name, count in state[1].items()}
        return row


class Table:
    """The rows of one dimension, at most :data:`MAX_VALUES` of them.

    When there are more, the less affected half is merged into :attr:`others`, and :attr:`folded` counts those values.
    A value that comes again afterwards starts anew, so that rows are then lower bounds, and the sum stays right.
    """

    __slots__ = ("folded", "others", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.others = Row()
        self.folded = 0

    def row(self, value: str) -> Row:
        """The row of a value."""
        row = self.rows.get(value)
        if row is None:
            if len(self.rows) >= MAX_VALUES:
                self._fold()
            row = self.rows[value] = Row()
        return row

    def merge(self, other: Table) -> None:
        self.others.merge(other.others)
        self.folded += other.folded
        for value, row in other.rows.items():
            self.row(value).merge(row)

    def ordered(self) -> Iterator[tuple[str, Row]]:
        """The rows, the most affected first, and the others, if any, last."""
        yield from sorted(self.rows.items(), key=lambda item: (*(-weight for weight in item[1].weight), item[0]))
        if self.folded:
            yield OTHERS, self.others

    def to_state(self) -> list[Any]:
        rows = {value: row.to_state() for value, row in self.rows.items()}
        return [rows, self.others.to_state(), self.folded]

    @classmethod
    def from_state(cls, state: list[Any]) -> Table:
        table = cls()
        for value, row in state[0].items():
            table.row(str(value)).merge(Row.from_state(row))
        table.others.merge(Row.from_state(state[1]))
        table.folded += int(state[2])
        return table

    def _fold(self) -> None:
        ordered = sorted(self.rows.items(), key=lambda item: (item[1].weight, item[0]), reverse=True)
        self.rows = dict(ordered[: MAX_VALUES // 2])
        for _, row in ordered[MAX_VALUES // 2 :]:
            self.others.merge(row)
            self.folded += 1


class Misses:
    """Decisions that stay accepted, grouped by the rules that nearly refused them."""

    __slots__ = ("groups", "left_out", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.groups: dict[tuple[int, tuple[str, ...]], tuple[Count, KeySample]] = {}
        self.left_out = 0

    def group(self, distance: int, rules: tuple[str, ...]) -> tuple[Count, KeySample] | None:
        """Count and sample of one group; ``None`` once there are too many groups."""
        group = self.groups.get((distance, rules))
        if group is None:
            if len(self.groups) >= MAX_VALUES:
                self.left_out += 1
                return None
            group = self.groups[distance, rules] = Count(_ROW), KeySample(self.size)
        return group

    def merge(self, other: Misses) -> None:
        self.left_out += other.left_out
        for (distance, rules), (count, sample) in other.groups.items():
            group = self.group(distance, rules)
            if group is not None:
                group[0].merge(count)
                group[1].merge(sample)
            else:
                self.left_out += count.decisions - 1

    def nearest(self, most: int) -> list[tuple[int, tuple[str, ...], Count, KeySample]]:
        """The groups that are nearest to a refusal: smaller distance first, then more rules, then more keys."""
        found = [(distance, rules, *group) for (distance, rules), group in self.groups.items()]
        return sorted(found, key=_nearness)[:most]

    def to_state(self) -> list[Any]:
        groups = [[*name, count.to_state(), sample.to_state()] for name, (count, sample) in sorted(self.groups.items())]
        return [groups, self.left_out]

    @classmethod
    def from_state(cls, state: list[Any], size: int) -> Misses:
        misses = cls(size)
        misses.left_out = int(state[1])
        for distance, rules, count, sample in state[0]:
            misses.groups[int(distance), tuple(rules)] = (
                Count.from_state(count, _ROW),
                KeySample.from_state(sample, size),
            )
        return misses


def _nearness(miss: tuple[int, tuple[str, ...], Count, KeySample]) -> tuple[object, ...]:
    distance, rules, count, _ = miss
    return distance, -len(rules), -count.keys.count(), -count.decisions, rules


class Releases:
    """What the draft would do to requests for secrets: ``NEWLY_REFUSED`` are those that would be withheld,
    ``NEWLY_LET_IN`` those that would be released. Apart from verdicts: a request that is withheld is no refused key."""

    __slots__ = ("changes", "released_before", "replayed", "sample", "tables")

    def __init__(self, sample: int) -> None:
        self.replayed = Count()
        self.released_before = Count()
        self.changes = {change: Count() for change in RELEASE_CHANGES}
        self.tables = {dimension: Table() for dimension in RELEASE_DIMENSIONS}
        self.sample = KeySample(sample)
        """Some of the keys that would be withheld something."""

    def share(self, *, of_keys: bool) -> float:
        """The share of what was released at the time that would be withheld, of keys or of requests; 0 of nothing."""
        return _share(self.changes[Change.NEWLY_REFUSED], self.released_before, of_keys=of_keys)

    def merge(self, other: Releases) -> None:
        """Take over the counts of another part."""
        self.replayed.merge(other.replayed)
        self.released_before.merge(other.released_before)
        for change, count in self.changes.items():
            count.merge(other.changes[change])
        for dimension, table in self.tables.items():
            table.merge(other.tables[dimension])
        self.sample.merge(other.sample)

    def to_state(self) -> dict[str, Any]:
        """JSON-ready, without loss."""
        return {
            "replayed": self.replayed.to_state(),
            "released_before": self.released_before.to_state(),
            "changes": {change.value: count.to_state() for change, count in self.changes.items()},
            "tables": {dimension: table.to_state() for dimension, table in self.tables.items()},
            "sample": self.sample.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], sample: int) -> Releases:
        """What :meth:`to_state` wrote. Raises :class:`ValueError` and the like for anything else."""
        releases = cls(sample)
        releases.replayed = Count.from_state(state["replayed"])
        releases.released_before = Count.from_state(state["released_before"])
        releases.changes = {change: Count.from_state(state["changes"][change.value]) for change in RELEASE_CHANGES}
        releases.tables = {name: Table.from_state(state["tables"][name]) for name in RELEASE_DIMENSIONS}
        releases.sample = KeySample.from_state(state["sample"], sample)
        return releases


def _share(hit: Count, base: Count, *, of_keys: bool) -> float:
    if of_keys:
        return min(1.0, hit.keys.count() / base.keys.count()) if base.keys.count() else 0.0
    return hit.decisions / base.decisions if base.decisions else 0.0


class Tally:
    """The result of a replay, or of a part of it. ``sample`` is how many keys are kept per change."""

    __slots__ = (
        "accepted_before", "changes", "damaged", "elsewhere", "misses", "not_replayable", "releases",
        "replayed", "sample", "samples", "tables", "unlisted",
    )  # fmt: skip

    def __init__(self, sample: int = 10) -> None:
        self.sample = sample
        self.damaged = 0
        """Lines that should be decision records and are not readable."""
        self.elsewhere = 0
        """Decisions of another app or time than asked for."""
        self.unlisted = 0
        """Decisions of the asked app and time that are known only from the weight of others: their keys are not."""
        self.not_replayable: dict[str, int] = {}
        """Decisions that no policy made, by their reason."""
        self.replayed = Count()
        self.accepted_before = Count()
        self.changes = {change: Count() for change in CHANGES}
        self.samples = {change: KeySample(sample) for change in CHANGES if change is not Change.UNCHANGED}
        self.tables = {dimension: Table() for dimension in DIMENSIONS}
        self.misses = Misses(min(sample, 3))
        self.releases = Releases(sample)

    def note_not_replayable(self, reason: str, decisions: int = 1) -> None:
        """Count decisions without facts or verdict; reasons of a closed set come by name, any more as others."""
        if reason not in self.not_replayable and len(self.not_replayable) >= MAX_VALUES:
            reason = OTHERS
        self.not_replayable[reason] = self.not_replayable.get(reason, 0) + decisions

    @property
    def read(self) -> int:
        """Decisions of the asked app and time."""
        return self.replayed.decisions + self.releases.replayed.decisions + sum(self.not_replayable.values())

    def share(self, change: Change, *, of_keys: bool) -> float:
        """The share of what was accepted at the time that ``change`` hits, of keys or of decisions; 0 of nothing.

        The base is what was let in, so that a flood of refused requests cannot make the harm look small.
        """
        return _share(self.changes[change], self.accepted_before, of_keys=of_keys)

    def merge(self, other: Tally) -> None:
        """Take over the counts of another part. Raises :class:`ValueError` when it was counted otherwise."""
        if other.sample != self.sample:
            raise ValueError("tallies with different samples do not merge")
        self.damaged += other.damaged
        self.elsewhere += other.elsewhere
        self.unlisted += other.unlisted
        for reason, decisions in other.not_replayable.items():
            self.note_not_replayable(reason, decisions)
        self.replayed.merge(other.replayed)
        self.accepted_before.merge(other.accepted_before)
        for change in CHANGES:
            self.changes[change].merge(other.changes[change])
        for change, sample in self.samples.items():
            sample.merge(other.samples[change])
        for dimension, table in self.tables.items():
            table.merge(other.tables[dimension])
        self.misses.merge(other.misses)
        self.releases.merge(other.releases)

    def to_state(self) -> dict[str, Any]:
        """JSON-ready, without loss: how parts travel between functions."""
        return {
            "sample": self.sample,
            "damaged": self.damaged,
            "elsewhere": self.elsewhere,
            "unlisted": self.unlisted,
            "not_replayable": self.not_replayable,
            "replayed": self.replayed.to_state(),
            "accepted_before": self.accepted_before.to_state(),
            "changes": {change.value: count.to_state() for change, count in self.changes.items()},
            "samples": {change.value: sample.to_state() for change, sample in self.samples.items()},
            "tables": {dimension: table.to_state() for dimension, table in self.tables.items()},
            "misses": self.misses.to_state(),
            "releases": self.releases.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Tally:
        """The tally that :meth:`to_state` wrote. Raises :class:`ValueError` and the like for anything else."""
        tally = cls(int(state["sample"]))
        tally.damaged, tally.elsewhere = int(state["damaged"]), int(state["elsewhere"])
        tally.unlisted = int(state.get("unlisted", 0))  # a batch may be of the release before
        tally.not_replayable = {str(reason): int(count) for reason, count in state["not_replayable"].items()}
        tally.replayed = Count.from_state(state["replayed"])
        tally.accepted_before = Count.from_state(state["accepted_before"])
        tally.changes = {change: Count.from_state(state["changes"][change.value]) for change in CHANGES}
        tally.samples = {
            change: KeySample.from_state(state["samples"][change.value], tally.sample) for change in tally.samples
        }
        tally.tables = {dimension: Table.from_state(state["tables"][dimension]) for dimension in DIMENSIONS}
        tally.misses = Misses.from_state(state["misses"], min(tally.sample, 3))
        if "releases" in state:  # a batch may be of the release before
            tally.releases = Releases.from_state(state["releases"], tally.sample)
        return tally
