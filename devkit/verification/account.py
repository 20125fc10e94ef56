"""One stack in one account, real or a stand-in, through a whole life: deployed by the commands that operators use."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3

from bonafide.operator.admin_api import AdminApi, AdminCalls
from bonafide.operator.deployment import Deployment, from_outputs
from bonafide.operator.layout import Layout, LocalStackError
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import ApiClient
from devkit.fleet.scenario import Scene
from devkit.local.ministack_gaps import physical_ids
from devkit.stack.deploy_stage import Stage
from devkit.stack.invoked_admin import InvokedAdmin
from devkit.stack.restore_tables import stack_outputs

PATIENCE: Final = 30.0


@dataclass
class Account:
    """Where the stack is, and the software devices' root that it trusts. ``parameters`` come beside the stage's own."""

    layout: Layout
    stage: Stage
    authority: DeviceAuthority
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str | None:
        """Address of the AWS stand-in; ``None`` for AWS."""
        return os.environ.get("AWS_ENDPOINT_URL")

    @property
    def built(self) -> Path:
        """The folder that `make build` filled."""
        return self.layout.root / ".aws-sam" / self.stage.parameters["Architecture"]

    def aws(self, service: str) -> Any:
        """A client of the account."""
        return boto3.client(service, region_name=self.stage.region)  # type: ignore[call-overload]

    @cached_property
    def trust(self) -> Mapping[str, str]:
        """What has the stack trust software devices. No stage of production takes it."""
        return {"DevelopmentTrustAnchors": base64.b64encode(self.authority.root_certificate).decode("ascii")}

    def build(self) -> None:
        """Build as `make deploy` does. Raises :class:`LocalStackError`."""
        architecture = self.stage.parameters["Architecture"]
        made = ["make", "--no-print-directory", "build", f"ARCHITECTURE={architecture}"]
        if subprocess.run(made, cwd=self.layout.root, stdout=subprocess.DEVNULL, check=False).returncode:
            raise LocalStackError("The build failed.")

    def deploy(self) -> subprocess.CompletedProcess[str]:
        """Deploy what is built, with all parameters at hand; how it ended, with its words."""
        command = [sys.executable, "-m", "devkit.stack.deploy_stage", self.stage.name]
        command += [self.stage.parameters["Architecture"], "--confirm", "no"]
        command += ["--stack-name", self.stage.stack_name]
        for name, value in {**self.trust, **self.parameters}.items():
            command += ["--parameter", f"{name}={value}"]
        ended = subprocess.run(command, cwd=self.layout.root, capture_output=True, text=True, check=False)
        if not ended.returncode:
            self.outputs = stack_outputs(self.aws("cloudformation"), self.stage.stack_name)
        return ended

    def must_deploy(self) -> None:
        """Deploy. Raises :class:`LocalStackError` with the end of what was said.

        A stand-in serves APIs at addresses that AWS would not give, and others after some changes: the stack is told
        them, as an operator with a proxy in front would, by another deployment.
        """
        ended = self.deploy()
        if not ended.returncode and self.endpoint is not None and self._addresses().items() - self.parameters.items():
            self.parameters |= self._addresses()
            ended = self.deploy()
        if ended.returncode:
            raise LocalStackError(f"The deployment failed: {(ended.stderr or ended.stdout)[-1500:]}")

    def _addresses(self) -> dict[str, str]:
        urls = self.urls()
        return {
            "ExternalOrigin": urls["GuardedApiUrl"],
            "VerifierOrigin": urls["VerifierApiUrl"],
            "TrustBundleUrl": f"{urls['VerifierApiUrl']}/v1/trust-bundle",
        }

    def urls(self) -> dict[str, str]:
        """Addresses of the two APIs: those that the stack puts out, or where the stand-in serves them."""
        if self.endpoint is None:
            return {name: self.outputs[name] for name in ("VerifierApiUrl", "GuardedApiUrl")}
        ids = physical_ids(self.aws("cloudformation"), self.stage.stack_name)
        api = f"{self.endpoint}/_aws/execute-api"
        stage = urlsplit(self.outputs["VerifierApiUrl"]).path
        return {f"{name}Url": f"{api}/{ids[name]}{stage}" for name in ("VerifierApi", "GuardedApi")}

    def deployment(self) -> Deployment:
        """The stack as the operator's commands see it."""
        found = from_outputs(self.stage.stack_name, self.stage.region, {**self.outputs, **self.urls()})
        return replace(found, aws_endpoint_url=self.endpoint, lambda_endpoint_url=self.endpoint)

    def admin(self) -> AdminCalls:
        """The Admin API; on a stand-in, whose API Gateway names no signer, past that."""
        if self.endpoint is None:
            return AdminApi(self.deployment())
        ids = physical_ids(self.aws("cloudformation"), self.stage.stack_name)
        return InvokedAdmin(self.aws("lambda"), ids["AdministerFunction"])

    def scene(self) -> Scene:
        """What software devices find."""
        urls = self.urls()
        client = ApiClient(
            verifier_url=urls["VerifierApiUrl"], guarded_url=urls["GuardedApiUrl"], timeout=60, patience=PATIENCE
        )
        return Scene(client=client, authority=self.authority, stranger=DeviceAuthority.create(), operator=None)
