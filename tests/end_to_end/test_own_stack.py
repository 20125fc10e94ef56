"""`bonafide local up --with`: templates of several shapes, minted here, answer on the local stack beside it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bonafide.operator.deployment import from_facts
from bonafide.operator.layout import Layout
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import ApiClient
from devkit.fleet.run import make_scene, register_apps
from devkit.stack.own_stack import OwnStack
from devkit.stack.stack import LocalStack
from tests.stack_ports import own_ports

pytestmark = pytest.mark.long

PROJECT = Layout.of_this_project()
CODE = """
import json, os
import boto3

def handler(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
    table.put_item(Item={"id": "1", "text": "kept"})
    return {"statusCode": 200, "body": json.dumps({
        "kept": table.get_item(Key={"id": "1"})["Item"]["text"],
        "queue": os.environ["QUEUE"],
        "authorizer": event["requestContext"].get("authorizer"),
    })}
"""
ATTESTED = {
    "FunctionArn": {"Ref": "AuthorizerArn"},
    "FunctionPayloadType": "REQUEST",
    "Identity": {"ReauthorizeEvery": 0},
}
TEMPLATE: dict[str, Any] = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"AuthorizerArn": {"Type": "String"}},
    "Globals": {
        "Function": {
            "Runtime": "python3.13",
            "Timeout": 10,
            "Environment": {"Variables": {"TABLE": {"Ref": "Notes"}, "QUEUE": {"Ref": "Jobs"}}},
        }
    },
    "Resources": {
        "Jobs": {"Type": "AWS::SQS::Queue"},
        "Notes": {"Type": "AWS::Serverless::SimpleTable"},
        "Guarded": {
            "Type": "AWS::Serverless::Api",
            "Properties": {"Auth": {"DefaultAuthorizer": "Attested", "Authorizers": {"Attested": ATTESTED}}},
        },
        "Plain": {"Type": "AWS::Serverless::HttpApi"},
        "Show": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "CodeUri": "code/",
                "Handler": "app.handler",
                "Events": {
                    "Implied": {"Type": "Api", "Properties": {"Path": "/implied", "Method": "get"}},
                    "ImpliedHttp": {"Type": "HttpApi", "Properties": {"Path": "/implied", "Method": "get"}},
                    "Plain": {
                        "Type": "HttpApi",
                        "Properties": {"ApiId": {"Ref": "Plain"}, "Path": "/plain/{id}", "Method": "ANY"},
                    },
                    "Guarded": {
                        "Type": "Api",
                        "Properties": {"RestApiId": {"Ref": "Guarded"}, "Path": "/notes", "Method": "get"},
                    },
                    "Job": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Jobs", "Arn"]}}},
                },
            },
        },
    },
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    project = tmp_path_factory.mktemp("shop")
    (project / "code").mkdir()
    (project / "code" / "app.py").write_text(CODE, "utf-8")
    (project / "template.yaml").write_text(yaml.safe_dump(TEMPLATE), "utf-8")
    layout = Layout(PROJECT.root, tmp_path_factory.mktemp("run"))
    with LocalStack(layout=layout, ports=own_ports(), beside=OwnStack(layout, project, {})) as running:
        yield running


def get(url: str, token: str = "") -> tuple[int, Any]:
    headers = {"OAuth-Client-Attestation": token} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read() or b"null")


@pytest.mark.parametrize(
    ("api", "path"), [("ServerlessRestApi", "/implied"), ("ServerlessHttpApi", "/implied"), ("Plain", "/plain/7")]
)
def test_apis_without_any_settings_answer(stack: LocalStack, api: str, path: str) -> None:
    """Implied and explicit, REST and HTTP, without method or route settings; with a table that is really there."""
    status, body = get(stack.facts["beside"]["apis"][api] + path)
    assert (status, body["kept"]) == (200, "kept")
    assert body["queue"] == "Jobs"


def test_guarded_api_asks_the_stacks_authorizer(stack: LocalStack) -> None:
    """The template names it by its ARN alone: refused without a token, let through with one of this stack."""
    url = stack.facts["beside"]["apis"]["Guarded"] + "/notes"
    assert get(url)[0] == 403
    deployment = from_facts(stack.facts)
    register_apps(deployment)
    scene = make_scene(deployment, DeviceAuthority.load_or_create(stack.layout.authority))
    client = ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.facts["beside"]["apis"]["Guarded"])
    installation = scene.install()
    session = scene.client.attest(installation)
    answer = client.call_with_proof("GET", "/notes", installation, session.token)
    assert answer.status == 200, answer.summary
    body: Any = answer.json
    assert body["authorizer"]["request_class"] == "verified"


def test_what_does_not_run_is_named(stack: LocalStack) -> None:
    """In the facts that `bonafide local up` prints."""
    facts = stack.facts["beside"]
    assert facts["skipped"] == {"Jobs": "AWS::SQS::Queue: not run here"}
    assert facts["notes"] == ["Show: event Job (SQS) never happens here."]
    assert Path(facts["template"]).name == "template.yaml"
    assert set(facts["runs"].values()) >= {"AWS::Serverless::Function", "AWS::Serverless::Api"}
