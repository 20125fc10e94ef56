"""stacks/proxy.yaml against the product: it streams, is bounded, and logs nothing that it should not."""

from __future__ import annotations

from typing import Any

from service.relay.upstreams import MOST_REQUEST_BYTES

from bonafide.operator.layout import Layout
from devkit.local.template import read_template

ROOT = Layout.of_this_project().root
TEMPLATE = read_template(ROOT / "stacks/proxy.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTION: dict[str, Any] = RESOURCES["RelayUpstreamFunction"]["Properties"]
MAIN = read_template(ROOT / "template.yaml")


def test_answers_stream_from_the_function_to_the_client() -> None:
    """By the integration, the invocation that it makes, and the loop that the wrapper puts in place of Python's own."""
    paths = RESOURCES["ProxyApi"]["Properties"]["DefinitionBody"]["paths"]
    integration = paths["/{upstream}/{proxy+}"]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
    assert (integration["type"], integration["responseTransferMode"]) == ("aws_proxy", "STREAM")
    assert "response-streaming-invocations" in str(integration["uri"])
    assert "2021-11-15" in str(integration["uri"])
    wrapper = ROOT / "functions/relay_upstream" / "stream"
    assert FUNCTION["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"] == f"/var/task/{wrapper.name}"
    assert wrapper.stat().st_mode & 0o111
    assert "runtime_loop.py" in wrapper.read_text("utf-8")


def test_bodies_arrive_as_they_were_signed() -> None:
    """Every media type is binary; and Lambda takes the largest body in base64."""
    assert RESOURCES["ProxyApi"]["Properties"]["BinaryMediaTypes"] == ["*/*"]
    assert MOST_REQUEST_BYTES * 4 / 3 < 6_000_000


def test_calls_are_bounded() -> None:
    """In number at once, in rate, in time."""
    assert FUNCTION["ReservedConcurrentExecutions"] == {"Ref": "ReservedConcurrency"}
    assert FUNCTION["Timeout"] == {"Ref": "Seconds"}
    (settings,) = RESOURCES["ProxyApi"]["Properties"]["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "Rate"}
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)


def test_nothing_of_a_call_is_traced_or_logged_at_debug() -> None:
    """At DEBUG the AWS SDK writes whole answers to the log, a secret's among them."""
    assert FUNCTION["Tracing"] == "Disabled"
    assert "DEBUG" not in TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"]


def test_function_runs_on_the_runtime_and_layers_of_the_stack() -> None:
    """What is tested there is what runs here."""
    assert FUNCTION["Runtime"] == MAIN["Globals"]["Function"]["Runtime"]
    layers = [layer["Ref"] for layer in FUNCTION["Layers"]]
    assert layers == ["CryptographyLayer", "DependenciesLayer", "AttestationLayer", "ServiceLayer"]
    for name in layers:
        own, theirs = RESOURCES[name]["Properties"], MAIN["Resources"][name]["Properties"]
        assert own["ContentUri"] == f"../{theirs['ContentUri']}"
        assert own["CompatibleRuntimes"] == theirs["CompatibleRuntimes"]


def test_tables_are_as_those_of_the_stack() -> None:
    """Encrypted, recoverable, and rows go by themselves."""
    for name in ("NoncesTable", "BudgetsTable"):
        own, theirs = RESOURCES[name]["Properties"], MAIN["Resources"]["NoncesTable"]["Properties"]
        keys = {"AttributeDefinitions", "KeySchema"}
        assert {k: v for k, v in own.items() if k not in keys} == {k: v for k, v in theirs.items() if k not in keys}
