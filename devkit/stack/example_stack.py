"""A stack beside the project's own, as another team would deploy it: an example that guards itself with the authorizer.

Any template will do that has functions, layers and APIs and is told the rest by parameters; it gets a gateway process
of its own, with a folder and ports of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bonafide.operator.layout import LOOPBACK, Layout, LocalStackError
from devkit.gateway.process import GatewayProcess
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template

_KNOWN = ("AWS::Serverless::", "AWS::Lambda::Permission", "AWS::Logs::", "AWS::IAM::Role")


@dataclass(slots=True)
class ExampleStack:
    """One such stack. `ports` are free loopback ports: the Lambda endpoint's, then one for each API."""

    layout: Layout
    template: Path
    ports: tuple[int, ...]
    urls: dict[str, str] = field(init=False, default_factory=dict)
    """Base URL of each API, by logical id; empty until started."""
    _gateway: GatewayProcess | None = field(init=False, default=None)

    @property
    def name(self) -> str:
        """The template's folder."""
        return self.template.parent.name

    @property
    def ended(self) -> bool:
        """Whether its gateway is gone."""
        return self._gateway is not None and self._gateway.ended

    @property
    def logs(self) -> Path:
        """Where its functions' logs are."""
        return self._own_layout.logs

    @property
    def _own_layout(self) -> Layout:
        return Layout(self.layout.root, self.layout.local / self.name)

    def launch(self) -> None:
        """Start the process; its imports take a second, in which others can work."""
        layout = self._own_layout
        for log in layout.logs.glob("*.log"):
            log.unlink()
        self._gateway = GatewayProcess(layout)

    def serve(self, parameters: Mapping[str, str], *, aws_endpoint_url: str, worker_limit: int) -> None:
        """Serve the template with these parameters.

        Raises:
            LocalStackError: when it has a resource that cannot be made here, or does not start.
        """
        stack_name = f"bonafide-{self.name}"
        template = Template.load(self.template, parameters=parameters, pseudo=pseudo_parameters(stack_name))
        for logical_id, resource in template.data["Resources"].items():
            if not resource["Type"].startswith(_KNOWN):
                raise LocalStackError(f"{self.name} has {logical_id}, a {resource['Type']}: not to be had locally.")
        for logical_id in template.resources("AWS::Serverless::Function"):
            template.physical_ids[logical_id] = logical_id
            template.attributes[logical_id, "Arn"] = logical_id
        apis = [*template.resources("AWS::Serverless::Api"), *template.resources("AWS::Serverless::HttpApi")]
        if self._gateway is None or len(self.ports) <= len(apis):
            raise LocalStackError(f"{self.name} needs {len(apis) + 1} ports.")
        environment = template.function_environments()
        self._gateway.serve_functions(
            template=self.template,
            parameters=parameters,
            stack_name=stack_name,
            ports=dict(zip(("functions", *apis), self.ports, strict=False)),
            aws_endpoint_url=aws_endpoint_url,
            environment=environment,
            worker_limit=worker_limit,
        )
        self._gateway.serve_apis(environment)
        self.urls = {api: f"http://{LOOPBACK}:{port}" for api, port in zip(apis, self.ports[1:], strict=False)}

    def stop(self) -> None:
        """End its processes."""
        if self._gateway is not None:
            self._gateway.stop()
            self._gateway = None
        self.urls = {}
