"""`make deploy`, the very target, for every stage of samconfig.toml, onto the AWS stand-in; in a folder with a space.

Run by `make deploy-stages`; it builds and deploys four times, which takes minutes.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bonafide.operator.local_account import client_arguments
from devkit.local.aws import running_ministack
from devkit.local.ministack_gaps import physical_ids
from devkit.local.template import read_template
from devkit.stack.deploy_stage import stages
from devkit.stack.stand_in import LEFT_OUT
from tests.deployment.making import ARCHITECTURE, PROJECT, copied_checkout, make, replaced

pytestmark = pytest.mark.deploy

STAGES = stages(PROJECT.root / "samconfig.toml")
ISSUE_CHALLENGE = "functions/issue_challenge/issue_challenge.py"
ANSWER = '{"challenge": challenge, "expires_in": lifetime}'
PROBLEMS = "layers/service/src/service/edge/problems.py"
TITLE = "The request cannot be read."
ORIGIN = "https://app.example"
DECLARED = read_template(PROJECT.template)["Resources"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_checkout(tmp_path_factory.mktemp("a team"))


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with running_ministack() as endpoint:
        yield endpoint


def deploy(checkout: Path, endpoint: str, stage: str) -> str:
    ended = make(checkout, endpoint, "deploy", f"STAGE={stage}", f"ARCHITECTURE={ARCHITECTURE}", "CONFIRM=no")
    assert ended.returncode == 0, reasons(endpoint, stage) + ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout


def reasons(endpoint: str, stage: str) -> str:
    """What CloudFormation says failed: a rollback buries it under the events of its deletions."""
    try:
        events = client("cloudformation", endpoint, stage).describe_stack_events(StackName=STAGES[stage].stack_name)
    except ClientError as error:
        return f"{error}\n"
    failed = [one for one in events["StackEvents"] if one["ResourceStatus"].endswith("_FAILED")]
    return "".join(f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '')}\n" for one in failed)


def client(service: str, endpoint: str, stage: str) -> Any:
    return boto3.client(service, **client_arguments(endpoint, STAGES[stage].region))  # type: ignore[call-overload]


def challenge(endpoint: str, stage: str) -> dict[str, Any]:
    """What the deployed verifier API answers to `POST /v1/challenges`."""
    api = physical_ids(client("cloudformation", endpoint, stage), STAGES[stage].stack_name)["VerifierApi"]
    request = urllib.request.Request(
        f"{endpoint}/_aws/execute-api/{api}/{stage}/v1/challenges",
        data=b'{"app":"demo"}',
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def test_there_are_stages() -> None:
    """A test over no stage would always hold."""
    assert set(STAGES) >= {"dev", "staging", "prod"}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_deployed_as_samconfig_says(checkout: Path, aws: str, stage: str) -> None:
    """The failures: no stage at all (the file is looked for beside the built template), or prod with dev's parameters
    (what is given beside the file's list takes the list's place)."""
    told = deploy(checkout, aws, stage)
    assert f"{stage}: stack bonafide-{stage} in {STAGES[stage].region}" in told
    assert "Preflight: " in told
    off = "Canary: off (EnableCanary=false)" if stage == "dev" else "Canary: off, since this stand-in"
    assert off in told
    assert f"bonafide-{stage} is deployed." in told
    assert f"with --stack bonafide-{stage}" in told
    cloudformation = client("cloudformation", aws, stage)
    (stack,) = cloudformation.describe_stacks(StackName=f"bonafide-{stage}")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    found = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    declared = read_template(PROJECT.template)["Parameters"]
    wanted = {name: str(one["Default"]) for name, one in declared.items() if not one.get("NoEcho")}
    wanted |= {**STAGES[stage].parameters, "Architecture": ARCHITECTURE, **LEFT_OUT, "EnableCanary": "false"}
    assert {name: found[name] for name in wanted} == wanted
    assert found["Stage"] == stage
    assert stack["EnableTerminationProtection"] is (stage != "dev")
    assert {tag["Key"]: tag["Value"] for tag in stack["Tags"]} == {"project": "bonafide", "stage": stage}
    ids = physical_ids(cloudformation, f"bonafide-{stage}")
    pages = client("logs", aws, stage).get_paginator("describe_log_groups").paginate()
    kept = {group["logGroupName"]: group.get("retentionInDays") for page in pages for group in page["logGroups"]}
    groups = [ids[name] for name, one in DECLARED.items() if one["Type"] == "AWS::Logs::LogGroup" and name in ids]
    assert len(groups) > 8
    assert {kept[group] for group in groups} == {int(wanted["LogRetentionDays"])}
    assert ("GuardedApi" in ids) is (wanted["EnableGuardedApi"] == "true")
    names = [
        one["stageName"] for one in client("apigateway", aws, stage).get_stages(restApiId=ids["VerifierApi"])["item"]
    ]
    assert names == [stage]
    assert challenge(aws, stage)["challenge"]


def refused_attestation(endpoint: str, stage: str) -> tuple[str, str | None]:
    """Title and allowed origin of what the deployed API answers to nonsense. The function runs behind an alias."""
    api = physical_ids(client("cloudformation", endpoint, stage), STAGES[stage].stack_name)["VerifierApi"]
    request = urllib.request.Request(f"{endpoint}/_aws/execute-api/{api}/{stage}/v1/attestations", data=b"{")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=60)
    with refusal.value as answer:
        return str(json.load(answer)["title"]), answer.headers["Access-Control-Allow-Origin"]


def test_changes_answer_after_the_next_deploy_and_the_stack_can_be_deleted(checkout: Path, aws: str) -> None:
    """Three steps of one life: deploy; change a function, a layer and a parameter; delete. What the template says is
    kept is there afterwards."""
    deploy(checkout, aws, "dev")
    assert "release" not in challenge(aws, "dev")
    assert refused_attestation(aws, "dev") == (TITLE, "*")
    with ExitStack() as back:
        back.callback(replaced(checkout / ISSUE_CHALLENGE, ANSWER, ANSWER.replace("}", ', "release": "second"}')))
        back.callback(replaced(checkout / PROBLEMS, f'400, "{TITLE}"', '400, "Cannot be read."'))
        back.callback(
            replaced(checkout / "samconfig.toml", '"Stage=dev", ', f'"Stage=dev", "AllowedOrigin={ORIGIN}", ')
        )
        deploy(checkout, aws, "dev")
    assert challenge(aws, "dev")["release"] == "second"
    assert refused_attestation(aws, "dev") == ("Cannot be read.", ORIGIN)
    cloudformation = client("cloudformation", aws, "dev")
    kept = kept_ids(cloudformation, "bonafide-dev")
    cloudformation.delete_stack(StackName="bonafide-dev")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="bonafide-dev", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    with pytest.raises((urllib.error.HTTPError, KeyError, cloudformation.exceptions.ClientError)):
        challenge(aws, "dev")
    tables = set(client("dynamodb", aws, "dev").list_tables()["TableNames"])
    assert kept["AWS::DynamoDB::Table"] <= tables
    pages = client("logs", aws, "dev").get_paginator("describe_log_groups").paginate()
    assert kept["AWS::Logs::LogGroup"] <= {group["logGroupName"] for page in pages for group in page["logGroups"]}
    for key in kept["AWS::KMS::Key"]:
        assert client("kms", aws, "dev").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def kept_ids(cloudformation: Any, stack: str) -> dict[str, set[str]]:
    """Physical ids of the tables, keys and log groups that the template says a deleted stack leaves behind, by type."""
    ids = physical_ids(cloudformation, stack)
    kept: dict[str, set[str]] = {f"AWS::{kind}": set() for kind in ("DynamoDB::Table", "KMS::Key", "Logs::LogGroup")}
    for name, one in DECLARED.items():
        if one["Type"] in kept and one["DeletionPolicy"] == "RetainExceptOnCreate" and name in ids:
            kept[one["Type"]].add(ids[name])
    assert all(kept.values())
    return kept


def test_stage_that_is_not_there_is_said_before_anything_is_built(checkout: Path) -> None:
    """With the ones that are."""
    shutil.rmtree(checkout / ".aws-sam", ignore_errors=True)
    ended = make(checkout, "http://127.0.0.1:9", "deploy", "STAGE=qa")
    assert ended.returncode != 0
    assert "There is no stage 'qa' in samconfig.toml. There are: dev, staging, prod." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (checkout / ".aws-sam").exists()


def test_production_asks_and_says_how_machines_answer(checkout: Path) -> None:
    """There is no terminal: better said at once than after the build."""
    shutil.rmtree(checkout / ".aws-sam", ignore_errors=True)
    ended = make(checkout, "http://127.0.0.1:9", "deploy", "STAGE=prod")
    assert ended.returncode != 0
    assert "CONFIRM=no" in ended.stderr
    assert not (checkout / ".aws-sam").exists()
