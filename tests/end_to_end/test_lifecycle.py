"""What a stack leaves behind and what it waits for: by the template, as SAM translates it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.template import read_template
from tests.sam_translator import Deployment, translate

TEMPLATE = read_template(Layout.of_this_project().template)
WORTHLESS_ALONE = {"NoncesTable", "EndorsementsTable", "PlayRequestsTable", "TalliesTable", "DetectorStateTable"}
"""Tables whose rows are of no use without the stack."""
FILLED = {"EdgeBucket"}
"""What the stack's own creation fills: a bucket with objects is not deleted, and would stop a rollback."""


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in TEMPLATE["Resources"].items() if one["Type"] == kind}


@pytest.fixture(scope="module")
def translated() -> dict[str, dict[str, Any]]:
    (template,) = translate([Deployment(TEMPLATE)])
    resources: dict[str, dict[str, Any]] = template["Resources"]
    return resources


def test_deleted_stack_leaves_its_data_and_keys_behind() -> None:
    """The failure: the root key, which every relying party pins, goes with a stack that was deleted by mistake. A
    create that fails leaves nothing: the next one would stand beside it."""
    kept = {**of_type("AWS::DynamoDB::Table"), **of_type("AWS::KMS::Key"), **of_type("AWS::S3::Bucket")}
    assert kept.keys() > {"RootKey", "WrappingKey", "AuditTable", "AttestedKeysTable", *WORTHLESS_ALONE}
    for name, resource in kept.items():
        policy = "Delete" if name in WORTHLESS_ALONE else "Retain" if name in FILLED else "RetainExceptOnCreate"
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (policy, "Retain"), name


def test_no_table_stops_a_deletion_or_a_rollback_half_way() -> None:
    """The failure: a first create that fails ends in ROLLBACK_FAILED, and a stack that is deleted loses its functions
    and keys before the first table refuses."""
    for name, table in of_type("AWS::DynamoDB::Table").items():
        assert "DeletionProtectionEnabled" not in table["Properties"], name
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": True}, name


def test_log_groups_outlive_their_stack_and_never_stop_its_next_one() -> None:
    """They have no names of their own: CloudFormation makes one up for each, so the next stack of the name meets none
    that an earlier one left, or that a late line made anew. The ids of earlier releases stay: a group whose resource is
    gone from the template is deleted, one that gets another name is kept."""
    groups = of_type("AWS::Logs::LogGroup")
    assert groups.keys() >= {"VerifierLogs", "GuardLogs", "AccessLogs"}
    for name, group in groups.items():
        assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain"), name
        assert group["Properties"] == {"RetentionInDays": {"Ref": "LogRetentionDays"}}, name


def test_every_subscription_has_a_place_in_its_group() -> None:
    """A group takes two: the archive has one where decisions are, what counts them may have the other."""
    subscriptions = [one["Properties"] for one in of_type("AWS::Logs::SubscriptionFilter").values()]
    groups = [str(one["LogGroupName"]) for one in subscriptions]
    assert max(map(groups.count, groups)) <= 2
    archive = {"Fn::GetAtt": ["DecisionStream", "Arn"]}
    found = [one["LogGroupName"]["Ref"] for one in subscriptions if one["DestinationArn"] == archive]
    assert sorted(found) == ["ReleaseSecretsLogs", "RenewTokenLogs", "ReportSignalLogs", "VerifierLogs"]
    named = TEMPLATE["Outputs"]["DecisionLogGroups"]["Value"]["Fn::Join"]
    assert named == [
        ",",
        [{"Ref": name} for name in ("VerifierLogs", "RenewTokenLogs", "ReportSignalLogs", "ReleaseSecretsLogs")],
    ]


def test_accounts_log_role_is_never_taken_away() -> None:
    """It is one for all stacks of the account."""
    for name in ("ApiGatewayLogRole", "ApiGatewayAccount"):
        resource = TEMPLATE["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_every_stage_waits_for_the_accounts_log_role(translated: dict[str, dict[str, Any]]) -> None:
    """The failure, in a fresh account: "CloudWatch Logs role ARN must be set in account settings to enable logging"."""
    stages = [name for name, one in translated.items() if one["Type"] == "AWS::ApiGateway::Stage"]
    assert len(stages) == 2
    for name in stages:
        assert "ApiGatewayAccount" in set(named(translated[name])), name


def named(value: object) -> Iterator[str]:
    """The logical ids that a part of a template refers to."""
    if isinstance(value, Mapping):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        if isinstance(value.get("Fn::GetAtt"), list):
            yield value["Fn::GetAtt"][0]
        for member in value.values():
            yield from named(member)
    elif isinstance(value, list):
        for member in value:
            yield from named(member)


def test_access_logs_go_to_the_group_whoever_manages_the_role() -> None:
    """What is named beside the group is there for the order alone."""
    condition, managed, other = TEMPLATE["Globals"]["Api"]["AccessLogSetting"]["DestinationArn"]["Fn::If"]
    group = {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    assert (condition, managed, other) == (
        "ApiGatewayLogRoleManaged",
        {"Fn::Select": [0, [group, {"Ref": "ApiGatewayAccount"}]]},
        group,
    )


def test_versions_that_nothing_points_to_go(translated: dict[str, dict[str, Any]]) -> None:
    """The snapshot of each costs as long as it exists. The alias has left it by then."""
    versions = [one for one in translated.values() if one["Type"] == "AWS::Lambda::Version"]
    assert len(versions) == 8
    assert all(version["DeletionPolicy"] == "Delete" for version in versions)


def test_backups_are_of_every_table_that_must_stay() -> None:
    """And their role can read those alone."""
    kept = {name for name, one in of_type("AWS::DynamoDB::Table").items() if one["DeletionPolicy"] != "Delete"}
    wanted = [TEMPLATE["Outputs"][f"{name}Arn"]["Value"] for name in kept]
    selected = TEMPLATE["Resources"]["BackupSelection"]["Properties"]["BackupSelection"]["Resources"]
    (policy,) = TEMPLATE["Resources"]["BackupRole"]["Properties"]["Policies"]
    for found in (selected, policy["PolicyDocument"]["Statement"][0]["Resource"]):
        assert len(found) == len(wanted)
        assert all(arn in found for arn in wanted)
