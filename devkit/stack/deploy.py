"""`make deploy-local`: real `sam build` and `sam deploy` of the template onto a ministack of its own, and a smoke test.

What this proves and the local stack cannot: that the template, as SAM translates it, is one that CloudFormation can
carry out in some order (no circle, no missing attribute), that the custom resource answers as CloudFormation asks,
and that the built artefacts, not the sources, hold all that the functions import.

The stack is deployed twice, as an operator with a proxy in front would: the second time with the addresses that the
first deployment got, which on ministack are not those that AWS would give.
"""

from __future__ import annotations

import base64
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3

from bonafide.operator.deployment import Deployment, from_outputs
from bonafide.operator.layout import LOOPBACK, Layout, LocalStackError, free_ports
from bonafide.operator.local_account import CREDENTIALS, REGION, client_arguments
from bonafide.operator.registration import DEMO_APPLE_APP_ID
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.fake_apple import SoftwareApple
from devkit.devices.fake_google import SoftwareGoogle
from devkit.fleet.run import SCENARIOS, Verdict, entrust_play_secrets, make_scene, register_apps, run_fleet
from devkit.local.aws import RunningMinistack, clean_environment, start_ministack
from devkit.local.ministack_gaps import UNRENDERED, dropped_settings, physical_ids, restore_gateway_responses
from devkit.local.vendor_servers import VendorServers
from devkit.stack.invoked_admin import InvokedAdmin
from devkit.stack.stand_in import LEFT_OUT

STACK_NAME = "bonafide-deploy"
STAGE = "dev"
RACE_TIMEOUT = 120.0
"""Seconds that a request of the smoke test may take."""
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class LocalDeployment:
    """One ministack, and the stack that is deployed onto it."""

    layout: Layout
    ministack: RunningMinistack
    folder: Path
    authority: DeviceAuthority
    vendors: VendorServers

    def build(self) -> None:
        """Run `sam build` for this machine, and for the Python that ministack runs functions with: its own.

        Raises:
            LocalStackError: when the build fails; pip's and SAM's words are in the log.
        """
        machine = _ARCHITECTURES.get(platform.machine().lower())
        if machine is None or platform.system() != "Linux":
            raise LocalStackError("deploy-local runs the built artefacts, so it needs Linux on x86_64 or arm64.")
        version = self._output([self._python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        # The operator's own environment: pip may need their index and proxy.
        environment = {**os.environ, "BONAFIDE_RUNTIME_PYTHON": version.strip(), "PATH": self._build_path()}
        self._sam("build", *self._template_arguments({"Architecture": machine}), environment=environment)

    def deploy(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Run `sam deploy`; the stack's outputs.

        Raises:
            LocalStackError: when CloudFormation does not complete; its events are in the log.
        """
        anchors = base64.b64encode(self.authority.root_certificate).decode()
        machine = _ARCHITECTURES[platform.machine().lower()]
        every = {
            "Stage": STAGE,
            "Architecture": machine,
            **LEFT_OUT,
            "DevelopmentTrustAnchors": anchors,
            **self.vendors.stack_parameters,
            **parameters,
        }
        overrides = [f"{name}={value}" for name, value in every.items()]
        environment = {
            **clean_environment(self.folder / "home"),
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.ministack.endpoint_url,
        }
        command = (
            "deploy",
            "--template-file",
            str(self.folder / "build" / "template.yaml"),
            "--stack-name",
            STACK_NAME,
        )
        flags = ("--resolve-s3", "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar")
        capabilities = ("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
        self._sam(*command, *flags, *capabilities, "--parameter-overrides", *overrides, environment=environment)
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def api_id(self, logical_id: str) -> str:
        """The id of a deployed REST API."""
        return physical_ids(self.client("cloudformation"), STACK_NAME)[logical_id]

    def api_url(self, logical_id: str) -> str:
        """Where ministack serves a deployed REST API, the stage included."""
        return f"{self.ministack.endpoint_url}/_aws/execute-api/{self.api_id(logical_id)}/{STAGE}"

    def delete(self) -> None:
        """Delete the stack; the custom resource is asked too.

        Raises:
            LocalStackError: when CloudFormation does not complete.
        """
        client = self.client("cloudformation")
        client.delete_stack(StackName=STACK_NAME)
        try:
            client.get_waiter("stack_delete_complete").wait(
                StackName=STACK_NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
        except Exception as error:
            raise LocalStackError(f"The stack could not be deleted: {error}") from error

    @property
    def _python(self) -> str:
        return str(self.layout.require_sam_python())

    def _build_path(self) -> str:
        return os.pathsep.join([str(self.layout.python.parent), os.environ.get("PATH", "/usr/bin:/bin")])

    def _template_arguments(self, parameters: Mapping[str, str]) -> list[str]:
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        build = str(self.folder / "build")
        return ["--parallel", "--region", REGION, "--build-dir", build, "--parameter-overrides", *overrides]

    def client(self, service: str) -> Any:
        """A boto3 client of this ministack."""
        return boto3.client(service, **client_arguments(self.ministack.endpoint_url))  # type: ignore[call-overload]

    def _sam(self, *arguments: str, environment: Mapping[str, str]) -> None:
        log = self.layout.logs / f"deploy-local-sam-{arguments[0]}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as sink:
            status = subprocess.run(
                [self._python, "-m", "samcli", *arguments],
                env={**environment, "SAM_CLI_TELEMETRY": "0"},
                cwd=self.layout.root,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        if status != 0:
            raise LocalStackError(f"`sam {arguments[0]}` failed; its log is {log}.")

    def _output(self, command: list[str]) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def only_unrendered(verdict: Verdict) -> bool:
    """Whether a verdict differs only where ministack does not put the authorizer's context into a gateway response."""
    expected = [str(answer) for answer in verdict.scenario.expected]
    pairs = list(zip(expected, verdict.got, strict=False))
    return len(expected) == len(verdict.got) and all(
        want == got or (UNRENDERED in got and want.split()[0] == got.split()[0]) for want, got in pairs
    )


def smoke_test(deployment: Deployment, authority: DeviceAuthority, service_account: Path) -> None:
    """Run the fleet against the deployed APIs; every verdict must be the expected one.

    Raises:
        LocalStackError: names the devices whose verdict was another.
    """
    function = physical_ids(deployment.aws("cloudformation"), STACK_NAME)["AdministerFunction"]
    admin = InvokedAdmin(deployment.aws("lambda"), function)
    register_apps(deployment, admin)
    entrust_play_secrets(deployment, authority, service_account, admin)
    scene = make_scene(deployment, authority)
    # The stand-in starts a process for every caller of a race, and each imports its function anew.
    scene = replace(scene, client=replace(scene.client, timeout=RACE_TIMEOUT))
    run_fleet(scene, SCENARIOS[:1], workers=1)  # cold starts, one after the other
    outcome = run_fleet(scene, workers=2)
    wrong = [verdict for verdict in outcome.verdicts if not (verdict.right or only_unrendered(verdict))]
    if wrong or not outcome.verdicts:
        told = [f"{verdict.scenario.device} ({verdict.scenario.does}): {', '.join(verdict.got)}" for verdict in wrong]
        raise LocalStackError("Other verdicts than expected: " + "; ".join(told))
    count, seconds = len(outcome.verdicts), outcome.seconds
    print(f"  {count} devices, every verdict as expected ({outcome.skipped} skipped), {seconds:.1f} s")
    answer = scene.client.call("GET", "/v1/whoami", token=scene.client.attest(scene.install()).token)
    if answer.status != 200:
        raise LocalStackError(f"GET /v1/whoami answered {answer.summary}.")
    print(f"  GET {deployment.guarded_url}/v1/whoami: {answer.status}, tier {answer.text('tier')}")


def main() -> None:
    """Build, deploy, deploy again with the addresses, test, delete."""
    begin = time.monotonic()

    def step(text: str) -> None:
        print(f"{time.monotonic() - begin:5.1f} s  {text}", flush=True)

    with ExitStack() as cleanup:
        folder = Path(
            cleanup.enter_context(tempfile.TemporaryDirectory(prefix="bonafide-deploy-", ignore_cleanup_errors=True))
        )
        layout = Layout.of_this_project()
        (port,) = free_ports(1)
        step(f"ministack on {LOOPBACK}:{port}")
        ministack = start_ministack(
            port=port, log=layout.logs / "deploy-local-ministack.log", folder=folder / "ministack"
        )
        cleanup.callback(ministack.stop)
        authority = DeviceAuthority.create()
        google = SoftwareGoogle(authority.android)
        apple = SoftwareApple.of(authority, DEMO_APPLE_APP_ID[:10])
        vendors = VendorServers(google, folder / "status-list.json", folder / "service-account.json", apple)
        vendors.start()
        cleanup.callback(vendors.stop)
        local = LocalDeployment(layout, ministack, folder, authority, vendors)
        step("sam build")
        local.build()
        step("sam deploy")
        outputs = local.deploy({})
        guarded, verifier = local.api_url("GuardedApi"), local.api_url("VerifierApi")
        step("sam deploy again, with ministack's addresses")
        addresses = {"ExternalOrigin": guarded, "VerifierOrigin": verifier}
        local.deploy({"TrustBundleUrl": f"{verifier}/v1/trust-bundle", **addresses})
        restore_gateway_responses(
            cloudformation=local.client("cloudformation"),
            apigateway=local.client("apigateway"),
            stack_name=STACK_NAME,
            parameters={},
            stage=STAGE,
        )
        step("smoke test through the deployed REST APIs")
        addresses = {"VerifierApiUrl": verifier, "GuardedApiUrl": guarded}
        endpoint = ministack.endpoint_url
        deployment = replace(
            from_outputs(STACK_NAME, REGION, {**outputs, **addresses}),
            aws_endpoint_url=endpoint,
            lambda_endpoint_url=endpoint,
        )
        smoke_test(deployment, authority, vendors.service_account)
        dropped = dropped_settings(
            dynamodb=local.client("dynamodb"),
            apigateway=local.client("apigateway"),
            outputs=outputs,
            api_id=local.api_id("VerifierApi"),
            stage=STAGE,
        )
        print(f"  ministack left out: {', '.join(dropped) or 'nothing'}")
        step("delete the stack")
        local.delete()
        step("deploy-local passed")


if __name__ == "__main__":
    try:
        main()
    except LocalStackError as problem:
        sys.exit(str(problem))
