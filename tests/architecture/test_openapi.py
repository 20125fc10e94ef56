"""docs/openapi.yaml says what is: the template's routes, the request models' members, the problem table's statuses."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import administer
import pytest
import yaml
from attestation.errors import MalformedEvidence
from attestation.evidence import FORMATS, parse_evidence
from openapi_spec_validator import validate
from service.admin.http import Route
from service.edge.problems import GATEWAY_PROBLEM_TYPES, MALFORMED_REQUEST, PROBLEM_TYPES, UNAUTHORIZED

ROOT = Path(__file__).parents[2]
OPENAPI: dict[str, Any] = yaml.load((ROOT / "docs/openapi.yaml").read_text("utf-8"), yaml.CSafeLoader)

MODELS = {
    "ChallengeRequest": ("issue_challenge", "ChallengeRequest"),
    "AttestationRequest": ("appraise_evidence", "AttestationRequest"),
    "RenewalRequest": ("renew_token", "RenewalRequest"),
    "ReportedSignals": ("report_signal", "ReportedSignals"),
    "FailureReport": ("report_failure", "FailureReport"),
    "AskedSecrets": ("release_secrets", "AskedSecrets"),
}


class _TemplateLoader(yaml.CSafeLoader):
    """YAML with CloudFormation's tags, each kept as its plain value."""


def _plain(loader: yaml.Loader, _suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_TemplateLoader.add_multi_constructor("!", _plain)
TEMPLATE: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text("utf-8"), _TemplateLoader)  # noqa: S506


def _template_routes() -> set[tuple[str, str]]:
    events = (
        event["Properties"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {}).values()
        if event["Type"] == "Api"
    )
    routes = {(event["Method"].lower(), event["Path"]) for event in events}
    admin = {(method, path) for method, path in routes if path == "/admin/{proxy+}"}
    assert admin == {(route.method.lower(), "/admin/{proxy+}") for route in administer.ROUTES}
    return routes - admin | {(route.method.lower(), route.path) for route in administer.ROUTES}


def _operations() -> dict[tuple[str, str], dict[str, Any]]:
    methods = ("get", "post", "put", "delete", "patch")
    return {(m, path): item[m] for path, item in OPENAPI["paths"].items() for m in methods if m in item}


def test_document_is_valid_openapi() -> None:
    """The document obeys the OpenAPI 3.1 schema."""
    validate(OPENAPI)


def test_routes_are_exactly_the_templates() -> None:
    """No route is documented that is not deployed, and none deployed that is not documented."""
    assert set(_operations()) == _template_routes()


def _admin_bodies() -> dict[str, Route[Any]]:
    """The documented schema of each body of the Admin API → its route."""
    operations = _operations()
    bodies = ((operations[r.method.lower(), r.path].get("requestBody"), r) for r in administer.ROUTES)
    return {
        body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]: route for body, route in bodies if body
    }


@pytest.mark.parametrize("name", _admin_bodies())
def test_admin_body_has_the_members_of_its_model(name: str) -> None:
    """The same for the Admin API, whose models hold the path's members, too."""
    route = _admin_bodies()[name]
    schema, documented = route.model.model_json_schema(), OPENAPI["components"]["schemas"][name]
    of_the_path = set(re.findall(r"{(\w+)}", route.path))
    assert set(documented["properties"]) == set(schema["properties"]) - of_the_path
    assert set(documented.get("required", ())) == set(schema.get("required", ())) - of_the_path
    assert documented["additionalProperties"] is False


def test_every_admin_route_that_takes_a_body_documents_it() -> None:
    """Members that are not in the path come in the body, but for GET, where they are in the query."""
    for route in administer.ROUTES:
        members = set(route.model.model_json_schema().get("properties", ())) - set(re.findall(r"{(\w+)}", route.path))
        documented = "requestBody" in _operations()[route.method.lower(), route.path]
        assert documented == (route.method != "GET" and bool(members)), route.path


def test_admin_operations_are_named_after_their_use_cases() -> None:
    """What the log line ``change`` says is what the document says."""
    operations = _operations()
    for route in administer.ROUTES:
        operation = operations[route.method.lower(), route.path]
        assert operation["operationId"] == route.use_case.__name__
        assert operation["security"] == [{"aws_signature": []}]


@pytest.mark.parametrize("name", MODELS)
def test_request_schema_has_the_members_of_its_model(name: str) -> None:
    """Documented members, and which of them are required, are the pydantic model's."""
    module, model = MODELS[name]
    schema = getattr(importlib.import_module(module), model).model_json_schema()
    documented = OPENAPI["components"]["schemas"][name]
    assert set(documented["properties"]) == set(schema["properties"])
    assert set(documented["required"]) == set(schema["required"])
    assert documented["additionalProperties"] is schema["additionalProperties"] is False


def test_app_pattern_is_the_one_enforced() -> None:
    """The documented pattern of app names is the one that the request model checks."""
    apps = importlib.import_module("service.tables.apps")
    assert OPENAPI["components"]["schemas"]["App"]["pattern"] == apps.APP_PATTERN


def _evidence_schemas() -> dict[str, dict[str, Any]]:
    schemas = OPENAPI["components"]["schemas"]
    names = [reference["$ref"].rsplit("/", 1)[1] for reference in schemas["Evidence"]["oneOf"]]
    return {schemas[name]["properties"]["format"]["const"]: schemas[name] for name in names}


def test_evidence_formats_are_the_ones_that_functions_take() -> None:
    """Every documented format is one the library reads; only the receipt, which proves nothing alone, is left out."""
    assert set(_evidence_schemas()) == set(FORMATS) - {"apple-app-attest-receipt"}


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"apple-app-attest-receipt"}))
def test_evidence_members_are_the_ones_that_are_read(name: str) -> None:
    """A documented member is read, an undocumented one refused, and a required one missed."""
    schema = _evidence_schemas()[name]
    samples: dict[str, object] = {"format": name, "profile": "next", "kind": "anonymous", "certificate_chain": ["AAAA"]}
    item = {member: samples.get(member, "AAAA") for member in schema["properties"]}
    parse_evidence(item)
    with pytest.raises(MalformedEvidence):
        parse_evidence(item | {"undocumented": "AAAA"})
    for member in set(schema["required"]):
        with pytest.raises(MalformedEvidence):
            parse_evidence({known: value for known, value in item.items() if known != member})


def test_every_problem_is_documented_where_it_can_occur() -> None:
    """Each operation documents every status that the problem table can give on a POST with a body."""
    statuses = {str(problem.status) for problem in PROBLEM_TYPES if problem is not UNAUTHORIZED}
    for (method, path), operation in _operations().items():
        if method == "post" and path in ("/v1/attestations", "/v1/tokens"):
            assert statuses <= set(operation["responses"]), f"{path} lacks {statuses - set(operation['responses'])}"


def test_problem_slugs_are_in_the_prose() -> None:
    """The pages of errors and the document name every problem type, so that clients can rely on them."""
    pages = ("docs/api-errors.md", "docs/admin-api.md", "docs/openapi.yaml")
    prose = "".join((ROOT / page).read_text("utf-8") for page in pages)
    missing = [problem.slug for problem in (*PROBLEM_TYPES, *GATEWAY_PROBLEM_TYPES) if f"`{problem.slug}`" not in prose]
    assert not missing


def test_gateway_speaks_the_same_problem_types() -> None:
    """What API Gateway answers by itself carries the same kind of `type` as the functions."""
    templates = (ROOT / "template.yaml").read_text("utf-8")
    base = importlib.import_module("service.edge.problems").TYPE_BASE
    types = re.findall(r'"type": "([^"]*)"', templates)
    assert types
    assert all(kind.startswith(base) for kind in types)
    assert f"{base}{MALFORMED_REQUEST.slug}" in types
