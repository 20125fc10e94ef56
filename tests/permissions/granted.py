"""What the template grants: the statements of each function's role, with the policies that are there by a condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Resources: TypeAlias = Mapping[str, Mapping[str, Any]]
Statement: TypeAlias = dict[str, Any]

FUNCTION, ROLE, POLICY = "AWS::Serverless::Function", "AWS::IAM::Role", "AWS::IAM::Policy"

NETWORK = "FunctionsInVpc"
"""Off by default; what it grants is Lambda's alone to use, and looked at in tests/infrastructure/test_guardrails.py."""


def functions(resources: Resources) -> dict[str, dict[str, Any]]:
    """The functions' properties by logical id."""
    return {name: dict(one["Properties"]) for name, one in resources.items() if one["Type"] == FUNCTION}


def role_of(resources: Resources, function: str) -> str:
    """The logical id of a function's role, which the template makes itself: SAM's own would have a managed policy."""
    reference = resources[function]["Properties"]["Role"]
    assert isinstance(reference, Mapping), function
    role, attribute = reference["Fn::GetAtt"]
    assert (attribute, resources[role]["Type"]) == ("Arn", ROLE), function
    return str(role)


def policies_of(resources: Resources, function: str) -> dict[str, Mapping[str, Any]]:
    """The policies that are attached to a function's role, by logical id."""
    role = role_of(resources, function)
    return {
        name: one
        for name, one in resources.items()
        if one["Type"] == POLICY and {"Ref": role} in one["Properties"]["Roles"]
    }


def statements_of(resources: Resources, function: str, *, optional: bool = False) -> list[Statement]:
    """The statements of a function's role as written, each `Fn::If` by its first branch. ``optional``: also those of
    policies that a condition switches on."""
    return [
        dict(statement)
        for policy in policies_of(resources, function).values()
        if optional or policy.get("Condition") in (None, resources[function].get("Condition"))
        for statement in written(policy["Properties"]["PolicyDocument"]["Statement"])
    ]


def written(statements: list[Any]) -> Iterator[Statement]:
    """The statements of a list themselves, with those that a condition switches on, but for :data:`NETWORK`."""
    for statement in statements:
        condition, granted = statement["Fn::If"][:2] if "Fn::If" in statement else ("", statement)
        if condition != NETWORK:
            yield granted


def actions_of(statement: Statement) -> set[str]:
    """Its actions, one or many."""
    actions = statement["Action"]
    return {actions} if isinstance(actions, str) else set(actions)
