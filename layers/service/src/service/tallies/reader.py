"""Reads tallies of a window: one query for each source and period of the table, never a scan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from service.aws import DynamoDBClient, from_item, to_item, unavailable_on_failure
from service.errors import Unavailable, Unreadable
from service.tallies.merging import Counts
from service.tallies.rows import TallyRow
from service.tallies.tally_item import StoredTally, at_of, partitions, sort_key

MAX_PAGES: Final = 64
"""Pages of 1 MB that one call reads, of all its queries together."""
_HELD: Final = frozenset({"#place", "accepted", "refused"})


@dataclass(frozen=True, slots=True)
class DynamoDBTallies:
    """:class:`~service.tallies.rows.Tallies` in DynamoDB."""

    client: DynamoDBClient
    table: str

    def rows(self, app: str, sources: Sequence[str], *, step: int, since: float, until: float) -> Sequence[TallyRow]:
        """As the protocol says."""
        first, end = max(0, ceil(since / step) * step), ceil(until / step) * step  # sort keys know no time before 1970
        if first >= end:
            return []
        pages = iter(range(MAX_PAGES))
        return [
            _row(app, source, step, at, *counts)
            for source in sources
            for at, counts in sorted(self._counts(app, source, step, first, end, pages).items())
        ]

    def _counts(
        self, app: str, source: str, step: int, first: int, end: int, pages: Iterator[int]
    ) -> Mapping[int, tuple[Counts, int]]:
        """What was counted in each bucket, and by how many processes."""
        found: dict[int, tuple[Counts, int]] = {}
        for each in partitions(app, source, step, first, end):
            for row in self._query(each, sort_key(first), sort_key(end), pages):
                stored = StoredTally.from_row(row)
                counts, processes = stored.counts, stored.lines.processes
                try:
                    at = at_of(row["place"])
                except (KeyError, ValueError) as error:
                    raise Unreadable("a row of the tallies table has no time") from error
                if at in found:
                    known, others = found[at]
                    known.add(counts)
                    counts, processes = known, others + processes
                found[at] = counts, processes
        return found

    def _query(self, key: str, first: str, end: str, pages: Iterator[int]) -> Iterator[Mapping[str, Any]]:
        """Rows from ``first`` on, before ``end``. Each is read as it was a moment ago, for half the price."""
        more: dict[str, Any] = {}
        while True:
            if next(pages, None) is None:
                raise Unavailable("dynamodb:Query tallies: more than can be read at once; ask for a shorter window")
            with unavailable_on_failure("dynamodb:Query tallies"):
                answer = self.client.query(
                    TableName=self.table,
                    KeyConditionExpression="#bucket = :bucket AND place BETWEEN :first AND :end",
                    ExpressionAttributeNames={"#bucket": "bucket"},
                    ExpressionAttributeValues=to_item({":bucket": key, ":first": first, ":end": end}),
                    **more,
                )
            for item in answer["Items"]:
                row = from_item(item)
                if row["place"] < end:
                    yield row
            if "LastEvaluatedKey" not in answer:
                return
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _row(app: str, source: str, step: int, at: int, counts: Counts, processes: int) -> TallyRow:
    other: dict[str, int] = {}
    for why, times in counts.other.items():
        other[why.outcome] = other.get(why.outcome, 0) + times
    return TallyRow(
        app,
        source,
        step,
        at,
        cells=counts.cells,
        other=other,
        keys=counts.keys,
        bundle=counts.bundle,
        delay=counts.delay,
        other_by_why=counts.other,
        longest_delay=counts.longest_delay,
        processes=processes,
    )
