"""The whole stack behind its edge: what is believed, what goes on while documents are lost, and a short flood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bonafide.operator.deployment import Deployment, from_facts
from bonafide.operator.layout import Layout
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import ApiClient
from devkit.edge.front import Front
from devkit.edge.local_edge import LocalEdge
from devkit.fleet.drills.drills import DRILL_APP, block_drill
from devkit.fleet.drills.edge import ShiftedClock, edge_scene, show_calls_around, show_outage
from devkit.fleet.drills.flood import HOSTING_NETWORK, flood
from devkit.fleet.scenario import Scene
from devkit.local.custom_resource import invoke
from devkit.stack.stack import LocalStack
from tests.stack_ports import own_ports

pytestmark = [pytest.mark.stack, pytest.mark.long]


@dataclass
class Running:
    """A stack with an edge, and its clients."""

    stack: LocalStack
    edge: LocalEdge
    clock: ShiftedClock
    scene: Scene
    deployment: Deployment

    @property
    def front(self) -> Front:
        assert self.edge.front is not None
        return self.edge.front

    def get(self, path: str) -> tuple[int, str]:
        answer = self.scene.client.send("GET", self.edge.url + path)
        return answer.status, answer.headers["x-cache"].split()[0]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    layout = Layout(root=Layout.of_this_project().root, run_folder=Path(tmp_path_factory.mktemp("edge")))
    ports, clock = own_ports(example=False), ShiftedClock()
    edge = LocalEdge(layout.root, ports.edge, {"EnrolmentsPerAddress": "20"}, clock)
    with LocalStack(layout=layout, ports=ports, edge=edge) as stack:
        deployment = from_facts(stack.facts)
        scene = edge_scene(deployment, DeviceAuthority.load_or_create(layout.authority), edge)
        yield Running(stack, edge, clock, scene, deployment)


def test_only_calls_through_the_edge_are_believed(running: Running) -> None:
    """Spoofed countries, direct calls with and without a guessed secret, and the URLs that proofs name."""
    wrong = [one for one in show_calls_around(running.stack, running.scene) if not one.holds]
    assert wrong == []


def test_authorizers_that_start_without_documents_go_on(running: Running) -> None:
    """An hour, by the front's clock, in which neither bucket nor API answers."""
    wrong = [one for one in show_outage(running.stack, running.edge, running.clock, running.scene) if not one.holds]
    assert wrong == []


def test_cold_authorizer_without_edge_and_api_is_closed(running: Running) -> None:
    """The counterpart: with nothing kept at the edge, an authorizer that starts lets no request in."""
    front = running.front
    front.origin_down |= {"documents", "verifier-documents"}
    running.clock.shift += 30 * 86_400
    try:
        assert running.get("/v1/trust-bundle") == (502, "Error")
    finally:
        front.origin_down.clear()
    assert running.get("/v1/trust-bundle")[0] == 200


def test_block_is_known_through_the_edge(running: Running) -> None:
    """The publication writes the bucket, the edge keeps its copy for a second, authorizers ask the edge."""
    (measured,) = block_drill(running.deployment, running.scene, 1)
    assert measured.first_refusal > 0


def test_head_at_the_edge_is_that_of_the_api(running: Running) -> None:
    client = running.scene.client
    invoke(running.stack.lambda_endpoint_url, "PublishBundleFunction", {"action": "publish"})
    running.clock.shift += 2
    through = client.send("GET", f"{running.edge.url}/v1/trust-bundle")
    running.clock.shift += 2
    direct = client.send("GET", f"{running.stack.verifier_url}/v1/trust-bundle")
    assert through.body == direct.body
    assert through.headers["cache-control"].startswith("public, max-age=1, stale-if-error=")


def test_flood_from_one_address_is_filtered(running: Running) -> None:
    """A short one. Times and shares are the drill's to print; that the filter stops strangers is ours to hold."""
    told = flood(running.stack, running.edge, running.scene, rate=60, seconds=4, addresses=1, network=HOSTING_NETWORK)
    assert told.blocked > 0
    assert sum(told.answers.values()) > told.blocked
    assert any(answer.startswith("POST /v1/challenges 429") for answer in told.answers)
    assert told.honest > 0
    assert told.to_record()["addresses"] == 1


def test_stack_without_an_edge_lets_clients_call_directly(running: Running) -> None:
    """What `OriginSecretHashes` says is all that closes it."""
    environment = running.stack.environments["IssueChallengeFunction"]
    assert len(environment["ORIGIN_SECRET_HASHES"]) == 64
    direct = ApiClient(verifier_url=running.stack.verifier_url, guarded_url="")
    assert direct.post("/v1/challenges", {"app": DRILL_APP}).summary == "403 refused"
