"""Looks at tallies each minute, opens and ends incidents, and tells of them.

Invoked by a schedule. A minute that is left out, or done twice, does no harm.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from service.aws import dynamodb, events, kms, queues, s3, topics
from service.deadline import time_of_invocation, within
from service.detection.detectors import POPULATION_DETECTORS, TALLY_DETECTORS
from service.detection.rates.window import VendorSeen
from service.incidents.document.writer import DocumentWriter, DynamoDBDocuments
from service.incidents.incident import IncidentSink
from service.incidents.incident_settings import FindIncidentsSettings
from service.incidents.minute import Minute
from service.incidents.outbox import Outbox
from service.incidents.sealing import MemberSeal
from service.incidents.slots_table import DynamoDBSlots
from service.incidents.table import IncidentsTable
from service.incidents.windows import RegisteredBuilds, Windows
from service.keys.fact_keys import DynamoDBFactKeys, FactKeys, FactPurpose
from service.keys.kms import KmsWrappingKey
from service.settings import read_settings
from service.tables.apps import DynamoDBApps, RegisteredApp
from service.tables.audit import DynamoDBAudit
from service.tallies.reader import DynamoDBTallies
from service.telling.queues import SqsQueue
from service.telling.sinks import ArchiveSink, EventSink, MailSink, WebhookSink
from service.vendors.play_requests import DynamoDBPlayRequests
from service.vendors.status_lists import DynamoDBStatusLists
from service.view.vendor_health import VendorHealth


@cache
def wire() -> Minute:
    """What a run works on, from the environment; made once."""
    settings = read_settings(FindIncidentsSettings, os.environ)
    client = dynamodb()
    keys = FactKeys(
        DynamoDBFactKeys(client, settings.fact_keys_table),
        KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name),
    )
    seal = MemberSeal(lambda: keys.find(FactPurpose.MEMBERS, 1, time.time()))
    slots = DynamoDBSlots(client, settings.detector_state_table, seal)
    apps = DynamoDBApps(client, settings.apps_table)
    vendors = VendorHealth(
        DynamoDBStatusLists(client, settings.endorsements_table),
        DynamoDBPlayRequests(client, settings.play_requests_table),
        settings.endorsements_max_age_seconds,
    )

    def seen(app: RegisteredApp, now: float) -> list[VendorSeen]:
        return [VendorSeen(vendor.name, vendor.state.value, vendor.detail) for vendor in vendors.of(app, now)]

    audit = DynamoDBAudit(client, settings.audit_table)
    windows = Windows(
        DynamoDBTallies(client, settings.tallies_table),
        apps,
        RegisteredBuilds(client, settings.builds_table, audit),
        seen,
        slots,
        POPULATION_DETECTORS,
    )
    incidents = IncidentsTable(client, settings.incidents_table, seal, settings.tally_days)
    document = DocumentWriter(
        DynamoDBDocuments(client, settings.incidents_table), keys, apps.names, incidents.reader.open_of
    )
    return Minute(
        apps,
        windows,
        TALLY_DETECTORS,
        slots,
        incidents,
        Outbox(client, settings.incidents_table, seal),
        (document, *_sinks(settings)),
    )


def _sinks(settings: FindIncidentsSettings) -> list[IncidentSink]:
    """Those that are told of incidents, as far as the stack has them."""
    stack = settings.stack_name
    sinks: list[IncidentSink] = [EventSink(events(), stack)]
    sinks.append(WebhookSink(SqsQueue(queues(), settings.webhook_queue), stack))
    if settings.incident_topic:
        sinks.append(MailSink(topics(), settings.incident_topic, stack))
    if settings.decision_bucket:
        sinks.append(ArchiveSink(s3(), settings.decision_bucket, stack))
    return sinks


def handler(_event: Any, context: object) -> dict[str, int]:
    """Lambda's entry. An error is counted by Lambda; the next minute does what was left."""
    with within(time_of_invocation(context)):
        return wire().run(time.time())
