"""`make deploy`: `sam deploy` of what was built, as samconfig.toml says for one stage.

SAM CLI needs help with six things. It looks for samconfig.toml beside the *built* template, so the file is named in
full. What is given on the command line takes the place of the file's whole list of parameters, so the architecture that
was built goes beside the stage's own parameters. It does not know what the account can take: the preflight does.
It protects no stack against deletion: that comes after it, for every stage but dev. And of a deployment that was taken
back it says that an alias could not be updated, not why: that is looked for. And it does not know what the code before
can read of what the new code writes.

    python -m devkit.stack.deploy_stage STAGE ARCHITECTURE [--confirm no] [--only-check] [--parameter NAME=VALUE ...]
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bonafide.operator.layout import Layout, LocalStackError
from devkit.local.template import read_template
from devkit.stack import rollout
from devkit.stack.key_rows import key_rows
from devkit.stack.preflight import preflight
from devkit.stack.stand_in import left_out

CONFIG = "samconfig.toml"
UNPROTECTED = "dev"
"""The template's stage whose stacks come and go."""

_NEEDED = ("stack_name", "region")
_SHOWN = ("VerifierApiUrl", "GuardedApiUrl", "AuthorizerArn", "RootPublicKey")


@dataclass(frozen=True, slots=True)
class Stage:
    """One environment of samconfig.toml: what `sam deploy --config-env NAME` would read, less what it cannot."""

    name: str
    region: str
    stack_name: str
    parameters: Mapping[str, str]
    asks: bool
    """Whether SAM CLI shows the change set and asks before it changes anything."""


def stages(config: Path) -> dict[str, Stage]:
    """The stages that samconfig.toml can deploy, by name.

    Raises:
        LocalStackError: when the file cannot be read, or lacks what a stage needs.
    """
    try:
        document = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LocalStackError(f"{config} cannot be read: {error}") from error
    found = {}
    for name, environment in document.items():
        if isinstance(environment, dict) and "stack_name" in environment.get("deploy", {}).get("parameters", {}):
            shared = environment.get("global", {}).get("parameters", {})
            found[name] = _stage(name, {**shared, **environment["deploy"]["parameters"]})
    return found


def _stage(name: str, settings: Mapping[str, Any]) -> Stage:
    missing = [member for member in _NEEDED if not settings.get(member)]
    if missing:
        raise LocalStackError(f"[{name}.deploy.parameters] of {CONFIG} lacks {', '.join(missing)}.")
    given = settings.get("parameter_overrides", [])
    pairs = shlex.split(given) if isinstance(given, str) else [str(pair) for pair in given]
    return Stage(
        name=name,
        region=str(settings["region"]),
        stack_name=str(settings["stack_name"]),
        parameters=parameters_of(name, pairs),
        asks=bool(settings.get("confirm_changeset", False)),
    )


def stage_called(config: Path, name: str) -> Stage:
    """The stage of that name. Raises :class:`LocalStackError` when there is none."""
    known = stages(config)
    if name not in known:
        raise LocalStackError(f"There is no stage {name!r} in {config.name}. There are: {', '.join(known) or 'none'}.")
    return known[name]


def parameters_of(stage: str, pairs: Sequence[str]) -> dict[str, str]:
    """Template parameters from ``NAME=VALUE`` each. Raises :class:`LocalStackError`."""
    parameters = {}
    for pair in pairs:
        parameter, equals, value = pair.partition("=")
        if not equals:
            raise LocalStackError(f"[{stage}.deploy.parameters] of {CONFIG}: {pair!r} is not NAME=VALUE.")
        parameters[parameter] = value
    return parameters


def chosen(config: Path, name: str, architecture: str) -> Stage:
    """The stage of that name, with its architecture among its parameters.

    Raises:
        LocalStackError: when there is no such stage, or it says another architecture than was asked for.
    """
    stage = stage_called(config, name)
    wanted = stage.parameters.get("Architecture", architecture)
    if wanted != architecture:
        raise LocalStackError(
            f"{config.name} says Architecture={wanted} for {name}: "
            f"run `make deploy STAGE={name} ARCHITECTURE={wanted}`."
        )
    parameters = {**stage.parameters, "Architecture": architecture}
    return Stage(stage.name, stage.region, stage.stack_name, parameters, stage.asks)


def command(layout: Layout, config: Path, stage: Stage, *, confirm: bool) -> list[str]:
    """The `sam deploy` that deploys the stage.

    Raises:
        LocalStackError: when SAM CLI is not installed.
    """
    built = layout.root / ".aws-sam" / stage.parameters["Architecture"] / "template.yaml"
    line = [str(layout.require_sam_python()), "-m", "samcli", "deploy"]
    line += ["--config-file", str(config), "--config-env", stage.name, "--template-file", str(built)]
    line += ["--stack-name", stage.stack_name]
    line += [] if confirm else ["--no-confirm-changeset"]
    return [*line, "--parameter-overrides", *(f"{name}={value}" for name, value in stage.parameters.items())]


def protect(client: Any, stage: Stage) -> str:
    """Protect a stack against deletion, but for stage dev; a sentence for the operator, empty there.

    Raises:
        LocalStackError: when it could not be done. The stack is deployed all the same.
    """
    if stage.parameters.get("Stage", UNPROTECTED) == UNPROTECTED:
        return ""
    try:
        client.update_termination_protection(StackName=stage.stack_name, EnableTerminationProtection=True)
    except (BotoCoreError, ClientError) as error:
        raise LocalStackError(
            f"{stage.stack_name} is deployed, and NOT protected against deletion: {error} "
            f"Allow cloudformation:UpdateTerminationProtection and run it again."
        ) from error
    return f"{stage.stack_name} is protected against deletion."


def next_steps(client: Any, stage: Stage) -> list[str]:
    """What a deployed stack answers to, and what comes next; sentences for the operator."""
    try:
        (stack,) = client.describe_stacks(StackName=stage.stack_name)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        return [f"Its outputs could not be read: {error}"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    shown = [f"  {name:16} {outputs[name]}" for name in _SHOWN if name in outputs]
    return [
        f"{stage.stack_name} is deployed.",
        *shown,
        "Next:",
        f"  bonafide app register APP --help           register an app, with --stack {stage.stack_name}",
        "  docs/authorizer.md                         guard your own APIs with AuthorizerArn",
        "  docs/runbooks/alarms.md                    have alarms sent: AlarmTopicArn",
    ]


def _require_a_person(stage: Stage) -> None:
    if not sys.stdin.isatty():
        raise LocalStackError(
            f"{stage.name} shows its change set and asks before it changes anything, and has no terminal to ask at: "
            f"run it in a terminal, or say CONFIRM=no."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, or check and deploy; the exit code."""
    parser = argparse.ArgumentParser(description="Deploy one stage of samconfig.toml.")
    parser.add_argument("stage")
    parser.add_argument("architecture", choices=("arm64", "x86_64"))
    parser.add_argument("--confirm", choices=("yes", "no"), default="yes", help="no: deploy without asking")
    parser.add_argument("--only-check", action="store_true")
    parser.add_argument("--parameter", action="append", default=[], help="NAME=VALUE, beside those of the stage")
    parser.add_argument("--stack-name", help="another stack than the stage's")
    given = parser.parse_args(arguments)
    layout = Layout.of_this_project()
    config = layout.root / CONFIG
    try:
        stage = chosen(config, given.stage, given.architecture)
        more = parameters_of(given.stage, given.parameter)
        name = given.stack_name or stage.stack_name
        stage = replace(stage, stack_name=name, parameters={**stage.parameters, **more})
        confirm = stage.asks and given.confirm == "yes"
        if confirm:
            _require_a_person(stage)
        if given.only_check:
            return 0
        without = left_out(os.environ)
        if without:
            told = " ".join(f"{name}={value}" for name, value in without.items())
            print(f"AWS_ENDPOINT_URL is a stand-in on this machine, which cannot take all: {told}", flush=True)
            stage = replace(stage, parameters={**stage.parameters, **without})
        default = str(read_template(layout.template)["Parameters"][rollout.PARAMETER]["Default"])
        more, canary = rollout.canary(stage.parameters, default, stage.region)
        stage = replace(stage, parameters={**stage.parameters, **more})
        cloudformation = boto3.client("cloudformation", region_name=stage.region)
        more, rows = key_rows(cloudformation, stage.stack_name, stage.parameters)
        stage = replace(stage, parameters={**stage.parameters, **more})
        line = command(layout, config, stage, confirm=confirm)
        print(canary, flush=True)
        if rows:
            print(rows, flush=True)
        for told in preflight(layout.template, stage.parameters, stage.region):
            print(told, flush=True)
    except LocalStackError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"{stage.name}: stack {stage.stack_name} in {stage.region}", flush=True)
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    begin = time.time()
    status = subprocess.run(line, env=environment, cwd=layout.root, check=False).returncode
    if status:
        print(f"{stage.stack_name} was NOT deployed:", file=sys.stderr)
        for reason in rollout.reasons(stage.stack_name, stage.region, begin):
            print(reason, file=sys.stderr)
        return status
    try:
        told = protect(cloudformation, stage)
    except LocalStackError as problem:
        print(problem, file=sys.stderr)
        return 1
    if told:
        print(told, flush=True)
    for sentence in next_steps(cloudformation, stage):
        print(sentence, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
