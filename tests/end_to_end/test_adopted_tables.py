"""Every table can be one that is there already: restored, or left behind by a deleted stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.provision import TABLES, pseudo_parameters
from devkit.local.template import Template, read_template
from tests.changes_arrive import resources_of
from tests.sam_translator import Deployment, translate

TEMPLATE = read_template(Layout.of_this_project().template)
TABLE = "AWS::DynamoDB::Table"
NAMES = sorted(name for name, one in TEMPLATE["Resources"].items() if one["Type"] == TABLE)
FULL = {"EnableProofOnce": "true", "EnableDecisionReplay": "true"}


def given(name: str) -> str:
    return f"restored-{name.lower()}"


@pytest.fixture(scope="module")
def translated() -> dict[str, Any]:
    (template,) = translate([Deployment(TEMPLATE, FULL)])
    return template


@pytest.fixture(scope="module")
def own(translated: dict[str, Any]) -> dict[str, Any]:
    """The resources of a stack that makes all of its tables."""
    return resources_of(translated, FULL)


def named(resources: dict[str, dict[str, Any]]) -> Counter[str]:
    """How often each text stands in what is made of tables: their variables in functions, their ARNs in policies."""
    return Counter(text for one in resources.values() if one["Type"] != TABLE for text in texts(one))


def texts(value: object) -> Iterator[str]:
    """Every text that a part of a template says; not what its members are called."""
    if isinstance(value, Mapping):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)
    elif isinstance(value, str):
        yield value


def arn(name: str) -> str:
    pseudo = pseudo_parameters("stack")
    return f"arn:aws:dynamodb:{pseudo['AWS::Region']}:{pseudo['AWS::AccountId']}:table/{given(name)}"


def test_every_table_has_its_parameter() -> None:
    """A table that is added later cannot be restored without one."""
    assert set(TABLES.values()) == set(NAMES)
    for name in NAMES:
        assert TEMPLATE["Parameters"][f"Existing{name}"]["Default"] == ""
        assert TEMPLATE["Resources"][name]["Condition"] == f"Makes{name}"
        assert TEMPLATE["Conditions"][f"Makes{name}"] == {"Fn::Equals": [{"Ref": f"Existing{name}"}, ""]}


def test_stack_makes_no_table_of_its_own_where_all_are_given(translated: dict[str, Any], own: dict[str, Any]) -> None:
    """Functions and roles name the given ones, as often as they had named the stack's own; nothing names those."""
    adopting = resources_of(translated, {**FULL, **{f"Existing{name}": given(name) for name in NAMES}})
    assert own.keys() - adopting.keys() == set(NAMES)
    before, after = named(own), named(adopting)
    for name in NAMES:
        assert before[name] > 0
        assert before[f"{name}.Arn"] > 0
        assert after[name] + after[f"{name}.Arn"] == 0
        assert after[given(name)] == before[name]
        assert after[arn(name)] == before[f"{name}.Arn"]


@pytest.mark.parametrize("name", NAMES)
def test_one_table_alone_is_given(translated: dict[str, Any], own: dict[str, Any], name: str) -> None:
    """The others stay the stack's own."""
    adopting = resources_of(translated, {**FULL, f"Existing{name}": given(name)})
    assert own.keys() - adopting.keys() == {name}
    before, after = named(own), named(adopting)
    assert after[given(name)] == before[name]
    others = [spelling for other in NAMES if other != name for spelling in (other, f"{other}.Arn")]
    assert [after[spelling] for spelling in others] == [before[spelling] for spelling in others]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_tell_which_table_it_is(name: str) -> None:
    """Commands go by the outputs."""
    template = Template.load(
        Layout.of_this_project().template,
        parameters={f"Existing{name}": given(name)},
        pseudo=pseudo_parameters("stack"),
    )
    assert template.resolve(TEMPLATE["Outputs"][f"{name}Name"]["Value"]) == given(name)
    assert template.resolve(TEMPLATE["Outputs"][f"{name}Arn"]["Value"]) == arn(name)
