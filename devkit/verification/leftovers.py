"""What a deleted stack leaves behind by design, and how it is removed in the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from botocore.exceptions import ClientError

_STAY: Final = ("RetainExceptOnCreate", "Retain")
_WAITING_DAYS: Final = 7

Aws = Callable[[str], Any]
"""A client of the account, by service."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Physical ids of what stays. API Gateway's log role and setting are the account's, and not among it."""

    tables: tuple[str, ...]
    keys: tuple[str, ...]
    buckets: tuple[str, ...]
    log_groups: tuple[str, ...]

    @classmethod
    def of(cls, aws: Aws, stack: str, template: Mapping[str, Any]) -> Leftovers:
        """What of a stack that is deployed will stay, by its template."""
        resources = aws("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        declared = template["Resources"]

        def of_type(kind: str) -> tuple[str, ...]:
            return tuple(
                one["PhysicalResourceId"]
                for one in resources
                if one["ResourceType"] == kind
                and declared.get(one["LogicalResourceId"], {}).get("DeletionPolicy") in _STAY
            )

        return cls(
            tables=of_type("AWS::DynamoDB::Table"),
            keys=of_type("AWS::KMS::Key"),
            buckets=of_type("AWS::S3::Bucket"),
            log_groups=of_type("AWS::Logs::LogGroup"),
        )

    def with_table(self, table: str) -> Leftovers:
        """The same and a table that the stack was given."""
        return replace(self, tables=(*self.tables, table))

    @property
    def named(self) -> str:
        """How much of what, for a person."""
        return (
            f"{len(self.tables)} tables, {len(self.keys)} keys, {len(self.buckets)} buckets, "
            f"{len(self.log_groups)} log groups"
        )

    def lost(self, aws: Aws) -> list[str]:
        """What is not there any more."""
        groups = {
            one["logGroupName"]
            for page in aws("logs").get_paginator("describe_log_groups").paginate()
            for one in page["logGroups"]
        }
        lost = [name for name in self.log_groups if name not in groups]
        lost += [
            name for name in self.tables if not _there(lambda n: aws("dynamodb").describe_table(TableName=n), name)
        ]
        lost += [name for name in self.buckets if not _there(lambda n: aws("s3").head_bucket(Bucket=n), name)]
        states = {key: aws("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in self.keys}
        return lost + [key for key, state in states.items() if state != "Enabled"]

    def purge(self, aws: Aws) -> str:
        """Remove all of it. Keys wait for a week, in which `aws kms cancel-key-deletion` brings them back."""
        for table in self.tables:
            aws("dynamodb").delete_table(TableName=table)
        for bucket in self.buckets:
            pages = aws("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for key in [one["Key"] for page in pages for one in page.get("Contents", [])]:
                aws("s3").delete_object(Bucket=bucket, Key=key)
            aws("s3").delete_bucket(Bucket=bucket)
        for group in self.log_groups:
            aws("logs").delete_log_group(logGroupName=group)
        for key in self.keys:
            aws("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=_WAITING_DAYS)
        return f"all but the keys, which are deleted in {_WAITING_DAYS} days"


def _there(look: Callable[[str], object], name: str) -> bool:
    try:
        look(name)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (400, 404):
            return False
        raise
    return True
