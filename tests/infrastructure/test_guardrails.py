"""What an organization's own rules ask of the stack, by the templates as SAM translates them: a permissions boundary on
every role, functions in a VPC, keys of the operator's own. Each is off by default, and then nothing of it is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, TemplateError, read_template
from tests.changes_arrive import resources_of
from tests.sam_translator import Deployment, translate

PROJECT = Layout.of_this_project()
MAIN, REPLAY = (read_template(PROJECT.root / name) for name in ("template.yaml", "stacks/replay.yaml"))
EVERYTHING = {"EnableDecisionReplay": "true", "EnableProofOnce": "true", "EnableCanary": "true"}
PART = {"StackName": "stack", "Stage": "prod", "LogLevel": "INFO"}
BOUNDARY = "arn:aws:iam::000000000000:policy/boundary"
NETWORK = {"VpcSubnetIds": "subnet-0a1,subnet-0b2", "VpcSecurityGroupIds": "sg-0c3"}
ROOT_KEY = "arn:aws:kms:eu-central-1:000000000000:key/11111111-2222-3333-4444-555555555555"
WRAPPING_KEY = "arn:aws:kms:eu-central-1:000000000000:key/66666666-7777-8888-9999-000000000000"
FUNCTION, ROLE, POLICY = "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::IAM::Policy"


@pytest.fixture(scope="module")
def translated() -> tuple[dict[str, Any], dict[str, Any]]:
    main, replay = translate([Deployment(MAIN, EVERYTHING), Deployment(REPLAY, PART)])
    return main, replay


def deployed(translated: tuple[dict[str, Any], dict[str, Any]], **parameters: str) -> dict[str, dict[str, Any]]:
    """All resources, those of the part that replays included, as that part is told."""
    main, replay = translated
    found = resources_of(main, {**EVERYTHING, **parameters})
    told = found["DecisionReplay"]["Properties"]["Parameters"]
    inner = {name: str(value) for name, value in told.items() if name in replay["Parameters"]}
    return {**found, **resources_of(replay, {**PART, **inner})}


def of_type(resources: Mapping[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def test_every_role_is_bounded(translated: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """One role without it, and an account that demands it refuses the deployment half-way."""
    roles = of_type(deployed(translated, PermissionsBoundaryArn=BOUNDARY), ROLE)
    assert len(roles) > 12
    assert {"ReplayDecisionsRole", "StateMachineRole", "ApiGatewayLogRole", "DecisionStreamRole"} <= roles.keys()
    assert {name: role.get("PermissionsBoundary") for name, role in roles.items()} == dict.fromkeys(roles, BOUNDARY)


def test_no_template_makes_a_role_that_cannot_be_bounded() -> None:
    """Also roles that SAM makes by itself, in any template of the project."""
    templates = [PROJECT.template, *sorted(PROJECT.root.glob("stacks/*.yaml"))]
    for path, made in zip(templates, translate([Deployment(read_template(path)) for path in templates]), strict=True):
        for name, one in made["Resources"].items():
            if one["Type"] == ROLE:
                assert "PermissionsBoundary" in one["Properties"], f"{path.name}: {name}"


def test_every_function_is_in_the_vpc_and_may_attach_to_it(translated: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Lambda attaches with the function's role; the function's own code may not."""
    resources = deployed(translated, **NETWORK)
    functions = of_type(resources, FUNCTION)
    assert "ReplayDecisionsFunction" in functions
    wanted = {"SubnetIds": ["subnet-0a1", "subnet-0b2"], "SecurityGroupIds": ["sg-0c3"]}
    assert {name: one.get("VpcConfig") for name, one in functions.items()} == dict.fromkeys(functions, wanted)
    for name, function in functions.items():
        statements = statements_of(resources, function["Role"].removesuffix(".Arn"))
        allowed, denied = statements["AttachToNetwork"], statements["OnlyLambdaAttaches"]
        assert allowed["Effect"] == "Allow", name
        assert "ec2:CreateNetworkInterface" in allowed["Action"], name
        assert (denied["Effect"], denied["Action"]) == ("Deny", allowed["Action"]), name
        assert "lambda:SourceFunctionArn" in denied["Condition"]["ArnLike"], name


def statements_of(resources: Mapping[str, dict[str, Any]], role: str) -> dict[str, dict[str, Any]]:
    policies = [one for one in of_type(resources, POLICY).values() if role in one["Roles"]]
    return {one["Sid"]: one for policy in policies for one in policy["PolicyDocument"]["Statement"]}


def test_nothing_of_it_is_there_by_default(translated: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """No right of EC2, no boundary, no VPC."""
    resources = deployed(translated)
    assert not [name for name, one in of_type(resources, FUNCTION).items() if "VpcConfig" in one]
    assert not [name for name, one in of_type(resources, ROLE).items() if "PermissionsBoundary" in one]
    assert "ec2:" not in str(of_type(resources, POLICY))


@pytest.mark.parametrize("given", NETWORK)
def test_half_a_network_is_refused(given: str) -> None:
    """Before anything is deployed: functions would silently run outside."""
    Template.load(PROJECT.template, parameters=NETWORK, pseudo=pseudo_parameters())
    with pytest.raises(TemplateError, match="both VpcSubnetIds and VpcSecurityGroupIds"):
        Template.load(PROJECT.template, parameters={given: NETWORK[given]}, pseudo=pseudo_parameters())


@pytest.mark.parametrize(
    ("parameter", "arn", "own", "actions"),
    [
        ("RootKeyArn", ROOT_KEY, "RootKey", {"kms:Sign", "kms:GetPublicKey"}),
        ("WrappingKeyArn", WRAPPING_KEY, "WrappingKey", {"kms:Encrypt", "kms:Decrypt"}),
    ],
)
def test_key_of_the_operators_own_takes_the_place_of_the_stacks(
    translated: tuple[dict[str, Any], dict[str, Any]], parameter: str, arn: str, own: str, actions: set[str]
) -> None:
    """No key, alias or key policy is made; roles and functions name the operator's, and the other key stays."""
    ours = deployed(translated)
    resources = deployed(translated, **{parameter: arn})
    assert set(ours) - set(resources) == {own, f"{own}Alias"}
    assert used(ours, f"{own}.Arn") == actions
    assert used(resources, arn) == actions
    assert used(resources, f"{own}.Arn") == set()
    variable = "ROOT_KEY_ID" if own == "RootKey" else "WRAPPING_KEY_ID"
    named = {
        one["Environment"]["Variables"][variable]
        for one in of_type(resources, FUNCTION).values()
        if variable in one.get("Environment", {}).get("Variables", {})
    }
    assert named == {arn}
    template = Template.load(PROJECT.template, parameters={parameter: arn}, pseudo=pseudo_parameters())
    assert template.resolve(MAIN["Outputs"][f"{own}Id"]["Value"]) == arn


def used(resources: Mapping[str, dict[str, Any]], key: str) -> set[str]:
    """The calls that roles may make with a key."""
    found: set[str] = set()
    for policy in of_type(resources, POLICY).values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Resource"] == key:
                action = statement["Action"]
                found |= {action} if isinstance(action, str) else set(action)
    return found


SERVICES = {
    "codedeploy": "CodeDeploy",
    "dynamodb": "DynamoDB",
    "events": "EventBridge",
    "kms": "KMS",
    "lambda": "Lambda",
    "logs": "Logs",
    "s3": "S3",
    "sns": "SNS",
    "sqs": "SQS",
}
OF_LAMBDA = {"xray", "ec2"}
WRITES_LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
"""What Lambda itself does for a function: traces, its network, events that failed three times, and its log."""


def test_page_says_what_each_function_must_reach(translated: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """By the calls that its role may make, everything turned on: who builds the network goes by the page."""
    resources = deployed(translated, EnableEdgeBucket="true", IncidentEmail="team@example.com", **NETWORK)
    reached = {}
    for one in of_type(resources, FUNCTION).values():
        actions = [
            action.split(":")[0]
            for statement in statements_of(resources, one["Role"].removesuffix(".Arn")).values()
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
            if action not in WRITES_LOGS and statement["Sid"] != "KeepUncounted"
        ]
        reached[one["Handler"].split(".")[0]] = {SERVICES[name] for name in {*actions} - OF_LAMBDA}
    page = (PROJECT.root / "docs/infrastructure.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]*)\|[^|\n]*\|$", page, re.MULTILINE)
    assert {name: set(re.findall(r"\w+", services)) for name, services in rows} == reached
