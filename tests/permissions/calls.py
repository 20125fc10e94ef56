"""The AWS calls that a function can reach, as IAM actions on resources of the template.

A call is an operation of a boto3 client, called or handed on, a paginator's, or a part of a transaction. What it is
about is followed from `TableName` and its like through constructors to a setting of the function, and from there, by
its variable, to a resource.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import botocore.session
from botocore import xform_name

from tests.permissions.program import Class, Routine
from tests.permissions.reach import Reach

SERVICES: Final = (
    "dynamodb",
    "kms",
    "lambda",
    "s3",
    "codedeploy",
    "logs",
    "secretsmanager",
    "ssm",
    "sqs",
    "events",
    "sns",
)
CLIENTS: Final = frozenset(
    {
        "client",
        "_client",
        "_dynamodb",
        "code_deploy",
        "dynamodb",
        "events",
        "functions",
        "kms",
        "logs",
        "parameters",
        "queues",
        "s3",
        "secrets_manager",
        "topics",
        "_s3",
    }
)
"""What clients are called. A test finds one with another name."""

UNNAMED: Final = frozenset({"codedeploy", "events"})
"""Services whose calls are about something that no setting names."""
BY_A_ROW: Final = frozenset(
    f"service.secrets.values:{reader}.read" for reader in ("SecretsManagerValues", "ParameterStoreValues")
)
"""Routines whose call is about what a row of a table names."""

TARGETS: Final = (
    "TableName",
    "KeyId",
    "FunctionName",
    "Bucket",
    "SecretId",
    "logGroupName",
    "QueueUrl",
    "TopicArn",
)
PARTS: Final = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
ACTIONS: Final = {
    "dynamodb:TransactWriteItems": (),  # each part needs its own
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
}
"""Operations whose IAM action has another name (Service Authorization Reference); else it is the operation's."""

TRANSFERS: Final = {"download_fileobj": "GetObject", "upload_fileobj": "PutObject"}
"""Methods of boto3's S3 client that are no operation of the service, and the one that they make."""


@cache
def operations() -> dict[str, tuple[str, str]]:
    """Service and operation by the name of a client's method, from botocore's own model of each service."""
    session = botocore.session.get_session()
    found: dict[str, tuple[str, str]] = {}
    for service in SERVICES:
        for operation in session.get_service_model(service).operation_names:
            found.setdefault(xform_name(operation), (service, operation))
    return found | {method: ("s3", operation) for method, operation in TRANSFERS.items()}


def actions_of(service: str, operation: str) -> tuple[str, ...]:
    """The IAM actions that an operation needs."""
    name = f"{service}:{operation}"
    return ACTIONS.get(name, (name,))


@dataclass(frozen=True)
class Call:
    """One operation, where it is made, and the expressions that say what it is about."""

    routine: Routine
    service: str
    operation: str
    about: tuple[tuple[Routine, ast.AST], ...]

    def __str__(self) -> str:
        return f"{self.routine}: {self.service}:{self.operation}"


class Unknown(AssertionError):
    """What a call is about cannot be followed: say it in a way that can, or teach the follower."""


def calls_of(reach: Reach, routine: Routine) -> Iterator[Call]:
    """The calls that a routine makes or hands on."""
    parents = {child: node for node in routine.body for child in ast.iter_child_nodes(node)}
    for node in routine.body:
        if isinstance(node, ast.Attribute) and _is_client(node.value):
            if node.attr == "get_paginator":
                call = parents[node]
                assert isinstance(call, ast.Call)
                named = call.args[0]
                service, operation = operations()[str(named.value if isinstance(named, ast.Constant) else "")]
            elif node.attr in operations():
                service, operation = operations()[node.attr]
            else:
                continue
            yield Call(routine, service, operation, tuple(_about(reach, routine, node, parents)))
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in PARTS:
                    yield Call(routine, "dynamodb", PARTS[str(key.value)], tuple(_request(reach, routine, value)))


def _request(reach: Reach, routine: Routine, node: ast.AST) -> Iterator[tuple[Routine, ast.AST]]:
    """What a request is about that is written down, bound to a name, or made by a routine."""
    if isinstance(node, ast.Dict):
        yield from ((routine, value) for value in _targets_of(node))
    elif isinstance(node, ast.Name):
        for value in routine.assigned.get(node.id, ()):
            yield from _request(reach, routine, value)
    elif isinstance(node, ast.Call):
        for target in reach.targets(routine, node.func):
            for one in target.body if isinstance(target, Routine) else ():
                if isinstance(one, ast.Dict):
                    yield from _request(reach, target, one)  # type: ignore[arg-type]  # checked above


def _is_client(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):  # dynamodb().put_item
        return _is_client(node.func)
    return (node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")) in CLIENTS


def _targets_of(node: ast.Dict) -> Iterator[ast.AST]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value in TARGETS:
            yield value


def _about(
    reach: Reach, routine: Routine, node: ast.AST, parents: dict[ast.AST, ast.AST]
) -> Iterator[tuple[Routine, ast.AST]]:
    """What the nearest call around says: of the operation itself, of what it is handed to, or of `paginate`."""
    around = parents.get(node)
    while around is not None and not isinstance(around, ast.stmt):
        if isinstance(around, ast.Call):
            found = [(routine, value) for value in _named(around)]
            for one in around.keywords:
                if one.arg is None:
                    found += _request(reach, routine, one.value)
                elif one.arg == "RequestItems" and isinstance(one.value, ast.Name):
                    found += ((routine, key) for key in _keys(routine, one.value.id))
            if isinstance(node, ast.Attribute) and node.attr in TRANSFERS and around.func is node:
                found.append((routine, around.args[0]))
            if found:
                yield from found
                return
        around = parents.get(around)
    for other in routine.body:  # an operation that is bound to a name first
        if isinstance(other, ast.Call):
            yield from ((routine, value) for value in _named(other))


def _named(call: ast.Call) -> Iterator[ast.AST]:
    return (one.value for one in call.keywords if one.arg in TARGETS)


def _keys(routine: Routine, name: str) -> Iterator[ast.AST]:
    """What a request for rows of several tables is put together under."""
    for node in routine.body:
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.setdefault":
            yield node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == name:
            yield node.slice


@dataclass
class Follower:
    """Follows an expression to settings of the function, by name."""

    reach: Reach
    _busy: set[tuple[Routine, str]] = field(default_factory=set)

    def settings(self, routine: Routine, node: ast.AST) -> set[str]:
        """The settings that a value may be. Raises :class:`Unknown`."""
        at = (routine, ast.dump(node))
        if at in self._busy:
            return set()
        self._busy.add(at)
        try:
            return self._settings(routine, node)
        finally:
            self._busy.discard(at)

    def _settings(self, routine: Routine, node: ast.AST) -> set[str]:
        match node:
            case ast.Attribute():
                return self._of_member(routine, node)
            case ast.Name():
                return self._of_name(routine, node)
            case ast.IfExp():
                return self.settings(routine, node.body) | self.settings(routine, node.orelse)
            case ast.Subscript():
                return self.settings(routine, node.value)
            case ast.Dict():
                return {name for value in node.values for name in self.settings(routine, value)}
            case ast.JoinedStr():
                return set()  # put together: a test names what comes of it
        raise Unknown(f"{routine}: {ast.unparse(node)}")

    def _of_member(self, routine: Routine, node: ast.Attribute) -> set[str]:
        found: set[str] = set()
        owners = self.reach.types(routine, node.value)
        for owner in owners:
            if owner.name.endswith("Settings"):
                return {node.attr}
        for made in self.reach.made:
            if any(owner in made.lineage for owner in owners):
                found |= self._given(made, node.attr)
        if not found:
            raise Unknown(f"{routine}: {ast.unparse(node)} of {sorted(map(str, owners))}")
        return found

    def _given(self, made: Class, name: str) -> set[str]:
        """What constructors are given under this name."""
        kept = made.kept(name)
        taken = kept.id if isinstance(kept, ast.Name) else name
        found: set[str] = set()
        for caller, call, target in self.reach.calls:
            if target is made and (given := argument(call, made.taken, taken)) is not None:
                found |= self.settings(caller, given)
        return found

    def _of_name(self, routine: Routine, node: ast.Name) -> set[str]:
        found: set[str] = set()
        if isinstance(routine.node, ast.FunctionDef) and node.id in [one.arg for one in routine.parameters]:
            names = [one.arg for one in routine.parameters]
            names = names[1:] if routine.owner and names[0] in ("self", "cls") else names
            for caller, call, target in self.reach.calls:
                if target is routine and (given := argument(call, names, node.id)) is not None:
                    found |= self.settings(caller, given)
        for value in routine.assigned.get(node.id, ()):
            found |= self.settings(routine, value)
        if not found:
            raise Unknown(f"{routine}: {node.id}")
        return found


def argument(call: ast.Call, taken: Iterable[str], name: str) -> ast.AST | None:
    """What a call gives for a parameter."""
    names = list(taken)
    for one in call.keywords:
        if one.arg == name:
            return one.value
    position = names.index(name) if name in names else len(call.args)
    return call.args[position] if position < len(call.args) else None


def needs_of(reach: Reach) -> dict[tuple[str, str], set[str]]:
    """The IAM actions that a handler needs, each with the setting that names what it is about, and where from."""
    follower = Follower(reach)
    found: dict[tuple[str, str], set[str]] = {}
    for routine in reach.routines:
        for call in calls_of(reach, routine):
            actions = actions_of(call.service, call.operation)
            if actions and (call.service in UNNAMED or str(call.routine) in BY_A_ROW):
                found.setdefault((actions[0], ""), set()).add(str(call))
                continue
            if actions and not call.about:
                raise Unknown(f"{call}: names nothing that it is about")
            for place, about in call.about if actions else ():
                for setting in follower.settings(place, about):
                    for action in actions:
                        found.setdefault((action, setting), set()).add(str(call))
    return found
