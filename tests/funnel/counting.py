"""From what functions wrote to standard output to the rows of the tallies table, by the real worker."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from logging import StreamHandler
from typing import Any, Final

from bonafide_tokens.counting.tally import TALLIES
from count_decisions import count_decisions
from service.tallies.known_apps import KnownApps
from service.tallies.reader import DynamoDBTallies
from service.tallies.rows import STEPS, UNKNOWN_APP, TallyRow
from service.tallies.table import TalliesTable
from service.telemetry.decisions import logger
from service.telemetry.tally_lines import forget_counts
from service.view.funnel import SOURCES

from bonafide.operator.registration import Registration
from tests.service_stack.memory_stack import APP
from tests.service_stack.worlds import moto_world

_BATCH: Final = 200


@dataclass(slots=True)
class Written:
    """What was written: tally lines, decision lines as they read, and the octets of all lines."""

    lines: list[str] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    other_lines: int = 0
    octets: int = 0


@contextmanager
def listening() -> Iterator[Written]:
    """Collect what the functions of this process write, the last bucket of each tally included."""
    written, heard = Written(), io.StringIO()
    handler = logger().registered_handler
    assert isinstance(handler, StreamHandler)
    before = handler.stream
    with redirect_stdout(io.StringIO()):  # what other tests of this process left uncounted
        _flush()
    forget_counts()
    try:
        handler.stream = heard
        with redirect_stdout(heard):
            yield written
            _flush()
    finally:
        handler.stream = before
        forget_counts()
    for line in heard.getvalue().splitlines():
        written.octets += len(line) + 1
        if '"message":"tally"' in line:
            written.lines.append(line)
        elif '"message":"decision"' in line:
            written.decisions.append(json.loads(line))
        else:
            written.other_lines += 1


def _flush() -> None:
    for tally in list(TALLIES):
        tally.flush()


@dataclass(frozen=True, slots=True)
class Kept:
    """The table's content: the rows that a funnel reads, those of apps that are not registered, how many items there
    are, and how many were written."""

    rows: Sequence[TallyRow]
    unregistered: Sequence[TallyRow]
    items: int
    writes: int


def kept(lines: Sequence[str], *, step: int, since: float, until: float, seed: int = 1) -> Kept:
    """Deliver lines in any order, a fifth of them twice, to the real worker over a table in this process; read the
    buckets of the window back with the reader of the view."""
    dice = random.Random(seed)
    order = [*lines, *dice.sample(list(lines), len(lines) // 5)]
    dice.shuffle(order)
    with moto_world() as world:
        world.register(Registration(app=APP, apple_app_ids=("ABCDE12345.org.example.demo",)))
        counting = _Counting(world.dynamodb)
        table = TalliesTable(counting, world.tables["tallies"], 30, sleep=lambda _seconds: None)  # type: ignore[arg-type]
        apps = KnownApps(world.dynamodb, world.tables["apps"])
        for start in range(0, len(order), _BATCH):
            with redirect_stdout(io.StringIO()):  # the worker's own metrics
                answer = count_decisions(delivery(order[start : start + _BATCH]), table=table, apps=apps, now=until)
            assert answer["Damaged"] == 0, answer
        tallies = DynamoDBTallies(world.dynamodb, world.tables["tallies"])
        rows, unregistered = (
            tallies.rows(app, SOURCES, step=step, since=since // step * step, until=until + step)
            for app in (APP, UNKNOWN_APP)
        )
        items = world.dynamodb.scan(TableName=world.tables["tallies"], Select="COUNT")["Count"]
    assert step in STEPS
    return Kept(rows, unregistered, items, counting.writes)


class _Counting:
    """A client of DynamoDB that counts what is written."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        if name in ("put_item", "update_item", "transact_write_items"):
            self.writes += 1
        return getattr(self._client, name)


def delivery(lines: Sequence[str]) -> dict[str, Any]:
    """An event of CloudWatch Logs, as a subscription hands it over."""
    envelope = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "fleet",
        "logStream": "fleet",
        "subscriptionFilters": ["tallies"],
        "logEvents": [{"id": str(number), "timestamp": 0, "message": line} for number, line in enumerate(lines)],
    }
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(envelope).encode())).decode()}}
