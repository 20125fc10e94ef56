"""Incidents and slots over a world's tables, and findings to raise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import boto3
from service.aws_attempts import keep_deadline
from service.detection.finding import Finding, Remedy
from service.incidents.outbox import Outbox
from service.incidents.sealing import MemberSeal
from service.incidents.slots_table import DynamoDBSlots
from service.incidents.table import IncidentsTable
from service.tables.audit import DynamoDBAudit

from bonafide.operator.local_account import client_arguments
from tests.service_stack.worlds import AwsWorld

NOW: Final = 1_795_000_000.0
KEY: Final = bytes(range(32))
FINDING: Final = Finding(
    detector="key-farm",
    subject="rkp/abc",
    app="demo",
    since=NOW - 600,
    last=NOW - 1,
    title="One device serves 41 installs.",
    counts={"keys": 41, "decisions": 60},
    keys=("k1", "k2"),
    named={"model": "pixel"},
    confidence=0.9,
    because=("41 keys behind one certificate.",),
    scope="key",
    remedy=Remedy(kind="rule", text="Lower their trust.", rule="permit (principal, action, resource);"),
    quiet_after=3_600.0,
    own_signer_share=0.25,
)


def finding(**members: Any) -> Finding:
    """A finding that differs in some members."""
    return replace(FINDING, **members)


@dataclass
class IncidentWorld:
    """What writes and reads incidents, over one world's tables."""

    world: AwsWorld

    def __post_init__(self) -> None:
        self.seal = MemberSeal(lambda: KEY)
        self.table = self.writer(self.world.dynamodb)
        self.reader = self.table.reader
        self.outbox = Outbox(self.world.dynamodb, self.world.tables["incidents"], self.seal)
        self.slots = DynamoDBSlots(self.world.dynamodb, self.world.tables["detector_state"], self.seal)

    def writer(self, client: Any = None) -> IncidentsTable:
        """The table by another client, as another process has one."""
        if client is None:
            client = boto3.client("dynamodb", **client_arguments(str(self.world.endpoint_url)))
            keep_deadline(client)
        audit = DynamoDBAudit(client, self.world.tables["audit"])
        return IncidentsTable(client, self.world.tables["incidents"], self.seal, 400, audit)

    def told(self) -> list[tuple[str, str]]:
        """What waits to be told: of which incident, what."""
        return [(change.incident.id, change.what.value) for change, _ in self.outbox.waiting()]
