"""Exchanges Apple's receipts for newer ones, which say how many keys a device attested lately (docs/risk-metric.md).

Invoked every minute by the schedule, and by an operator: ``{"action": "exchange"}``. It deals with what is due and ends
before its time is over; a run that is lost, or that comes twice, loses nothing. Trouble with Apple is no error of the
function: log and metrics say so, and alarms call an operator.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from attestation.reference_values import AppleReferenceValues, Environment
from pydantic import BaseModel, ConfigDict
from service.aws import dynamodb, kms
from service.deadline import seconds_left, time_of_invocation, within
from service.errors import Unavailable
from service.keys.kms import KmsWrappingKey
from service.receipts.apple_server import asking
from service.receipts.device_check import DeviceCheckKey, DeviceCheckKeys, Tokens
from service.receipts.exchange_one import Exchange
from service.receipts.exchange_settings import ExchangeReceiptsSettings
from service.receipts.older_receipts import OlderReceipts
from service.receipts.risk_notes import DynamoDBRiskNotes
from service.receipts.run import Limits, Report, Run, Work
from service.receipts.stored_receipt import DAY, Outcome
from service.receipts.table import DynamoDBReceipts
from service.settings import read_settings
from service.tables.apps import DynamoDBApps
from service.tables.attested_keys import DynamoDBAttestedKeys
from service.telemetry.decisions import count, log_unavailable, logger, measure_seconds
from service.vendors.app_secrets import DynamoDBAppSecrets

IN_FLIGHT: Final = 8
LONGEST_RUN: Final = 50.0
"""Seconds; the next one begins a minute after this one."""

_FAULTS: Final = {
    Outcome.UNAUTHORIZED: "ReceiptKeyRefused",
    Outcome.BUSY: "ReceiptsThrottled",
    Outcome.FAILED: "ReceiptsFailed",
    Outcome.BAD_ANSWER: "ReceiptAnswersRefused",
    Outcome.NOT_TAKEN: "ReceiptsNotTaken",
    Outcome.UNVERIFIED: "ReceiptsRefused",
}


class ExchangeRequest(BaseModel):
    """``exchange`` deals with what is due."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    action: Literal["exchange"]


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What a run works on. ``tokens`` outlive it."""

    apps: DynamoDBApps
    keys: DeviceCheckKeys
    older: OlderReceipts
    exchange: Exchange
    limits: Limits
    stack: str


def exchange_receipts(_request: ExchangeRequest, by: Collaborators, *, now: float) -> Report:
    """Deal with what is due, within the time that there is."""
    try:
        by.older.bring_page(now)
    except Unavailable as error:
        log_unavailable(error.what)
    run = Run(
        receipts=by.exchange.receipts,
        one=by.exchange.one,
        forget_token=by.exchange.tokens.forget,
        limits=by.limits,
        clock=time.time,
        sleep=time.sleep,
        left=lambda: min(seconds_left(), LONGEST_RUN - (time.time() - now)),
    )
    report = run.over(works_of(by.apps, by.keys, now))
    tell(report, by.stack)
    return report


def works_of(apps: DynamoDBApps, keys: DeviceCheckKeys, now: float) -> Sequence[Work]:
    """What is to be done, by team and environment: of apps with a DeviceCheck key, in the environments that they
    admit. An app whose rows cannot be read keeps no other from its turn."""
    found: dict[tuple[str, str, Environment], tuple[DeviceCheckKey, list[tuple[str, AppleReferenceValues]]]] = {}
    for app in apps.names():
        try:
            registered = apps.find(app)
            apple = None if registered is None else registered.reference_values.apple
            own = keys.of(app, now) if apple is not None else ()
        except Unavailable as error:
            log_unavailable(error.what)
            continue
        for key in own:
            for environment in sorted(apple.environments) if apple is not None else ():
                _, works = found.setdefault((key.team_id, key.app_id_prefix, environment), (key, []))
                if apple is not None:
                    works.append((app, apple))
    return [Work(key, environment, tuple(works)) for (_, _, environment), (key, works) in found.items()]


def tell(report: Report, stack: str) -> None:
    """The log's line and the metrics; no metric where nothing is to be asked."""
    by_metric: dict[str, int] = defaultdict(int)
    for outcome, metric in _FAULTS.items():
        by_metric[metric] += report.outcomes[outcome.value]
    for metric, times in by_metric.items():
        if times:
            count(metric, times)
    if report.readings:
        count("ReceiptsRead", len(report.readings))
    measure_seconds("ReceiptsOverdue", max(report.overdue, 0.0), stack=stack)
    write = logger().warning if sum(by_metric.values()) or report.overdue > DAY else logger().info
    told: dict[str, Any] = report.to_record()
    write("receipts exchanged", **told)


_tokens = Tokens()
_by_stack: dict[str, DeviceCheckKeys] = {}


def wire(env: Mapping[str, str]) -> Collaborators:
    """The collaborators, from the environment. Keys and tokens are those of the run before."""
    settings = read_settings(ExchangeReceiptsSettings, env)
    client = dynamodb()
    attested_keys = DynamoDBAttestedKeys(client, settings.attested_keys_table, region=settings.region_name)
    receipts = DynamoDBReceipts(client, settings.receipts_table)
    keys = _by_stack.setdefault(
        settings.stack_name,
        DeviceCheckKeys(
            DynamoDBAppSecrets(client, settings.app_secrets_table),
            KmsWrappingKey(kms(), settings.wrapping_key_id, settings.stack_name),
        ),
    )
    urls = {
        Environment.PRODUCTION: settings.apple_receipt_url,
        Environment.DEVELOPMENT: settings.apple_development_receipt_url,
    }
    exchange = Exchange(
        receipts=receipts,
        keys=DynamoDBRiskNotes(attested_keys),
        endorsements=settings.trusted_roots(),
        ask=asking(urls),
        tokens=_tokens,
        interval=settings.receipt_interval_days * DAY,
        clock=time.time,
    )
    limits = Limits(
        per_second=settings.receipts_per_second,
        in_flight=IN_FLIGHT,
        most=settings.receipts_per_second * int(LONGEST_RUN),
    )
    return Collaborators(
        apps=DynamoDBApps(client, settings.apps_table),
        keys=keys,
        older=OlderReceipts(receipts, attested_keys),
        exchange=exchange,
        limits=limits,
        stack=settings.stack_name,
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Lambda's entry. Wired per call, but for keys and tokens."""
    request = ExchangeRequest.model_validate(event)
    with within(time_of_invocation(context)):
        return exchange_receipts(request, wire(os.environ), now=time.time()).to_record()
