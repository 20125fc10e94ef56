"""`make deploy-edge`: what it tells CloudFormation, in which order, and that no request is refused while it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bonafide.operator.layout import Layout, LocalStackError
from devkit.local.template import read_template
from devkit.stack import deploy_edge
from devkit.stack.deploy_edge import HASHES, CloudFormation, Edge, edge_of, next_steps, own_parameters
from devkit.stack.deploy_stage import Stage

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "stacks/edge.yaml")
MAIN_OUTPUTS = {
    "VerifierApiUrl": "https://abc.execute-api.eu-central-1.amazonaws.com/prod",
    "GuardedApiUrl": "https://def.execute-api.eu-central-1.amazonaws.com/prod",
    "EdgeBucketDomain": "bucket.s3.eu-central-1.amazonaws.com",
}
STAGE = Stage("prod", "eu-central-1", "bonafide-prod", {}, asks=True)


@dataclass
class Stacks:
    """A CloudFormation client over stacks in memory. `log` is shared, so that the order over regions shows."""

    log: list[tuple[str, dict[str, str]]]
    stacks: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    fails: str = ""

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName not in self.stacks:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        parameters, outputs = self.stacks[StackName]
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        told = [{"ParameterKey": key, "ParameterValue": "****"} for key in parameters]
        for one in told:
            if one["ParameterKey"] != "OriginSecret":
                one["ParameterValue"] = parameters[one["ParameterKey"]]
        return {"Stacks": [{"Outputs": listed, "Parameters": told}]}

    def create_stack(self, **arguments: Any) -> None:
        self._put("create", arguments)

    def update_stack(self, **arguments: Any) -> None:
        self._put("update", arguments)

    def get_waiter(self, name: str) -> Stacks:
        assert name in ("stack_create_complete", "stack_update_complete")
        return self

    def wait(self, **_named: str) -> None:
        """Nothing to wait for."""

    def _put(self, verb: str, arguments: Mapping[str, Any]) -> None:
        name = arguments["StackName"]
        if self.fails:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": self.fails}}, "UpdateStack")
        before, outputs = self.stacks.get(name, ({}, {}))
        given = {one["ParameterKey"]: one for one in arguments["Parameters"]}
        parameters = {
            key: before[key] if "UsePreviousValue" in one else one["ParameterValue"] for key, one in given.items()
        }
        if name.endswith("-edge"):
            outputs = {"Origin": "https://edge.example.com", "DistributionDomain": "d1.cloudfront.net"}
            outputs["OriginSecretHash"] = parameters["OriginSecretHash"]
        self.log.append(
            (f"{verb} {name}", {key: parameters[key] for key in parameters if parameters[key] != before.get(key)})
        )
        self.stacks[name] = (parameters, outputs)


@dataclass
class Account:
    """A main stack in one region, and nothing in us-east-1."""

    log: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    main: Stacks = field(init=False)
    own: Stacks = field(init=False)

    def __post_init__(self) -> None:
        parameters = {"Stage": "prod", HASHES: "", "ProofNonceKey": "kept"}
        self.main = Stacks(self.log, {"bonafide-prod": (parameters, dict(MAIN_OUTPUTS))})
        self.own = Stacks(self.log)

    @property
    def edge(self) -> Edge:
        return Edge(
            STAGE,
            CloudFormation(self.main, "eu-central-1"),
            CloudFormation(self.own, "us-east-1"),
            "the template",
            {"WafMode": "count"},
        )

    @property
    def accepted(self) -> list[str]:
        return self.main.stacks["bonafide-prod"][0][HASHES].split(",")

    @property
    def sent(self) -> str:
        """The secret that the edge sends."""
        return self.own.stacks["bonafide-prod-edge"][0]["OriginSecret"]


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def test_first_deployment_opens_the_edge_and_closes_nothing() -> None:
    """Clients that still call the APIs directly go on working."""
    account = Account()
    found = account.edge.deploy()
    ((name, told),) = account.log
    assert name == "create bonafide-prod-edge"
    assert (told["VerifierDomain"], told["VerifierPath"]) == ("abc.execute-api.eu-central-1.amazonaws.com", "/prod")
    assert (told["GuardedDomain"], told["GuardedPath"]) == ("def.execute-api.eu-central-1.amazonaws.com", "/prod")
    assert (told["DocumentsDomain"], told["WafMode"]) == ("bucket.s3.eu-central-1.amazonaws.com", "count")
    assert told["OriginSecretHash"] == hashed(told["OriginSecret"])
    assert len(told["OriginSecret"]) == 43
    assert account.accepted == [""]
    steps = "\n".join(next_steps(STAGE, found, account.edge.behind()))
    assert (
        f"TrustBundleUrl=https://edge.example.com/v1/trust-bundle,{MAIN_OUTPUTS['VerifierApiUrl']}/v1/trust-bundle"
        in steps
    )
    assert account.sent not in steps


def test_parameters_are_those_of_the_template() -> None:
    """Nothing is told that the template does not know, and what it asks for without a default is told."""
    account = Account()
    account.edge.deploy()
    told = set(account.log[0][1])
    asked = {name for name, parameter in TEMPLATE["Parameters"].items() if "Default" not in parameter}
    assert asked <= told <= set(TEMPLATE["Parameters"])


def test_second_deployment_keeps_the_secret() -> None:
    account = Account()
    account.edge.deploy()
    secret = account.sent
    account.edge.deploy()
    assert account.log[1] == ("update bonafide-prod-edge", {})
    assert account.sent == secret


def test_closing_has_the_secret_of_the_edge_accepted_and_keeps_all_else() -> None:
    account = Account()
    account.edge.deploy()
    account.edge.close()
    assert account.accepted == [hashed(account.sent)]
    assert account.main.stacks["bonafide-prod"][0]["ProofNonceKey"] == "kept"
    account.edge.open()
    assert account.accepted == [""]


def test_rotation_has_what_is_sent_accepted_at_every_moment() -> None:
    """New beside old, then the edge changes, then the old one goes."""
    account = Account()
    account.edge.deploy()
    account.edge.close()
    old = account.sent
    del account.log[:]
    account.edge.rotate()
    new = account.sent
    assert old != new
    assert [step for step, _ in account.log] == [
        "update bonafide-prod",
        "update bonafide-prod-edge",
        "update bonafide-prod",
    ]
    assert account.log[0][1] == {HASHES: f"{hashed(old)},{hashed(new)}"}
    assert account.accepted == [hashed(new)]


def test_rotation_that_ends_half_way_refuses_nothing() -> None:
    """CloudFront takes no change today: the old secret is still sent, and still accepted."""
    account = Account()
    account.edge.deploy()
    account.edge.close()
    account.own.fails = "Rate exceeded"
    with pytest.raises(LocalStackError, match=r"bonafide-prod-edge in us-east-1: .*Rate exceeded"):
        account.edge.rotate()
    assert hashed(account.sent) in account.accepted
    account.own.fails = ""
    account.edge.rotate()
    assert account.accepted == [hashed(account.sent)]


def test_rotation_of_an_open_stack_does_not_close_it() -> None:
    account = Account()
    account.edge.deploy()
    account.edge.rotate()
    assert account.accepted == [""]


def test_what_is_missing_is_said() -> None:
    """One sentence, and nothing changed."""
    account = Account()
    with pytest.raises(LocalStackError, match="no edge yet"):
        account.edge.close()
    with pytest.raises(LocalStackError, match="no edge yet"):
        account.edge.rotate()
    del account.main.stacks["bonafide-prod"][1]["EdgeBucketDomain"]
    with pytest.raises(LocalStackError, match="EnableEdgeBucket=true"):
        account.edge.deploy()
    account.main.stacks.clear()
    with pytest.raises(LocalStackError, match="is not deployed in eu-central-1"):
        account.edge.deploy()
    assert account.log == []


def test_nothing_to_update_is_no_failure() -> None:
    account = Account()
    account.edge.deploy()
    account.own.fails = "No updates are to be performed."
    account.edge.deploy()


def layout(tmp_path: Path, region: str) -> Layout:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/edge.yaml").write_text("Resources: {}\n")
    (tmp_path / "samconfig.toml").write_text(
        f'[prod.deploy.parameters]\nstack_name = "bonafide"\nregion = "{region}"\n'
        '[prod.edge.parameters]\nparameter_overrides = ["DomainName=api.example.com", "WafMode=block"]\n'
    )
    return Layout(root=tmp_path)


def test_stage_is_that_of_samconfig(tmp_path: Path) -> None:
    edge = edge_of(layout(tmp_path, "eu-central-1"), "prod")
    assert (edge.name, edge.stage.region) == ("bonafide-edge", "eu-central-1")
    assert edge.parameters == {"DomainName": "api.example.com", "WafMode": "block"}
    with pytest.raises(LocalStackError, match="There is no stage 'none'"):
        edge_of(Layout(root=tmp_path), "none")


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_partition_without_cloudfront_has_no_edge(tmp_path: Path, region: str) -> None:
    with pytest.raises(LocalStackError, match="no CloudFront"):
        edge_of(layout(tmp_path, region), "prod")


@pytest.mark.parametrize("overrides", ['"WafMode=block"', '["WafMode"]', '["=block"]'])
def test_parameters_that_cannot_be_read_are_said(overrides: str) -> None:
    with pytest.raises(LocalStackError, match="no list of NAME=VALUE"):
        own_parameters(f"[prod.edge.parameters]\nparameter_overrides = {overrides}\n", "prod")


def test_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy_edge.main(["no-such-stage"]) == 1
    assert "There is no stage 'no-such-stage'" in capsys.readouterr().err
