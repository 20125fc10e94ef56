"""The flood drill: strangers by the thousand at the edge, and how honest installs and starting authorizers fare."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from devkit.devices.client import StackUnreachable, UnexpectedAnswer
from devkit.edge.local_edge import LocalEdge
from devkit.fleet.drills.cold_start import cold_start
from devkit.fleet.drills.drills import DRILL_APP, DrillFailed
from devkit.fleet.scenario import Scene
from devkit.stack.stack import LocalStack

HONEST: Final = 0.99
COLD: Final = 5
"""What is hoped for: of honest enrolments, and of authorizers started in the flood."""

THROTTLES: Final = {
    "ChallengeRate": "30",
    "ChallengeBurst": "60",
    "EnrolmentRate": "20",
    "EnrolmentBurst": "40",
    "ClientPolicyRate": "20",
    "ClientPolicyBurst": "40",
    "TrustBundleRate": "20",
    "TrustBundleBurst": "40",
}
"""Throttles of the drill: a tenth of the template's, about what a laptop's workers do. A throttle above that would show
where the laptop ends and not where the stack does."""

FILTER: Final = {"EnrolmentsPerNetwork": "600"}
"""The rule per network is on: in five minutes, well above what the drill's honest callers send."""

HONEST_NETWORK, HOSTING_NETWORK = "64496", "64500"
_PAUSE: Final = 0.5
_PATIENCE: Final = 20.0


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood and what became of whom. ``answers`` are the strangers', as in ``POST /v1/challenges 429``."""

    addresses: int
    network: str
    offered: int
    seconds: float
    answers: Mapping[str, int]
    blocked: int
    honest: int
    honest_enrolled: int
    cold: int
    cold_up: int
    documents_asked: int

    @property
    def achieved(self) -> float:
        """Requests a second that were answered."""
        return sum(self.answers.values()) / self.seconds

    @property
    def failures(self) -> list[str]:
        """What fails under this flood, one sentence each."""
        found = []
        if self.honest_enrolled < HONEST * self.honest:
            shared = "the rule per network stops both, and without it strangers use up the routes' throttles"
            why = shared if self.network == HONEST_NETWORK else "strangers use up the routes' throttles"
            found.append(f"honest enrolments: {self.honest_enrolled} of {self.honest}; {why}")
        if self.cold_up < self.cold:
            found.append(f"cold authorizers: {self.cold_up} of {self.cold}")
        return found

    def to_record(self) -> dict[str, object]:
        return {
            "addresses": self.addresses,
            "network": self.network,
            "offered": self.offered,
            "answered_per_second": round(self.achieved),
            "answers": dict(sorted(self.answers.items())),
            "blocked_by_filter": self.blocked,
            "honest_enrolments": self.honest,
            "honest_enrolled": self.honest_enrolled,
            "cold_authorizers": self.cold,
            "cold_authorizers_up": self.cold_up,
            "requests_for_documents_at_origins": self.documents_asked,
            "failures": self.failures,
        }


def flood(
    stack: LocalStack, edge: LocalEdge, scene: Scene, *, rate: int, seconds: int, addresses: int, network: str
) -> Flood:
    """Offer ``rate`` requests a second for ``seconds``, from that many addresses of a network, while honest
    installs enrol and authorizers start."""
    front = edge.front
    if front is None:
        raise DrillFailed("The edge is not running.")
    token = scene.client.attest(scene.install(app=DRILL_APP)).token
    counted, asked = Counter(front.web_acl.counted), Counter(front.asked)
    command = [sys.executable, "-m", "devkit.fleet.drills.strangers", edge.url]
    command += [str(rate), str(seconds), str(addresses), network]
    strangers = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=stack.layout.root, text=True)
    begin = time.monotonic()
    honest = _Honest(scene, begin + seconds)
    honest.start()
    environment = {**stack.environments["AuthorizeRequestFunction"], "TRUST_BUNDLE_URL": f"{edge.url}/v1/trust-bundle"}
    up = 0
    for number in range(COLD):
        time.sleep(max(0.0, begin + seconds * (number + 0.5) / COLD - time.monotonic()))
        up += cold_start(stack.layout, environment, token=token, secret=edge.secret).allowed
    told, _ = strangers.communicate(timeout=seconds + 120)
    took = time.monotonic() - begin
    honest.join()
    if strangers.returncode:
        raise DrillFailed("The strangers' process failed.")
    blocked, documents = front.web_acl.counted - counted, front.asked - asked
    return Flood(
        addresses=addresses,
        network=network,
        offered=rate * seconds,
        seconds=max(float(seconds), min(took, float(seconds) + 5)),
        answers=json.loads(told),
        blocked=blocked.total(),
        honest=honest.tried,
        honest_enrolled=honest.enrolled,
        cold=COLD,
        cold_up=up,
        documents_asked=documents["documents"] + documents["verifier-documents"],
    )


class _Honest:
    """Installs that enrol one after the other, each from an address of its own, and come back as they are told."""

    def __init__(self, scene: Scene, until: float) -> None:
        self._scene = scene
        self._until = until
        self._threads: list[threading.Thread] = []
        self._clerk = threading.Thread(target=self._send, daemon=True)
        self._lock = threading.Lock()
        self.tried = 0
        self.enrolled = 0

    def start(self) -> None:
        self._clerk.start()

    def join(self) -> None:
        self._clerk.join()
        for thread in self._threads:
            thread.join(2 * _PATIENCE)

    def _send(self) -> None:
        while time.monotonic() < self._until:
            self.tried += 1
            thread = threading.Thread(target=self._enrol, args=(self.tried,), daemon=True)
            self._threads.append(thread)
            thread.start()
            time.sleep(_PAUSE)

    def _enrol(self, number: int) -> None:
        headers = {"Bonafide-Local-Viewer": f"192.0.2.{number % 250 + 1} DE {HONEST_NETWORK}"}
        client = replace(self._scene.client, headers=headers, patience=_PATIENCE)
        try:
            client.attest(self._scene.install(app=DRILL_APP))
        except (StackUnreachable, UnexpectedAnswer):
            return
        with self._lock:
            self.enrolled += 1
