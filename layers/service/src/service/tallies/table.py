"""Adds what was counted to the rows of the ``tallies`` table.

A row is read, added to, and written on the condition that no other writer came between; otherwise all of that again.
An ``ADD`` of single attributes could neither merge estimates of keys nor keep a row within its size. So that writers
seldom meet, a row counts the lines of :data:`~service.tallies.counted_lines.PROCESSES` processes. A bucket has one row,
and, where more processes count in it, a tree of rows: a process's lines belong to the first row on its way, by the bits
of its name, that knows the process already or has room for one. A row that is full stays full, so every delivery of a
line finds the same row, however many deliver at once; and each row remembers which lines it has counted.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.aws import DynamoDBClient, get_row, put_row_if
from service.errors import Unavailable
from service.items.batch_read import Place, read_rows
from service.tallies.merging import Bucket, Counts, Parts
from service.tallies.tally_item import StoredTally, kept_until, partition, sort_key
from service.tallies.tally_line import LineId

DEEPEST: Final = 7
"""Level of the tree's last rows. With 255 rows of 32 processes each, another process takes an idle one's place."""
ATTEMPTS: Final = 40
"""How often a row is read and written again because another writer came between."""

_BATCH: Final = 50  # rows of one read: 400 KB
_WAIT: Final = 0.01
_CHANCE: Final = random.SystemRandom()

Node = tuple[Bucket, int]
Lines = Mapping[LineId, Counts]


@dataclass(frozen=True, slots=True)
class TalliesTable:
    """The table as its writer sees it. Rows of an hour are kept ``hour_days`` days."""

    client: DynamoDBClient
    table: str
    hour_days: int
    sleep: Callable[[float], None] = time.sleep

    def add(self, parts: Parts) -> None:
        """Count each line in each of its buckets, once. Raises :class:`~service.errors.Unavailable` when it is not
        known to be counted everywhere: the same again counts what is missing, and nothing twice."""
        waiting: dict[Node, Lines] = {(bucket, 0): lines for bucket, lines in parts.items()}
        failures: list[Unavailable] = []
        while waiting:
            nodes = list(waiting)[:_BATCH]
            rows = read_rows(self.client, [Place(self.table, _key(node)) for node in nodes])
            for node, row in zip(nodes, rows, strict=True):
                try:
                    waiting |= self._count(node, row, waiting.pop(node))
                except Unavailable as error:  # one row that is damaged or hot keeps no other from being counted
                    failures.append(error)
        if failures:
            raise failures[0]

    def _count(self, node: Node, row: Mapping[str, Any] | None, lines: Lines) -> Mapping[Node, Lines]:
        """Count those lines that belong into a row; the others, by the row that they should try next."""
        for attempt in range(ATTEMPTS):
            stored = StoredTally() if row is None else StoredTally.from_row(row)
            here, beyond = _split(node, stored, lines)
            new = [line for line in here if stored.add(line, lines[line])]
            if not new or self._written(node, row, stored):
                return beyond
            self.sleep(_CHANCE.uniform(0, _WAIT * 2 ** min(attempt, 5)))  # full jitter: who met shall not meet again
            row = get_row(self.client, self.table, _key(node), called="tallies")
        raise Unavailable("dynamodb:PutItem tallies: too many writers of one row")

    def _written(self, node: Node, row: Mapping[str, Any] | None, stored: StoredTally) -> bool:
        """Whether the row was written, and is still as it was read. Its revision is drawn, so that no other row that
        comes to stand there passes for it."""
        bucket, _ = node
        more = {"revision": uuid.uuid4().hex[:16], "expires_at": kept_until(bucket, self.hour_days)}
        unchanged = "attribute_not_exists(revision)" if row is None else "revision = :read"
        values = None if row is None else {":read": row["revision"]}
        return put_row_if(
            self.client, self.table, {**_key(node), **stored.to_item(), **more}, unchanged, values, called="tallies"
        )


def _split(node: Node, stored: StoredTally, lines: Lines) -> tuple[list[LineId], dict[Node, dict[LineId, Counts]]]:
    """Which lines a row counts, and the rest by the next row on the way of each."""
    bucket, number = node
    level = (number + 1).bit_length() - 1
    here: list[LineId] = []
    beyond: dict[Node, dict[LineId, Counts]] = {}
    joining: set[str] = set()
    for line in sorted(lines):
        if not stored.lines.knows(line.process) and line.process not in joining and level < DEEPEST:
            if stored.lines.room <= len(joining):
                child = 2 * number + 1 + (int(line.process, 16) >> level & 1)
                beyond.setdefault((bucket, child), {})[line] = lines[line]
                continue
            joining.add(line.process)
        here.append(line)
    return here, beyond


def _key(node: Node) -> dict[str, str]:
    bucket, number = node
    return {"bucket": partition(*bucket), "place": sort_key(bucket.at, number)}
