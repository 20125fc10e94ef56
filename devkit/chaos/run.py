"""A run: a stack, its fleet and operators, faults by a schedule, and the verdicts when all is quiet again."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.aws import from_item
from service.tables.trust_bundles import KEPT_AFTER_EXPIRY

from bonafide.operator.deployment import Deployment
from bonafide.operator.layout import Layout, Ports
from bonafide.operator.registration import Registrations
from devkit.chaos.breaker import Breaker
from devkit.chaos.devices import Fleet, Sender, lines_of
from devkit.chaos.histories import History, Struck, Tables
from devkit.chaos.invariants import Verdict, judge
from devkit.chaos.operators import Operators
from devkit.chaos.schedule import Fault, Kind, schedule
from devkit.chaos.site import Site
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.run import entrust_play_secrets, make_scene, wake
from devkit.fleet.scenario import REGISTRATIONS
from devkit.local.custom_resource import invoke

READ: Final = ("nonces", "attested_keys", "policies", "trust_bundles", "audit", "apps")
"""Tables that judges read."""
_QUIET: Final = 2.0
"""Seconds at the end for functions to write what they counted."""
_TEXTS: Final = ("claims", "public_key", "chain", "appraisal", "client", "client_jws", "jws", "jwks", "enrolment")
"""Attributes that no judge needs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run led to. ``folder`` has its history."""

    seed: int
    seconds: float
    faults: tuple[Fault, ...]
    struck: tuple[Struck, ...]
    verdicts: tuple[Verdict, ...]
    exchanges: int
    changes: int
    folder: Path

    @property
    def counted(self) -> int:
        """Faults that touched a call in flight."""
        return sum(bool(one.touched) for one in self.struck)

    @property
    def holds(self) -> bool:
        """Whether every invariant held, and none of them for want of anything to check."""
        return all(verdict.holds and verdict.checked for verdict in self.verdicts)

    def by_kind(self) -> dict[str, tuple[int, int, int]]:
        """For each kind of fault: how many were scheduled, how many touched a call, and how many calls in all."""
        scheduled = Counter(fault.kind.value for fault in self.faults)
        touched = Counter(one.kind for one in self.struck if one.touched)
        calls: Counter[str] = Counter()
        for one in self.struck:
            calls[one.kind] += len(one.touched)
        return {kind: (scheduled[kind], touched[kind], calls[kind]) for kind in map(str, Kind) if scheduled[kind]}

    def skipped(self) -> dict[str, str]:
        """Kinds of which a fault could not be tried, and why."""
        return {one.kind: one.skipped for one in self.struck if one.skipped}

    def to_record(self) -> dict[str, object]:
        """As JSON has it."""
        kinds = {
            kind: {"scheduled": scheduled, "touched": touched, "calls": calls}
            for kind, (scheduled, touched, calls) in self.by_kind().items()
        }
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "faults": kinds,
            "counted": self.counted,
            "skipped": self.skipped(),
            "exchanges": self.exchanges,
            "changes": self.changes,
            "invariants": [verdict.to_record() for verdict in self.verdicts],
            "holds": self.holds,
            "history": str(self.folder),
        }


def run_chaos(
    layout: Layout,
    ports: Ports,
    *,
    seconds: float,
    seed: int,
    kinds: Collection[Kind] = tuple(Kind),
    size: int = 6,
    say: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Start a stack, break it for ``seconds`` by the schedule of ``seed``, and judge. ``size`` is the fleet's.

    Raises :class:`~bonafide.operator.layout.LocalStackError` when the stack does not start.
    """
    history, over = History(seed=seed, seconds=seconds), threading.Event()
    breaker = Breaker(history)
    # Alone: the example beside a stack would only take time.
    site = Site(layout, Ports(ports.verifier, ports.guarded, ports.aws, ports.functions), breaker)
    breaker.add(site)
    faults = schedule(seed, seconds, kinds)
    try:
        site.stack.start(say)
        say("Registering apps, waking the functions")
        fleet, operators = _crowd(site, history, over, seed=seed, size=size)
        say(f"Seed {seed}: {len(faults)} faults in {seconds:.0f} s")
        invoke(site.stack.lambda_endpoint_url, "PublishBundleFunction", {"action": "publish"})
        began = time.monotonic()
        fleet.start()
        operators.start()
        breaker.run(faults, began, over)
        over.wait(max(0.0, began + seconds - time.monotonic()))
        say("All faults are over: reading what is left")
        over.set()
        fleet.join()
        operators.join()
        time.sleep(_QUIET)
        history.tables.append(Tables(site=site.name, rows=_rows(site)))
        history.decisions += lines_of(
            [(log.stem, log.read_text("utf-8", "replace")) for log in sorted(layout.logs.glob("*Function.log"))],
            site.name,
        )
    finally:
        over.set()
        site.stack.stop()
    folder = layout.local / "chaos" / f"seed-{seed}"
    history.save(folder)
    return Outcome(
        seed=seed,
        seconds=seconds,
        faults=faults,
        struck=tuple(history.struck),
        verdicts=judge(history),
        exchanges=len(history.exchanges),
        changes=len(history.changes),
        folder=folder,
    )


def _crowd(site: Site, history: History, over: threading.Event, *, seed: int, size: int) -> tuple[Fleet, Operators]:
    """The fleet and the operators of a site, before they begin."""
    deployment: Deployment = site.deployment
    authority = DeviceAuthority.load_or_create(site.stack.layout.authority)
    Registrations(deployment.aws("dynamodb"), deployment.tables["apps"]).put(REGISTRATIONS[0])
    entrust_play_secrets(deployment, authority, site.stack.layout.service_account)
    scene = make_scene(deployment, authority)
    wake(scene)
    sender = Sender(site=site, history=history)
    fleet = Fleet(sender=sender, scene=scene, seed=seed, size=size, over=over)
    operators = Operators(site=site, history=history, sender=sender, device=fleet.device, seed=seed, over=over)
    return fleet, operators


def _rows(site: Site) -> dict[str, list[dict[str, Any]]]:
    """What the tables hold, without documents and keys."""
    client, tables = site.aws("dynamodb"), site.observed.tables
    found: dict[str, list[dict[str, Any]]] = {}
    for table in READ:
        pages = client.get_paginator("scan").paginate(TableName=tables[table], ConsistentRead=True)
        rows = [from_item(item) for page in pages for item in page["Items"]]
        found[table] = [{name: value for name, value in row.items() if name not in _TEXTS} for row in rows]
    for row in found["trust_bundles"]:
        row["expires_at"] -= KEPT_AFTER_EXPIRY
    return found
