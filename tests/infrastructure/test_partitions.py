"""The templates in AWS's three public partitions: nothing in them is another partition's, and no option is used that a
partition lacks. By SAM's own translator, in the partition's region, with everything that is optional turned on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import read_template
from tests.changes_arrive import resources_of
from tests.sam_translator import Deployment, translate

PROJECT = Layout.of_this_project()
ONLY_COMMERCIAL = {"edge.yaml"}
"""CloudFront with a web ACL is a stack in us-east-1, which other partitions do not have."""

TEMPLATES = sorted(
    path
    for path in (PROJECT.template, *PROJECT.root.glob("stacks/*.yaml"), *PROJECT.root.glob("examples/*/template.yaml"))
    if path.name not in ONLY_COMMERCIAL
)
ON = {
    "template.yaml": {"EnableDecisionReplay": "true", "EnableProofOnce": "true", "EnableCanary": "true"},
    "replay.yaml": {"StackName": "stack", "Stage": "prod", "LogLevel": "INFO", "DecisionBucketArn": "<arn>"},
}
"""Parameters that turn on what is off, or that have no default."""


@dataclass(frozen=True, slots=True)
class Place:
    """A region of a partition, and what addresses end in there."""

    partition: str
    region: str
    suffix: str

    @property
    def pseudo(self) -> dict[str, str]:
        """CloudFormation's pseudo parameters."""
        stack = f"arn:{self.partition}:cloudformation:{self.region}:000000000000:stack/stack/id"
        own = {"AWS::Partition": self.partition, "AWS::Region": self.region, "AWS::URLSuffix": self.suffix}
        return {**pseudo_parameters("stack"), **own, "AWS::StackId": stack}


PLACES = [
    Place("aws", "eu-central-1", "amazonaws.com"),
    Place("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
    Place("aws-cn", "cn-north-1", "amazonaws.com.cn"),
]
OTHERS = PLACES[1:]


def names() -> list[str]:
    return [str(path.relative_to(PROJECT.root)) for path in TEMPLATES]


@pytest.fixture(scope="module")
def deployed() -> dict[tuple[str, str], dict[str, Any]]:
    """The resources of each template in each partition, by file and partition."""
    wanted = [(path, place) for path in TEMPLATES for place in PLACES]
    translated = translate(
        [Deployment(read_template(path), ON.get(path.name, {}), region=place.region) for path, place in wanted]
    )
    return {
        (str(path.relative_to(PROJECT.root)), place.partition): resources_of(made, ON.get(path.name, {}), place.pseudo)
        for (path, place), made in zip(wanted, translated, strict=True)
    }


def texts(value: object, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a resource, with the way to it."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from texts(member, (*way, str(name)))
    elif isinstance(value, list):
        for member in value:
            yield from texts(member, way)
    elif isinstance(value, str):
        yield way, value


def foreign(resources: Mapping[str, Any], place: Place) -> Iterator[str]:
    """Texts that name another partition, or an address that is not there. Names of services are the same everywhere."""
    for way, text in texts(resources):
        if set(re.findall(r"arn:([A-Za-z][\w-]*):", text)) - {place.partition}:
            yield f"{way}: {text}"
        if "Principal" in way[-2:] and re.fullmatch(r"[a-z0-9-]+\.amazonaws\.com", text):
            continue
        for suffix in re.findall(r"amazonaws\.com(?:\.cn)?", text):
            if suffix != place.suffix and "s3.amazonaws.com/key" not in text:  # where the tests say that parts are
                yield f"{way}: {text}"


def test_every_template_is_looked_at() -> None:
    """A test over no template would always hold."""
    assert set(names()) >= {"template.yaml", "stacks/replay.yaml", "examples/orders-backend/template.yaml"}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.partition)
@pytest.mark.parametrize("template", names())
def test_nothing_names_another_partition(
    template: str, place: Place, deployed: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """The failure: a role's policy or a state machine's task is `arn:aws:...`, and the deployment fails in China."""
    assert list(foreign(deployed[template, place.partition], place)) == []


def test_what_is_foreign_is_found() -> None:
    """Else the test above could not fail."""
    there = OTHERS[1]
    found = foreign(
        {
            "A": {"Resource": "arn:aws:states:::lambda:invoke"},
            "B": {"Url": "https://api.execute-api.cn-north-1.amazonaws.com/prod"},
            "C": {"Principal": {"Service": "lambda.amazonaws.com"}},
            "D": {"Resource": ["arn:aws-cn:s3:::bucket"], "Url": "https://a.amazonaws.com.cn"},
        },
        there,
    )
    assert [one.split("'")[1] for one in found] == ["A", "B"]


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


@pytest.mark.parametrize("template", names())
def test_what_lambda_lacks_in_a_partition_is_left_out(
    template: str, deployed: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """By AWS's own pages of differences: no tracing by X-Ray in China, no JSON log format in GovCloud, SnapStart for
    Python in neither. Functions at the edge say nothing of their log: each region's copy writes where it runs."""
    for place in PLACES:
        functions = of_type(deployed[template, place.partition], "AWS::Lambda::Function")
        assert functions or template in ("stacks/monitoring.yaml", "examples/incident-targets/template.yaml")
        traced = {one.get("TracingConfig", {}).get("Mode") for one in functions.values()}
        snapshots = {one.get("SnapStart", {}).get("ApplyOn") for one in functions.values()}
        logging = [one["LoggingConfig"] for one in functions.values() if template != "stacks/edge-authorizer.yaml"]
        assert ("Active" in traced) <= (place.partition != "aws-cn")
        assert ("PublishedVersions" in snapshots) <= (place.partition == "aws")
        if place.partition == "aws-us-gov":
            assert all(set(one) == {"LogFormat", "LogGroup"} and one["LogFormat"] == "Text" for one in logging)
        else:
            assert all(one["LogFormat"] == "JSON" and "ApplicationLogLevel" in one for one in logging)


def test_commercial_partition_has_everything(deployed: dict[tuple[str, str], dict[str, Any]]) -> None:
    """What is left out elsewhere is not left out here."""
    resources = deployed["template.yaml", "aws"]
    functions = of_type(resources, "AWS::Lambda::Function")
    assert functions["AppraiseEvidenceFunction"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert functions["AppraiseEvidenceFunction"]["TracingConfig"] == {"Mode": "Active"}
    assert all(stage["TracingEnabled"] is True for stage in of_type(resources, "AWS::ApiGateway::Stage").values())
    china = deployed["template.yaml", "aws-cn"]
    assert not any(stage["TracingEnabled"] for stage in of_type(china, "AWS::ApiGateway::Stage").values())


@pytest.mark.parametrize("template", names())
def test_no_type_of_resource_is_missing_in_govcloud(
    template: str, deployed: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """CloudFormation there has no inline policies as resources of their own; AWS::IAM::Policy is not one of them."""
    kinds = {one["Type"] for one in deployed[template, "aws-us-gov"].values()}
    assert not kinds & {"AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy"}


def literals(folder: Path) -> Iterator[str]:
    for source in sorted(folder.rglob("*.py")):
        for number, line in enumerate(source.read_text("utf-8").splitlines(), 1):
            if re.search(r"arn:aws[:\"']|[^\\]\.amazonaws\.com", line):
                yield f"{source.relative_to(PROJECT.root)}:{number}"


MADE_UP = {"bonafide/operator/signed_request.py", "functions/check_new_version/version_checks.py"}
"""Where a request is made up that no AWS service sees: the local stack's caller, the authorizer's check."""


def test_code_names_no_partition() -> None:
    """What runs in functions, and the operator's command."""
    found = [line for name in ("functions", "layers", "bonafide") for line in literals(PROJECT.root / name)]
    assert {line.partition(":")[0] for line in found} == MADE_UP
