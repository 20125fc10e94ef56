"""A site: one local stack whose every wire can be cut, and whose parts can be ended and started again."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import boto3

from bonafide.operator.deployment import Deployment, from_facts
from bonafide.operator.layout import LOOPBACK, Layout, Ports
from bonafide.operator.local_account import client_arguments
from devkit.chaos.histories import SITE
from devkit.chaos.wire import Meddler, Wire
from devkit.devices.authority.authority import DeviceAuthority
from devkit.gateway.worker_card import WorkerCard, cards
from devkit.local.processes import CHILDREN
from devkit.local.vendor_servers import VendorServers
from devkit.stack.stack import LocalStack

_WRITING_DOWN: Final = 60.0
BUNDLE_SECONDS: Final = 20
"""How long a trust bundle lives in a run. Far less than any stack of AWS may have: bundles do expire while a gate
cannot fetch them, and a blocked key's last chance ends with them."""


class BreakableStack(LocalStack):
    """A local stack that calls AWS, vendors and its own bundle through wires."""

    def __init__(self, layout: Layout, ports: Ports, meddler: Meddler) -> None:
        folder = layout.local / "cards"
        folder.mkdir(parents=True, exist_ok=True)
        for card in folder.iterdir():
            card.unlink()
        shutil.rmtree(layout.local / "aws-state", ignore_errors=True)
        LocalStack.__init__(
            self,
            layout=layout,
            ports=ports,
            cards=folder,
            aws_settings={"PERSIST_STATE": "1", "STATE_DIR": str(layout.local / "aws-state")},
            parameters={"ListAccepted": "on", "BundleLifetimeSeconds": str(BUNDLE_SECONDS)},
        )
        self.meddler = meddler
        self.wires: dict[str, Wire] = {}
        for name, port in (
            ("aws", ports.aws),
            ("verifier", ports.verifier),
            ("guarded", ports.guarded),
            ("bundle", ports.verifier),
        ):
            self._open(name, port)

    def _open(self, name: str, port: int) -> Wire:
        wire = self.wires[name] = Wire(name, port, self.meddler)
        wire.start()
        return wire

    @property
    def aws_endpoint_url(self) -> str:
        """Where everything of this stack finds AWS."""
        return self.wires["aws"].url

    def _all_parameters(self, authority: DeviceAuthority, vendors: VendorServers) -> dict[str, str]:
        found = LocalStack._all_parameters(self, authority, vendors)
        wire = self._open("vendors", int(vendors.url.rpartition(":")[2]))
        return {
            **{name: text.replace(vendors.url, wire.url) for name, text in found.items()},
            "TrustBundleUrl": f"{self.wires['bundle'].url}/v1/trust-bundle",
            "ExternalOrigin": self.wires["guarded"].url,
            "VerifierOrigin": self.wires["verifier"].url,
        }

    def start(self, say: Callable[[str], None] = lambda _line: None) -> None:
        """Bring everything up."""
        LocalStack.start(self, say)
        tables = {name: short for short, name in self.facts["tables"].items()}
        for wire in self.wires.values():
            wire.tables.update(tables)

    def freeze_aws(self, on: bool) -> None:
        """Have the AWS stand-in stand still, or go on."""
        if self._ministack is not None:
            os.kill(self._ministack.process.pid, signal.SIGSTOP if on else signal.SIGCONT)

    def end_aws(self) -> None:
        """End the AWS stand-in; it finishes what it is at, and writes down what it has."""
        if self._ministack is not None:
            CHILDREN.stop(self._ministack.process, grace=_WRITING_DOWN)

    def start_aws(self) -> None:
        """Start it again, with what it had."""
        self._ministack = self._start_aws()

    def kill_gateway(self) -> None:
        """Kill the gateway process; its workers go with it."""
        if self._gateway is not None:
            self._gateway.kill()

    def start_gateway(self) -> None:
        """Start it again."""
        if self._gateway is not None:
            self._gateway.start_again()

    def stop(self) -> None:
        """End everything, the wires last."""
        LocalStack.stop(self)
        for wire in self.wires.values():
            wire.stop()
        self.wires.clear()


class Site:
    """One stack of a run, by its name."""

    def __init__(self, layout: Layout, ports: Ports, meddler: Meddler, name: str = SITE) -> None:
        self.name = name
        self.stack = BreakableStack(layout, ports, meddler)

    @property
    def wires(self) -> Mapping[str, Wire]:
        """Its wires by their names."""
        return self.stack.wires

    @property
    def deployment(self) -> Deployment:
        """The stack as apps and operators see it: through the wires."""
        verifier, guarded = self.wires["verifier"].url, self.wires["guarded"].url
        return replace(from_facts(self.stack.facts), verifier_url=verifier, guarded_url=guarded)

    @property
    def observed(self) -> Deployment:
        """The stack as observers see it: past the wires."""
        aws = f"http://{LOOPBACK}:{self.stack.ports.aws}"
        return replace(from_facts(self.stack.facts), aws_endpoint_url=aws)

    def aws(self, service: str) -> Any:
        """A boto3 client past the wires, with little patience."""
        from botocore.config import Config

        config = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})
        return boto3.client(service, config=config, **client_arguments(f"http://{LOOPBACK}:{self.stack.ports.aws}"))  # type: ignore[call-overload]

    def workers(self, function: str = "") -> list[WorkerCard]:
        """The cards of the workers that live; of ``function`` only, if one is named."""
        folder = self.stack.cards
        return cards(folder, lambda name, pid: function in ("", name) and is_alive(pid)) if folder is not None else []

    def card_of(self, pid: int) -> WorkerCard | None:
        """The card of a worker, alive or not."""
        folder = self.stack.cards
        return next(iter(cards(folder, lambda _name, number: number == pid)), None) if folder is not None else None

    def log_of(self, function: str) -> Path:
        """Where a function's workers write."""
        return self.stack.layout.logs / f"{function}.log"


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # no /proc: the signal has to do
    except OSError:
        return False
