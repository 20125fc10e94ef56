"""Promises of template.yaml that no linter knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
import spent_proofs
from bonafide_tokens.gate import bundle_keeper
from service.edge.problems import PROBLEM_TYPES, TYPE_BASE, Retry
from service.edge.retry_after import SOONEST

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, TemplateError
from tests.permissions.granted import policies_of, role_of, statements_of

TEMPLATE = Layout.of_this_project().template


@pytest.fixture(scope="module")
def template() -> Template:
    template = Template.load(TEMPLATE, parameters={}, pseudo=pseudo_parameters("stack"))
    for logical_id in template.data["Resources"]:
        template.physical_ids[logical_id] = logical_id
        template.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
    return template


def functions(template: Template) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in template.resources("AWS::Serverless::Function").items()}


def statements(template: Template, function: str) -> list[dict[str, Any]]:
    return [dict(template.resolve(one)) for one in statements_of(template.data["Resources"], function)]


@pytest.mark.parametrize("parameters", [{"DevelopmentTrustAnchors": "AA=="}, {"OnBundleUnavailable": "allow"}])
def test_production_refuses_what_only_a_test_may_have(parameters: dict[str, str]) -> None:
    """A test root would admit software devices, an open gate everyone."""
    Template.load(TEMPLATE, parameters={"Stage": "dev", **parameters}, pseudo=pseudo_parameters())
    with pytest.raises(TemplateError, match="prod"):
        Template.load(TEMPLATE, parameters={"Stage": "prod", **parameters}, pseudo=pseudo_parameters())


RESERVED = {
    "AppraiseEvidenceFunction": "ReservedForEnrolments",
    "RenewTokenFunction": "ReservedForRenewals",
    "ServePolicyFunction": "ReservedForDocuments",
    "AuthorizeRequestFunction": "ReservedForAuthorizer",
    "CountDecisionsFunction": "ReservedForCounting",
    "AdministerFunction": "ReservedForOperators",
    "PublishBundleFunction": "ReservedForOperators",
    "RotateSigningKeyFunction": "ReservedForOperators",
}


@pytest.mark.parametrize("parameter", ["", *dict.fromkeys(RESERVED.values())])
def test_concurrency_is_reserved_for_one_group_where_it_is_said_and_nowhere_else(parameter: str) -> None:
    """Off by default: in a new account there is nothing to reserve, and the deployment would fail."""
    parameters = {parameter: "7"} if parameter else {}
    loaded = Template.load(TEMPLATE, parameters=parameters, pseudo=pseudo_parameters("stack"))
    found = {
        name: loaded.resolve({"kept": one["ReservedConcurrentExecutions"]}).get("kept")
        for name, one in functions(loaded).items()
        if "ReservedConcurrentExecutions" in one
    }
    reserved = {name: str(value) for name, value in found.items() if value is not None}
    assert reserved == {name: "7" for name, group in RESERVED.items() if group == parameter}


def test_gateways_problems_are_those_of_the_service(template: Template) -> None:
    """The same slug has the same status, title and retry advice, from the function or the gateway."""
    known = {problem.slug: problem for problem in PROBLEM_TYPES}
    checked = set()
    for name, response in template.resolve(template.data["Globals"]["Api"]["GatewayResponses"]).items():
        # API Gateway's own words, where it gives them, come as a quoted text.
        text = response["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"…"')
        body = json.loads(text)
        headers = response["ResponseParameters"]["Headers"]
        assert body["status"] == response["StatusCode"], name
        assert body["type"].startswith(TYPE_BASE), name
        assert headers["Content-Type"] == "'application/problem+json'", name
        assert headers["Access-Control-Allow-Origin"] == "'*'", name
        problem = known.get(body["type"].removeprefix(TYPE_BASE))
        if problem is not None and response["StatusCode"] == problem.status:
            checked.add(problem.slug)
            assert (body["title"], body["retry"]) == (problem.title, problem.retry), name
            assert headers.get("Retry-After") == (f"'{SOONEST}'" if problem.retry is Retry.LATER else None), name
    assert checked >= {"malformed-request", "too-large", "quota", "try-later"}


def test_authorizer_may_only_write_its_log_and_has_few_packages(template: Template) -> None:
    """It works in any account, and a hole in it opens nothing."""
    properties = functions(template)["AuthorizeRequestFunction"]
    assert [one["Sid"] for one in statements(template, "AuthorizeRequestFunction")] == ["WriteOwnLog"]
    assert properties["Tracing"] == "Disabled"  # tracing would add a permission to its role
    assert template.resolve(properties["Layers"]) == ["CryptographyLayer", "TokensLayer"]


def test_authorizer_has_time_for_its_longest_waits(template: Template) -> None:
    """A function that Lambda ends has denied without a reason, and may have spent the proof before."""
    waits = bundle_keeper.WAIT_WITHOUT_BUNDLE + bundle_keeper.WAIT + spent_proofs.LONGEST
    assert waits + 1 < functions(template)["AuthorizeRequestFunction"]["Timeout"] < 29  # API Gateway's own end


def test_permissions_name_actions_and_resources(template: Template) -> None:
    """No wildcard in any statement of any function, but for X-Ray, which knows no narrower resource, for the
    application of CodeDeploy, which SAM makes and names, and for findings, each an object of its own."""
    narrowed = {
        "AnswerCodeDeploy": "deploymentgroup:*-ServerlessDeploymentApplication-*/*",
        "KeepFindings": "/findings/*",
    }
    seen = 0
    for name in functions(template):
        for statement in statements(template, name):
            actions, resources = statement["Action"], statement["Resource"]
            for text in [*([actions] if isinstance(actions, str) else actions), str(resources)]:
                text = text.replace(narrowed.get(statement["Sid"], ""), "")
                assert "*" not in text or (statement["Sid"], text) == ("SendTraces", "*"), (name, statement["Sid"])
            seen += 1
    assert seen > 10


def test_each_function_writes_to_a_log_group_of_its_own_and_to_no_other(template: Template) -> None:
    """The attack: the demo, or a hole in the authorizer, forges decisions of the functions that judge."""
    groups = {}
    for name, properties in functions(template).items():
        groups[name] = template.resolve(properties["LoggingConfig"]["LogGroup"])
        writing = [one for one in statements(template, name) if any(a.startswith("logs:") for a in one["Action"])]
        assert writing == [
            {
                "Sid": "WriteOwnLog",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": f"arn:{groups[name]}",
            }
        ], name
    assert len(set(groups.values())) == len(groups) == len(template.resources("AWS::Logs::LogGroup")) - 1
    assert "LogGroup" not in template.data["Globals"]["Function"]["LoggingConfig"]


def test_roles_are_all_the_same_and_have_nothing_but_the_policies_of_their_function(template: Template) -> None:
    """The attack: a managed policy writes to every log group of the account. And a function that runs before its
    permissions are there fails the first deployment."""
    resources, taken = template.data["Resources"], set()
    for name, one in template.resources("AWS::Serverless::Function").items():
        assert not {"Policies", "RolePath", "PermissionsBoundary"} & one["Properties"].keys(), name
        role = role_of(resources, name)
        taken.add(role)
        assert resources[role]["Properties"] == resources["IssueChallengeRole"]["Properties"], name
        assert not {"Policies", "ManagedPolicyArns", "Path", "RoleName"} & resources[role]["Properties"].keys(), name
        policies = policies_of(resources, name)
        assert one["DependsOn"] in policies, name
        for policy in policies.values():
            assert policy.get("Condition") or policy["Properties"]["Roles"] == [{"Ref": role}], name
    assert len(taken) == len(functions(template))


def test_traces_are_sent_where_tracing_is_on() -> None:
    """And no right to send any is left where it is off."""
    for value, sends in (("true", True), ("false", False)):
        loaded = Template.load(TEMPLATE, parameters={"EnableTracing": value}, pseudo=pseudo_parameters("stack"))
        for logical_id in loaded.data["Resources"]:
            loaded.physical_ids[logical_id] = logical_id
            loaded.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
        policies = loaded.resolve([one["Properties"] for one in loaded.resources("AWS::IAM::Policy").values()])
        assert ("xray:" in str(policies)) is sends
        assert loaded.resolve(loaded.data["Globals"]["Function"]["Tracing"]) == ("Active" if sends else "PassThrough")
        assert loaded.resolve(loaded.data["Globals"]["Api"]["TracingEnabled"]) is sends


def test_use_of_keys_is_bound_to_stack_and_purpose(template: Template) -> None:
    """Wrapped keys open only for this stack; the root key signs digests by one algorithm only: trust bundles for
    rotation and publication, client policies for administration."""
    signers = []
    for name in functions(template):
        for statement in statements(template, name):
            if statement["Action"] in ("kms:Encrypt", "kms:Decrypt"):
                condition = statement["Condition"]
                assert condition["StringEquals"] == {"kms:EncryptionContext:stack": "stack"}
                assert condition["StringLike"].keys() == {"kms:EncryptionContext:kid"}
            if statement["Action"] == "kms:Sign":
                signers.append(name)
                condition = statement["Condition"]["StringEquals"]
                assert condition == {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
    assert sorted(signers) == ["AdministerFunction", "PublishBundleFunction", "RotateSigningKeyFunction"]


@pytest.mark.parametrize("key", ["RootKey", "WrappingKey"])
def test_key_policy_gives_use_to_the_stacks_roles_only(template: Template, key: str) -> None:
    """An administrator of the account may delete a key, and may not sign or decrypt with it."""
    policy = template.properties(key)["KeyPolicy"]["Statement"]
    used = {"kms:Sign", "kms:Encrypt", "kms:Decrypt", "kms:*", "kms:GenerateDataKey"}
    for statement in policy:
        actions = {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
        if not actions & used:
            continue
        condition = statement["Condition"]
        named = condition["ArnEquals"]["aws:PrincipalArn"]
        assert named
        for role in [named] if isinstance(named, str) else named:
            assert template.data["Resources"][role.removeprefix("arn:")]["Type"] == "AWS::IAM::Role"


@pytest.mark.parametrize("key", ["RootKey", "WrappingKey"])
def test_key_policy_names_the_roles_that_may_use_the_key_and_no_other(template: Template, key: str) -> None:
    """Action by action, with the same conditions: what a role may and the key does not allow fails, and the other way
    round is a right that waits for a role to take it."""
    resources, granted, allowed = template.data["Resources"], set(), set()
    for name in functions(template):
        for statement in statements(template, name):
            if statement["Resource"] == f"arn:{key}" and statement["Action"] != "kms:GetPublicKey":
                for purpose in purposes(statement["Condition"]):
                    granted.add((statement["Action"], f"arn:{role_of(resources, name)}", purpose))
    for statement in template.properties(key)["KeyPolicy"]["Statement"]:
        roles = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn", [])
        for role in [roles] if isinstance(roles, str) else roles:
            for purpose in purposes(statement["Condition"]):
                allowed.add((statement["Action"], role, purpose))
    assert granted == allowed != set()


def purposes(condition: dict[str, Any]) -> list[str]:
    """What a use of a key is bound to: one text for each kind of key name, or one for a signature."""
    kids = condition.get("StringLike", {}).get("kms:EncryptionContext:kid", [""])
    return [f"{condition['StringEquals']} {kid}" for kid in ([kids] if isinstance(kids, str) else kids)]


def test_handler_of_every_function_is_named_after_its_folder(template: Template) -> None:
    """As its settings and permissions are."""
    for properties in functions(template).values():
        verb = properties["CodeUri"].removeprefix("functions/").strip("/")
        assert properties["Handler"] == f"{verb}.handler"


def test_guarded_api_can_be_left_out() -> None:
    """One parameter; the authorizer stays, for the team's own APIs."""
    template = Template.load(TEMPLATE, parameters={"EnableGuardedApi": "false"}, pseudo=pseudo_parameters())
    assert set(template.resources("AWS::Serverless::Api")) == {"VerifierApi"}
    assert "DescribeCallerFunction" not in template.resources("AWS::Serverless::Function")
    assert "AuthorizeRequestFunction" in template.resources("AWS::Serverless::Function")
