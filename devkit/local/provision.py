"""Makes the template's tables and keys on the AWS stand-in, from the template's own definitions.

CloudFormation's property names differ from the API's in a few places; those are translated here, and a property that
is not known is an error, so that the local stack never leaves out silently what the template says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from bonafide.operator.local_account import ACCOUNT_ID, REGION, client_arguments
from devkit.local.template import Template, TemplateError
from devkit.local.webhook_queue import create_queues

DEFAULT_STACK_NAME = "bonafide-local"

TABLES = {
    "apps": "AppsTable",
    "builds": "BuildsTable",
    "nonces": "NoncesTable",
    "attested_keys": "AttestedKeysTable",
    "signing_keys": "SigningKeysTable",
    "fact_keys": "FactKeysTable",
    "trust_bundles": "TrustBundlesTable",
    "apis": "ApisTable",
    "revocations": "RevocationsTable",
    "policies": "PoliciesTable",
    "audit": "AuditTable",
    "endorsements": "EndorsementsTable",
    "app_secrets": "AppSecretsTable",
    "runtime_secrets": "RuntimeSecretsTable",
    "play_requests": "PlayRequestsTable",
    "receipts": "ReceiptsTable",
    "tallies": "TalliesTable",
    "detector_state": "DetectorStateTable",
    "incidents": "IncidentsTable",
    "webhooks": "WebhooksTable",
}
"""Short names of the tables, and their logical ids."""

TABLE_PROPERTIES = frozenset(
    {
        "AttributeDefinitions",
        "KeySchema",
        "BillingMode",
        "GlobalSecondaryIndexes",
        "LocalSecondaryIndexes",
        "StreamSpecification",
        "DeletionProtectionEnabled",
        "Tags",
    }
)


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What was made."""

    tables: Mapping[str, str]
    """Table names by the short names of `TABLES`."""
    root_key_id: str
    wrapping_key_id: str
    template: Template
    """The template, now knowing the physical ids of these resources."""


@dataclass(slots=True)
class SharedKms:
    """One KMS for several stacks, as multi-Region keys are one in every region: where it is, and its keys' ids and ARNs
    by logical id. The first stack makes them, the others take them."""

    endpoint_url: str
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)


def pseudo_parameters(stack_name: str = DEFAULT_STACK_NAME) -> dict[str, str]:
    """CloudFormation's pseudo parameters as the local stack has them."""
    return {
        "AWS::StackName": stack_name,
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT_ID,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{stack_name}/local",
    }


def create_tables_and_keys(
    template_path: Path,
    endpoint_url: str,
    *,
    parameters: Mapping[str, str] | None = None,
    stack_name: str = DEFAULT_STACK_NAME,
    shared_kms: SharedKms | None = None,
) -> Provisioned:
    """Create every DynamoDB table and KMS key (and alias) of a template; those keys that `shared_kms` has are taken.

    Raises:
        TemplateError: when the template uses a property that is not translated here.
    """
    template = Template.load(template_path, parameters=parameters or {}, pseudo=pseudo_parameters(stack_name))
    arguments = client_arguments(endpoint_url)
    dynamodb = boto3.client("dynamodb", **arguments)
    for logical_id in template.resources("AWS::DynamoDB::Table"):
        name = f"{stack_name}-{logical_id}"
        arn = create_table(dynamodb, name, template.properties(logical_id))
        template.physical_ids[logical_id] = name
        template.attributes[logical_id, "Arn"] = arn
    for logical_id in template.resources("AWS::IAM::Role"):  # is not made: nothing here asks IAM; key policies name it
        template.attributes[logical_id, "Arn"] = f"arn:aws:iam::{ACCOUNT_ID}:role/{stack_name}-{logical_id}"
    for logical_id in template.resources("AWS::Logs::LogGroup"):  # its events are lines of a function's log
        template.physical_ids[logical_id] = f"{stack_name}-{logical_id}"
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{stack_name}-{logical_id}:*"
        template.attributes[logical_id, "Arn"] = arn
    create_queues(template, endpoint_url, stack_name)
    for logical_id in template.resources("AWS::S3::Bucket").keys() & {"DecisionBucket"}:  # others belong to the edge
        name = template.physical_ids[logical_id] = f"{stack_name}-{logical_id}".lower()
        template.attributes[logical_id, "Arn"] = f"arn:aws:s3:::{name}"
        boto3.client("s3", **arguments).create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    kms = SharedKms(endpoint_url) if shared_kms is None else shared_kms
    client, had = boto3.client("kms", **client_arguments(kms.endpoint_url)), set(kms.keys.values())
    for logical_id in template.resources("AWS::KMS::Key"):
        if logical_id not in kms.keys:
            kms.keys[logical_id] = _create_key(client, template.properties(logical_id))
        template.physical_ids[logical_id], template.attributes[logical_id, "Arn"] = kms.keys[logical_id]
    for logical_id in template.resources("AWS::KMS::Alias"):
        alias = template.properties(logical_id)
        if alias["TargetKeyId"] not in {key_id for key_id, _arn in had}:
            client.create_alias(AliasName=alias["AliasName"], TargetKeyId=alias["TargetKeyId"])
        template.physical_ids[logical_id] = alias["AliasName"]
    return Provisioned(
        tables={short: template.physical_ids[logical_id] for short, logical_id in TABLES.items()},
        root_key_id=str(template.resolve(template.data["Outputs"]["RootKeyId"]["Value"])),
        wrapping_key_id=template.physical_ids["WrappingKey"],
        template=template,
    )


def create_table(dynamodb: Any, name: str, properties: dict[str, Any]) -> str:
    """Create one table from its CloudFormation properties; its ARN. Raises :class:`TemplateError`."""
    encryption = properties.pop("SSESpecification", None)
    recovery = properties.pop("PointInTimeRecoverySpecification", None)
    time_to_live = properties.pop("TimeToLiveSpecification", None)
    _refuse_unknown("AWS::DynamoDB::Table", set(properties) - TABLE_PROPERTIES)
    if encryption is not None:
        properties["SSESpecification"] = {"Enabled": encryption.get("SSEEnabled", True)}
    created = dynamodb.create_table(TableName=name, **properties)
    if recovery is not None:
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    if time_to_live is not None:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
    return str(created["TableDescription"]["TableArn"])


def _create_key(kms: Any, properties: dict[str, Any]) -> tuple[str, str]:
    rotation = properties.pop("EnableKeyRotation", False)
    properties.pop("PendingWindowInDays", None)  # is said when a key is deleted
    arguments = {
        name: properties.pop(name)
        for name in ("Description", "KeySpec", "KeyUsage", "MultiRegion")
        if name in properties
    }
    policy = properties.pop("KeyPolicy")
    _refuse_unknown("AWS::KMS::Key", set(properties))
    metadata = kms.create_key(Policy=json.dumps(policy), **arguments)["KeyMetadata"]
    if rotation:
        kms.enable_key_rotation(KeyId=metadata["KeyId"])
    return str(metadata["KeyId"]), str(metadata["Arn"])


def _refuse_unknown(kind: str, names: set[str]) -> None:
    if names:
        raise TemplateError(f"The local stack does not know {', '.join(sorted(names))} of {kind}.")
