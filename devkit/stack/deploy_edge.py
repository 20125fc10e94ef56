"""`make deploy-edge`: stacks/edge.yaml in front of a stage that is deployed, and the origin secret between the two.

The secret is made here and goes to CloudFront, as a parameter that CloudFormation shows to no one; the main stack gets
its SHA-256. It is stored nowhere else, since nothing needs it again: a new one takes its place (`--rotate`).

    python -m devkit.stack.deploy_edge STAGE [--close | --open | --rotate]
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from bonafide.operator.layout import Layout, LocalStackError
from devkit.stack.deploy_stage import CONFIG, Stage, stages

REGION: Final = "us-east-1"
TEMPLATE: Final = "stacks/edge.yaml"
HASHES: Final = "OriginSecretHashes"
_WITHOUT_CLOUDFRONT: Final = ("cn-", "us-gov-")
_CAPABILITIES: Final = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


@dataclass(frozen=True, slots=True)
class Found:
    """What CloudFormation knows of a stack. Values of NoEcho parameters are not among them."""

    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CloudFormation:
    """The stacks of one region. Every failure is a :class:`LocalStackError` of one sentence."""

    client: Any
    region: str

    def find(self, name: str) -> Found | None:
        """The stack of that name; `None` when there is none."""
        try:
            (stack,) = self.client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise self._failed(name, error) from error
        except BotoCoreError as error:
            raise self._failed(name, error) from error
        return Found(
            {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())},
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in stack.get("Parameters", ())},
        )

    def create(self, name: str, body: str, parameters: Mapping[str, str]) -> None:
        """Create a stack, and wait for it."""
        listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self._do("create", StackName=name, TemplateBody=body, Parameters=listed)

    def update(self, name: str, known: Found, parameters: Mapping[str, str], body: str | None = None) -> None:
        """Change parameters, and the template to `body` if given, and wait; all other parameters stay as they are."""
        listed: list[dict[str, object]] = [
            {"ParameterKey": key, "UsePreviousValue": True} for key in known.parameters if key not in parameters
        ]
        listed += [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        template = {"UsePreviousTemplate": True} if body is None else {"TemplateBody": body}
        self._do("update", StackName=name, Parameters=listed, **template)

    def _do(self, verb: str, **arguments: Any) -> None:
        name = arguments["StackName"]
        try:
            getattr(self.client, f"{verb}_stack")(**arguments, Capabilities=_CAPABILITIES)
            self.client.get_waiter(f"stack_{verb}_complete").wait(StackName=name)
        except (BotoCoreError, ClientError, WaiterError) as error:
            if "No updates are to be performed" not in str(error):
                raise self._failed(name, error) from error

    def _failed(self, name: str, error: Exception) -> LocalStackError:
        return LocalStackError(f"Stack {name} in {self.region}: {error}")


@dataclass(frozen=True, slots=True)
class Edge:
    """The edge of one stage: its own stack, and the main one behind it."""

    stage: Stage
    main: CloudFormation
    own: CloudFormation
    template: str
    parameters: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the edge's stack."""
        return f"{self.stage.stack_name}-edge"

    def deploy(self) -> Found:
        """Create it, or update everything but its secret. The APIs stay as open as they are."""
        behind = self._origins(self.behind())
        known = self.own.find(self.name)
        if known is None:
            self.own.create(self.name, self.template, {**behind, **self.parameters, **_new_secret()})
        else:
            self.own.update(self.name, known, {**behind, **self.parameters}, self.template)
        return self._deployed()

    def close(self) -> None:
        """Have functions and authorizer refuse what does not come through the edge."""
        self._accept(self._deployed().outputs["OriginSecretHash"])

    def open(self) -> None:
        """Let clients call the APIs directly again."""
        self._accept("")

    def rotate(self) -> None:
        """A new secret. Both are good from before the edge sends the new one until every edge location does.

        When it ends half-way, both stay good, or the old one alone: run it again.
        """
        known = self._deployed()
        old, new = known.outputs["OriginSecretHash"], _new_secret()
        closed = bool(self.behind().parameters.get(HASHES))
        if closed:
            self._accept(f"{old},{new['OriginSecretHash']}")
        self.own.update(self.name, known, new)  # returns when CloudFront has it everywhere
        if closed:
            self._accept(new["OriginSecretHash"])

    def behind(self) -> Found:
        """The main stack, deployed."""
        found = self.main.find(self.stage.stack_name)
        if found is None:
            raise LocalStackError(
                f"{self.stage.stack_name} is not deployed in {self.stage.region}: `make deploy` first."
            )
        return found

    def _accept(self, hashes: str) -> None:
        known = self.behind()
        if HASHES not in known.parameters:
            raise LocalStackError(f"{self.stage.stack_name} knows no {HASHES}: run `make deploy` first.")
        self.main.update(self.stage.stack_name, known, {HASHES: hashes})

    def _deployed(self) -> Found:
        found = self.own.find(self.name)
        if found is None:
            raise LocalStackError(f"There is no edge yet: run `make deploy-edge STAGE={self.stage.name}` first.")
        return found

    @staticmethod
    def _origins(main: Found) -> dict[str, str]:
        if "EdgeBucketDomain" not in main.outputs:
            raise LocalStackError(
                "The main stack has no bucket for the edge: add EnableEdgeBucket=true to its parameter_overrides in "
                f"{CONFIG} and run `make deploy`."
            )
        verifier = urlsplit(main.outputs["VerifierApiUrl"])
        guarded = urlsplit(main.outputs.get("GuardedApiUrl", ""))
        return {
            "VerifierDomain": verifier.netloc,
            "VerifierPath": verifier.path.rstrip("/"),
            "GuardedDomain": guarded.netloc,
            "GuardedPath": guarded.path.rstrip("/"),
            "DocumentsDomain": main.outputs["EdgeBucketDomain"],
        }


def _new_secret() -> dict[str, str]:
    secret = token_urlsafe(32)
    return {"OriginSecret": secret, "OriginSecretHash": sha256(secret.encode()).hexdigest()}


def next_steps(stage: Stage, edge: Found, main: Found) -> list[str]:
    """What an operator does once the edge is up, in order."""
    origin = edge.outputs["Origin"]
    verifier = main.outputs["VerifierApiUrl"]
    return [
        f"The edge is {origin}. Its name in DNS points to {edge.outputs['DistributionDomain']}.",
        f"1. Add to parameter_overrides of stage {stage.name} in {CONFIG}, and run `make deploy STAGE={stage.name}`:",
        f'   "TrustBundleUrl={origin}/v1/trust-bundle,{verifier}/v1/trust-bundle",',
        f'   "CountryHeader=CloudFront-Viewer-Country", "ExternalOrigin={origin}", "VerifierOrigin={origin}"',
        f"2. Have apps and web pages call {origin}. Until all do, direct calls go on working.",
        f"3. Refuse direct calls: `make deploy-edge STAGE={stage.name} CLOSE=yes`.",
        "4. Look at the filter's metrics (AWS/WAFV2) for a week, then set WafMode=block.",
    ]


def own_parameters(config: str, stage: str) -> dict[str, str]:
    """The edge's parameters of one stage, from `[STAGE.edge.parameters]` of samconfig.toml: domain, filter, logs.

    Raises:
        LocalStackError: when they are not a list of NAME=VALUE.
    """
    given = tomllib.loads(config).get(stage, {}).get("edge", {}).get("parameters", {}).get("parameter_overrides", [])
    pairs = [str(pair).partition("=") for pair in given]
    if isinstance(given, str) or not all(name and equals for name, equals, _ in pairs):
        raise LocalStackError(f"[{stage}.edge.parameters] of {CONFIG}: parameter_overrides is no list of NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def edge_of(layout: Layout, name: str) -> Edge:
    """The edge of a stage of samconfig.toml, over the operator's own credentials.

    Raises:
        LocalStackError: when there is no such stage, or its region has no CloudFront beside it.
    """
    config = layout.root / CONFIG
    known = stages(config)
    if name not in known:
        raise LocalStackError(f"There is no stage {name!r} in {CONFIG}. There are: {', '.join(known) or 'none'}.")
    stage = known[name]
    if stage.region.startswith(_WITHOUT_CLOUDFRONT):
        raise LocalStackError(f"There is no edge for {stage.region}: its partition has no CloudFront in {REGION}.")
    return Edge(
        stage,
        CloudFormation(boto3.client("cloudformation", region_name=stage.region), stage.region),
        CloudFormation(boto3.client("cloudformation", region_name=REGION), REGION),
        (layout.root / TEMPLATE).read_text("utf-8"),
        own_parameters(config.read_text("utf-8"), name),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy, close, open or rotate; the exit code."""
    parser = argparse.ArgumentParser(description="Deploy the edge of one stage of samconfig.toml.")
    parser.add_argument("stage")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--close", action="store_true", help="refuse direct calls")
    what.add_argument("--open", action="store_true", help="let clients call the APIs directly again")
    what.add_argument("--rotate", action="store_true", help="a new origin secret")
    given = parser.parse_args(arguments)
    try:
        edge = edge_of(Layout.of_this_project(), given.stage)
        if given.close:
            edge.close()
            print("Direct calls are refused from now on.")
        elif given.open:
            edge.open()
            print("Clients may call the APIs directly again.")
        elif given.rotate:
            edge.rotate()
            print("The edge has a new origin secret; the old one is refused.")
        else:
            found = edge.deploy()
            print("\n".join(next_steps(edge.stage, found, edge.behind())))
    except LocalStackError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
