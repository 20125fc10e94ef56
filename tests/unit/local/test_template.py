"""The reader of template.yaml resolves what the template uses, and refuses to guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, TemplateError

TEMPLATE = """
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, prod] }
  Anchors: { Type: String, Default: "" }
  Count: { Type: Number, Default: 3 }
Rules:
  NoAnchors:
    RuleCondition: !Equals [!Ref Stage, prod]
    Assertions: [{ Assert: !Equals [!Ref Anchors, ""], AssertDescription: "No anchors in prod." }]
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
Resources:
  Table:
    Type: A::Table
    Properties:
      Name: !Sub "${AWS::StackName}-${Count}-${Other}-${Other.Arn}"
      Protected: !If [IsProd, true, !Ref AWS::NoValue]
      List: [!Ref Stage, !If [IsProd, x, !Ref AWS::NoValue]]
  Other: { Type: A::Other }
  Absent: { Type: A::Other, Condition: IsProd }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE.replace("!Condition IsProd", "!Equals [!Ref Stage, prod]"), encoding="utf-8")
    return path


def load(path: Path, **parameters: str) -> Template:
    template = Template.load(path, parameters=parameters, pseudo=pseudo_parameters("stack"))
    template.physical_ids["Other"] = "other-1"
    template.attributes["Other", "Arn"] = "arn:other"
    return template


def test_properties_are_resolved(path: Path) -> None:
    """References, substitutions, conditions and absent values."""
    assert load(path).properties("Table") == {"Name": "stack-3-other-1-arn:other", "List": ["dev"]}
    assert load(path, Stage="prod").properties("Table")["Protected"] is True


def test_resource_whose_condition_fails_does_not_exist(path: Path) -> None:
    """A conditional resource is there only when its condition holds."""
    assert set(load(path).resources("A::Other")) == {"Other"}
    assert set(load(path, Stage="prod").resources("A::Other")) == {"Other", "Absent"}


def test_rule_of_the_template_is_enforced(path: Path) -> None:
    """CloudFormation refuses what a rule asserts against, and so does the local stack."""
    with pytest.raises(TemplateError, match="No anchors in prod"):
        load(path, Stage="prod", Anchors="x")
    load(path, Stage="dev", Anchors="x")


@pytest.mark.parametrize("parameters", [{"Stage": "qa"}, {"Nope": "x"}])
def test_parameter_that_is_not_allowed_is_refused(path: Path, parameters: dict[str, str]) -> None:
    """Unknown parameters and values outside AllowedValues."""
    with pytest.raises(TemplateError):
        load(path, **parameters)


@pytest.mark.parametrize("value", [{"Ref": "Nobody"}, {"Fn::GetAtt": ["Other", "Name"]}, {"Fn::ImportValue": "x"}])
def test_what_is_not_known_is_an_error(path: Path, value: dict[str, object]) -> None:
    """No silent blanks: SAM CLI turns such values into empty strings."""
    with pytest.raises(TemplateError):
        load(path).resolve(value)


OWN = """
Mappings: { Sizes: { dev: { memory: 128 }, "7": { memory: 7 } } }
Parameters:
  Stage: { Type: String, Default: dev }
  Zones: { Type: CommaDelimitedList, Default: "a, b,c" }
  Needed: { Type: String }
Resources:
  Table: { Type: A::Table }
"""


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}, 7]]}, "a-dev-7"),
        ({"Fn::Join": ["/", {"Ref": "Zones"}]}, "a/b/c"),
        ({"Fn::Select": [1, {"Ref": "Zones"}]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": [":", "x:y"]}]}, "x"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "memory"]}, 128),
        ({"Fn::FindInMap": ["Sizes", 7, "memory"]}, 7),
        ({"Fn::Sub": "${Stage} ${!Stage} ${!aws:x}"}, "dev ${Stage} ${aws:x}"),
        ({"Fn::Sub": ["${A}-${Stage}", {"A": {"Ref": "Stage"}}]}, "dev-dev"),
        ({"Fn::Base64": "ab"}, "YWI="),
    ],
)
def test_functions_of_templates_of_ones_own(tmp_path: Path, value: object, resolved: object) -> None:
    """What other templates use, and this project's does not."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    template = Template.load(path, parameters={"Needed": "x"}, pseudo=pseudo_parameters("stack"))
    assert template.resolve(value) == resolved


@pytest.mark.parametrize(
    "value",
    [{"Fn::Select": [3, {"Ref": "Zones"}]}, {"Fn::FindInMap": ["Sizes", "prod", "memory"]}, {"Fn::GetAZs": ""}],
)
def test_value_that_is_not_there_is_a_sentence(tmp_path: Path, value: object) -> None:
    """No IndexError, no KeyError."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    with pytest.raises(TemplateError):
        Template.load(path, parameters={"Needed": "x"}, pseudo=pseudo_parameters("stack")).resolve(value)


def test_parameter_without_a_value_is_an_error(tmp_path: Path) -> None:
    """The failure: the name of a Python object in its place."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    with pytest.raises(TemplateError, match="Needed"):
        Template.load(path, parameters={}, pseudo=pseudo_parameters("stack"))
