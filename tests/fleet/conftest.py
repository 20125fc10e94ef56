"""One local stack for all tests of this folder, on ports and in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bonafide.operator.deployment import Deployment, from_facts
from bonafide.operator.layout import Layout
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.run import entrust_play_secrets, make_scene, register_apps, wake
from devkit.stack.stack import LocalStack
from tests.stack_ports import own_ports


@dataclass(frozen=True, slots=True)
class FleetStack:
    """A running stack, where it keeps its things, and the test root it trusts."""

    deployment: Deployment
    layout: Layout
    authority: DeviceAuthority


@pytest.fixture
def calm_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that call five times a second each: what they meet is asserted here, not how exactly it is timed."""
    for room in ("drills", "traffic"):
        monkeypatch.setattr(f"devkit.fleet.drills.{room}._PAUSE", 0.2)


@pytest.fixture(scope="package")
def fleet_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetStack]:
    root = Layout.of_this_project().root
    layout = Layout(root, Path(tmp_path_factory.mktemp("stack")))
    with LocalStack(layout=layout, ports=own_ports()) as stack:
        deployment = from_facts(stack.facts)
        register_apps(deployment)
        authority = DeviceAuthority.load(layout.authority)
        entrust_play_secrets(deployment, authority, layout.service_account)
        wake(make_scene(deployment, authority))
        yield FleetStack(deployment, layout, authority)
