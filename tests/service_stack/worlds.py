"""The service's adapters over three kinds of AWS: fakes in memory, moto in the process, ministack beside it.

Contract tests run over all of them, so that what a fake promises is what the real adapters do.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from unittest.mock import patch

import boto3
from attestation.appraisal.builds import KnownBuild
from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    Environment,
    HarmonyReferenceValues,
    ReferenceValues,
)
from moto import mock_aws
from moto.kms.utils import AbstractPrivateKey, generate_private_key
from service.keys.kms import KmsRootKey, KmsWrappingKey, RootKey, WrappingKey
from service.policies.store import DynamoDBPolicies, Policies
from service.receipts.new_receipts import NewReceipts
from service.receipts.table import DynamoDBReceipts
from service.redemption import DynamoDBRedemption, Redemption
from service.tables.apps import Apps, DynamoDBApps, RegisteredApp
from service.tables.attested_keys import AttestedKeys, DynamoDBAttestedKeys, KeyState
from service.tables.audit import AuditEntry, DynamoDBAudit, app_subject
from service.tables.device_bound import DeviceBound
from service.tables.known_builds import Build, BuildRegister, Builds, DynamoDBBuilds
from service.tables.nonces import DynamoDBNonces
from service.tables.not_before import NotBefore
from service.tables.signing_keys import DynamoDBSigningKeys, SigningKeys
from service.tables.trust_bundles import DynamoDBTrustBundles, TrustBundles
from service.vendors.app_secrets import AppSecret, DynamoDBAppSecrets, EntrustedSecrets
from service.vendors.play_requests import DynamoDBPlayRequests, PlayRequests
from service.vendors.status_lists import DynamoDBStatusLists, StatusLists

from bonafide.operator.local_account import REGION, client_arguments
from bonafide.operator.registration import Registration, Registrations
from devkit.local.provision import TABLES, pseudo_parameters
from devkit.local.template import Template
from tests.service_stack.fakes import (
    MemoryApps,
    MemoryAttestedKeys,
    MemoryBuilds,
    MemoryRedemption,
    MemorySigningKeys,
    MemoryTrustBundles,
    SoftwareRootKey,
    SoftwareWrappingKey,
)
from tests.service_stack.memory_stack import AUDIENCE, ISSUER
from tests.service_stack.policy_fakes import MemoryAudit, MemoryPolicies
from tests.service_stack.vendor_fakes import MemoryAppSecrets, MemoryPlayRequests, MemoryStatusLists

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class World(Protocol):
    """One kind of AWS, with empty tables and both keys."""

    apps: Apps
    builds: Builds
    attested_keys: AttestedKeys
    redemption: Redemption
    bounded_redemption: Callable[[int], Redemption]
    signing_keys: SigningKeys
    trust_bundles: TrustBundles
    wrapping: WrappingKey
    root_key: RootKey
    status_lists: StatusLists
    app_secrets: OperatorsSecrets | MemoryAppSecrets
    play_requests: PlayRequests
    audit: DynamoDBAudit | MemoryAudit
    policies: Policies

    def not_before(self, app: str) -> int | None: ...

    def register(self, registration: Registration) -> None: ...

    def register_build(self, app: str, build: Build) -> None: ...

    def block(self, key_id: str, until: int | None = None) -> None: ...


class OperatorsSecrets:
    """The app_secrets table as the functions read it and as operators change it."""

    def __init__(self, client: DynamoDBClient, table: str, audit: DynamoDBAudit) -> None:
        self.stored = DynamoDBAppSecrets(client, table)
        self.of = self.stored.of
        self.changes = EntrustedSecrets(client, table, audit, self.stored)

    def put(self, secret: AppSecret) -> None:
        self.changes.put(secret, _entry(secret.app))

    def remove(self, app: str, name: str) -> bool:
        return self.changes.remove(app, name, _entry(app))


def _entry(app: str) -> AuditEntry:
    return AuditEntry(subject=app_subject(app), at=time.time(), who="anna", action="change")


class MemoryWorld:
    """The fakes."""

    def __init__(self) -> None:
        keys = MemoryAttestedKeys()
        self.rows = keys.rows
        self.memory_apps = MemoryApps()
        self.apps: Apps = self.memory_apps
        self.memory_builds = MemoryBuilds()
        self.builds: Builds = self.memory_builds
        self.attested_keys: AttestedKeys = keys
        self.redemption: Redemption = MemoryRedemption(attested_keys=keys)
        self.bounded_redemption: Callable[[int], Redemption] = lambda limit: MemoryRedemption(
            attested_keys=keys, device_limit=limit
        )
        self.signing_keys: SigningKeys = MemorySigningKeys()
        self.trust_bundles: TrustBundles = MemoryTrustBundles()
        self.wrapping: WrappingKey = SoftwareWrappingKey()
        self.root_key: RootKey = SoftwareRootKey()
        self.status_lists: StatusLists = MemoryStatusLists()
        self.app_secrets: OperatorsSecrets | MemoryAppSecrets = MemoryAppSecrets()
        self.play_requests: PlayRequests = MemoryPlayRequests()
        self.memory_policies = MemoryPolicies()
        self.policies: Policies = self.memory_policies
        self.audit: DynamoDBAudit | MemoryAudit = self.memory_policies.audit

    def not_before(self, app: str) -> int | None:
        return self.memory_policies.not_before(app)

    def register(self, registration: Registration) -> None:
        self.memory_apps.rows[registration.app] = RegisteredApp(
            app=registration.app,
            audiences=registration.audiences,
            reference_values=_expected(registration),
        )

    def register_build(self, app: str, build: Build) -> None:
        known = KnownBuild(build=build.build, parts=build.parts)
        self.memory_builds.rows[app, build.platform, build.build] = known

    def block(self, key_id: str, until: int | None = None) -> None:
        self.rows[key_id] = replace(self.rows[key_id], state=KeyState.BLOCKED, blocked_until=until)


def _expected(registration: Registration) -> ReferenceValues:
    def digests(texts: tuple[str, ...]) -> frozenset[bytes]:
        return frozenset(map(bytes.fromhex, texts))

    apple = AppleReferenceValues(
        app_ids=registration.apple_app_ids,
        environments=frozenset(Environment(name) for name in registration.apple_environments),
    )
    android = AndroidReferenceValues(
        packages=registration.android_packages,
        signing_digests=digests(registration.android_signing_digests),
        verified_boot_keys=digests(registration.android_verified_boot_keys),
    )
    harmony = HarmonyReferenceValues(
        bundle_names=registration.harmony_bundle_names,
        app_ids=registration.harmony_app_ids,
        app_identifiers=registration.harmony_app_identifiers,
        signing_digests=digests(registration.harmony_signing_digests),
    )
    return ReferenceValues(
        apple=apple if apple.app_ids else None,
        android=android if android.packages else None,
        harmony=harmony if harmony.bundle_names else None,
    )


@dataclass
class AwsWorld:
    """The real adapters over some AWS. ``environment`` is what its functions would be given."""

    dynamodb: DynamoDBClient
    kms: KMSClient
    tables: Mapping[str, str]
    root_key_id: str
    wrapping_key_id: str
    stack_name: str
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        self.nonces = DynamoDBNonces(self.dynamodb, self.tables["nonces"])
        keys = DynamoDBAttestedKeys(self.dynamodb, self.tables["attested_keys"])
        self.apps: Apps = DynamoDBApps(self.dynamodb, self.tables["apps"])
        self.builds: Builds = DynamoDBBuilds(self.dynamodb, self.tables["builds"])
        self.attested_keys: AttestedKeys = keys
        self.receipts = DynamoDBReceipts(self.dynamodb, self.tables["receipts"])
        self.redemption: Redemption = DynamoDBRedemption(
            self.dynamodb, self.nonces, keys, sleep=lambda _seconds: None, receipts=NewReceipts(self.tables["receipts"])
        )
        self.bounded_redemption: Callable[[int], Redemption] = lambda limit: DynamoDBRedemption(
            self.dynamodb, self.nonces, keys, device_bound=DeviceBound(self.tables["play_requests"], limit)
        )
        self.signing_keys: SigningKeys = DynamoDBSigningKeys(self.dynamodb, self.tables["signing_keys"])
        self.trust_bundles: TrustBundles = DynamoDBTrustBundles(self.dynamodb, self.tables["trust_bundles"])
        self.wrapping: WrappingKey = KmsWrappingKey(self.kms, self.wrapping_key_id, self.stack_name)
        self.root_key: RootKey = KmsRootKey(self.kms, self.root_key_id)
        self.status_lists: StatusLists = DynamoDBStatusLists(self.dynamodb, self.tables["endorsements"])
        self.app_secrets: OperatorsSecrets | MemoryAppSecrets = OperatorsSecrets(
            self.dynamodb, self.tables["app_secrets"], DynamoDBAudit(self.dynamodb, self.tables["audit"])
        )
        self.play_requests: PlayRequests = DynamoDBPlayRequests(self.dynamodb, self.tables["play_requests"])
        audit = DynamoDBAudit(self.dynamodb, self.tables["audit"])
        self.audit: DynamoDBAudit | MemoryAudit = audit
        self.policies: Policies = DynamoDBPolicies(
            self.dynamodb, self.tables["policies"], audit, self.tables["revocations"]
        )

    def not_before(self, app: str) -> int | None:
        return NotBefore(self.dynamodb, self.tables["revocations"]).find(app)

    def register(self, registration: Registration) -> None:
        Registrations(self.dynamodb, self.tables["apps"]).put(registration)

    def register_build(self, app: str, build: Build) -> None:
        audit = DynamoDBAudit(self.dynamodb, self.tables["audit"])
        BuildRegister(self.dynamodb, self.tables["builds"], self.tables["apps"], audit).put(app, build, _entry(app))

    def block(self, key_id: str, until: int | None = None) -> None:
        facts = {} if until is None else {"until": {"N": str(until)}}
        self.dynamodb.update_item(
            TableName=self.tables["attested_keys"],
            Key={"key_id": {"S": key_id}},
            UpdateExpression="SET #state = :state, #blocked = :blocked",
            ExpressionAttributeNames={"#state": "state", "#blocked": "blocked"},
            ExpressionAttributeValues={":state": {"S": "blocked"}, ":blocked": {"M": facts}},
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every function, as template.yaml would set it."""
        environment = {
            **{f"{name.upper()}_TABLE": table for name, table in self.tables.items()},
            "STAGE": "dev",
            "STACK_NAME": self.stack_name,
            "ROOT_KEY_ID": self.root_key_id,
            "WRAPPING_KEY_ID": self.wrapping_key_id,
            "PUBLISH_BUNDLE_FUNCTION": "publish_bundle",
            "ROTATE_SIGNING_KEY_FUNCTION": "rotate_signing_key",
            "DECISION_LOG_GROUPS": "verifier,guard",
            "WEBHOOK_QUEUE": "webhooks",
            "MISSED_QUEUE": "missed",
            "TOKEN_ISSUER": ISSUER,
            "TOKEN_AUDIENCE": AUDIENCE,
            "GUARDED_API_ROUTES": '[["GET","/v1/whoami","token"],["*","/*","proof"]]',
            "DEVELOPMENT_TRUST_ANCHORS": "",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        if self.endpoint_url:
            environment["AWS_ENDPOINT_URL"] = self.endpoint_url
        return environment


def ministack_world(endpoint_url: str) -> AwsWorld:
    """Fresh tables and keys on a running ministack."""
    return _fresh_world(f"test-{uuid.uuid4().hex[:12]}", client_arguments(endpoint_url), endpoint_url)


@contextmanager
def moto_world() -> Iterator[AwsWorld]:
    """Fresh tables and keys inside this process. Not atomic: one thread only."""
    credentials = {"region_name": REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    # With boto3's default session stays what it has read of the services: half a second for each test.
    with (
        mock_aws(config={"core": {"reset_boto3_session": False}}),
        patch("moto.kms.models.generate_private_key", _private_key),
    ):
        yield _fresh_world("moto", credentials)


@cache
def _unused_key() -> AbstractPrivateKey:
    return generate_private_key("SYMMETRIC_DEFAULT")


def _private_key(key_spec: str) -> AbstractPrivateKey:
    """What moto makes for every key: for a symmetric one an RSA key, which takes its time and is never used."""
    return _unused_key() if key_spec == "SYMMETRIC_DEFAULT" else generate_private_key(key_spec)


@cache
def _definitions() -> Mapping[str, Mapping[str, Any]]:
    """Keys and indexes of the template's tables, by their short names."""
    template = Template.load(TEMPLATE, parameters={}, pseudo=pseudo_parameters())
    kept = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")
    return {
        short: {name: value for name, value in template.properties(logical_id).items() if name in kept}
        for short, logical_id in TABLES.items()
    }


def _fresh_world(stack_name: str, arguments: Mapping[str, Any], endpoint_url: str | None = None) -> AwsWorld:
    """Tables with the template's keys and indexes. What it says beyond that is looked at on a whole local stack, by
    tests/end_to_end/test_stack.py: it would be twenty calls more for each test."""
    dynamodb, kms = boto3.client("dynamodb", **arguments), boto3.client("kms", **arguments)
    tables = {short: f"{stack_name}-{logical_id}" for short, logical_id in TABLES.items()}
    for short, definition in _definitions().items():
        dynamodb.create_table(TableName=tables[short], **definition)
    return AwsWorld(
        dynamodb=dynamodb,
        kms=kms,
        tables=tables,
        root_key_id=kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"],
        wrapping_key_id=kms.create_key()["KeyMetadata"]["KeyId"],
        stack_name=stack_name,
        endpoint_url=endpoint_url,
    )
