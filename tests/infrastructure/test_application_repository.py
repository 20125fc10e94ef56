"""What is published to the AWS Serverless Application Repository: a description, and the template made for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import boto3
import pytest
from repository_template import METADATA, PublicationError, capabilities, named, repository_template

from bonafide.operator.layout import Layout
from bonafide.operator.local_account import CREDENTIALS, REGION, client_arguments
from devkit.local.aws import running_ministack
from devkit.local.template import read_template
from tests.sam_translator import Deployment, translate

pytestmark = pytest.mark.long

PROJECT = Layout.of_this_project()
TEMPLATE = read_template(PROJECT.template)
DESCRIBED = TEMPLATE["Metadata"][METADATA]
SCRIPT = Path(__file__).with_name("sar_requests.py")


def test_description_is_what_the_repository_takes() -> None:
    """Patterns and lengths as AWS documents them; the author's is the one that surprises."""
    assert re.fullmatch(r"[a-zA-Z0-9\-]{1,140}", DESCRIBED["Name"])
    assert 1 <= len(DESCRIBED["Description"]) <= 256
    assert re.fullmatch(r"[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?", DESCRIBED["Author"])
    assert len(DESCRIBED["Labels"]) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+\-_:/@]{1,127}", label) for label in DESCRIBED["Labels"])


def test_licence_is_the_projects() -> None:
    """And the files that are uploaded are there. The version is compared with the other files that name it."""
    project = tomllib.loads((PROJECT.root / "pyproject.toml").read_text("utf-8"))["project"]
    assert DESCRIBED["SpdxLicenseId"] == project["license"]
    assert (PROJECT.root / DESCRIBED["LicenseUrl"]).is_file()
    assert (PROJECT.root / DESCRIBED["ReadmeUrl"]).is_file()


def defined(template: dict[str, Any]) -> set[str]:
    return {name for part in ("Parameters", "Resources", "Conditions") for name in template.get(part, {})}


def test_published_template_has_no_nested_stack_and_nothing_that_needs_one() -> None:
    """Their templates would lie in the publisher's bucket. Nothing is left that names what is gone."""
    template = repository_template(TEMPLATE, "arm64")
    kinds = {one["Type"] for one in template["Resources"].values()}
    assert "AWS::Serverless::Application" in {one["Type"] for one in TEMPLATE["Resources"].values()}
    assert not kinds & {"AWS::Serverless::Application", "AWS::CloudFormation::Stack"}
    assert "EnableDecisionReplay" not in template["Parameters"]
    assert "ReplayStateMachineArn" not in template["Outputs"]
    left = {name for part in template.values() for name in named(part) if not name.startswith("AWS::")}
    implied = {name for name in left if re.fullmatch(r"\w+Function(?:Role|Alias\w+|\.\w+)", name)}  # made by SAM
    assert left - defined(template) - implied == set()
    gone = set(TEMPLATE["Resources"]) - set(template["Resources"])
    assert {TEMPLATE["Resources"][name]["Type"] for name in gone} == {"AWS::Serverless::Application"}
    assert set(TEMPLATE["Outputs"]) - set(template["Outputs"]) == {"ReplayStateMachineArn"}


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_architecture_is_the_one_that_was_built(architecture: str) -> None:
    """The other would install, and fail at its first import."""
    parameter = repository_template(TEMPLATE, architecture)["Parameters"]["Architecture"]
    assert (parameter["Default"], parameter["AllowedValues"]) == (architecture, [architecture])


def test_resource_that_needs_a_nested_stack_is_said() -> None:
    """Better than an application that cannot be installed."""
    resources = {
        "Part": {"Type": "AWS::Serverless::Application", "Properties": {"Location": "part.yaml"}},
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"A": {"Fn::Sub": "${Part.Outputs.Arn}"}}},
    }
    with pytest.raises(PublicationError, match="Alarm"):
        repository_template({**TEMPLATE, "Resources": resources}, "arm64")
    with pytest.raises(PublicationError, match="Metadata"):
        repository_template({"Resources": {}}, "arm64")


def test_capabilities_are_those_that_the_page_names() -> None:
    """An account must acknowledge them, so the page lists them for both ways to deploy."""
    whole, published = translate([Deployment(TEMPLATE), Deployment(repository_template(TEMPLATE, "arm64"))])
    page = (PROJECT.root / "docs/releasing.md").read_text("utf-8")
    assert capabilities(published) == ["CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"]
    assert "`CAPABILITY_IAM` and `CAPABILITY_RESOURCE_POLICY`" in page
    assert "CAPABILITY_AUTO_EXPAND" in capabilities(whole)


def test_published_template_is_a_template(tmp_path: Path) -> None:
    """By cfn-lint, unused parameters and conditions included."""
    written = tmp_path / "repository.json"
    written.write_text(json.dumps(located(repository_template(TEMPLATE, "arm64"))), "utf-8")
    linter = PROJECT.require_sam_python().parent / "cfn-lint"
    ended = subprocess.run(
        [str(linter), "--regions", "eu-central-1", "--", str(written)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "")


def located(template: dict[str, Any]) -> dict[str, Any]:
    """As `sam package` leaves it: code and texts in S3."""
    for resource in template["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][name] = "s3://bucket/key"
    template["Metadata"][METADATA].update(LicenseUrl="s3://bucket/license", ReadmeUrl="s3://bucket/readme")
    return template


@pytest.mark.ministack
def test_recipe_packages_and_publishes_what_we_described(tmp_path: Path) -> None:
    """As docs/releasing.md has it: SAM CLI uploads code and texts to a stand-in's bucket, and its own publisher makes
    the request, which the AWS SDK checks against the service's model."""
    template = repository_template(TEMPLATE, "arm64")
    for resource in template["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][name] = "code"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "module.py").write_text("", "utf-8")
    for name in ("LicenseUrl", "ReadmeUrl"):
        shutil.copy(PROJECT.root / DESCRIBED[name], tmp_path)
    (tmp_path / "repository.json").write_text(json.dumps(template), "utf-8")
    sam, packaged = str(PROJECT.require_sam_python()), str(tmp_path / "packaged.yaml")
    with running_ministack() as endpoint:
        storage = boto3.client("s3", **client_arguments(endpoint))
        storage.create_bucket(Bucket="artefacts", CreateBucketConfiguration={"LocationConstraint": REGION})
        line = [
            sam,
            "-m",
            "samcli",
            "package",
            "--template-file",
            "repository.json",
            "--output-template-file",
            packaged,
        ]
        run([*line, "--s3-bucket", "artefacts", "--region", REGION], tmp_path, endpoint)
    (asked,) = json.loads(run([sam, str(SCRIPT), packaged], tmp_path))
    assert {name: asked[name] for name in ("Name", "Author", "SpdxLicenseId", "SemanticVersion")} == {
        name: DESCRIBED[name] for name in ("Name", "Author", "SpdxLicenseId", "SemanticVersion")
    }
    assert asked["LicenseUrl"].startswith("s3://artefacts/")
    assert asked["TemplateBody"].count("s3://artefacts/") > 10
    assert "RenewTokenFunction" in asked["TemplateBody"]


def run(line: list[str], folder: Path, endpoint: str = "http://127.0.0.1:9") -> str:
    """What a command prints; it must end well, and finds no AWS but the stand-in."""
    environment = {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint, "SAM_CLI_TELEMETRY": "0"}
    ended = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended.stdout
