"""Parts that are templates of their own (stacks/) get what they declare, and are as the rest of the stack is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, read_template
from tests.permissions.granted import role_of, statements_of

ROOT = Layout.of_this_project().root
MAIN = read_template(ROOT / "template.yaml")
PARTS: dict[str, dict[str, Any]] = {
    one["Properties"]["Location"]: one
    for one in MAIN["Resources"].values()
    if one["Type"] == "AWS::Serverless::Application"
}
APART = {"edge-authorizer.yaml", "edge.yaml", "ledger.yaml", "proxy.yaml"}
"""Stacks of their own beside the stack, in another region or account: no parts."""
FILES = [path for path in sorted(ROOT.glob("stacks/*.yaml")) if path.name not in APART]


def names(path: Path) -> str:
    return path.name


def part(path: Path) -> Template:
    """The part as the stack deploys it, with what it is told."""
    told = PARTS[f"stacks/{path.name}"]["Properties"]["Parameters"]
    main = Template(MAIN, {name: str(one.get("Default", "")) for name, one in MAIN["Parameters"].items()}, _PSEUDO)
    for logical_id in MAIN["Resources"]:
        main.physical_ids[logical_id] = logical_id
        main.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
        main.attributes[logical_id, "QueueName"] = logical_id
    loaded = Template.load(path, parameters=main.resolve(told), pseudo=pseudo_parameters("nested"))
    for logical_id in loaded.data["Resources"]:
        loaded.physical_ids[logical_id] = logical_id
        loaded.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
    return loaded


_PSEUDO = pseudo_parameters("stack")


def functions(template: Template) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in template.resources("AWS::Serverless::Function").items()}


def test_every_file_is_a_part_of_the_stack() -> None:
    """None is dead, and each can be left out."""
    assert {f"stacks/{path.name}" for path in FILES} == set(PARTS) != set()
    assert all("Condition" in one for one in PARTS.values())


@pytest.mark.parametrize("path", FILES, ids=names)
def test_part_is_told_exactly_what_it_declares(path: Path) -> None:
    """By values, also where it has a default: a stack for x86_64 has no part for arm64."""
    assert set(PARTS[f"stacks/{path.name}"]["Properties"]["Parameters"]) == set(read_template(path)["Parameters"])


@pytest.mark.parametrize("path", FILES, ids=names)
def test_functions_of_a_part_are_as_all_functions(path: Path) -> None:
    """A part has no Globals of its stack: runtime, tracing, log settings and variables are said again."""
    shared = Template(MAIN, part(path).parameters, _PSEUDO)
    wanted = shared.data["Globals"]["Function"]
    for name, properties in functions(part(path)).items():
        assert properties["Runtime"] == wanted["Runtime"], name
        resolved = part(path).resolve(properties)
        assert resolved["Tracing"] == shared.resolve(wanted["Tracing"]), name
        assert resolved["Architectures"] == shared.resolve(wanted["Architectures"]), name
        group = resolved["LoggingConfig"].pop("LogGroup")
        assert resolved["LoggingConfig"] == shared.resolve(wanted["LoggingConfig"]), name
        assert part(path).data["Resources"][group]["Properties"] == {"RetentionInDays": {"Ref": "LogRetentionDays"}}
        told = shared.resolve(wanted["Environment"]["Variables"])
        assert resolved["Environment"]["Variables"].items() >= told.items(), name


@pytest.mark.parametrize("path", FILES, ids=names)
def test_what_a_part_is_told_reaches_its_functions(path: Path) -> None:
    """Without an alias there is no older version that goes on running."""
    for name, properties in functions(part(path)).items():
        assert "AutoPublishAlias" not in properties, name


@pytest.mark.parametrize("path", FILES, ids=names)
def test_roles_of_a_part_are_as_all_roles_and_name_what_they_may(path: Path) -> None:
    """The same trust, their own log group, nothing by a wildcard but objects of a folder."""
    loaded = part(path)
    for name in functions(loaded):
        role = loaded.data["Resources"][role_of(loaded.data["Resources"], name)]
        assert role["Properties"] == MAIN["Resources"]["IssueChallengeRole"]["Properties"]
        granted = loaded.resolve(statements_of(loaded.data["Resources"], name))
        assert [one["Sid"] for one in granted[:2]] == ["WriteOwnLog", "SendTraces"]
        for statement in granted:
            actions, resources = statement["Action"], statement["Resource"]
            assert "*" not in str(actions), (name, statement["Sid"])
            for resource in [resources] if isinstance(resources, str) else resources:
                if statement["Sid"] == "SendTraces":
                    continue
                assert resource.startswith("arn:"), (name, statement["Sid"])
                assert "*" not in resource or resource.endswith(("/*", "/result.json.gz")), (name, statement["Sid"])


def test_replay_is_started_by_the_output_that_the_command_reads() -> None:
    """`bonafide policy replay --map` knows the stack's outputs, and no nested stack."""
    output = MAIN["Outputs"]["ReplayStateMachineArn"]
    assert output["Value"] == {"Fn::GetAtt": ["DecisionReplay", "Outputs.StateMachineArn"]}
    assert read_template(ROOT / "stacks/replay.yaml")["Outputs"]["StateMachineArn"]["Value"] == {"Ref": "StateMachine"}
