"""What of a SAM template of one's own runs on the local stack: listed, or named with a reason; never a stack trace."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bonafide.operator.layout import Layout, LocalStackError
from devkit.local.own_template import AUTHORIZER, RUNS, OwnTemplate, find_template, read_own_template
from devkit.stack.own_stack import OFFERED, OwnStack

PROJECT = Layout.of_this_project()


def function(**more: Any) -> dict[str, Any]:
    properties = {"Runtime": "python3.13", "CodeUri": "code/", "Handler": "app.handler", **more}
    return {"Type": "AWS::Serverless::Function", "Properties": properties}


def event(kind: str = "Api", **more: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": {"Path": "/x", "Method": "get", **more}}


def read(folder: Path, resources: dict[str, Any], parameters: dict[str, str] | None = None, **more: Any) -> OwnTemplate:
    (folder / "code").mkdir(exist_ok=True)
    path = folder / "template.yaml"
    path.write_text(yaml.safe_dump({**more, "Resources": resources}), "utf-8")
    return read_own_template(path, parameters or {}, dict.fromkeys(OFFERED, "value"), PROJECT)


@pytest.mark.parametrize("kind", ["Api", "HttpApi"])
def test_apis_that_sam_implies_are_there(tmp_path: Path, kind: str) -> None:
    """An event that names no API belongs to one that the template does not name; no settings of any kind."""
    own = read(tmp_path, {"Hello": function(Events={"E": event(kind)})})
    (api,) = own.apis
    assert api == {"Api": "ServerlessRestApi", "HttpApi": "ServerlessHttpApi"}[kind]
    assert own.resources["Hello"]["Properties"]["Events"]["E"]["Properties"][
        {"Api": "RestApiId", "HttpApi": "ApiId"}[kind]
    ] == {"Ref": api}


def test_every_resource_is_listed_or_named_with_its_type_and_reason(tmp_path: Path) -> None:
    """None is passed over in silence."""
    resources = {
        "Hello": function(Events={"E": event()}),
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Flow": {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "flow.json"}},
        "Nested": {"Type": "AWS::Serverless::Application", "Properties": {"Location": "x"}},
        "Raw": {"Type": "AWS::ApiGateway::RestApi"},
        "Node": function(Runtime="nodejs22.x"),
        "Image": {"Type": "AWS::Serverless::Function", "Properties": {"PackageType": "Image", "ImageUri": "x"}},
        "Inline": function(InlineCode="def handler(): ..."),
        "Uploaded": function(CodeUri="s3://bucket/key"),
        "Elsewhere": function(CodeUri={"Bucket": "b", "Key": "k"}),
        "Nowhere": function(CodeUri="not-there/"),
        "NoHandler": {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "python3.13", "CodeUri": "code/"}},
        "Table": {"Type": "AWS::Serverless::SimpleTable"},
    }
    own = read(tmp_path, resources)
    assert {*own.runs} - {"ServerlessRestApi"} | {*own.skipped} == {*resources}
    assert {*own.runs} == {"Hello", "Table", "ServerlessRestApi"}
    for name, why in own.skipped.items():
        assert why.startswith(f"{resources[name]['Type']}: ")
        assert len(why) > len(str(resources[name]["Type"])) + 5
    assert "nodejs22.x" in own.skipped["Node"]


def test_resource_whose_condition_fails_is_neither(tmp_path: Path) -> None:
    """It does not exist, here as in AWS."""
    conditions = {"Never": {"Fn::Equals": ["a", "b"]}}
    resources = {"Hello": function(), "Queue": {"Type": "AWS::SQS::Queue", "Condition": "Never"}}
    own = read(tmp_path, resources, Conditions=conditions)
    assert "Queue" not in own.skipped


def test_events_that_never_happen_and_layers_that_are_not_here_are_said(tmp_path: Path) -> None:
    """A queue's function waits for ever; a package of a layer is missing."""
    events = {"Q": {"Type": "SQS", "Properties": {"Queue": "x"}}, "T": {"Type": "Schedule", "Properties": {}}}
    layers = ["arn:aws:lambda:eu-central-1:1:layer:Powertools:7"]
    own = read(tmp_path, {"Hello": function(Events=events, Layers=layers)})
    assert any("Q (SQS)" in note for note in own.notes)
    assert any("T (Schedule)" in note for note in own.notes)
    assert any("Powertools" in note for note in own.notes)
    assert own.resources["Hello"]["Properties"]["Events"] == {}
    assert own.resources["Hello"]["Properties"]["Layers"] == []


@pytest.mark.parametrize(
    "auth",
    [
        {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": {"UserPoolArn": "arn:x"}}},
        {"DefaultAuthorizer": "Jwt", "Authorizers": {"Jwt": {"JwtConfiguration": {"issuer": "x"}}}},
        {"DefaultAuthorizer": "AWS_IAM"},
    ],
)
def test_route_whose_authorizer_is_not_emulated_is_said_to_be_open(tmp_path: Path, auth: dict[str, Any]) -> None:
    """The danger: a developer takes what passes here for what passes in AWS."""
    api = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "s", "Auth": auth}}
    own = read(tmp_path, {"A": api, "Hello": function(Events={"E": event(RestApiId={"Ref": "A"})})})
    assert any("OPEN" in note for note in own.notes)
    assert "DefaultAuthorizer" not in own.resources["A"]["Properties"].get("Auth", {})


def guarded(reference: Any) -> dict[str, Any]:
    auth = {"DefaultAuthorizer": "Attested", "Authorizers": {"Attested": {"FunctionArn": reference}}}
    return {
        "A": {"Type": "AWS::Serverless::Api", "Properties": {"Auth": auth}},
        "Hello": function(Events={"E": event(RestApiId={"Ref": "A"})}),
    }


def test_template_that_names_the_authorizer_by_its_arn_gets_it(tmp_path: Path) -> None:
    """As the README says to put it on one's API: a parameter AuthorizerArn, an output of the stack."""
    declared = {"AuthorizerArn": {"Type": "String"}}
    own = read(tmp_path, guarded({"Ref": "AuthorizerArn"}), Parameters=declared)
    attested = own.resources["A"]["Properties"]["Auth"]["Authorizers"]["Attested"]
    assert own.authorizers == {"A": f"{AUTHORIZER}OfA"}
    assert attested["FunctionArn"] == {"Fn::GetAtt": [f"{AUTHORIZER}OfA", "Arn"]}
    assert own.resources[f"{AUTHORIZER}OfA"]["Properties"]["Handler"] == "authorize_request.handler"
    assert not own.notes


def test_authorizer_of_another_account_fails_closed(tmp_path: Path) -> None:
    """What is not here lets no request through, and is named."""
    own = read(tmp_path, guarded("arn:aws:lambda:eu-west-1:123456789012:function:Gate"))
    assert any("500" in note and "Attested" in note for note in own.notes)
    assert "NotHere" in str(own.resources["A"]["Properties"]["Auth"])


def test_parameters_of_known_names_get_this_stacks_values(tmp_path: Path) -> None:
    """And one's own come first; one without any value is a sentence."""
    declared = {name: {"Type": "String"} for name in (*OFFERED, "Mine")}
    resources = {"Hello": function(Environment={"Variables": {"A": {"Ref": "Issuer"}, "B": {"Ref": "Mine"}}})}
    own = read(tmp_path, resources, {"Mine": "m"}, Parameters=declared)
    assert own.environments() == {"Hello": {"A": "value", "B": "m"}}
    with pytest.raises(LocalStackError, match="Mine"):
        read(tmp_path, resources, {}, Parameters=declared)
    with pytest.raises(LocalStackError, match="Nobody"):
        read(tmp_path, resources, {"Nobody": "x", "Mine": "m"}, Parameters=declared)


def test_variable_that_cannot_be_known_is_empty_and_said(tmp_path: Path) -> None:
    """Imports of other stacks; a skipped resource has an invented name instead."""
    variables = {"A": {"Fn::ImportValue": "other"}, "Q": {"Ref": "Queue"}, "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}
    own = read(
        tmp_path, {"Hello": function(Environment={"Variables": variables}), "Queue": {"Type": "AWS::SQS::Queue"}}
    )
    environment = own.environments()["Hello"]
    assert environment["A"] == ""
    assert any("variable A is empty" in note for note in own.notes)
    assert (environment["Q"], environment["Arn"].startswith("arn:aws:not-here:")) == ("Queue", True)


def test_globals_and_settings_are_merged_into_what_sam_cli_sees(tmp_path: Path) -> None:
    """No Globals are left; method settings of both are kept, route settings are resolved."""
    everywhere: dict[str, Any] = {
        "Function": {"Runtime": "python3.13", "Timeout": 7, "Environment": {"Variables": {"G": "1"}}},
        "Api": {"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "INFO"}]},
        "HttpApi": {"RouteSettings": {"GET /x": {"ThrottlingRateLimit": {"Ref": "Rate"}}}},
    }
    resources = {
        "Hello": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"CodeUri": "code", "Handler": "a.b", "Events": {"R": event(), "H": event("HttpApi")}},
        }
    }
    own = read(tmp_path, resources, Globals=everywhere, Parameters={"Rate": {"Type": "Number", "Default": 3}})
    assert own.resources["Hello"]["Properties"]["Timeout"] == 7
    assert own.environments() == {"Hello": {"G": "1"}}
    assert own.resources["ServerlessRestApi"]["Properties"]["MethodSettings"] == everywhere["Api"]["MethodSettings"]
    assert own.resources["ServerlessHttpApi"]["Properties"]["RouteSettings"] == {"GET /x": {"ThrottlingRateLimit": "3"}}


def test_smaller_template_holds_only_what_runs_and_is_json(tmp_path: Path) -> None:
    """With folders in full: it lies elsewhere than the original."""
    own = read(tmp_path, {"Hello": function(Events={"E": event()}), "Queue": {"Type": "AWS::SQS::Queue"}})
    assert json.loads(json.dumps(own.resources)) == own.resources
    assert {one["Type"] for one in own.resources.values()} <= set(RUNS)
    assert Path(own.resources["Hello"]["Properties"]["CodeUri"]) == tmp_path / "code"


def test_projects_own_examples_can_be_run_so(tmp_path: Path) -> None:
    """A template with an authorizer of its own, two APIs and layers of this project."""
    own = read_own_template(PROJECT.example, {}, dict.fromkeys(OFFERED, "value"), PROJECT)
    assert {*own.apis} == {"OrdersRestApi", "OrdersHttpApi"}
    assert not own.wants_authorizer
    assert not own.notes
    assert all(why.endswith("not run here") for why in own.skipped.values())


@pytest.mark.parametrize(
    "text", ["", "[]", "Resources: 7", "Resources: {A: 7}", "Resources: {A: {}}", "{", "a: !Ref b"]
)
def test_file_that_is_no_template_is_a_sentence(tmp_path: Path, text: str) -> None:
    """One that names it."""
    path = tmp_path / "template.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(LocalStackError, match=str(path)):
        OwnStack(PROJECT, path, {})


def test_folder_stands_for_the_template_in_it(tmp_path: Path) -> None:
    """And one without any is a sentence."""
    with pytest.raises(LocalStackError, match="no template"):
        find_template(tmp_path)
    (tmp_path / "template.yml").write_text("Resources: {}", "utf-8")
    assert find_template(tmp_path).name == "template.yml"


def test_template_without_a_function_that_runs_says_why(tmp_path: Path) -> None:
    """Rather than a stack in which nothing answers."""
    path = tmp_path / "template.yaml"
    path.write_text(yaml.safe_dump({"Resources": {"Node": function(Runtime="nodejs22.x")}}), "utf-8")
    with pytest.raises(LocalStackError, match="nodejs22"):
        OwnStack(PROJECT, path, {})


def test_stack_is_named_after_the_project_also_when_it_was_built(tmp_path: Path) -> None:
    """`.aws-sam/build/template.yaml` is the project's, not the build's."""
    built = tmp_path / "shop" / ".aws-sam" / "build"
    built.mkdir(parents=True)
    assert read(built, {"Hello": function()}).name == "shop"


BASE: dict[str, Any] = {
    "Globals": {"Function": {"Timeout": 3, "Layers": []}, "Api": {}, "HttpApi": {}},
    "Parameters": {"P": {"Type": "String", "Default": "x"}},
    "Resources": {
        **guarded({"Fn::GetAtt": ["Hello", "Arn"]}),
        "L": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "code/"}},
        "T": {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": []}},
        "H": {"Type": "AWS::Serverless::HttpApi"},
    },
}
ODD = st.sampled_from([None, "", 7, [], {}, "text", {"Ref": "Nobody"}, {"Fn::Unheard": 1}, {"Ref": "P"}, [None], True])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, member in items for found in [(*path, key), *places(member, (*path, key))]]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(places(BASE)), value=ODD)
def test_template_with_anything_anywhere_is_read_or_refused_in_a_sentence(
    tmp_path: Path, place: tuple[Any, ...], value: Any
) -> None:
    """Templates are written by people, half of the time in the middle of a change."""
    data = copy.deepcopy(BASE)
    holder: Any = data
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    resources = data.pop("Resources")
    try:
        own = read(tmp_path, resources, **data)
        own.environments()
    except LocalStackError:
        return
    assert json.dumps(own.resources)
