"""What ministack's CloudFormation leaves out of the template: put right where a test needs it, reported otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template

UNRENDERED = "$context.authorizer"
"""What is left in an answer: ministack has no authorizer context in gateway responses; API Gateway has."""

_RESPONSES = "x-amazon-apigateway-gateway-responses"


def restore_gateway_responses(
    *, cloudformation: Any, apigateway: Any, stack_name: str, parameters: Mapping[str, str], stage: str
) -> None:
    """Give each REST API the gateway responses of its OpenAPI body, which ministack does not import.

    They are taken from the template as SAM translated it, so the translation is under test too.
    """
    body = cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")["TemplateBody"]
    processed = body if isinstance(body, Mapping) else json.loads(body)
    declared = {name: str(entry.get("Default", "")) for name, entry in processed.get("Parameters", {}).items()}
    template = Template(processed, {**declared, **parameters}, pseudo_parameters(stack_name))
    ids = physical_ids(cloudformation, stack_name)
    for logical_id in template.resources("AWS::ApiGateway::RestApi"):
        responses = template.resolve(processed["Resources"][logical_id]["Properties"]["Body"].get(_RESPONSES, {}))
        for kind, response in responses.items():
            apigateway.put_gateway_response(
                restApiId=ids[logical_id],
                responseType=kind,
                statusCode=str(response["statusCode"]),
                responseParameters=response.get("responseParameters", {}),
                responseTemplates=response.get("responseTemplates", {}),
            )
        apigateway.create_deployment(restApiId=ids[logical_id], stageName=stage)


def physical_ids(cloudformation: Any, stack_name: str) -> dict[str, str]:
    """Physical ids of a stack's resources, by logical id."""
    resources = cloudformation.describe_stack_resources(StackName=stack_name)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def dropped_settings(
    *, dynamodb: Any, apigateway: Any, outputs: Mapping[str, str], api_id: str, stage: str
) -> list[str]:
    """What the template asks for and the deployed stack does not have; nothing here changes what the functions do."""
    table = outputs["NoncesTableName"]
    time_to_live = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    found = {
        "time to live of tables": time_to_live["TimeToLiveStatus"] == "ENABLED",
        "point-in-time recovery of tables": (
            backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
        ),
        "encryption of tables": "SSEDescription" in dynamodb.describe_table(TableName=table)["Table"],
        "access logs of API stages": bool(
            apigateway.get_stage(restApiId=api_id, stageName=stage).get("accessLogSettings")
        ),
    }
    return [setting for setting, is_there in found.items() if not is_there]
