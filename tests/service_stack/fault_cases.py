"""One good request for each function, and what it leaves behind: the rows of the fault matrix."""

from __future__ import annotations

import base64
import importlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attestation.appraisal.cedar.engine import default_policy
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signed_body import content_digest
from service import aws
from service.deadline import MARGIN
from service.keys.publish_debounce import DynamoDBPublishDebounce
from service.keys.publishing import Publisher
from service.keys.rotation import Rotation
from service.policies.publish import PolicyPublishing
from service.tables.attested_keys import RECEIPT_OF
from service.tables.revocations import DynamoDBRevocations
from service.tables.routes import DynamoDBApis
from service.vendors.status_lists import StoredStatusList, packed

from bonafide.operator.play_secrets import PlaySecretsOfApps
from bonafide.operator.registration import Registration
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.app_instance import AppInstance
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, secrets_body
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
        # A key's receipt has a row of its own.
        return sum(not row.get("key_id", {}).get("S", "").startswith(RECEIPT_OF) for row in found["Items"])

    def _revocations(self) -> int:
        revocations = DynamoDBRevocations(self.world.dynamodb, self.world.tables["revocations"])
        statuses = revocations.statuses(time.time()).values()
        return sum(len(status.blocked_keys) + bool(status.tokens_not_before) for status in statuses)


@dataclass(frozen=True, slots=True)
class Case:
    """A function's good request. ``seconds`` are its Timeout in the template; ``left`` counts what a success leaves,
    which is one of each, however often it was tried, and of the audit ``entries`` for each change; ``http`` says that
    it answers a gateway. ``repeated`` makes what a client sends after a 503, where that is not the very same request.
    """

    name: str
    function: str
    event: Callable[[MatrixStack], Any]
    left: tuple[str, ...] = ()
    seconds: float = 10
    http: bool = True
    good: Callable[[Any], bool] = lambda answer: answer["statusCode"] in (200, 201, 202)
    repeated: Callable[[MatrixStack], Any] | None = None
    entries: int = 1

    def __str__(self) -> str:
        return self.name


def _renewal(stack: MatrixStack) -> Any:
    installation, answer = stack.enrolled()
    return rest_event(
        "POST", "/v1/tokens", installation.renewal_body(installation.client_data(answer["next_challenge"]))
    )


def _signal(stack: MatrixStack) -> Any:
    installation, answer = stack.enrolled()
    stack.reporting = installation, answer["token"]
    # A marker of the row before would stand for its wish, and nothing would be invoked.
    DynamoDBPublishDebounce(stack.world.dynamodb, stack.world.tables["revocations"]).remove()
    return _signal_again(stack)


def _signal_again(stack: MatrixStack) -> Any:
    """The same report with another proof: each is good once (docs/api.md)."""
    assert stack.reporting is not None
    installation, token = stack.reporting
    body = json.dumps({"signals": ["hooking"]}).encode()
    proof = installation.proof(
        method="POST", url=VERIFIER_ORIGIN + "/v1/signals", token=token, content_digest=content_digest(body)
    )
    headers = {TOKEN_HEADER: token, PROOF_HEADER: proof}
    return rest_event("POST", "/v1/signals", body.decode(), headers=headers)


def _secrets(stack: MatrixStack) -> Any:
    installation = stack.iphone()
    installation.make_sealing_key()
    answer = stack.call("appraise_evidence", stack.attestation(installation))
    assert answer["statusCode"] == 201, answer
    stack.reporting = installation, json_of(answer)["token"]
    return _secrets_again(stack)


def _secrets_again(stack: MatrixStack) -> Any:
    """The same request with another proof: each is good once."""
    assert stack.reporting is not None
    installation, token = stack.reporting
    body = secrets_body((SECRET,), installation.sealing_key_thumbprint)
    url = VERIFIER_ORIGIN + "/v1/secrets"
    proof = installation.proof(method="POST", url=url, token=token, content_digest=content_digest(body))
    return rest_event("POST", "/v1/secrets", body.decode(), headers={TOKEN_HEADER: token, PROOF_HEADER: proof})


def _runtime_secret(_stack: MatrixStack) -> Any:
    return _admin("POST", f"/admin/apps/{APP}/runtime-secrets/key-{secrets.token_hex(4)}", {**value(b"x"), "why": "m"})


def _admin(method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
    event = rest_event(method, path, body)
    event["pathParameters"] = {"proxy": path.removeprefix("/admin/")}
    event["requestContext"]["identity"]["userArn"] = "arn:aws:iam::123456789012:user/ann"
    return event


def _policy(stack: MatrixStack) -> Any:
    app = f"app-{secrets.token_hex(4)}"
    stack.world.register(Registration(app=app, apple_app_ids=(APP_ID,)))
    draft = {"appraisal": default_policy().text, "why": "matrix", "expected_version": 0, "effect": "now"}
    return _admin("POST", f"/admin/policies/{app}", draft)


def _block(stack: MatrixStack) -> Any:
    key_id = str(stack.enrolled()[1]["key_id"])
    return _admin("POST", f"/admin/keys/{key_id}/block", {"reason": "matrix", "seconds": 3600})


def _unblock(stack: MatrixStack) -> Any:
    event = _block(stack)
    assert stack.call("administer", event)["statusCode"] == 200
    key_id = event["path"].split("/")[3]
    return _admin("POST", f"/admin/keys/{key_id}/unblock", {})


def _routes(_stack: MatrixStack) -> Any:
    body = {"routes": [["*", "/*", "token"]], "revision": 0, "why": "matrix"}
    return _admin("PUT", f"/admin/apis/api-{secrets.token_hex(4)}", body)


def _not_before(stack: MatrixStack) -> Any:
    app = f"app-{secrets.token_hex(4)}"
    stack.world.register(Registration(app=app, apple_app_ids=(APP_ID,)))
    return _admin("POST", f"/admin/apps/{app}/not-before", {"why": "matrix"})


def _registration(_stack: MatrixStack) -> Any:
    return _admin("PUT", f"/admin/apps/app-{secrets.token_hex(4)}", {"apple_app_ids": [APP_ID], "why": "matrix"})


def _client_policy(_stack: MatrixStack) -> Any:
    path = f"/v1/client-policies/{APP}"
    return rest_event("GET", path, resource="/v1/client-policies/{app}", query={"install": "matrix"})


def _guarded(stack: MatrixStack) -> Any:
    installation, answer = stack.enrolled()
    stack.reporting = installation, answer["token"]
    return _guarded_again(stack)


def _guarded_again(stack: MatrixStack) -> Any:
    """The same call with another proof: the authorizer says so by its action."""
    assert stack.reporting is not None
    installation, token = stack.reporting
    proof = installation.proof(method="POST", url=ONCE_URL, token=token)
    arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/dev/POST/orders"
    headers = {TOKEN_HEADER: token, PROOF_HEADER: proof, "Host": "api.example.test"}
    event = rest_event("POST", "/orders", headers=headers)
    event["requestContext"] |= {"path": "/dev/orders", "domainName": "api.example.test"}
    return {**event, "type": "REQUEST", "methodArn": arn}


def _allowed(answer: Any) -> bool:
    return bool(answer["policyDocument"]["Statement"][0]["Effect"] == "Allow")


CASES = (
    Case("challenge", "issue_challenge", lambda _stack: rest_event("POST", "/v1/challenges", {"app": APP})),
    Case(
        "enrolment", "appraise_evidence", lambda stack: stack.attestation(stack.iphone()), ("nonces", "attested_keys")
    ),
    Case(
        "enrolment with Play",
        "appraise_evidence",
        lambda stack: stack.attestation(stack.android()),
        ("nonces", "attested_keys"),
    ),
    Case("renewal", "renew_token", _renewal, ("nonces",)),
    Case("signal that blocks", "report_signal", _signal, ("revocations",), repeated=_signal_again),
    Case("secret", "release_secrets", _secrets, (), repeated=_secrets_again),
    Case("trust bundle", "serve_policy", lambda _stack: rest_event("GET", "/v1/trust-bundle")),
    Case("client policy", "serve_policy", _client_policy),
    Case("policy, now", "administer", _policy, ("audit",), 29),
    Case("block", "administer", _block, ("audit", "revocations"), 29, entries=2),  # of the key, and of its app
    Case("unblock", "administer", _unblock, ("audit",), 29, entries=2),
    Case("routes", "administer", _routes, ("audit", "apis"), 29),
    Case("not-before", "administer", _not_before, ("audit", "revocations"), 29),
    Case("registration", "administer", _registration, ("audit", "apps"), 29),
    Case("runtime secret", "administer", _runtime_secret, ("audit", "runtime_secrets"), 29),
    Case("publication", "publish_bundle", lambda _stack: {"action": "publish"}, (), 60, False, bool),
    Case("rotation", "rotate_signing_key", lambda _stack: {"action": "tick"}, (), 60, False, bool),
    Case(
        "status list", "refresh_endorsements", lambda _stack: {"action": "refresh", "force": True}, (), 60, False, bool
    ),
    Case("guarded call, proof-once", "authorize_request", _guarded, (), 5, False, _allowed, _guarded_again),
)


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


def deadline_of(case: Case) -> float:
    """Seconds by which its answer must be there: the function's time, with the margin that it keeps."""
    return min(case.seconds, 29.0) if case.http else case.seconds - MARGIN
