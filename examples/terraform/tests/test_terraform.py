"""The Terraform module and its example, parsed and compared with the template: `make infrastructure`.

Terraform itself and its AWS provider are not there, so nothing is planned. What a plan would find first is looked for
here: names that are not declared, and what the template does not have.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from bonafide_cdk.packaged_template import _Loader

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]
TEMPLATE = yaml.load((ROOT / "template.yaml").read_text("utf-8"), Loader=_Loader)  # noqa: S506 - from SafeLoader
FOLDERS = [HERE, HERE / "module"]


def plain(value: Any) -> Any:
    """Without the parser's own marks: quotation marks of texts, comments, kinds of block."""
    if isinstance(value, dict):
        return {name.strip('"'): plain(member) for name, member in value.items() if not name.startswith("__")}
    if isinstance(value, list):
        return [plain(member) for member in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


def configuration(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The blocks of a folder's files, by kind."""
    blocks: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.tf")):
        for kind, found in plain(hcl2.loads(path.read_text("utf-8"))).items():
            blocks.setdefault(kind, []).extend(found)
    return blocks


def resources(folder: Path, kind: str) -> dict[str, Any]:
    return {
        name: one
        for block in configuration(folder)["resource"]
        for type_, named in block.items()
        for name, one in named.items()
        if type_ == kind
    }


def names(folder: Path, kind: str) -> set[str]:
    return {name for block in configuration(folder).get(kind, []) for name in block}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_name_is_declared(folder: Path) -> None:
    """Variables, locals, data, resources, and outputs of the module."""
    text = "\n".join(re.sub(r"#.*", "", path.read_text("utf-8")) for path in folder.glob("*.tf"))
    blocks = configuration(folder)
    made = {
        f"{kind}.{name}"
        for part in ("resource", "data")
        for block in blocks.get(part, [])
        for kind, named in block.items()
        for name in named
    }
    assert set(re.findall(r"\bvar\.(\w+)", text)) == names(folder, "variable")
    assert set(re.findall(r"\blocal\.(\w+)", text)) <= {name for one in blocks.get("locals", []) for name in one}
    assert set(re.findall(r"\b(aws_\w+\.\w+)", text)) <= made
    assert set(re.findall(r"\bmodule\.bonafide\.(\w+)", text)) <= names(HERE / "module", "output")


def test_module_deploys_the_template_as_make_deploy_does() -> None:
    """The same capabilities; the template from S3, since it is too large for a request; and it is not destroyed."""
    (stack,) = resources(HERE / "module", "aws_cloudformation_stack").values()
    stages = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    assert stack["capabilities"] == stages["prod"]["deploy"]["parameters"]["capabilities"]
    assert (ROOT / "template.yaml").stat().st_size > 51_200
    assert "template_body" not in stack
    assert stack["lifecycle"] == [{"prevent_destroy": True}]
    assert stack["tags"] == "${var.tags}"


def test_outputs_and_parameters_are_the_templates() -> None:
    """A misspelt one would fail after the stack is deployed, or before, but twenty minutes later than here."""
    told = (HERE / "module/outputs.tf").read_text("utf-8")
    read = set(re.findall(r'outputs\["(\w+)"\]', told))
    assert read
    assert read <= set(TEMPLATE["Outputs"])
    (module,) = configuration(HERE)["module"]
    given = module["bonafide"]["parameters"]
    assert given
    for name, value in given.items():
        assert value in TEMPLATE["Parameters"][name].get("AllowedValues", [value]), name
    assert set(module["bonafide"]) - {"source"} <= names(HERE / "module", "variable")


def test_routes_ask_the_authorizer_and_nothing_is_cached() -> None:
    """A cached answer would let a second request pass with the first one's proof."""
    guarded = [
        (resources(HERE, "aws_apigatewayv2_route"), "authorization_type", "aws_apigatewayv2_authorizer"),
        (resources(HERE, "aws_api_gateway_method"), "authorization", "aws_api_gateway_authorizer"),
    ]
    for routes, member, authorizer in guarded:
        assert routes
        for route in routes.values():
            assert (route[member], route["authorizer_id"]) == ("CUSTOM", f"${{{authorizer}.bonafide.id}}")
        (one,) = resources(HERE, authorizer).values()
        assert one["authorizer_result_ttl_in_seconds"] == 0
        assert one["authorizer_uri"] == "${module.bonafide.authorizer_invocation_uri}"


def test_refusal_is_the_templates() -> None:
    """An app reads from it what it can do."""
    told = TEMPLATE["Globals"]["Api"]["GatewayResponses"]["ACCESS_DENIED"]["ResponseTemplates"]["application/json"]
    assert (HERE / "refusal.json").read_text("utf-8").strip() == told.strip()


def test_whatever_changes_a_rest_api_deploys_it_anew() -> None:
    """The failure: the stage goes on serving the deployment in which a route was open."""
    (deployment,) = resources(HERE, "aws_api_gateway_deployment").values()
    kinds = {kind for block in configuration(HERE)["resource"] for kind in block if kind.startswith("aws_api_gateway_")}
    apart = {"aws_api_gateway_rest_api", "aws_api_gateway_deployment", "aws_api_gateway_stage"}
    assert kinds - apart == set(re.findall(r"\b(aws_api_gateway_\w+)\.", json.dumps(deployment["triggers"])))
