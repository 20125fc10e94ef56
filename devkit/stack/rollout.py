"""Rolling out: whether new versions can get a tenth of the traffic first, and why a deployment was taken back.

CloudFormation says of a canary that failed no more than that an alias could not be updated. What a person needs is with
CodeDeploy (which alarm, or that the check said no) and in the log of the check (which function did what).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PARAMETER: Final = "EnableCanary"
CONFIGURATION: Final = "CodeDeployDefault.LambdaCanary10Percent5Minutes"
REFUSED: Final = "new version refused"
"""The message of the check's log line that says why."""

_CHECKS: Final = ("CheckVerifierLogs", "CheckAuthorizerLogs")
_CONFIG: Final = Config(connect_timeout=3, read_timeout=10, retries={"max_attempts": 2})
_FOLLOWS: Final = ("cancelled", "The following resource(s) failed")
"""What CloudFormation says of resources that failed because another one did."""


def canary(parameters: Mapping[str, str], default: str, region: str) -> tuple[dict[str, str], str]:
    """Parameters to add to a stage's own, and a sentence for the operator.

    Only a stand-in for AWS is asked whether it has CodeDeploy. On AWS, a canary that is wanted is never left out
    because something could not be reached.
    """
    if parameters.get(PARAMETER, default) != "true":
        return {}, f"Canary: off ({PARAMETER}=false). New versions get all the traffic at once."
    if "AWS_ENDPOINT_URL" not in os.environ and "AWS_ENDPOINT_URL_CODEDEPLOY" not in os.environ:
        return {}, "Canary: new versions are checked, then get 10 % of the traffic for 5 minutes."
    try:
        client = boto3.client("codedeploy", region_name=region, config=_CONFIG)
        client.get_deployment_config(deploymentConfigName=CONFIGURATION)
    except (BotoCoreError, ClientError):
        return {PARAMETER: "false"}, "Canary: off, since this stand-in for AWS has no CodeDeploy."
    return {}, "Canary: new versions are checked, then get 10 % of the traffic for 5 minutes."


def reasons(stack: str, region: str, since: float) -> Iterator[str]:
    """Why a deployment that began at ``since`` (Unix seconds) failed, a sentence each; never raises."""

    def client(service: str) -> Any:
        return boto3.client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload]

    for look in (_failed_resources, _failed_deployments, _failed_checks, _ringing_alarms):
        try:
            yield from look(client, stack, since)
        except (BotoCoreError, ClientError, ValueError) as error:
            yield f"  (could not be read: {error})"


def _failed_resources(client: Callable[[str], Any], stack: str, since: float) -> Iterator[str]:
    events = client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    failed = []
    for event in (one for page in events for one in page["StackEvents"]):
        if event["Timestamp"].timestamp() < since:
            break
        reason = str(event.get("ResourceStatusReason", ""))
        if event["ResourceStatus"].endswith("_FAILED") and not any(text in reason for text in _FOLLOWS):
            failed.append(f"  {event['LogicalResourceId']}: {reason}")
    yield from reversed(failed)


def _resources(client: Callable[[str], Any], stack: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return found


def _failed_deployments(client: Callable[[str], Any], stack: str, since: float) -> Iterator[str]:
    resources = _resources(client, stack)
    kinds = {one["ResourceType"]: str(one.get("PhysicalResourceId", "")) for one in resources}
    application = kinds.get("AWS::CodeDeploy::Application")
    if not application:
        return
    code_deploy = client("codedeploy")
    for one in resources:
        if one["ResourceType"] == "AWS::CodeDeploy::DeploymentGroup":
            found = code_deploy.list_deployments(
                applicationName=application,
                deploymentGroupName=one["PhysicalResourceId"],
                includeOnlyStatuses=["Failed", "Stopped"],
                createTimeRange={"start": datetime.fromtimestamp(since, UTC)},
            )
            for deployment in found.get("deployments", []):
                said = code_deploy.get_deployment(deploymentId=deployment)["deploymentInfo"].get("errorInformation", {})
                name = one["LogicalResourceId"].removesuffix("DeploymentGroup")
                yield f"  {name}, CodeDeploy {deployment}: {said.get('code', 'failed')}: {said.get('message', '')}"


def _failed_checks(client: Callable[[str], Any], stack: str, since: float) -> Iterator[str]:
    groups = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in _resources(client, stack)}
    for name in _CHECKS:
        if name in groups:
            found = client("logs").filter_log_events(
                logGroupName=groups[name], startTime=int(since * 1000), filterPattern=f'"{REFUSED}"'
            )
            lines = [_line(event["message"]) for event in found.get("events", [])]
            refused = [str(line.get("failed")) for line in lines if line.get("message") == REFUSED]
            yield from (f"  Check of the new versions: {sentence}" for sentence in dict.fromkeys(refused))


def _line(text: str) -> Mapping[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _ringing_alarms(client: Callable[[str], Any], stack: str, _since: float) -> Iterator[str]:
    names = {
        one["PhysicalResourceId"]: one["LogicalResourceId"]
        for one in _resources(client, stack)
        if one["ResourceType"] == "AWS::CloudWatch::Alarm"
    }
    if not names:
        return
    found = client("cloudwatch").describe_alarms(AlarmNames=list(names)[:100], StateValue="ALARM")
    for alarm in found.get("MetricAlarms", []):
        yield f"  Alarm that rings: {names.get(alarm['AlarmName'], alarm['AlarmName'])} (docs/runbooks/alarms.md)"
