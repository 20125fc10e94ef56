"""Each function's role allows the AWS calls that its code can reach, on what they are about, and nothing besides.

The calls are derived from the code (:mod:`tests.permissions.calls`), the permissions read from the template. No list of
calls is kept by hand: a new call fails until its role allows it, and so does a permission whose last call is gone.
"""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from tests.architecture.source_tree import FUNCTIONS, ROOT
from tests.permissions.calls import CLIENTS, calls_of, needs_of, operations
from tests.permissions.conditions import CONDITIONS
from tests.permissions.granted import actions_of, policies_of, written
from tests.permissions.program import Program
from tests.permissions.proxy_stack import UPSTREAM_KEYS, WITHOUT_SETTINGS, kind_of
from tests.permissions.reach import Reach
from tests.permissions.stacks import Stack, stacks

FOLDERS = sorted(path for path in FUNCTIONS.iterdir() if any(path.glob("*.py")))

EDGE = {"EdgeBucket/v1/*", "EdgeBucket/.well-known/*"}
OBJECTS = {
    ("find_incidents", "s3:PutObject"): {"DecisionBucket/findings/*"},
    ("replay_decisions", "s3:GetObject"): {"DecisionBucket/decisions/*", "DecisionBucket/replays/*"},
    ("replay_decisions", "s3:PutObject"): {
        "DecisionBucket/replays/*/parts/*",
        "DecisionBucket/replays/*/result.json.gz",
    },
    ("record_ledger", "s3:GetObject"): {"LedgerBucket/*"},
    ("record_ledger", "s3:PutObject"): {"LedgerBucket/*"},
    **{
        (name, f"s3:{verb}"): EDGE
        for name in ("rotate_signing_key", "publish_bundle")
        for verb in ("GetObject", "PutObject")
    },
}
"""The objects of a bucket that a function may read or write."""

NOT_CALLED = {
    **{
        (name, "s3:ListBucket", "EdgeBucket"): "S3 calls an absent object forbidden for readers that may not list"
        for name in ("rotate_signing_key", "publish_bundle")
    },
    ("record_ledger", "s3:ListBucket", "LedgerBucket"): "S3 calls an absent object forbidden without it",
    ("count_decisions", "sqs:SendMessage", "UncountedQueue"): "Lambda sends what failed three times",
    **{
        ("deliver_webhooks", f"sqs:{verb}", "WebhookQueue"): "Lambda receives, and deletes what is done"
        for verb in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    },
    ("check_verifier", "lambda:InvokeFunction", "RenewTokenFunction:live"): "by the alias, whose ARN is put together",
    (
        "relay_upstream",
        "secretsmanager:GetSecretValue",
        UPSTREAM_KEYS,
    ): "by the upstream's name, which is configuration",
}
"""Permissions that no call of the code names, each with its reason. Log and traces come on top: Lambda writes them."""


@cache
def program() -> Program:
    return Program([*(ROOT / f"layers/{name}/src" for name in ("tokens", "attestation", "service")), *FOLDERS])


def reach(verb: str) -> Reach:
    return reach_of(stacks()[verb].module(verb))


@cache
def reach_of(module: str) -> Reach:
    return Reach(program(), program().modules[module])


@cache
def needed(verb: str) -> frozenset[tuple[str, str]]:
    """Actions and resources that the function's code needs, by logical id."""
    stack = stacks()[verb]
    found = ((action, named(stack, verb, action, setting) or "") for action, setting in needs_of(reach(verb)))
    return frozenset((action, one) for action, resources in found for one in resources.split(",") if one)


def named(stack: Stack, verb: str, action: str, setting: str) -> str | None:
    """The resource that a setting names, or what is used without one."""
    return stack.variable(verb, setting.upper()) if setting else WITHOUT_SETTINGS[action.partition(":")[0]]


def faults(stack: Stack, verb: str) -> list[str]:
    """What a function's role allows too little or too much."""
    granted, found = set[tuple[str, str]](), []
    wanted = set(needed(verb)) | {(action, on) for name, action, on in NOT_CALLED if name == verb}
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        wanted.add((action, stack.log_group(verb)))
    if stack.is_traced(verb):
        wanted |= {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
    objects = dict[tuple[str, str], set[str]]()
    for statement in stack.statements(verb):
        if statement["Effect"] != "Allow" or statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}:
            found.append(f"{statement['Sid']} is no plain permission")
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            name = str(resource).removeprefix("arn:")
            for action in actions_of(statement):
                on = name.split("/")[0]
                granted.add((action, on))
                if action.startswith("s3:") and on != name:
                    objects.setdefault((verb, action), set()).add(name)
                if action.startswith("xray:"):
                    condition: Any = {"StringEquals": {"aws:RequestedRegion": pseudo_parameters()["AWS::Region"]}}
                else:
                    condition = CONDITIONS.get((verb, action, on))
                if statement.get("Condition") != condition:
                    found.append(f"{action} on {on} has the condition {statement.get('Condition')}, not {condition}")
    if objects != {place: names for place, names in OBJECTS.items() if place[0] == verb}:
        found.append(f"objects: {objects}")
    found += [f"{action} on {on} is missing" for action, on in sorted(wanted - granted)]
    found += [f"{action} on {on} is not needed" for action, on in sorted(granted - wanted)]
    return found


VERBS = sorted(stacks())


@pytest.mark.parametrize("verb", VERBS)
def test_role_allows_the_calls_that_its_function_can_make_and_nothing_else(verb: str) -> None:
    """Nothing missing, nothing over: action by action, resource by resource, condition by condition."""
    assert faults(stacks()[verb], verb) == []


def changed(verb: str, change: Any) -> list[str]:
    """What is found once the statements of a role were changed in memory."""
    stood = stacks()[verb]
    policies = copy.deepcopy(policies_of(stood.resources, stood.function(verb)))
    data = {**stood.template.data, "Resources": {**stood.resources, **policies}}
    stack = Stack(replace(stood.template, data=data))
    statements = [one for policy in policies.values() for one in policy["Properties"]["PolicyDocument"]["Statement"]]
    change(list(written(statements)))
    return faults(stack, verb)


def places(verb: str) -> Iterator[tuple[int, str]]:
    for number, statement in enumerate(stacks()[verb].statements(verb)):
        yield from ((number, action) for action in sorted(actions_of(statement)))


@pytest.mark.parametrize("verb", VERBS)
def test_each_permission_that_is_removed_is_missed(verb: str) -> None:
    """A function that may no longer do what it does fails here, and not at night."""
    assert list(places(verb))
    for number, action in places(verb):

        def remove(statements: list[Any], number: int = number, action: str = action) -> None:
            statements[number]["Action"] = sorted(actions_of(statements[number]) - {action})

        assert changed(verb, remove), (number, action)


@pytest.mark.parametrize("verb", VERBS)
def test_each_permission_that_is_added_or_widened_is_noticed(verb: str) -> None:
    """Another action, another resource, every resource, or no condition any more: in each statement of each role."""
    table = {"Fn::GetAtt": ["AuditTable", "Arn"]} if "AuditTable" in stacks()[verb].resources else "arn:AuditTable"
    added = {"Sid": "Added", "Effect": "Allow", "Action": "dynamodb:DeleteItem", "Resource": table}
    for number, statement in enumerate(stacks()[verb].statements(verb)):

        def act(statements: list[Any], number: int = number) -> None:
            statements[number]["Action"] = [*sorted(actions_of(statements[number])), "dynamodb:DeleteTable"]

        def widen(statements: list[Any], number: int = number) -> None:
            statements[number]["Resource"] = "arn:Another"

        def everywhere(statements: list[Any], number: int = number) -> None:
            statements[number]["Resource"] = "*"

        def anyhow(statements: list[Any], number: int = number) -> None:
            del statements[number]["Condition"]

        def another(statements: list[Any], number: int = number) -> None:
            statements[number].update(added)
            statements[number].pop("Condition", None)

        assert changed(verb, act), number
        assert changed(verb, widen), number
        assert changed(verb, another), number
        if statement["Resource"] != "*":
            assert changed(verb, everywhere), number
        if "Condition" in statement:
            assert changed(verb, anyhow), number


def test_new_call_is_noticed() -> None:
    """Of a client, of a paginator, in a transaction, handed on, and by a routine that makes it for others."""
    made = {
        "self.client.delete_table(TableName=self.table)": "dynamodb:DeleteTable",
        "self.client.get_paginator('query').paginate(TableName=self.table)": "dynamodb:Query",
        "{'Delete': {'TableName': self.table}}": "dynamodb:DeleteItem",
        "{'ConditionCheck': {'TableName': self.table}}": "dynamodb:ConditionCheckItem",
        "write_conditionally('', self.client.update_item, TableName=self.table)": "dynamodb:UpdateItem",
        "scan_rows(self.client, self.table, called='')": "dynamodb:Scan",
    }
    layers = [ROOT / f"layers/{name}/src" for name in ("tokens", "attestation", "service")]
    edited = Program([*layers, FUNCTIONS / "issue_challenge"])
    method = edited.modules["service.tables.signing_keys"].classes["DynamoDBSigningKeys"].methods["contents"]
    assert isinstance(method.node, ast.FunctionDef)
    method.node.body[:0] = [ast.parse(call).body[0] for call in made]
    found = needs_of(Reach(edited, edited.modules["issue_challenge"]))
    assert {(action, "signing_keys_table") for action in made.values()} <= found.keys()


def test_every_call_of_the_code_is_made_by_some_function_or_is_an_operators() -> None:
    """A routine with a call that no function reaches: dead, or for the operator's command alone."""
    reached = {routine for verb in VERBS for routine in reach(verb).routines}
    left = set()
    for module in program().modules.values():
        routines = [
            *module.functions.values(),
            *(one for made in module.classes.values() for one in made.methods.values()),
        ]
        left |= {str(one) for one in routines if one not in reached and any(calls_of(reach("administer"), one))}
    assert left == {
        "service.admin.registration:Registrations.put",  # the laptop's fleet, and tests
        "service.telemetry.decision_archive:DecisionArchive.begin",  # `bonafide policy replay --map`
    }


def test_clients_are_called_clients() -> None:
    """Calls are found by what their receiver is called: an attribute, parameter or variable with another name would
    hide some."""
    kinds = {"DynamoDBClient", "KMSClient"}
    foreign = set()
    for module in program().modules.values():
        for node in ast.walk(module.tree):
            annotated = {ast.AnnAssign: "target", ast.arg: "arg"}.get(type(node))
            if annotated and ast.unparse(getattr(node, "annotation", None) or ast.Constant("")) in kinds:
                name = getattr(node, annotated)
                assert (name if isinstance(name, str) else ast.unparse(name)) in CLIENTS, (
                    module.name,
                    ast.unparse(node),
                )
        routines = [
            *module.functions.values(),
            *(one for made in module.classes.values() for one in made.methods.values()),
        ]
        for routine in routines:
            for node in routine.body:
                if isinstance(node, ast.Attribute) and node.attr in operations():
                    receiver = ast.unparse(node.value).split("(")[0].split(".")[-1]
                    if receiver not in CLIENTS and not reach("administer").types(routine, node.value):
                        foreign.add(f"{routine} {node.attr}")
    # Methods of the cryptography package have the names of operations of KMS, a URL has a query, a socket a connection.
    same = {"sign", "verify", "decrypt", "encrypt", "query", "create_connection"}
    assert {place.split()[1] for place in foreign} == same
    assert {place.split()[0] for place in foreign if place.endswith(" query")} == {
        "service.vendors.outbound:exchange",
        "service.telling.webhook:read_place",
    }


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """The actions that IAM knows, with their types of resource: cfn-lint's copy of AWS's own list."""
    (path,) = (Layout.of_this_project().sam_python.parents[1] / "lib").glob(
        "python*/site-packages/cfnlint/data/AdditionalSpecs/Policies.json"
    )
    known: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return known


DOCUMENTED_ELSEWHERE = {"codedeploy:PutLifecycleEventHookExecutionStatus"}
"""The list has no resource for it; SAM's documentation of hooks grants it on the deployment group."""
KINDS = {"Table": "table", "Key": "key", "Function": "function", "Bucket": "bucket", "Queue": "queue", "Topic": "topic"}


def test_iam_knows_every_action_for_the_kind_of_resource_that_it_is_granted_on(reference: dict[str, Any]) -> None:
    """An oracle of its own: a misspelt action, or one on a resource that it is not about, allows nothing."""
    seen = set()
    for verb in VERBS:
        for statement in stacks()[verb].statements(verb):
            resources = statement["Resource"]
            for action in actions_of(statement):
                service, _, name = action.partition(":")
                known = reference[service]["Actions"][name.lower()]
                seen.add(action)
                for resource in [resources] if isinstance(resources, str) else resources:
                    if resource == "*":
                        assert not known.get("Resources"), action  # else it could be narrower
                        continue
                    kind = next(
                        (
                            kind
                            for end, kind in KINDS.items()
                            if str(resource).removeprefix("arn:").split(":")[0].endswith(end)
                        ),
                        "",
                    )
                    kind = kind or ("log-group" if action == "logs:FilterLogEvents" else kind_of(str(resource)))
                    if action not in DOCUMENTED_ELSEWHERE:
                        assert kind in known["Resources"], (action, resource)
    assert len(seen) > 15
    assert "transactwriteitems" not in reference["dynamodb"]["Actions"]  # each of its parts needs its own
