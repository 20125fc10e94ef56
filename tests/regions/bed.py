"""The bed of the drills: two regions on this machine, with an app that both know."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from service.regions.names import REPLICATED

from bonafide.operator.deployment import Deployment, from_facts
from bonafide.operator.layout import Layout
from bonafide.operator.registration import Registrations
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.run import make_scene
from devkit.fleet.scenario import REGISTRATIONS, Scene
from devkit.regions.region_stacks import Place, RegionStacks
from tests.stack_ports import own_ports

EU, US = "eu", "us"
OPEN_THROTTLES: Final = {
    f"{route}{size}": "100000"
    for route in ("Admin", "Challenge", "Enrolment", "Renewal", "Throttle")
    for size in ("Rate", "Burst")
}
_PATIENCE: Final = 120.0
"""Seconds that one call may take: a thousand at once wait for two workers."""


class DrillFailed(Exception):
    """What had to hold does not; the text says what."""


@dataclass(frozen=True, slots=True)
class Bed:
    """Two regions that run, and what each device finds in each."""

    stacks: RegionStacks
    scenes: dict[str, Scene]

    def deployment(self, region: str) -> Deployment:
        """A region as its operator reaches it."""
        return from_facts(self.stacks[region].facts)

    def rows(self, region: str, table: str) -> list[dict[str, Any]]:
        """Every row of a region's table, as DynamoDB writes it."""
        deployment = self.deployment(region)
        pages = deployment.aws("dynamodb").get_paginator("scan")
        named = {"TableName": deployment.tables[table], "ConsistentRead": True}
        return [row for page in pages.paginate(**named) for row in page["Items"]]


@contextmanager
def running_bed(say: Callable[[str], None], *, named: bool = True, shared: tuple[str, ...] = ()) -> Iterator[Bed]:
    """Two regions with a second between them. `named` ones know which they are; `shared` are tables that are replicated
    beside those that shall be."""
    root = Layout.of_this_project().root
    with tempfile.TemporaryDirectory(prefix="bonafide-regions-", ignore_cleanup_errors=True) as folder:
        ports = {name: own_ports(example=False) for name in (EU, US)}
        places = {name: Place(Layout(root, Path(folder) / name), one) for name, one in ports.items()}
        begin = time.monotonic()
        stacks = RegionStacks(
            places,
            kms_port=ports[EU].verifier + 8,  # of the row of ten that no other test takes
            parameters=OPEN_THROTTLES,
            replicated=(*REPLICATED, *shared),
            named=named,
        )
        with stacks:
            authority = DeviceAuthority.load(places[EU].layout.authority)
            scenes = {}
            for name, stack in stacks.stacks.items():
                scene = make_scene(from_facts(stack.facts), authority)
                scenes[name] = replace(scene, client=replace(scene.client, timeout=_PATIENCE, patience=0.0))
            bed = Bed(stacks, scenes)
            register(bed)
            say(f"two regions run after {time.monotonic() - begin:.0f} s")
            yield bed


def register(bed: Bed) -> None:
    """Register the demo app in the first region, and wait until the second knows it."""
    deployment = bed.deployment(EU)
    Registrations(deployment.aws("dynamodb"), deployment.tables["apps"]).put(REGISTRATIONS[0])
    wait_for("the app's registration", lambda: bool(bed.rows(US, "apps")))


def wait_for(what: str, holds: Callable[[], bool], seconds: float = 30.0) -> float:
    """Wait until it holds; how many seconds that took. Raises :class:`DrillFailed`."""
    begin = time.monotonic()
    while not holds():
        if time.monotonic() > begin + seconds:
            raise DrillFailed(f"{what} is not there after {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - begin
