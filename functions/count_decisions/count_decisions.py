"""Adds the tallies in log lines to the ``tallies`` table, and shows decisions to the population detectors.

Invoked by CloudWatch Logs, for each subscribed log group, with a batch of lines. Lambda delivers again what fails here,
a minute and three minutes later, and may deliver twice what did not: every row remembers which lines it has counted, so
each counts once, also where a first attempt ended between two rows; and a detector that sees a decision twice has seen
it once.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from functools import cache
from typing import Any, Final, NamedTuple

from service.admission.accounts import DynamoDBAccountRow
from service.admission.learning import Learning
from service.aws import dynamodb, kms
from service.deadline import time_of_invocation, within
from service.detection.detectors import POPULATION_DETECTORS
from service.errors import Unavailable
from service.incidents.document.writer import DocumentWriter, DynamoDBDocuments
from service.incidents.sealing import MemberSeal
from service.incidents.slots_table import DynamoDBSlots
from service.incidents.table import IncidentsTable
from service.incidents.watching import Watching, is_decision
from service.keys.fact_keys import DynamoDBFactKeys, FactKeys, FactPurpose
from service.keys.kms import KmsWrappingKey
from service.remembered import Remembered
from service.settings import read_settings
from service.tables.apps import DynamoDBApps
from service.tallies.counting_settings import CountDecisionsSettings
from service.tallies.delivery import messages_of
from service.tallies.known_apps import KnownApps
from service.tallies.merging import parts_of
from service.tallies.reader import DynamoDBTallies
from service.tallies.table import TalliesTable
from service.tallies.tally_line import TallyLine, UnreadableTally, read_tally_line
from service.tallies.tally_metrics import counted_metrics
from service.telemetry.decisions import log_damaged_tallies, log_unavailable

_NAMES_FRESH: Final = 60.0
"""Seconds for which it is remembered which apps are registered: reading them is a scan."""


def count_decisions(
    event: object,
    *,
    table: TalliesTable,
    apps: KnownApps,
    now: float,
    watching: Watching | None = None,
    learning: Learning | None = None,
) -> dict[str, int]:
    """Count the tallies of a delivery, then show its decisions to detectors: how many there were of each, and how many
    more lines are damaged and count for nothing. ``learning`` makes of what was counted how many may enrol; where that
    fails, the next delivery does it.

    Raises :class:`~service.errors.Unavailable` unless every line is known to be counted everywhere, and seen by each
    detector that did not fail.
    """
    damaged = Counter[str]()
    lines: list[TallyLine] = []
    decisions: list[str] = []
    try:
        messages = messages_of(event)
    except UnreadableTally as error:
        messages, damaged[error.reason] = [], 1
    for message in messages:
        if is_decision(message):
            decisions.append(str(message))
            continue
        try:
            lines.append(read_tally_line(message, now=now))
        except UnreadableTally as error:
            damaged[error.reason] += 1
    table.add(parts_of(lines, app_of=lambda app: apps.name_of(app, now), now=now))
    counted_metrics(lines, now=now).write(print)
    asking = {apps.name_of(of.app, now) for line in lines if line.source == "challenge" for of in line.counts}
    if asking and learning is not None:
        try:
            learning.learn(asking, now)
        except Unavailable as error:
            log_unavailable(error.what)
    if damaged:  # said once, however often the delivery was tried
        log_damaged_tallies(damaged)
    if decisions and watching is not None:
        watching.watch(decisions, app_of=lambda app: apps.name_of(app, now), now=now)
    seen = {"Decisions": len(decisions)} if decisions else {}
    return {"Lines": len(lines), "Damaged": damaged.total(), **seen}


class Wired(NamedTuple):
    """What a delivery works on."""

    table: TalliesTable
    apps: KnownApps
    watching: Watching
    learning: Learning | None


@cache
def wire() -> Wired:
    """The tables, from the environment; made once."""
    settings = read_settings(CountDecisionsSettings, os.environ)
    client = dynamodb()
    keys = FactKeys(
        DynamoDBFactKeys(client, settings.fact_keys_table),
        KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name),
    )
    seal = MemberSeal(lambda: keys.find(FactPurpose.MEMBERS, 1, time.time()))
    incidents = IncidentsTable(client, settings.incidents_table, seal, settings.tally_days)
    names = DynamoDBApps(client, settings.apps_table).names
    document = DocumentWriter(
        DynamoDBDocuments(client, settings.incidents_table), keys, names, incidents.reader.open_of
    )
    return Wired(
        TalliesTable(client, settings.tallies_table, settings.tally_days),
        KnownApps(client, settings.apps_table),
        Watching(
            POPULATION_DETECTORS,
            DynamoDBSlots(client, settings.detector_state_table, seal),
            incidents,
            keys.of_epochs,
            (document,),
        ),
        Learning(
            DynamoDBTallies(client, settings.tallies_table),
            DynamoDBAccountRow(client, settings.tallies_table),
            settings.enrolment_pace,
            Remembered(read=lambda _before, _now: names(), fresh=_NAMES_FRESH, first=_NAMES_FRESH).current,
        )
        if settings.enrolment_pace
        else None,
    )


def handler(event: Any, context: object) -> dict[str, int]:
    """Lambda's entry. An error has the delivery made again."""
    with within(time_of_invocation(context)):
        wired = wire()
        return count_decisions(event, now=time.time(), **wired._asdict())
