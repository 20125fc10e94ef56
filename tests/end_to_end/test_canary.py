"""How new versions get their traffic: by the template, as SAM translates it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.template import read_template
from devkit.stack.deploy_stage import stages
from tests.sam_translator import Deployment, translate

PROJECT = Layout.of_this_project()
TEMPLATE = read_template(PROJECT.template)
VERIFIER = {
    *("IssueChallenge", "AppraiseEvidence", "RenewToken", "ReportSignal", "ReportFailure", "ReleaseSecrets"),
    "ServePolicy",
}
DECIDE = VERIFIER | {"AuthorizeRequest"}
"""Functions whose word decides whether a request is good."""

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def both() -> tuple[Resources, Resources]:
    """With canaries, and without."""
    made = translate([Deployment(read_template(PROJECT.template), {"EnableCanary": on}) for on in ("true", "false")])
    return made[0]["Resources"], made[1]["Resources"]


def named(value: object) -> Iterator[str]:
    """The logical ids that a part of a template refers to."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name == "Ref":
                yield str(member)
            elif name == "Fn::GetAtt":
                yield str(member[0] if isinstance(member, list) else member.split(".")[0])
            elif name == "Fn::Sub":
                text, more = (member, {}) if isinstance(member, str) else member
                yield from (piece.split("}")[0].split(".")[0] for piece in text.split("${")[1:])
                yield from named(more)
            else:
                yield from named(member)
    elif isinstance(value, list):
        for member in value:
            yield from named(member)


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: one for name, one in resources.items() if one["Type"] == kind}


def test_every_function_that_decides_gets_a_tenth_of_the_traffic_first(both: tuple[Resources, Resources]) -> None:
    """For five minutes; an alarm or a failed check takes it back."""
    groups = of_type(both[0], "AWS::CodeDeploy::DeploymentGroup")
    assert set(groups) == {f"{name}FunctionDeploymentGroup" for name in DECIDE}
    for name, group in groups.items():
        properties = group["Properties"]
        assert properties["DeploymentConfigName"] == {
            "Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": "Canary10Percent5Minutes"}]
        }
        assert properties["AutoRollbackConfiguration"]["Enabled"] is True
        assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
        alarms = [one["Name"]["Ref"] for one in properties["AlarmConfiguration"]["Alarms"]]
        assert "UnexpectedErrorAlarm" in alarms
        assert len(alarms) >= 2
        assert all(both[0][alarm]["Type"] == "AWS::CloudWatch::Alarm" for alarm in alarms), name


def test_check_runs_before_and_only_where_there_is_a_canary(both: tuple[Resources, Resources]) -> None:
    for name in DECIDE:
        side = "Verifier" if name in VERIFIER else "Authorizer"
        policy = both[0][f"{name}FunctionAliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert policy["BeforeAllowTrafficHook"]["Fn::If"][:2] == ["CanaryEnabled", {"Ref": f"Check{side}Function"}]
        assert "UpdatePolicy" not in both[1][f"{name}FunctionAliaslive"]
    assert not [name for name, one in both[1].items() if one["Type"].startswith("AWS::CodeDeploy")]
    for name in ("CheckVerifierFunction", "CheckAuthorizerFunction", "VerifierCanaryRole", "AuthorizerCanaryRole"):
        assert both[1][name]["Condition"] == "CanaryEnabled"


def test_check_is_told_the_versions_that_are_to_be_checked(both: tuple[Resources, Resources]) -> None:
    """Which also makes them before it, and it before any alias moves."""
    versions = {
        name: one["Properties"]["FunctionName"]["Ref"] for name, one in of_type(both[0], "AWS::Lambda::Version").items()
    }
    for side, functions in (("Verifier", VERIFIER), ("Authorizer", DECIDE)):
        told = both[0][f"Check{side}Function"]["Properties"]["Environment"]["Variables"]
        found = {versions[one["Ref"]] for name, one in told.items() if name.endswith("_VERSION")}
        assert found == {f"{name}Function" for name in functions}


def test_nothing_waits_for_itself(both: tuple[Resources, Resources]) -> None:
    """The failure: CloudFormation refuses the template with "Circular dependency". The authorizer is told the address
    of the verifier's API, which waits for the aliases of its functions, and those for their check."""
    for resources in both:
        graph = {
            name: ({*named({k: v for k, v in one.items() if k != "Metadata"}), *depends(one)} & resources.keys())
            - {name}
            for name, one in resources.items()
        }
        assert len(list(TopologicalSorter(graph).static_order())) == len(resources)


def depends(resource: Mapping[str, Any]) -> list[str]:
    on = resource.get("DependsOn", [])
    return [on] if isinstance(on, str) else list(on)


def test_apis_call_aliases(both: tuple[Resources, Resources]) -> None:
    """A canary of something that is called without its alias would be none."""
    bodies = [one["Properties"]["Body"] for one in of_type(both[0], "AWS::ApiGateway::RestApi").values()]
    called = [uri for body in bodies for uri in uris(body)]
    for name in DECIDE:
        mine = [uri for uri in called if f"{name}Function" in uri]
        assert mine
        assert all(f"{name}FunctionAliaslive" in uri or f"{name}Function.Arn}}:live" in uri for uri in mine), mine


def uris(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            if name in ("uri", "authorizerUri"):
                yield str(member)
            yield from uris(member)
    elif isinstance(value, list):
        for member in value:
            yield from uris(member)


def test_roles_of_the_rollout_are_ours_and_narrow(both: tuple[Resources, Resources]) -> None:
    """SAM's own would have AWS's managed policy, with every alias of the account."""
    assert "CodeDeployServiceRole" not in both[0]
    for side, functions in (("Verifier", VERIFIER), ("Authorizer", {"AuthorizeRequest"})):
        role = both[0][f"{side}CanaryRole"]["Properties"]
        assert "ManagedPolicyArns" not in role
        (policy,) = role["Policies"]
        by_sid = {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}
        assert set(by_sid) == {"ShiftTraffic", "CheckFirst", "WatchAlarms"}
        assert set(named(by_sid["ShiftTraffic"]["Resource"])) == {f"{name}Function" for name in functions}
        assert by_sid["CheckFirst"]["Resource"] == {"Fn::GetAtt": [f"Check{side}Function", "Arn"]}
        assert by_sid["WatchAlarms"]["Action"] == "cloudwatch:DescribeAlarms"


def test_stages_that_matter_have_canaries() -> None:
    """And dev does not wait for them."""
    for name, stage in stages(PROJECT.root / "samconfig.toml").items():
        default = TEMPLATE["Parameters"]["EnableCanary"]["Default"]
        assert (stage.parameters.get("EnableCanary", default) == "true") is (name != "dev")
