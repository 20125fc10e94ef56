"""`make sam-local`: the same template under plain `sam local start-api`, in Docker, with the local stack behind it.

The local stack makes tables, keys and the first signing key as always; then SAM CLI serves the *built* functions in
its own containers. It is the slower stack and knows less of API Gateway (docs/local-stack.md says what), and it is
the one that runs AWS's own Lambda image.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bonafide.operator.layout import LOOPBACK, Layout, LocalStackError
from bonafide.operator.local_account import CREDENTIALS, REGION
from devkit.local.template import read_template
from devkit.stack.stack import LocalStack

PORT = 3000
HOST_NAME = "host.docker.internal"


def bridge_address() -> str:
    """The address of this machine that containers can reach: Docker's bridge on Linux, loopback behind Docker Desktop.

    ministack, which asks for no password, will listen there: never on an address that others could reach.

    Raises:
        LocalStackError: when there is no Docker, it does not answer, or its bridge has no private IPv4 address.
    """
    if shutil.which("docker") is None:
        raise LocalStackError("sam-local needs Docker, and there is none: `make run` does without.")
    question = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    ended = subprocess.run(question, capture_output=True, text=True, timeout=30, check=False)
    if ended.returncode != 0:
        raise LocalStackError("sam-local needs Docker, and its daemon does not answer: start it, or use `make run`.")
    if platform.system() != "Linux":
        return LOOPBACK
    try:
        address = ipaddress.IPv4Address(ended.stdout.strip())
    except ValueError:
        raise LocalStackError("sam-local needs the IPv4 address of Docker's bridge, and there is none.") from None
    if not address.is_private or address.is_unspecified:
        raise LocalStackError("sam-local listens on private addresses only, and that of Docker's bridge is not one.")
    return str(address)


def with_endpoint_variable(template: Mapping[str, Any]) -> dict[str, Any]:
    """The built template with AWS_ENDPOINT_URL in every function: SAM CLI overrides only what a template declares."""
    copy: dict[str, Any] = json.loads(json.dumps(template))
    variables = copy["Globals"]["Function"]["Environment"]["Variables"]
    variables["AWS_ENDPOINT_URL"] = ""
    return copy


def function_variables(environments: Mapping[str, Mapping[str, str]], endpoint_url: str) -> dict[str, dict[str, str]]:
    """The file for `--env-vars`: what the local stack worked out, and the way from a container to ministack."""
    return {name: {**variables, "AWS_ENDPOINT_URL": endpoint_url} for name, variables in environments.items()}


def build(layout: Layout, architecture: str) -> Path:
    """Run `sam build` for the containers; the built template.

    Raises:
        LocalStackError: when it fails.
    """
    folder, log = layout.root / ".aws-sam" / "sam-local", layout.logs / "sam-local-build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join([str(layout.python.parent), os.environ.get("PATH", "/usr/bin:/bin")])
    command = [*_sam(layout), "build", "--parallel", "--region", REGION, "--build-dir", str(folder)]
    command += ["--parameter-overrides", f"Architecture={architecture}"]
    with log.open("wb") as sink:
        ended = subprocess.run(
            command,
            env={**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"},
            cwd=layout.root,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if ended.returncode != 0:
        raise LocalStackError(f"`sam build` failed; its log is {log}.")
    return folder / "template.yaml"


def start_command(layout: Layout, built: Path, variables: Path, *, architecture: str, address: str) -> list[str]:
    """The `sam local start-api` over a built template. Like the build, it is told the architecture: the template's
    default may be another, and a function that was built for one and is started for the other answers 502."""
    command = [*_sam(layout), "local", "start-api", "--template", str(built), "--env-vars", str(variables)]
    command += ["--warm-containers", "LAZY", "--host", LOOPBACK, "--port", str(PORT), "--region", REGION]
    if platform.system() == "Linux":
        command += ["--add-host", f"{HOST_NAME}:{address}"]
    return [*command, "--parameter-overrides", f"Architecture={architecture}"]


def own_architecture() -> str:
    """This machine's architecture, as the template calls it."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def main() -> int:
    """Start the local stack, then `sam local start-api`, until Ctrl-C."""
    layout = Layout.from_environment()
    address = bridge_address()
    architecture = own_architecture()
    built = build(layout, architecture)
    template = with_endpoint_variable(read_template(built))
    built.write_text(yaml.safe_dump(template, sort_keys=False), encoding="utf-8")
    with LocalStack(layout=layout, aws_host=address) as stack:
        variables = layout.local / "sam-local-variables.json"
        endpoint = f"http://{HOST_NAME}:{stack.ports.aws}"
        variables.write_text(json.dumps(function_variables(stack.environments, endpoint)), encoding="utf-8")
        command = start_command(layout, built, variables, architecture=architecture, address=address)
        print(f"Both APIs under SAM CLI: http://{LOOPBACK}:{PORT} (Ctrl-C ends)", flush=True)
        try:
            return subprocess.run(
                command, env={**os.environ, **CREDENTIALS, "SAM_CLI_TELEMETRY": "0"}, cwd=layout.root, check=False
            ).returncode
        except KeyboardInterrupt:
            return 0


def _sam(layout: Layout) -> list[str]:
    return [str(layout.require_sam_python()), "-m", "samcli"]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LocalStackError as problem:
        sys.exit(str(problem))
