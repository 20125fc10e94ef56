"""The construct and the example, synthesized and looked at, in the environment that holds the CDK."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aws_cdk import App, Stack
from aws_cdk import aws_apigateway as rest
from aws_cdk.assertions import Match, Template
from bonafide_cdk import Bonafide, PackagedTemplate, Route, TemplateError
from bonafide_cdk.packaged_template import LOCAL, _Loader

ROOT = Path(__file__).parents[3]
WHOLE = yaml.load((ROOT / "template.yaml").read_text("utf-8"), Loader=_Loader)  # noqa: S506 - derived from SafeLoader


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """template.yaml as `sam package` leaves it: code in S3."""
    template = json.loads(json.dumps(WHOLE))
    for resource in template["Resources"].values():
        for member in LOCAL:
            if member in resource.get("Properties", {}):
                resource["Properties"][member] = "s3://artefacts/key"
    path: Path = tmp_path_factory.mktemp("packaged") / "packaged.yaml"
    path.write_text(yaml.safe_dump(template), "utf-8")
    return path


def example() -> Any:
    specification = importlib.util.spec_from_file_location("cdk_example", ROOT / "examples/cdk/app.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def orders(packaged: Path) -> Stack:
    """The example's stack."""
    stack: Stack = example().build(App(), str(packaged))
    return stack


@pytest.fixture(scope="module")
def synthesized(orders: Stack) -> Template:
    return Template.from_stack(orders)


def test_bonafide_is_a_nested_stack_with_its_parameters(synthesized: Template) -> None:
    """By the template's own names, and in the form that CloudFormation takes."""
    synthesized.has_resource_properties(
        "AWS::CloudFormation::Stack",
        {
            "TemplateURL": Match.any_value(),
            "Parameters": {
                "Stage": "prod",
                "TokenIssuer": "orders-attestation",
                "EnableGuardedApi": "false",
                "GuardedApiRoutes": '[["GET","/orders","token"],["*","/*","proof"]]',
            },
            "Tags": [{"Key": "project", "Value": "orders"}],
        },
    )


def test_authorizers_are_the_nested_stacks_and_never_cached(synthesized: Template) -> None:
    """A cached answer would let a second request pass with the first one's proof."""
    authorizer = {"Fn::GetAtt": [stack_id(synthesized), "Outputs.AuthorizerArn"]}
    arn = Match.object_like({"Fn::Join": ["", Match.array_with([authorizer])]})
    properties = {"AuthorizerResultTtlInSeconds": 0, "AuthorizerUri": arn}
    synthesized.has_resource_properties("AWS::ApiGateway::Authorizer", {**properties, "Type": "REQUEST"})
    synthesized.has_resource_properties(
        "AWS::ApiGatewayV2::Authorizer",
        {**properties, "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": True},
    )


def stack_id(template: Template) -> str:
    (found,) = template.find_resources("AWS::CloudFormation::Stack")
    return str(found)


def test_guarded_routes_ask_the_authorizer(synthesized: Template) -> None:
    """Both kinds of API, by the authorizer's id."""
    for kind, authorizer in (
        ("AWS::ApiGateway::Method", "AWS::ApiGateway::Authorizer"),
        ("AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Authorizer"),
    ):
        (name,) = synthesized.find_resources(authorizer)
        synthesized.all_resources_properties(kind, {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": name}})


def test_refusals_of_a_rest_api_say_what_the_template_says(synthesized: Template) -> None:
    """An app reads the action from it. The text is the template's, not a copy of it."""
    told = WHOLE["Globals"]["Api"]["GatewayResponses"]["ACCESS_DENIED"]
    synthesized.has_resource_properties(
        "AWS::ApiGateway::GatewayResponse",
        {
            "ResponseType": "ACCESS_DENIED",
            "StatusCode": "401",
            "ResponseTemplates": told["ResponseTemplates"],
        },
    )


def test_route_that_is_guarded_later_is_deployed(packaged: Path) -> None:
    """The failure: the stage goes on serving the deployment in which the route was open."""

    def deployment(guarded: bool) -> str:
        stack = Stack(App(), "Stack")
        bonafide = Bonafide(stack, "Bonafide", template=packaged)
        api = rest.RestApi(stack, "Api", cloud_watch_role=False)
        method = api.root.add_method("GET", rest.MockIntegration())
        if guarded:
            bonafide.guard(method)
        template = Template.from_stack(stack)
        ((name, resource),) = template.find_resources("AWS::ApiGateway::Deployment").items()
        if guarded:
            (authorizer,) = template.find_resources("AWS::ApiGateway::Authorizer")
            assert authorizer in resource["DependsOn"]
        return str(name)

    assert deployment(guarded=True) != deployment(guarded=False)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"TokenLifetimeSecond": 300}, "Did you mean TokenLifetimeSeconds"),
        ({"Stage": "live"}, "takes dev, staging, prod"),
        ({"TokenLifetimeSeconds": 1}, "takes 60 to 3600"),
        ({"TokenLifetimeSeconds": "soon"}, "takes a number"),
        ({"GuardedApiRoutes": "[]"}, "not both"),
    ],
)
def test_wrong_parameter_fails_at_synthesis(packaged: Path, parameters: dict[str, str | int], told: str) -> None:
    """And not twenty minutes later."""
    with pytest.raises(TemplateError, match=told):
        Bonafide(Stack(App(), "S"), "B", template=packaged, parameters=parameters, routes=[Route("*", "/*", "proof")])


def test_template_that_is_not_packaged_is_said(packaged: Path, tmp_path: Path) -> None:
    """Its folders would be looked for by CloudFormation."""
    with pytest.raises(TemplateError, match="sam package"):
        PackagedTemplate(ROOT / "template.yaml")
    with pytest.raises(TemplateError, match="cannot be read"):
        PackagedTemplate(tmp_path / "none.yaml")
    with pytest.raises(TemplateError, match="no output VerifierUrl"):
        PackagedTemplate(packaged).require_output("VerifierUrl")


def test_named_outputs_are_the_templates(packaged: Path) -> None:
    """Those that the construct has as properties."""
    bonafide = Bonafide(Stack(App(), "S"), "B", template=packaged)
    assert all((bonafide.verifier_api_url, bonafide.authorizer_arn, bonafide.root_public_key))


def rules(app: App) -> set[str]:
    """The rules of cdk-nag that a synthesized app does not follow, by its report."""
    report = Path(app.outdir) / "validation-report.json"
    reports = json.loads(report.read_text("utf-8"))["pluginReports"] if report.exists() else []
    return {found["ruleName"] for one in reports for found in one["violations"]}


def test_nag_has_nothing_left_to_say(packaged: Path, tmp_path: Path) -> None:
    """Every rule of AWS Solutions, on the example with the construct in it; what is accepted has its reason."""
    app = App(outdir=str(tmp_path / "out"))
    example().build(app, str(packaged))
    app.synth()
    assert rules(app) == set()


def test_nag_is_at_work(packaged: Path, tmp_path: Path) -> None:
    """Without the reasons the example does not synthesize, and every reason is for a rule that it does not follow."""
    module = example()
    accepted, module.ACCEPTED = module.ACCEPTED, {}
    app = App(outdir=str(tmp_path / "out"))
    module.build(app, str(packaged))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    assert rules(app) == set(accepted)
