"""The Admin API over tables of a test's own, called in this process: the real function, without gateway and Lambda."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import administer
from bonafide_tokens.routes import RouteRequirement
from botocore.exceptions import ClientError
from service.admin.blocked_key_pages import BlockedKeyPages
from service.admin.guarded_apis import GuardedApis
from service.admin.http import admin_endpoint
from service.admin.publication import InvokedFunction, Published
from service.admin.registration import Registrations
from service.admin.retired_builds import RetiredBuilds
from service.admission.stressed_apps import StressedApps
from service.fallback_modes import PolicyApproval, WebhookAddresses
from service.incidents.newest import NewestIncidents
from service.incidents.sealing import MemberSeal
from service.incidents.table import IncidentsTable
from service.keys.kms import KmsWrappingKey
from service.passes.administered import AdministeredPasses
from service.policies.publish import PolicyPublishing
from service.policies.store import DynamoDBPolicies
from service.region_administration.regions import require_administration
from service.regions.administered import AdministeredRegions
from service.regions.table import RegionDocuments
from service.roots.changing import RootChanges
from service.roots.root_sets_table import DynamoDBRootSets
from service.secrets.table import DynamoDBRuntimeSecrets, RuntimeSecretChanges
from service.support.log_search import DecisionLogs
from service.tables.apps import DynamoDBApps
from service.tables.audit import DynamoDBAudit
from service.tables.blocking import DynamoDBBlocking
from service.tables.known_builds import BuildRegister
from service.tables.not_before import NotBefore
from service.tables.paced.key_lists import KeyLists
from service.tables.trust_bundles import RememberedTrustBundles
from service.tallies.rows import Tallies
from service.telling.administered import AdministeredWebhooks
from service.telling.deliveries import DynamoDBDeliveries
from service.telling.queues import SqsQueue
from service.telling.webhooks_table import DynamoDBWebhooks, WebhookChanges
from service.vendors.app_secrets import DynamoDBAppSecrets, EntrustedSecrets
from service.vendors.play_requests import DynamoDBPlayRequests
from service.view.stack import ViewStack
from service.view.vendor_health import VendorHealth

from bonafide.operator.admin_api import problem_of
from tests.service_stack.events import rest_event
from tests.service_stack.fake_queues import FakeQueues
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld
from tests.unit.service.tallies_in_memory import TalliesInMemory

ACCOUNT = "arn:aws:iam::123456789012:user/"


@dataclass
class FakePublication:
    """Publishes the next number, or fails. ``paced`` are the apps that are paced in it."""

    version: int = 0
    fails: bool = False
    paced: frozenset[str] = frozenset({"demo"})

    def now(self) -> Published:
        if self.fails:
            return Published(None)
        self.version += 1
        return Published(self.version, self.paced)


@dataclass
class AdminWorld:
    """Calls the Admin API as the IAM user ``name``; without a name, unsigned."""

    stack: ViewStack
    publication: FakePublication
    name: str | None = "ann"
    clock: Callable[[], float] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and members of the answer."""
        plain, _, query = path.partition("?")
        event = rest_event(method, unquote(plain), body, query=dict(parse_qsl(query)) or None)
        event["pathParameters"] = {"proxy": unquote(plain).removeprefix("/admin/")}
        if self.name is not None:
            event["requestContext"]["identity"]["userArn"] = ACCOUNT + self.name
        return self.handle(event)

    def handle(self, event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """The same for a whole event."""
        edge = admin_endpoint(
            administer.ROUTES, lambda _env: self.stack, clock=self.clock or time.time, guard=require_administration
        )
        reply = edge(event, None)
        return reply["statusCode"], json.loads(reply["body"])

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """As :class:`bonafide.operator.admin_api.AdminCalls`."""
        status, members = self.answer(method, path, body)
        if status != 200:
            raise problem_of(status, members, path)
        return members


class Rotating:
    """The part of boto3's `lambda` client that is used; ``answer`` is RotateSigningKeyFunction's."""

    def __init__(self, answer: object = None, error: str | None = None) -> None:
        self.answer = {"BundleVersion": 7, "Kids": ["token-1", "token-2"]} if answer is None else answer
        self.error = error
        self.events: list[object] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "rotate"
        self.events.append(json.loads(Payload))
        answer: dict[str, Any] = {"Payload": io.BytesIO(json.dumps(self.answer).encode())}
        return {**answer, "FunctionError": self.error} if self.error else answer


class FakeLogs:
    """The part of boto3's ``logs`` client that is used: pages of log groups, each a list of messages and a time in
    milliseconds. An answer's token is the number of the page that follows."""

    def __init__(self, groups: Mapping[str, Sequence[Sequence[tuple[str, int]]]] | None = None) -> None:
        self.groups = {"verifier": [], "guard": []} if groups is None else groups
        self.asked: list[Mapping[str, Any]] = []

    def filter_log_events(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        group = asked["logGroupName"]
        if group not in self.groups:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "FilterLogEvents")
        pages, number = self.groups[group], int(asked.get("nextToken", 0))
        kept = [
            {"message": message, "timestamp": at}
            for message, at in (pages[number] if number < len(pages) else ())
            if asked["startTime"] <= at < asked["endTime"]
        ]
        return {"events": kept, **({"nextToken": str(number + 1)} if number + 1 < len(pages) else {})}


def admin_world(
    world: AwsWorld,
    *,
    published: Callable[[], Mapping[str, tuple[RouteRequirement, ...]]] = dict,
    approval: PolicyApproval = PolicyApproval.OFF,
    rotating: Rotating | None = None,
    tallies: Tallies | None = None,
    logs: FakeLogs | None = None,
    queues: Any = None,
    queue: str = "webhooks",
    addresses: WebhookAddresses = WebhookAddresses.PUBLIC,
    passes: AdministeredPasses | None = None,
) -> AdminWorld:
    """The Admin API over the tables of ``world``, as :func:`administer.wire` would make it."""
    tables, client = world.tables, world.dynamodb
    audit = DynamoDBAudit(client, tables["audit"])
    publication = FakePublication()
    blocking = DynamoDBBlocking(
        client,
        tables["attested_keys"],
        tables["revocations"],
        sleep=lambda _seconds: None,
        audit=audit,
        receipts=tables["receipts"],
    )
    incidents = IncidentsTable(client, tables["incidents"], MemberSeal(lambda: bytes(32)), 400, audit)
    stack = ViewStack(
        apps=world.apps,
        apis=GuardedApis(client, tables["apis"], audit, published),
        audit=audit,
        blocking=blocking,
        blocked_keys=BlockedKeyPages(client, tables["attested_keys"], blocking),
        key_lists=KeyLists(client, tables["revocations"]),
        not_before=NotBefore(client, tables["revocations"], audit),
        policies=world.policies,
        publication=publication,
        retired_builds=RetiredBuilds(client, tables["apps"], audit),
        stressed_apps=StressedApps(client, tables["apps"], audit),
        builds=BuildRegister(client, tables["builds"], tables["apps"], audit),
        secrets=EntrustedSecrets(
            client, tables["app_secrets"], audit, DynamoDBAppSecrets(client, tables["app_secrets"])
        ),
        runtime_secrets=RuntimeSecretChanges(
            client, tables["runtime_secrets"], audit, DynamoDBRuntimeSecrets(client, tables["runtime_secrets"])
        ),
        webhooks=AdministeredWebhooks(
            changes=WebhookChanges(client, tables["webhooks"], audit, DynamoDBWebhooks(client, tables["webhooks"])),
            deliveries=DynamoDBDeliveries(client, tables["webhooks"]),
            queue=SqsQueue(FakeQueues() if queues is None else queues, queue),
            addresses=addresses,
            stack_name=world.stack_name,
        ),
        passes=passes,
        regions=AdministeredRegions(
            region="",
            issuer=ISSUER,
            roots=(world.root_key.public_key(),),
            documents=RegionDocuments(client, tables["signing_keys"], audit),
            sign=world.root_key.sign,
        ),
        sealing=KmsWrappingKey(world.kms, world.wrapping_key_id, world.stack_name),
        roots=RootChanges(
            sets=DynamoDBRootSets(client, tables["policies"], audit),
            policies=DynamoDBPolicies(client, tables["policies"], audit, tables["revocations"]),
            apps=DynamoDBApps(client, tables["apps"]),
            trust_bundles=world.trust_bundles,
            signing=world.root_key,
            accepted=(world.root_key.public_key(),),
            issuer=ISSUER,
            approval=approval,
        ),
        rotation=InvokedFunction(rotating or Rotating(), "rotate", "rotation"),
        refresh=InvokedFunction(rotating or Rotating(), "rotate", "refresh"),
        registrations=Registrations(client, tables["apps"], audit=audit),
        publishing=PolicyPublishing(policies=world.policies, root_key=world.root_key, issuer=ISSUER, approval=approval),
        attested_keys=world.attested_keys,
        receipts=world.receipts,
        tallies=TalliesInMemory() if tallies is None else tallies,
        decision_logs=DecisionLogs(FakeLogs() if logs is None else logs, ("verifier", "guard")),
        trust_bundles=RememberedTrustBundles(world.trust_bundles),
        issuer=ISSUER,
        vendors=VendorHealth(
            world.status_lists, DynamoDBPlayRequests(client, tables["play_requests"]), max_age=86_400.0
        ),
        incidents=incidents,
        newest_incidents=NewestIncidents(incidents.reader),
    )
    return AdminWorld(stack, publication)
