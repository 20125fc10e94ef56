"""Sixty seconds of calls through the local HTTP stack, by devices with tokens and proofs and by thieves without.

``python -m tests.benchmarks.soak_authorizer [SECONDS]``. Prints latency percentiles per kind of call, as its client
sees them: the gateway's emulation, the authorizer's process and the backend's together, so they bound the authorizer's
own time from above and say nothing about AWS. Fails only when an answer is wrong, never on a number.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from bonafide.operator.deployment import local_stack
from bonafide.operator.layout import Layout
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import Answer, ApiClient, StackUnreachable
from devkit.devices.installation import Installation
from devkit.fleet.run import make_scene, register_apps, wake
from devkit.stack.stack import LocalStack
from tests.benchmarks.extent import SHORT
from tests.stack_ports import own_ports

CLIENTS = 4
PERCENTILES = (50.0, 90.0, 99.0, 99.9)
PATH = "/v1/whoami"


class Client:
    """One device that makes the three kinds of call, one after the other."""

    def __init__(self, api: ApiClient, device: Installation, thief: Installation, token: str) -> None:
        self._api, self._device, self._thief, self._token = api, device, thief, token
        self.timings: dict[str, list[float]] = {}
        self.wrong: Counter[str] = Counter()

    def calls(self) -> Iterator[tuple[str, int, Callable[[], Answer]]]:
        """Kind of call, status that it must get, and the call."""
        api, token = self._api, self._token
        yield "GET, token", 200, lambda: api.call("GET", PATH, token=token)
        yield "POST, token and proof", 200, lambda: api.call_with_proof("POST", PATH, self._device, token)
        yield "POST, stolen token", 401, lambda: api.call_with_proof("POST", PATH, self._thief, token)

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            for kind, status, call in self.calls():
                try:
                    answer = call()
                except StackUnreachable:
                    self.wrong[f"{kind}: no answer"] += 1
                    continue
                self.timings.setdefault(kind, []).append(answer.milliseconds)
                if answer.status != status:
                    self.wrong[f"{kind}: {answer.status} instead of {status}"] += 1


def percentile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` percent of the ordered values lie (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


def soak(stack: LocalStack, seconds: float) -> list[Client]:
    """Clients that called for ``seconds``."""
    deployment = local_stack(stack.layout)
    register_apps(deployment)
    scene = make_scene(deployment, DeviceAuthority.load(stack.layout.authority))
    wake(scene)
    clients = []
    for _ in range(CLIENTS):
        device, token = scene.token()
        thief, _ = scene.token()
        clients.append(Client(scene.client, device, thief, token))
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=client.run, args=(until,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    return clients


def report(clients: list[Client], seconds: float) -> int:
    """Prints the table; the number of wrong answers."""
    kinds = list(dict.fromkeys(kind for client in clients for kind in client.timings))
    total = sum(len(client.timings.get(kind, ())) for client in clients for kind in kinds)
    print(f"\nSoak: {CLIENTS} clients, {seconds:g} s, {total} calls, {total / seconds:.0f} a second")
    heads = "".join(f"{f'p{share:g}':>9}" for share in PERCENTILES)
    print(f"  {'milliseconds':<26}{'calls':>8}{heads}{'worst':>9}")
    for kind in kinds:
        ordered = sorted(value for client in clients for value in client.timings.get(kind, ()))
        values = "".join(f"{percentile(ordered, share):9.1f}" for share in PERCENTILES)
        print(f"  {kind:<26}{len(ordered):8d}{values}{ordered[-1]:9.1f}")
    wrong: Counter[str] = Counter()
    for client in clients:
        wrong += client.wrong
    for what, times in wrong.most_common():
        print(f"  wrong: {what}, {times} times")
    print(f"  wrong answers: {wrong.total()}")
    return wrong.total() if total else 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "seconds", nargs="?", type=float, default=5.0 if SHORT else 60.0, help="at most 240: a token's life"
    )
    seconds = min(parser.parse_args().seconds, 240.0)
    with tempfile.TemporaryDirectory(prefix="bonafide-soak-") as folder:
        layout = Layout(Layout.of_this_project().root, Path(folder))
        open_throttle = {"ThrottleRate": "100000", "ThrottleBurst": "100000"}
        with LocalStack(layout=layout, ports=own_ports(), parameters=open_throttle) as stack:
            clients = soak(stack, seconds)
    sys.exit(report(clients, seconds) > 0)


if __name__ == "__main__":
    main()
