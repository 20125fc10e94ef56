"""Prints what a renewal takes of this process: processor time, the SDK's share of it, and round trips.

``python -m tests.benchmarks.bench_renewal``. The function, its adapters and botocore are the real ones; only sending is
left out, so sockets and TLS are not in these numbers. ``--profile`` prints the functions that take most. Never fails on
a number.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, cast

import botocore.client

from tests.benchmarks.extent import SHORT, budget  # first: it makes the functions importable

import renew_token  # isort: skip
from service import aws
from service.edge.http import Wiring, endpoint
from service.keys.rule_blocks import RuleBlocks
from service.policies.app_states import REMEMBERED, AppStates, DynamoDBStateReader
from service.policies.store import DynamoDBPolicies
from service.redemption import DynamoDBRedemption
from service.tables.apps import DynamoDBApps
from service.tables.attested_keys import DynamoDBAttestedKeys
from service.tables.nonces import DynamoDBNonces
from service.telemetry.decisions import logger

from tests.benchmarks.timing import medians
from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import AGC_APP_ID, APP, APP_ID, HARMONY_APP_ID, PACKAGE, SIGNER, MemoryStack
from tests.service_stack.stubbed_tables import StubbedTables

MOST = 5000.0
"""Microseconds of own processor time (ARCHITECTURE §15)."""

REGISTERED = {
    "apple": {"app_ids": [APP_ID], "environments": ["production"]},
    "android": {"packages": [PACKAGE], "signing_digests": [SIGNER.hex()]},
    "harmony": {"bundle_names": [PACKAGE], "app_ids": [HARMONY_APP_ID, AGC_APP_ID]},
}


@dataclass
class Renewing:
    """One device's renewal, that can be sent again and again: nothing is kept of it."""

    tables: StubbedTables
    handler: Any
    event: dict[str, Any]

    def __call__(self) -> None:
        answer = self.handler(self.event, None)
        assert answer["statusCode"] == 200, answer


def renewing(platform: str, remembered: float) -> Renewing:
    """A renewal of one platform's software device, through the real adapters."""
    stack = MemoryStack()
    installation: Any = getattr(stack, {"ios": "installation"}.get(platform, platform))()
    stack.enrol(installation)
    client = aws.dynamodb.__wrapped__()
    keys = DynamoDBAttestedKeys(client, "attested_keys")
    (key,) = stack.attested_keys.rows.values()
    tables = StubbedTables(
        {
            "attested_keys": [dict(keys.enrolling(key)["Put"]["Item"])],
            "apps": [aws.to_item({"app": APP, "reference_values": REGISTERED, "revision": 1})],
            "policies": [],
        }
    )
    tables.attach(client)
    apps, policies = DynamoDBApps(client, "apps"), DynamoDBPolicies(client, "policies")
    judging = stack._judging(
        attested_keys=keys, signal_memory=86_400, rule_blocks=RuleBlocks(stack.blocking, stack.publication)
    )
    adapters = {
        "states": AppStates(DynamoDBStateReader(client, keys, apps, policies), remembered=remembered),
        "redemption": DynamoDBRedemption(client, DynamoDBNonces(client, "nonces"), keys),
    }
    wiring = Wiring(collaborators={**judging.collaborators, **adapters}, support_code=judging.support_code)
    handler = endpoint(
        renew_token.RenewalRequest, renew_token.renew, lambda _env: wiring, action="renew", clock=lambda: stack.now
    )
    body = installation.renewal_body(installation.client_data(stack.challenge()))
    made = Renewing(tables, handler, rest_event("POST", "/v1/tokens", body))
    made()  # the process knows the app from here on
    made()
    return made


def main() -> None:
    """Time and print."""
    os.environ.update(AWS_ACCESS_KEY_ID="AKIDBENCH", AWS_SECRET_ACCESS_KEY="bench", AWS_DEFAULT_REGION="eu-central-1")
    profile = cProfile.Profile()
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # where metrics go
        stream, logger().registered_handler.stream = logger().registered_handler.stream, nowhere  # type: ignore[attr-defined]
        rows = {
            f"{platform}, {load}": renewing(platform, remembered)
            for platform in ("ios", "android", "harmony")
            for load, remembered in (("key and app read", 0.0), ("under load, key read", REMEMBERED))
        }
        timed = medians(rows, rounds=3 if SHORT else 15)
        shares = {name: sdk_share(row) for name, row in rows.items()}
        trips = {name: round_trips(row) for name, row in rows.items()}
        if "--profile" in sys.argv:
            profile.runcall(lambda: [rows["android, key and app read"]() for _ in range(200)])
        logger().registered_handler.stream = stream  # type: ignore[attr-defined]
    print("A renewal, less sockets and TLS\n")
    print(f"{'':38}{'µs':>8}{'botocore':>10}{'ours':>8}{'round trips':>13}   budget")
    for name, microseconds in timed.items():
        sdk = shares[name] * microseconds
        told = budget("≤ 5 ms", microseconds, MOST)
        print(f"{name:38}{microseconds:8.0f}{sdk:10.0f}{microseconds - sdk:8.0f}{trips[name]:13}   {told}")
    if "--profile" in sys.argv:
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)


def round_trips(row: Renewing) -> int:
    """Calls of DynamoDB that one renewal makes."""
    before = row.tables.calls.total()
    row()
    return row.tables.calls.total() - before


def sdk_share(row: Renewing) -> float:
    """The part of a renewal's time that passes inside the SDK's client."""
    inside, client = [0.0], cast("Any", botocore.client.BaseClient)
    call = client._make_api_call

    def timed(self: Any, operation: str, params: Any) -> Any:
        started = time.process_time()
        try:
            return call(self, operation, params)
        finally:
            inside[0] += time.process_time() - started

    client._make_api_call = timed
    try:
        started = time.process_time()
        for _ in range(5 if SHORT else 60):
            row()
        return inside[0] / (time.process_time() - started)
    finally:
        client._make_api_call = call


if __name__ == "__main__":
    main()
