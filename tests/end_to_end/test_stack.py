"""The project's own stack, as it comes up from the template."""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3
import psutil
import pytest

from bonafide.operator.layout import Layout
from bonafide.operator.local_account import client_arguments
from devkit.devices.client import ApiClient
from devkit.local.provision import TABLES
from devkit.local.template import read_template
from devkit.stack.stack import LocalStack


def client_of(stack: LocalStack) -> ApiClient:
    return ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.guarded_url)


def aws(stack: LocalStack, service: str) -> Any:
    return boto3.client(service, **client_arguments(stack.aws_endpoint_url))  # type: ignore[call-overload]


def template_properties(logical_id: str) -> dict[str, Any]:
    data = read_template(Layout.of_this_project().template)
    return dict(data["Resources"][logical_id]["Properties"])


def test_stack_file_says_where_things_are(stack: LocalStack) -> None:
    """What `.local/stack.json` promises is there."""
    facts = json.loads(stack.layout.stack_file.read_text(encoding="utf-8"))
    assert facts == stack.facts
    existing = aws(stack, "dynamodb").list_tables()["TableNames"]
    own = {name for name in existing if name.startswith(f"{facts['stack_name']}-")}  # an example has tables of its own
    assert set(facts["tables"].values()) == own
    assert len(base64.urlsafe_b64decode(facts["root_public_key"] + "==")) == 65
    assert facts["functions"]["RotateSigningKeyFunction"] == "RotateSigningKeyFunction"


def test_tables_are_as_the_template_defines_them(stack: LocalStack) -> None:
    """On demand, encrypted, recoverable; those that forget do so by `expires_at`."""
    dynamodb = aws(stack, "dynamodb")
    forgetful = {
        short for short, logical_id in TABLES.items() if "TimeToLiveSpecification" in template_properties(logical_id)
    }
    assert {"nonces", "attested_keys", "trust_bundles"} <= forgetful
    for short, name in stack.facts["tables"].items():
        table = dynamodb.describe_table(TableName=name)["Table"]
        assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["SSEDescription"]["Status"] == "ENABLED"
        recovery = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
        time_to_live = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert time_to_live.get("AttributeName") == ("expires_at" if short in forgetful else None)


def test_keys_are_as_the_template_defines_them(stack: LocalStack) -> None:
    """A P-256 key that signs, a symmetric key that wraps and rotates, both under an alias."""
    kms = aws(stack, "kms")
    root = kms.describe_key(KeyId=f"alias/{stack.stack_name}/root")["KeyMetadata"]
    assert (root["KeySpec"], root["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    wrapping = kms.describe_key(KeyId=f"alias/{stack.stack_name}/wrapping")["KeyMetadata"]
    assert wrapping["KeySpec"] == "SYMMETRIC_DEFAULT"
    assert kms.get_key_rotation_status(KeyId=wrapping["KeyId"])["KeyRotationEnabled"]


@pytest.mark.parametrize(
    ("guarded", "path"),
    [(False, "/nowhere"), (True, "/nowhere"), (False, "/v1/root-sets/2")],
    ids=lambda value: str(value),
)
def test_gateways_own_answers_are_problems(stack: LocalStack, guarded: bool, path: str) -> None:
    """RFC 9457 with CORS, also for a route that does not exist. Clients take 404 for a root set as "none yet"."""
    answer = client_of(stack).send("GET", (stack.guarded_url if guarded else stack.verifier_url) + path)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json["status"] == 404
    assert answer.json["instance"] == answer.headers["x-amzn-requestid"]


def test_refusal_by_the_authorizer_names_what_to_do(stack: LocalStack) -> None:
    """401 and not 403, with the challenge that the authorizer wrote and a support code."""
    answer = client_of(stack).call("GET", "/v1/whoami")
    assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"].startswith('DPoP error="invalid_client_attestation"')
    assert answer.problem == "invalid_client_attestation"
    assert answer.text("action") == "attest"
    assert len(answer.text("support_code")) == 8


def test_body_beyond_the_gateways_limit_is_a_problem(stack: LocalStack) -> None:
    """The gateway refuses it before a function sees it, in the same form."""
    answer = client_of(stack).post("/v1/attestations", b"x" * (10 * 1024 * 1024 + 1))
    assert (answer.status, answer.problem) == (413, "too-large")


def test_preflight_names_the_headers_of_the_api(stack: LocalStack) -> None:
    """A web view may send token and proof."""
    answer = client_of(stack).send("OPTIONS", f"{stack.guarded_url}/v1/whoami", headers={"Origin": "https://a.example"})
    assert answer.status == 200
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "oauth-client-attestation" in allowed
    assert "dpop" in allowed


def test_schedule_and_operator_reach_the_rotation(stack: LocalStack) -> None:
    """The hourly event of the template and an operator's request, through the Lambda endpoint."""
    client: Any = boto3.client("lambda", **client_arguments(stack.lambda_endpoint_url))
    for action in ("tick", "rotate"):
        payload = json.dumps({"action": action}).encode()
        answer = client.invoke(FunctionName="RotateSigningKeyFunction", Payload=payload)
        assert "FunctionError" not in answer
        assert json.loads(answer["Payload"].read())["RootPublicKey"] == stack.facts["root_public_key"]


def test_everything_listens_on_loopback_only(stack: LocalStack) -> None:
    """Two of the tools listen on every interface unless they are told otherwise."""
    addresses = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in _connections(process)
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
    assert json.loads(stack.layout.stack_file.read_text(encoding="utf-8"))["verifier_url"] == stack.verifier_url


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections(kind="inet"))
    except psutil.NoSuchProcess:
        return []
