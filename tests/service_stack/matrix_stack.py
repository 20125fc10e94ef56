"""The stack of the fault matrix: on ministack, with a proxy between its functions and all that they call."""

from __future__ import annotations

import base64
import importlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attestation.appraisal.cedar.engine import default_policy
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.routes import Requirement, RouteRequirement
from service import aws
from service.keys.publishing import Publisher
from service.keys.rotation import Rotation
from service.policies.publish import PolicyPublishing
from service.tables.revocations import DynamoDBRevocations
from service.tables.routes import DynamoDBApis
from service.vendors.status_lists import StoredStatusList, packed

from bonafide.operator.play_secrets import PlaySecretsOfApps
from bonafide.operator.registration import Registration
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.installation import Installation
from devkit.devices.key_store_installation import AndroidInstallation, Play
from devkit.fleet.signal_policy import BLOCK_RULE
from devkit.local.vendor_servers import TOKEN_PATH, VendorServers
from tests.service_stack.admin_calls import admin_world
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.fault_proxy import FaultProxy
from tests.service_stack.google import running_google
from tests.service_stack.memory_stack import (
    APP,
    APP_ID,
    AUDIENCE,
    AUTHORITY,
    ISSUER,
    PACKAGE,
    ROUTES,
    SIGNER,
    VERIFIER_ORIGIN,
)
from tests.service_stack.worlds import AwsWorld, ministack_world

ONCE_URL = VERIFIER_ORIGIN + "/orders"
SECRET = "maps-key"
_RELEASE_RULE = f"""
@id("maps-key-for-all")
permit (principal, action == Action::"release-secret", resource == Secret::"{SECRET}");
"""


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """A function's time, as the template gives it."""

    ends: float
    aws_request_id: str = "matrix"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends - time.monotonic()) * 1000)


@dataclass
class MatrixStack:
    """A stack on ministack whose functions reach it, and its vendors, through the proxy alone."""

    world: AwsWorld
    vendors: VendorServers
    proxy: FaultProxy
    rotation: Rotation
    reporting: tuple[Installation, str] | None = None

    def take_environment(self) -> None:
        """Set the functions' environment, and forget clients of another one."""
        os.environ.update(_environment(self.world, self.proxy))
        _forget_clients()

    def cold(self, name: str) -> Callable[[Any, Any], Any]:
        """A function as after a cold start."""
        module = importlib.reload(importlib.import_module(name))
        if name == "authorize_request":
            module._authorizer.cache_clear()
        handler: Callable[[Any, Any], Any] = module.handler
        return handler

    def call(self, name: str, event: Any, seconds: float = 60) -> Any:
        """One call of a cold function that has ``seconds``."""
        return self.cold(name)(event, LambdaContext(time.monotonic() + seconds))

    def challenge(self) -> str:
        answer = self.call("issue_challenge", rest_event("POST", "/v1/challenges", {"app": APP}))
        return str(json_of(answer)["challenge"])

    def iphone(self) -> Installation:
        return Installation.fresh(APP, SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, clock=time.time))

    def android(self) -> AndroidInstallation:
        phone = SoftwareAndroid(authority=AUTHORITY.android, package=PACKAGE, signer=SIGNER, clock=time.time)
        installation = AndroidInstallation.fresh(APP, phone, play=Play.STANDARD)
        installation.google = self.vendors.google
        return installation

    def attestation(self, installation: AppInstance) -> dict[str, Any]:
        body = installation.attestation_body(installation.client_data(self.challenge()))
        return rest_event("POST", "/v1/attestations", body)

    def enrolled(self) -> tuple[Installation, dict[str, Any]]:
        installation = self.iphone()
        answer = self.call("appraise_evidence", self.attestation(installation))
        assert answer["statusCode"] == 201, answer
        return installation, json_of(answer)

    def publish(self, _function: str = "", _body: bytes = b"") -> dict[str, object]:
        """What invoking publish_bundle does."""
        return {"BundleVersion": self.rotation.publisher.publish(now=time.time()).version}

    def count(self, *tables: str) -> tuple[int, ...]:
        """How many rows those tables have; of the revocations, how many a bundle would name."""
        return tuple(self._revocations() if name == "revocations" else self._rows(name) for name in tables)

    def _rows(self, name: str) -> int:
        found = self.world.dynamodb.scan(TableName=self.world.tables[name], ConsistentRead=True)
        return len(found["Items"])

    def _revocations(self) -> int:
        revocations = DynamoDBRevocations(self.world.dynamodb, self.world.tables["revocations"])
        statuses = revocations.statuses(time.time()).values()
        return sum(len(status.blocked_keys) + bool(status.tokens_not_before) for status in statuses)


@contextmanager
def matrix_stack(ministack_url: str, folder: Path) -> Iterator[MatrixStack]:
    """The stack, with the environment of its functions set until the block ends."""
    world = ministack_world(ministack_url)
    world.register(
        Registration(
            app=APP,
            apple_app_ids=(APP_ID,),
            android_packages=(PACKAGE,),
            android_signing_digests=(SIGNER.hex(),),
        )
    )
    rotation = _rotation(world)
    rotation.run(now=time.time())
    PolicyPublishing(policies=world.policies, root_key=world.root_key, issuer=ISSUER).publish(
        APP,
        appraisal=default_policy().text + BLOCK_RULE + _RELEASE_RULE,
        client='{"format": 1}',
        why="matrix",
        expected_version=0,
        who="matrix",
        now=time.time(),
    )
    now = int(time.time())
    content = packed(b'{"entries":{}}')
    world.status_lists.replace(
        StoredStatusList(content=content, entries=0, fetched_at=now, fresh_until=now, revision=1)
    )
    with running_google(folder) as vendors:
        stack = MatrixStack(world, vendors, None, rotation)  # type: ignore[arg-type]
        proxy = FaultProxy(
            aws=ministack_url,
            vendors=vendors.url,
            stack=world.stack_name,
            invoke=stack.publish,
            bundle=lambda: _bundle(world),
        )
        proxy.start()
        stack.proxy = proxy
        vendors.called = proxy.url
        _entrust(world, vendors, proxy)
        RuntimeSecretsOfApp(admin_world(world), APP).store(SECRET, value(b"not a real key"), rotate=False)
        before = dict(os.environ)
        stack.take_environment()
        try:
            yield stack
        finally:
            os.environ.clear()
            os.environ.update(before)
            _forget_clients()
            proxy.stop()


def _bundle(world: AwsWorld) -> dict[str, Any]:
    latest = world.trust_bundles.latest(ISSUER)
    assert latest is not None
    return {"statusCode": 200, "headers": {"Content-Type": "application/jwt"}, "body": latest.jws}


def _rotation(world: AwsWorld) -> Rotation:
    publisher = Publisher(
        issuer=ISSUER,
        lifetime=21_600,
        signing_keys=world.signing_keys,
        trust_bundles=world.trust_bundles,
        apis=DynamoDBApis(world.dynamodb, world.tables["apis"]),
        revocations=DynamoDBRevocations(world.dynamodb, world.tables["revocations"]),
        root_key=world.root_key,
        routes={AUDIENCE: (RouteRequirement("POST", "/orders", Requirement.PROOF_ONCE), *ROUTES)},
    )
    return Rotation(
        signing_keys=world.signing_keys,
        wrapping=world.wrapping,
        publisher=publisher,
        token_lifetime=300,
        challenge_lifetime=300,
        key_days=30,
    )


def _entrust(world: AwsWorld, vendors: VendorServers, proxy: FaultProxy) -> None:
    account = json.loads(vendors.service_account.read_bytes()) | {"token_uri": proxy.url + TOKEN_PATH}
    PlaySecretsOfApps(admin_world(world)).set_account(APP, json.dumps(account).encode())


def _environment(world: AwsWorld, proxy: FaultProxy) -> dict[str, str]:
    root = world.root_key.public_key()
    return {
        **world.environment,
        "AWS_ENDPOINT_URL": proxy.url,
        "DEVELOPMENT_TRUST_ANCHORS": base64.b64encode(AUTHORITY.root_certificate).decode("ascii"),
        "PLAY_DECODE_ENDPOINT": proxy.url,
        "ANDROID_STATUS_LIST_URL": f"{proxy.url}/attestation/status",
        "ROOT_PUBLIC_KEY": b64url_encode(root.point),
        "EXTERNAL_ORIGIN": VERIFIER_ORIGIN,
        "TRUST_BUNDLE_URL": f"{proxy.url}/v1/trust-bundle",
        "AUDIENCE": AUDIENCE,
        "PROOF_NONCES_TABLE": world.tables["nonces"],
    }


def _forget_clients() -> None:
    for client in (aws.dynamodb, aws.kms, aws.s3, aws.functions):
        client.cache_clear()
    importlib.import_module("spent_proofs")._dynamodb.cache_clear()
