"""Measures what a call through the proxy takes, beside what the upstream takes: its time, its answer, its price."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict
from typing import Any, Final
from unittest.mock import patch

import boto3
import relay_upstream
from relay_log import log_relay
from service.relay.budgets import DynamoDBBudgets
from service.relay.relay_settings import RelayUpstreamSettings
from service.settings import read_settings
from service.tables.spent_proofs import DynamoDBSpentProofs

from bonafide.cost.costing import Amounts
from bonafide.operator.local_account import client_arguments
from devkit.local.provision import create_table
from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT
from tests.costs.meter import Meter, write_counts
from tests.integration.relay_calls import ENVIRONMENT, Context, event_of
from tests.integration.relay_stand import RelayStand, http
from tests.service_stack.loopback import Scripted, serving
from tests.unit.gate.stand import NOW

PATH: Final = "calls through the proxy"
_ANSWER: Final = json.dumps({"content": "x" * 1000, "usage": {"input_tokens": 20, "output_tokens": 250}}).encode()


def measure_proxied(ministack_url: str, times: int) -> dict[str, Any]:
    """The path's amounts, as ``measured.json`` has them; the answer has a kilobyte."""
    resources = read_template(ROOT / "stacks/proxy.yaml")["Resources"]
    client, looking = (boto3.client("dynamodb", **client_arguments(ministack_url)) for _ in range(2))
    tables = {name: f"{name}-{time.time_ns()}" for name in ("NoncesTable", "BudgetsTable")}
    for name, table in tables.items():
        create_table(looking, table, dict(resources[name]["Properties"]))
    meter = Meter(looking)
    meter.attach(client)
    with serving(Scripted(http(_ANSWER))) as upstream:
        stand = RelayStand(upstream.port)
        stand.relay.note = log_relay
        stand.relay.budgets = DynamoDBBudgets(client, tables["BudgetsTable"])
        stand.relay.spent_proofs = DynamoDBSpentProofs(client, tables["NoncesTable"])
        proxy = relay_upstream.Proxy(stand.relay, read_settings(RelayUpstreamSettings, ENVIRONMENT))
        seconds, sent = [], 0
        with patch.object(relay_upstream, "_proxy", lambda: proxy), patch.object(relay_upstream, "clock", lambda: NOW):
            for _ in range(times + 1):  # the first warms the process up
                event = event_of(stand)
                write_counts()
                with meter.on():
                    answer = relay_upstream.handler(event, Context())
                    body = b"".join(answer.pieces)
                    write_counts()  # the most that a call costs: its metrics have a line to themselves
                assert answer.status == 200, body
                sent = len(body) + len(json.dumps(dict(answer.headers)))
                seconds.append(meter.seconds)
    return asdict(
        Amounts(
            function="relay_upstream",
            memory_mb=int(resources["RelayUpstreamFunction"]["Properties"]["MemorySize"]),
            processor_ms=round(statistics.median(seconds[1:]) * 1000, 1),
            round_trips=meter.round_trips,
            read_units=meter.read,
            write_units=meter.written,
            log_bytes=meter.logged,
            log_lines=len(meter.lines),
            archived_bytes=meter.archived,
            sent_bytes=sent,
        )
    )
