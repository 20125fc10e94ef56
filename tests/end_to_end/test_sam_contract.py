"""What the local stack uses of SAM CLI and awslambdaric. A failure here after an upgrade says what to look at."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.gateway.layer_path import RUNTIME_PACKAGES
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template

PROJECT = Layout.of_this_project()


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = str(tmp_path_factory.mktemp("home"))
    ended = subprocess.run(
        [str(PROJECT.sam_python), str(Path(__file__).parent / "sam_facts.py"), str(PROJECT.template)],
        env={"PATH": os.environ["PATH"], "HOME": home, "PYTHONPATH": str(PROJECT.root), "SAM_CLI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


def test_versions_are_the_pinned_ones(facts: dict[str, Any]) -> None:
    """The corrections are written against these; another version is a decision, not an accident."""
    assert facts["versions"]["aws-sam-cli"] == "1.170.0"
    assert facts["versions"]["ministack"] == "1.5.33"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (
            "samcli.commands.local.lib.local_lambda.LocalLambdaRunner",
            {"local_runtime", "function_provider", "cwd", "real_path", "aws_region", "env_vars_values"},
        ),
        ("samcli.lib.providers.sam_stack_provider.SamLocalStackProvider", {"template_file", "parameter_overrides"}),
        ("samcli.lib.providers.sam_function_provider.SamFunctionProvider", {"stacks"}),
        ("samcli.local.apigw.local_apigw_service.LocalApigwService", {"api", "lambda_runner", "port", "host"}),
    ],
)
def test_constructor_takes_what_is_given(facts: dict[str, Any], path: str, wanted: set[str]) -> None:
    """Named arguments that the gateway passes."""
    assert wanted <= set(facts["signatures"][path])


def test_positional_arguments_come_in_order(facts: dict[str, Any]) -> None:
    """Arguments that the gateway passes by position."""
    stack = "samcli.lib.providers.provider.Stack"
    assert facts["signatures"][stack][:5] == ["parent_stack_path", "name", "location", "parameters", "template_dict"]
    service = "samcli.local.lambda_service.local_lambda_http_service.LocalLambdaHttpService"
    assert facts["signatures"][service][:3] == ["lambda_runner", "port", "host"]


def test_methods_that_are_used_or_replaced_are_there(facts: dict[str, Any]) -> None:
    """The service's inner methods, with their parameters."""
    methods = facts["methods"]
    assert methods["_generate_lambda_event"] == ["flask_request", "route", "method", "endpoint"]
    assert methods["_generate_lambda_authorizer_event"] == ["flask_request", "route", "lambda_authorizer"]
    assert methods["_create_method_arn"] == ["flask_request", "event_type"]
    assert methods["_valid_identity_sources"] == ["request", "route"]
    assert methods["_parse_v1_payload_format_lambda_output"] == [
        "lambda_output",
        "binary_types",
        "flask_request",
        "event_type",
    ]
    assert methods["_parse_v2_payload_format_lambda_output"] == ["lambda_output", "binary_types", "flask_request"]
    assert methods["_route_key"] == ["method", "path"]


def test_functions_are_read_as_our_own_reader_reads_them(facts: dict[str, Any]) -> None:
    """Handler, timeout, folder and layers of every function of the template. SAM's reader knows no conditions."""
    template = Template.load(PROJECT.template, parameters={"EnableCanary": "true"}, pseudo=pseudo_parameters())
    shared = template.data["Globals"]["Function"]
    own = template.resources("AWS::Serverless::Function")
    assert set(facts["functions"]) == set(own)
    for name, seen in facts["functions"].items():
        properties = own[name]["Properties"]
        assert seen["handler"] == properties["Handler"]
        assert seen["timeout"] == properties.get("Timeout", shared["Timeout"])
        assert PROJECT.root / seen["codeuri"] == PROJECT.root / properties["CodeUri"]
        layers = [template.data["Resources"][layer["Ref"]] for layer in properties.get("Layers", [])]
        wanted = [PROJECT.root / layer["Properties"]["ContentUri"] for layer in layers]
        assert [PROJECT.root / layer for layer in seen["layers"]] == wanted


def test_routes_are_those_of_the_template(facts: dict[str, Any]) -> None:
    """Each API apart; only the guarded one has an authorizer, and its preflight is the gateway's."""
    assert facts["routes"]["GuardedApi"] == [
        ["GET", "/v1/whoami", "DescribeCallerFunction", True],
        ["OPTIONS", "/v1/whoami", "DescribeCallerFunction", True],
        ["POST", "/v1/whoami", "DescribeCallerFunction", True],
    ]
    verifier = {
        (method, path): (function, guarded) for method, path, function, guarded in facts["routes"]["VerifierApi"]
    }
    assert all(facts["cors"].values())
    assert verifier["POST", "/v1/challenges"] == ("IssueChallengeFunction", False)
    assert verifier["POST", "/v1/attestations"] == ("AppraiseEvidenceFunction", False)
    assert verifier["POST", "/v1/tokens"] == ("RenewTokenFunction", False)
    assert verifier["GET", "/v1/trust-bundle"] == ("ServePolicyFunction", False)
    assert verifier["GET", "/.well-known/jwks.json"] == ("ServePolicyFunction", False)


def test_error_document_with_request_id_is_still_missed(facts: dict[str, Any]) -> None:
    """Why the gateway takes the request id out of error documents; when this fails, it need not any more."""
    assert facts["error_document"] is True
    assert facts["error_document_with_id"] is False


def test_runtime_client_has_what_the_worker_corrects() -> None:
    """awslambdaric's private names, at the locked version."""
    code = (
        "import awslambdaric.bootstrap as b, awslambdaric.lambda_runtime_client as c, awslambdaric.lambda_context as x;"
    )
    code += "b._get_handler, c.LambdaRuntimeClient.restore_next; print(x.LambdaContext.__init__.__code__.co_names)"
    path = str(PROJECT.packages / RUNTIME_PACKAGES)
    ended = subprocess.run(
        [str(PROJECT.python), "-S", "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "No module named 'awslambdaric'" in ended.stderr:
        pytest.skip("awslambdaric has no wheel for this machine: workers are plain here")
    assert ended.returncode == 0, ended.stderr
    assert "_epoch_deadline_time_in_ms" in ended.stdout
