"""Adds the tallies in log lines to the ``tallies`` table.

Invoked by CloudWatch Logs, for each subscribed log group, with a batch of lines. Lambda delivers again what fails here,
a minute and three minutes later, and may deliver twice what did not: every row remembers which lines it has counted, so
each counts once, also where a first attempt ended between two rows.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from functools import cache
from typing import Any

from service.aws import dynamodb
from service.deadline import time_of_invocation, within
from service.settings import CountDecisionsSettings, read_settings
from service.tallies.delivery import messages_of
from service.tallies.known_apps import KnownApps
from service.tallies.merging import parts_of
from service.tallies.table import TalliesTable
from service.tallies.tally_line import TallyLine, UnreadableTally, read_tally_line
from service.tallies.tally_metrics import counted_metrics
from service.telemetry.decisions import log_damaged_tallies


def count_decisions(event: object, *, table: TalliesTable, apps: KnownApps, now: float) -> dict[str, int]:
    """Count the lines of a delivery: how many there were, and how many more are damaged and count for nothing.

    Raises :class:`~service.errors.Unavailable` unless every line is known to be counted everywhere.
    """
    damaged = Counter[str]()
    lines: list[TallyLine] = []
    try:
        messages = messages_of(event)
    except UnreadableTally as error:
        messages, damaged[error.reason] = [], 1
    for message in messages:
        try:
            lines.append(read_tally_line(message, now=now))
        except UnreadableTally as error:
            damaged[error.reason] += 1
    table.add(parts_of(lines, app_of=lambda app: apps.name_of(app, now), now=now))
    counted_metrics(lines, now=now).write(print)
    if damaged:  # said once, however often the delivery was tried
        log_damaged_tallies(damaged)
    return {"Lines": len(lines), "Damaged": damaged.total()}


@cache
def wire() -> tuple[TalliesTable, KnownApps]:
    """The tables, from the environment; made once."""
    settings = read_settings(CountDecisionsSettings, os.environ)
    table = TalliesTable(dynamodb(), settings.tallies_table, settings.tally_days)
    return table, KnownApps(dynamodb(), settings.apps_table)


def handler(event: Any, context: object) -> dict[str, int]:
    """Lambda's entry. An error has the delivery made again."""
    with within(time_of_invocation(context)):
        table, apps = wire()
        return count_decisions(event, table=table, apps=apps, now=time.time())
