"""The edge drill: what is believed of a call around the edge, and who goes on when documents cannot be had."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bonafide_tokens.origin_secret import HEADER

from bonafide.operator.deployment import Deployment
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration, Registrations
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.client import ApiClient
from devkit.edge.front import VIEWER
from devkit.edge.local_edge import LocalEdge
from devkit.fleet.drills.cold_start import cold_start
from devkit.fleet.drills.drills import DRILL_APP, DrillFailed
from devkit.fleet.run import PATIENCE, make_scene
from devkit.fleet.scenario import Scene
from devkit.stack.stack import LocalStack

TYPICAL: Final = 5.0
WORST: Final = 10.0
"""Seconds from blocking a key to its refusal, through the edge: the median, and the worst of twenty."""

_COUNTRY: Final = "CloudFront-Viewer-Country"
_WHERE: Final = "198.51.100.7 DE 64496"
_DEAD: Final = "http://127.0.0.1:9/v1/trust-bundle"
_DOCUMENTS: Final = frozenset({"documents", "verifier-documents"})
_STARTS: Final = 5
_HOUR: Final = 3600.0


@dataclass(slots=True)
class ShiftedClock:
    """Seconds that pass as they do, and hours that pass at once."""

    shift: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.shift


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the drill: what was tried, what must come of it, and what did."""

    tried: str
    expected: str
    found: str

    @property
    def holds(self) -> bool:
        return self.found == self.expected

    def to_record(self) -> dict[str, object]:
        return {"tried": self.tried, "expected": self.expected, "found": self.found, "holds": self.holds}


def edge_scene(deployment: Deployment, authority: DeviceAuthority, edge: LocalEdge, where: str = _WHERE) -> Scene:
    """The scene of a stack whose clients call the edge."""
    Registrations(deployment.aws("dynamodb"), deployment.tables["apps"]).put(
        Registration(app=DRILL_APP, apple_app_ids=(DEMO_APPLE_APP_ID,))
    )
    direct = make_scene(deployment, authority)
    client = ApiClient(verifier_url=edge.url, guarded_url=edge.url, patience=PATIENCE, headers={VIEWER: where})
    return replace(direct, client=client, orders=None)


def show_calls_around(stack: LocalStack, scene: Scene) -> Iterator[Shown]:
    """Spoofed countries, direct calls, and URLs in proofs."""
    client = scene.client
    spoofing = ApiClient(
        verifier_url=client.verifier_url, guarded_url=client.guarded_url, headers={**client.headers, _COUNTRY: "CH"}
    )
    phone = scene.install(app=DRILL_APP)
    session = spoofing.attest(phone)
    country = _country_of(stack, phone.bonafide_key_id)
    yield Shown("enrol from DE through the edge, with a country header that says CH", "DE", country)
    whoami = client.call("GET", "/v1/whoami", token=session.token)
    yield Shown("call the guarded API through the edge", "200", str(whoami.status))
    proof = phone.proof(method="POST", url=f"{client.guarded_url}/v1/whoami", token=session.token)
    proven = client.call("POST", "/v1/whoami", token=session.token, proof=proof)
    yield Shown("the same with a proof for the edge's URL", "200", str(proven.status))
    other = phone.proof(method="POST", url=f"{stack.guarded_url}/v1/whoami", token=session.token)
    misplaced = client.call("POST", "/v1/whoami", token=session.token, proof=other)
    yield Shown("the same with a proof for the API's own URL", "401", str(misplaced.status))
    reported = client.report_signal(phone, session.token, "debugger")
    yield Shown("report a signal, its proof for the edge's URL", "202", str(reported.status))
    for how, headers in (("directly", {}), ("directly, with a guessed origin secret", {HEADER: "guess"})):
        direct = ApiClient(
            verifier_url=stack.verifier_url, guarded_url=stack.guarded_url, headers={_COUNTRY: "CH", **headers}
        )
        for path, body in (("challenges", {"app": DRILL_APP}), ("attestations", {}), ("tokens", {}), ("signals", {})):
            yield Shown(f"POST /v1/{path} {how}", "403 refused", direct.post(f"/v1/{path}", body).summary)
        guarded = direct.call("GET", "/v1/whoami", token=session.token)
        yield Shown(f"call the guarded API {how}", "401 temporarily_unavailable", guarded.summary)
    bundle = ApiClient(verifier_url=stack.verifier_url, guarded_url="").send(
        "GET", f"{stack.verifier_url}/v1/trust-bundle"
    )
    yield Shown("GET /v1/trust-bundle directly: public, signed", "200", str(bundle.status))


def show_outage(stack: LocalStack, edge: LocalEdge, clock: ShiftedClock, scene: Scene) -> Iterator[Shown]:
    """An hour in which neither bucket nor API hands out a trust bundle, on the front's clock; authorizers that start in
    it. Their own clock is real: the bundle's six hours are not over."""
    front = edge.front
    if front is None:
        raise DrillFailed("The edge is not running.")
    token = scene.client.attest(scene.install(app=DRILL_APP)).token
    environment = {
        **stack.environments["AuthorizeRequestFunction"],
        "TRUST_BUNDLE_URL": f"{edge.url}/v1/trust-bundle,{_DEAD}",
    }

    def started() -> str:
        begun = cold_start(stack.layout, environment, token=token, secret=edge.secret)
        return "allowed" if begun.allowed else "denied"

    scene.client.send("GET", f"{edge.url}/v1/trust-bundle")
    front.origin_down |= _DOCUMENTS
    begin = clock.shift
    try:
        for number in range(_STARTS):
            clock.shift = begin + _HOUR * number / (_STARTS - 1)
            minutes = round((clock.shift - begin) / 60)
            yield Shown(f"an authorizer starts {minutes} minutes into the outage", "allowed", started())
    finally:
        front.origin_down -= _DOCUMENTS
    yield Shown("an authorizer starts when it is over", "allowed", started())


def _country_of(stack: LocalStack, key_id: str) -> str:
    """The country on the decision line of an enrolment."""
    log = stack.layout.logs / "AppraiseEvidenceFunction.log"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in reversed(log.read_text("utf-8", "replace").splitlines()):
            if key_id in line and '"decision"' in line:
                return str(json.loads(line[line.index("{") :]).get("country", ""))
        time.sleep(0.1)
    return "no decision line"
