"""One test stage in this process, and who works with it: an operator, devices with passes, a CI system."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from bonafide_tokens.jose import b64url_decode
from cryptography.hazmat.primitives.asymmetric import ec
from service.passes.administered import AdministeredPasses
from service.passes.ci_keys import CiKeys
from service.passes.rows import PassRows
from service.passes.stage import StagePasses
from service.redemption import DynamoDBRedemption
from service.tables.attested_keys import DynamoDBAttestedKeys
from service.tables.audit import DynamoDBAudit
from service.tables.nonces import DynamoDBNonces

from bonafide.operator.registration import Registration
from devkit.devices.pass_installation import PassInstallation
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, ISSUER, MemoryStack
from tests.service_stack.worlds import AwsWorld, moto_world
from tests.unit.passes.ci_system import CiSystem

STAGE = "dev"
PASSES = f"/admin/apps/{APP}/test-passes"
Lines = Callable[[], list[dict[str, Any]]]


@dataclass
class Stage:
    """One test stage and who works with it."""

    stack: MemoryStack
    admin: AdminWorld
    world: AwsWorld
    ci: CiSystem

    def device(self, build: str = "7", app: str = APP) -> PassInstallation:
        key = ec.generate_private_key(ec.SECP256R1())
        return PassInstallation(app=app, of_platform="android", build=build, request_key=key)

    def mint(self, device: PassInstallation, **asked: Any) -> dict[str, Any]:
        body = {"request_key": device.request_public_key.to_jwk(), "platform": "android", **asked}
        minted = self.admin.call("POST", f"/admin/apps/{device.app}/test-passes", body)
        device.shown = ("pass", minted["pass"])
        return minted

    def enrol(self, device: PassInstallation) -> tuple[int, dict[str, Any]]:
        body = device.attestation_body(device.client_data(self.stack.challenge(device.app)))
        answer = self.stack.send("POST", "/v1/attestations", body)
        return answer["statusCode"], json_of(answer)

    def renew(self, device: PassInstallation, **said: Any) -> tuple[int, dict[str, Any]]:
        body = device.renewal_body(device.client_data(self.stack.challenge(device.app), **said))
        answer = self.stack.send("POST", "/v1/tokens", body)
        return answer["statusCode"], json_of(answer)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with moto_world() as world:
        world.register(
            Registration(app=APP, android_packages=("org.example.demo",), android_signing_digests=("ab" * 32,))
        )
        stack, ci = MemoryStack(), CiSystem()
        rows = PassRows(world.dynamodb, world.tables["attested_keys"])
        passes = StagePasses((stack.root_key.public_key(),), ISSUER, STAGE, rows, CiKeys(ci.fetch))
        administered = AdministeredPasses(
            rows, DynamoDBAudit(world.dynamodb, world.tables["audit"]), stack.root_key, ISSUER, STAGE
        )
        stack.passes = passes
        keys = DynamoDBAttestedKeys(world.dynamodb, world.tables["attested_keys"])
        stack.attested_keys = keys  # type: ignore[assignment]  # rows of passes and keys in one table
        stack.redemption = DynamoDBRedemption(  # type: ignore[assignment]
            world.dynamodb, DynamoDBNonces(world.dynamodb, world.tables["nonces"]), keys, passes=passes
        )
        stack.restart()
        admin = admin_world(world, passes=administered)
        admin.clock = lambda: stack.now
        yield Stage(stack, admin, world, ci)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(b64url_decode(token.split(".")[1]))
    return claims


def reason_of(lines: Lines) -> str:
    (decision,) = [line for line in lines() if line.get("message") == "decision"]
    return str(decision["reason"])
