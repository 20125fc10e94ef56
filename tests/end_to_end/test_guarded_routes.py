"""Routes that ask for more than a proof, through the whole local stack: once across processes, and with our nonce."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import make_attestation_pop, make_proof

from bonafide.operator.deployment import local_stack
from bonafide.operator.layout import Layout
from bonafide.operator.local_account import client_arguments
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer
from devkit.fleet.run import make_scene, register_apps, wake
from devkit.stack.stack import LocalStack
from tests.stack_ports import own_ports

pytestmark = pytest.mark.long

PATH = "/v1/whoami"
ROUTES = [["GET", PATH, "proof"], ["POST", PATH, "proof-once", "affirming"], ["*", "/*", "proof"]]
RACERS = 12


class Caller:
    """A device of the stack that makes its proofs by hand."""

    def __init__(self, stack: LocalStack) -> None:
        deployment = local_stack(stack.layout)
        register_apps(deployment)
        scene = make_scene(deployment, DeviceAuthority.load(stack.layout.authority))
        wake(scene)
        self.stack = stack
        self.api = scene.client
        self.device, self.token = scene.token()

    def proof(self, method: str, nonce: str | None = None) -> str:
        return make_proof(
            self.device.request_key,
            method=method,
            url=self.api.guarded_url + PATH,
            token=self.token,
            jti=secrets.token_urlsafe(16),
            now=time.time(),
            nonce=nonce,
        )

    def call(self, method: str, proof: str) -> Answer:
        return self.api.call(method, PATH, token=self.token, proof=proof)

    def nonce(self) -> str:
        """The nonce that a refusal gives."""
        return self.call("GET", self.proof("GET")).headers["dpop-nonce"]


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A stack of its own that lets routes ask for proof-once and asks for nonces."""
    layout = Layout(Layout.of_this_project().root, tmp_path_factory.mktemp("guarded"))
    parameters = {
        "EnableProofOnce": "true",
        "ProofNonce": "require",
        "ProofNonceKey": b64url_encode(secrets.token_bytes(32)),
        "GuardedApiRoutes": json.dumps(ROUTES),
    }
    with LocalStack(layout=layout, ports=own_ports(), parameters=parameters) as running:
        yield Caller(running)


def rows(caller: Caller) -> list[str]:
    dynamodb: Any = boto3.client("dynamodb", **client_arguments(caller.stack.aws_endpoint_url))
    found = dynamodb.scan(TableName=caller.stack.facts["tables"]["nonces"])["Items"]
    return [row["nonce"]["S"] for row in found if row["nonce"]["S"].startswith("proof.")]


def test_proof_without_a_nonce_is_refused_with_the_nonce_to_use(caller: Caller) -> None:
    """RFC 9449 §9 as a client sees it: 401, use_dpop_nonce, DPoP-Nonce; and the second try passes."""
    refused = caller.call("GET", caller.proof("GET"))
    assert refused.status == 401
    assert 'error="use_dpop_nonce"' in refused.headers["www-authenticate"]
    assert refused.headers["dpop-nonce"] == refused.headers["oauth-client-attestation-challenge"]
    answer = caller.call("GET", caller.proof("GET", refused.headers["dpop-nonce"]))
    assert answer.status == 200
    assert answer.text("dpop_nonce")


def test_one_proof_raced_across_workers_passes_exactly_once(caller: Caller) -> None:
    """Each worker has a memory of its own; the table is shared."""
    proof, before = caller.proof("POST", caller.nonce()), len(rows(caller))
    with ThreadPoolExecutor(RACERS) as racers:
        statuses = Counter(answer.status for answer in racers.map(lambda _: caller.call("POST", proof), range(RACERS)))
    assert statuses == {200: 1, 401: RACERS - 1}
    assert len(rows(caller)) == before + 1


def test_route_that_asks_for_a_proof_only_writes_nothing(caller: Caller) -> None:
    """The write is for routes that ask for it."""
    before = rows(caller)
    assert caller.call("GET", caller.proof("GET", caller.nonce())).status == 200
    assert rows(caller) == before


def test_attestation_pop_passes_through_the_stack(caller: Caller) -> None:
    """The draft's own header, with the challenge of the refusal before."""
    pop = make_attestation_pop(
        caller.device.request_key,
        audience=caller.stack.facts["audience"],
        jti=secrets.token_urlsafe(16),
        now=time.time(),
        challenge=caller.nonce(),
    )
    headers = {"OAuth-Client-Attestation": caller.token, "OAuth-Client-Attestation-PoP": pop}
    answer = caller.api.send("GET", caller.api.guarded_url + PATH, headers=headers)
    assert answer.status == 200
