"""The stacks that end-to-end tests run against: the project's own, and a small one that misbehaves on request."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bonafide.operator.layout import Layout
from devkit.devices.client import ApiClient
from devkit.gateway.process import GatewayProcess
from devkit.stack.stack import LocalStack
from tests.stack_ports import own_ports

PROJECT = Layout.of_this_project()
OPEN_THROTTLES = {
    f"{route}{size}": "100000"
    for route in ("Admin", "Challenge", "Enrolment", "Renewal", "Throttle")
    for size in ("Rate", "Burst")
}
"""Parameters for races of hundreds of callers, and a fuzzer, who shall all reach the functions; test_floods.py has the
throttles."""
PROBE_TEMPLATE = Path(__file__).parent / "probe" / "template.yaml"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The whole local stack, on ports of its own, beside an operator's."""
    layout = Layout(PROJECT.root, tmp_path_factory.mktemp("stack"))
    with LocalStack(layout=layout, ports=own_ports(), parameters=OPEN_THROTTLES) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Probe:
    """The probe stack's addresses."""

    open_url: str
    guarded_url: str
    slow_url: str
    lambda_url: str
    logs: Path
    http_url: str = ""

    def client(self) -> ApiClient:
        return ApiClient(verifier_url=self.open_url, guarded_url=self.guarded_url)


@pytest.fixture(scope="session", params=["emulated", "plain"])
def probe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """The gateway over the probe template, once with emulated workers and once with plain ones."""
    layout = Layout(PROJECT.root, tmp_path_factory.mktemp("probe"))
    first = own_ports().verifier
    ports = {name: first + i for i, name in enumerate(("OpenApi", "GuardedApi", "SlowApi", "functions", "HttpApi"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BONAFIDE_LOCAL_WORKER", "plain" if request.param == "plain" else "")
        gateway = GatewayProcess(layout)
    try:
        gateway.serve_functions(
            template=PROBE_TEMPLATE,
            parameters={},
            stack_name="probe-stack",
            ports=ports,
            aws_endpoint_url="http://127.0.0.1:9",
            environment={"TargetFunction": {"COLOUR": "green"}},
            worker_limit=2,
        )
        gateway.serve_apis({"TargetFunction": {"COLOUR": "green", "LATER": "known now"}})
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        yield Probe(
            urls["OpenApi"], urls["GuardedApi"], urls["SlowApi"], urls["functions"], layout.logs, urls["HttpApi"]
        )
    finally:
        gateway.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder runs processes of the local stack."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            item.add_marker("stack")


os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
