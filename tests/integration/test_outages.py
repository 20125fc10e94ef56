"""Real adapters in an outage: throttled, failing or unreachable at each step is 503, and nothing was consumed.

The functions are wired as in Lambda; the faults are injected where botocore sends. (Not on moto: botocore lets every
before-send handler run, so moto would carry out what our fault refused.)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from service import aws
from service.edge.gateway import Handler

from bonafide.operator.registration import Registration
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.installation import Installation
from tests.service_stack.events import json_of, rest_event, slug_of
from tests.service_stack.faults import Fault, answering, injected, raising
from tests.service_stack.memory_stack import APP, APP_ID, AUTHORITY
from tests.service_stack.worlds import AwsWorld, ministack_world

pytestmark = pytest.mark.ministack

Load = Callable[[AwsWorld, str], ModuleType]

FAULTS: dict[str, Fault] = {
    "throttled": answering(400, "ProvisionedThroughputExceededException"),
    "limit": answering(400, "RequestLimitExceeded"),
    "failing": answering(500, "InternalServerError"),
    "unavailable": answering(503, "ServiceUnavailable"),
    "denied": answering(400, "AccessDeniedException"),
    "no-table": answering(400, "ResourceNotFoundException"),
    "kms-disabled": answering(400, "DisabledException"),
    "kms-other-context": answering(400, "InvalidCiphertextException"),
    "unreachable": raising(EndpointConnectionError),
    "connect-timeout": raising(ConnectTimeoutError),
    "read-timeout": raising(ReadTimeoutError),
}


@dataclass
class Stack:
    """Functions on ministack, as cold as Lambda starts them."""

    world: AwsWorld
    function: Load

    def cold(self, name: str) -> Handler:
        handler: Handler = self.function(self.world, name).handler
        return handler

    def challenge(self) -> str:
        answer = self.cold("issue_challenge")(rest_event("POST", "/v1/challenges", {"app": APP}), None)
        return str(json_of(answer)["challenge"])

    def attestation(self, installation: Installation) -> dict[str, Any]:
        body = installation.attestation_body(installation.client_data(self.challenge()))
        return rest_event("POST", "/v1/attestations", body)

    def renewal(self) -> dict[str, Any]:
        installation = new_installation()
        enrolled = self.cold("appraise_evidence")(self.attestation(installation), None)
        assert enrolled["statusCode"] == 201
        return rest_event(
            "POST",
            "/v1/tokens",
            installation.renewal_body(installation.client_data(json_of(enrolled)["next_challenge"])),
        )


def new_installation() -> Installation:
    return Installation.fresh(APP, SoftwareIphone(authority=AUTHORITY, app_id=APP_ID, clock=time.time))


@pytest.fixture(scope="module")
def shared_world(ministack_url: str) -> AwsWorld:
    """One world for all tests here: each leaves nothing behind but what succeeded."""
    world = ministack_world(ministack_url)
    world.register(Registration(app=APP, apple_app_ids=(APP_ID,)))
    return world


@pytest.fixture
def stack(shared_world: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> Stack:
    if not shared_world.signing_keys.all():
        function(shared_world, "rotate_signing_key").handler({"action": "tick"}, None)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return Stack(shared_world, function)


STEPS: dict[str, tuple[str, str, str, str]] = {
    "issue: sealing key": ("issue_challenge", "dynamodb", "Scan", "SigningKeysTable"),
    "issue: unwrapping": ("issue_challenge", "kms", "Decrypt", ""),
    "appraise: keys": ("appraise_evidence", "dynamodb", "Scan", "SigningKeysTable"),
    "appraise: unwrapping": ("appraise_evidence", "kms", "Decrypt", ""),
    "appraise: app and policy": ("appraise_evidence", "dynamodb", "BatchGetItem", "AppsTable"),
    "appraise: redemption": ("appraise_evidence", "dynamodb", "TransactWriteItems", ""),
    "renew: keys": ("renew_token", "dynamodb", "Scan", "SigningKeysTable"),
    "renew: unwrapping": ("renew_token", "kms", "Decrypt", ""),
    "renew: key": ("renew_token", "dynamodb", "BatchGetItem", "AttestedKeysTable"),
    "renew: app and policy": ("renew_token", "dynamodb", "BatchGetItem", "AppsTable"),
    "renew: redemption": ("renew_token", "dynamodb", "TransactWriteItems", ""),
    "serve: bundle": ("serve_policy", "dynamodb", "Query", "TrustBundlesTable"),
}


# Every fault where a table is read and where a key is unwrapped; the commonest and the hardest at every step.
CASES = [
    pytest.param(step, FAULTS[fault], id=f"{name}, {fault}")
    for name, step in STEPS.items()
    for fault in FAULTS
    if name in ("renew: key", "appraise: unwrapping", "appraise: redemption") or fault in ("throttled", "unreachable")
]


@pytest.mark.parametrize(("step", "fault"), CASES)
def test_fault_at_a_step_is_try_later_and_consumes_nothing(
    stack: Stack, step: tuple[str, str, str, str], fault: Fault
) -> None:
    """503 and no token; when it is over, the very same request succeeds, so its nonce was kept."""
    name, service, operation, table = step
    event = {
        "issue_challenge": lambda: rest_event("POST", "/v1/challenges", {"app": APP}),
        "appraise_evidence": lambda: stack.attestation(new_installation()),
        "renew_token": lambda: stack.renewal(),
        "serve_policy": lambda: rest_event("GET", "/v1/trust-bundle"),
    }[name]()
    counts = counted(stack)
    handler = stack.cold(name)
    client = aws.kms() if service == "kms" else aws.dynamodb()
    with injected(client, operation, fault, table=table) as seen:
        answer = handler(event, None)
    assert seen, "the fault never happened"
    # Of each thing that is asked for; keys of detectors are read beside, and no request waits for them.
    assert max(Counter(seen).values()) <= 3, "more attempts than a request can wait for"
    assert (answer["statusCode"], slug_of(answer)) == (503, "try-later")
    assert answer["headers"]["Retry-After"]
    assert "token" not in json_of(answer)
    assert counted(stack) == counts
    assert stack.cold(name)(event, None)["statusCode"] in (200, 201)


def counted(stack: Stack) -> tuple[int, ...]:
    tables = [stack.world.tables[name] for name in ("nonces", "attested_keys")]
    return tuple(stack.world.dynamodb.scan(TableName=table, Select="COUNT")["Count"] for table in tables)


@pytest.mark.parametrize(
    "step",
    [
        ("dynamodb", "Scan", "SigningKeysTable"),
        ("dynamodb", "Query", "TrustBundlesTable"),
        ("dynamodb", "PutItem", "TrustBundlesTable"),
        ("dynamodb", "TransactWriteItems", ""),
        ("kms", "Encrypt", ""),
        ("kms", "Sign", ""),
        ("kms", "GetPublicKey", ""),
    ],
    ids=lambda step: step[1],
)
def test_rotation_that_fails_tells_cloudformation(
    ministack: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch, step: tuple[str, str, str]
) -> None:
    """The first rotation of a stack fails at each step: FAILED is answered, and the next run finishes the work."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    module, sent = function(ministack, "rotate_signing_key"), []
    monkeypatch.setattr("service.edge.custom_resource._put", lambda url, body: sent.append((url, body)))
    event = {
        "RequestType": "Create",
        "ResponseURL": "https://cloudformation.example/answer",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "FirstSigningKey",
    }
    service, operation, table = step
    with injected(aws.kms() if service == "kms" else aws.dynamodb(), operation, FAULTS["failing"], table=table) as seen:
        assert module.handler(event, None)["Status"] == "FAILED"
    assert seen
    assert len(sent) == 1
    answer = module.handler(event, None)
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Kids"] == ["token-1"]
    active = {key.kid: key.active_from for key in ministack.signing_keys.all()}
    assert active.keys() == {"token-1", "challenge-1"}
    assert None not in active.values()
