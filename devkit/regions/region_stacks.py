"""Whole local stacks as the regions of one service: each with its own tables, gateway and workers, rows copied between.

What is a stand-in: KMS is one process for all regions, so that each of its keys is everywhere, as multi-Region keys
are; and every region calls itself by one name of an AWS region, since only `RegionName` tells them apart.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from service.regions.names import REPLICATED

from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import from_facts
from bonafide.operator.layout import LOOPBACK, Layout, Ports
from bonafide.regions.regions import Regions
from devkit.local.aws import RunningMinistack, start_ministack
from devkit.local.provision import DEFAULT_STACK_NAME, Provisioned, SharedKms
from devkit.regions.replicator import Replicator
from devkit.regions.tables import RegionTables
from devkit.stack.stack import LocalStack


@dataclass(frozen=True, slots=True)
class Place:
    """Where one region's stack is to be: its folder and its ports."""

    layout: Layout
    ports: Ports


@dataclass(slots=True)
class RegionStacks:
    """The regions of one service, by name, the first one first. Use it as a context manager, or `start` and `stop`.

    `places` says where each is to be, `kms_port` where KMS is. `parameters` are for every stack. `named` gives each
    its `RegionName`; without it nothing tells a region which challenges are its own. `delay` is in seconds.
    """

    places: Mapping[str, Place]
    kms_port: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    replicated: tuple[str, ...] = REPLICATED
    named: bool = True
    delay: float = 1.0
    worker_limit: int = 2
    stacks: dict[str, LocalStack] = field(init=False, default_factory=dict)
    replicator: Replicator = field(init=False)
    _kms: RunningMinistack | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.replicator = Replicator(delay=self.delay)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, name: str) -> LocalStack:
        return self.stacks[name]

    @property
    def first(self) -> LocalStack:
        """The stack of the first region."""
        return next(iter(self.stacks.values()))

    def start(self, say: Callable[[str], None] = lambda _line: None) -> None:
        """Bring up KMS, then one region after the other, each with the rows of those before it.

        Raises:
            LocalStackError: one sentence about what is missing or in the way.
        """
        try:
            self._start(say)
        except BaseException:
            self.stop()
            raise

    def kill(self, name: str) -> None:
        """End a region's gateway and functions at once; what it had not handed on is lost. Its tables take no part any
        more, and may be looked at: nothing else could say afterwards what it had redeemed."""
        self.stacks[name].kill()
        self.replicator.died(name)

    def declare_lost(self, name: str, adopter: str) -> None:
        """Declare, in `adopter`, that it serves the keys of a region from now on."""
        regions = self._regions_of(self.stacks[adopter])
        regions.change(name, "lose", regions.show(), adopter=adopter, why="declared lost by the test bed")

    def stop(self) -> None:
        """End everything. May be called more than once."""
        self.replicator.stop()
        with ExitStack() as ending:
            if self._kms is not None:
                ending.callback(self._kms.stop)
            for stack in self.stacks.values():
                ending.callback(stack.stop)
        self._kms = None
        self.stacks = {}

    def _start(self, say: Callable[[str], None]) -> None:
        first, *others = (place.layout for place in self.places.values())
        shared = self._start_kms(first)
        self.replicator.start()
        for name, place in self.places.items():
            stack = self.stacks[name] = LocalStack(
                layout=place.layout,
                ports=place.ports,
                parameters={"TokenIssuer": DEFAULT_STACK_NAME, **self._naming(name), **self.parameters},
                worker_limit=self.worker_limit,
                shared_kms=shared,
                on_tables=partial(self._replicate, name),
            )
            stack.start(partial(_say_of, say, name))
            if self.named and place.layout is first:
                self._found(name, stack)
            if place.layout is first:
                for other in others:  # one test root and one Google for all: a device is the same in every region
                    shutil.copytree(first.authority, other.authority, dirs_exist_ok=True)

    def _found(self, first: str, stack: LocalStack) -> None:
        """Declare every region as soon as the first one runs: a region that is in no document redeems nothing."""
        regions = self._regions_of(stack)
        for name, place in self.places.items():
            change, url = "found" if name == first else "add", f"http://{LOOPBACK}:{place.ports.verifier}"
            regions.change(name, change, regions.show(), url=url, why="a region of the test bed")

    def _regions_of(self, stack: LocalStack) -> Regions:
        return Regions(AdminApi(from_facts(stack.facts)))

    def _naming(self, name: str) -> Mapping[str, str]:
        return {"RegionName": name} if self.named else {}

    def _start_kms(self, layout: Layout) -> SharedKms:
        folder = layout.local / "kms"
        self._kms = start_ministack(
            port=self.kms_port, log=layout.logs / "kms.log", folder=folder, layout=layout, settings={"SERVICES": "kms"}
        )
        return SharedKms(self._kms.endpoint_url)

    def _replicate(self, name: str, made: Provisioned) -> None:
        """Let a region's tables take part, before its functions write: first they get what the others have."""
        tables = RegionTables(
            name, self.stacks[name].aws_endpoint_url, {short: made.tables[short] for short in self.replicated}
        )
        tables.follow()
        self.replicator.add(tables)


def _say_of(say: Callable[[str], None], name: str, line: str) -> None:
    say(f"{name}: {line}")
