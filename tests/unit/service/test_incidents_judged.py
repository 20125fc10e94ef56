"""Incidents at the verifiers: whom policies see named, at no call of their own, and never by a stranger's doing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attestation.appraisal.facts import INCIDENT_WARNINGS, INCIDENTS
from attestation.appraisal.incident_rule import incident_rule
from bonafide_tokens.signed_body import content_digest
from service.detection.detectors import POPULATION_DETECTORS
from service.detection.finding import Finding
from service.detection.reading import sightings_of
from service.detection.slots import InMemorySlots
from service.incidents.incident import Incident, opened
from service.incidents.running import show

from devkit.devices.android.releases import RELEASES
from devkit.devices.app_instance import AppInstance
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, secrets_body
from devkit.devices.installation import Installation
from tests.service_stack.memory_stack import APP, VERIFIER_ORIGIN, MemoryStack
from tests.unit.incidents.named import incident

Lines = Callable[[], list[dict[str, Any]]]
PERMIT = "permit (principal, action, resource);\n"
SECRET = "maps-key"
RELEASE = f"""permit (principal, action == Action::"release-secret", resource == Secret::"{SECRET}");
@id("no-farms") forbid (principal, action == Action::"release-secret", resource)
when {{ context.incidents.contains("clone-storm") }};
"""
RULES = incident_rule("key-farm", warns=False) + incident_rule("leaked-keybox", warns=True) + RELEASE
FACTORY = RELEASES["pixel-5"]


class Scene:
    """A stack whose policy minds incidents, and what it wrote."""

    def __init__(self, stack: MemoryStack, log_lines: Lines) -> None:
        self.stack, self.log_lines = stack, log_lines
        stack.publishing.publish(APP, appraisal=PERMIT + RULES, why="t", expected_version=0, who="t", now=stack.now)
        stack.runtime_secrets.keep(stack.wrapping, APP, SECRET, b"value", at=int(stack.now))
        self.slots = InMemorySlots()

    def open(self, *incidents: Incident) -> None:
        """Incidents open or end; processes ask again when they next look."""
        self.stack.facts.open(self.stack.now, *incidents)
        self.stack.now += 11

    def restart(self) -> None:
        """New processes. Chance begins anew in them, and its first challenges are spent."""
        self.stack.restart()
        for _ in range(3):
            self.stack.challenge()

    def named(self, *keys: str, **members: Any) -> Incident:
        moment = self.stack.now
        return incident(*keys, **{"app": APP, "since": moment, "last": moment, **members})

    def found(self) -> list[Finding]:
        """What the detectors find in the lines since the last look."""
        lines = [json.dumps(line) for line in self.log_lines() if line.get("message") == "decision"]
        now = self.stack.now
        keys = self.stack.facts.keys(now).of_epochs(now)

        def failed(name: str, error: Exception) -> None:
            raise AssertionError(name) from error

        sightings = list(sightings_of(lines, keys, now))
        return show(sightings, POPULATION_DETECTORS, self.slots, now=now, failed=failed).findings

    def tried(self, device: AppInstance) -> dict[str, Any]:
        body = device.attestation_body(device.client_data(self.stack.challenge()))
        return self.stack.send("POST", "/v1/attestations", body)

    def renewed(self, device: AppInstance) -> dict[str, Any]:
        return self.stack.send("POST", "/v1/tokens", device.renewal_body(device.client_data(self.stack.challenge())))

    def signed(self, device: AppInstance, token: str, path: str, body: bytes) -> dict[str, Any]:
        proof = device.proof(
            method="POST", url=VERIFIER_ORIGIN + path, token=token, content_digest=content_digest(body)
        )
        return self.stack.send("POST", path, body.decode(), headers={TOKEN_HEADER: token, PROOF_HEADER: proof})

    def judged(self) -> tuple[list[str], list[str], str]:
        """The two facts of the newest decision, as its record has them, and its tier."""
        line = [line for line in self.log_lines() if line.get("message") == "decision"][-1]
        context = line["facts"]["context"]
        return context.get(INCIDENTS, []), context.get(INCIDENT_WARNINGS, []), line["tier"]


@pytest.fixture
def scene(stack: MemoryStack, log_lines: Lines) -> Scene:
    return Scene(stack, log_lines)


def test_key_that_an_incident_names_is_judged_so_until_its_end(scene: Scene) -> None:
    """At renewals, signals and requests for secrets; recorded, so that replays judge it; and over when it is over."""
    device = scene.stack.installation()
    device.make_sealing_key()
    answer = scene.stack.enrol(device)
    key, token = str(answer["key_id"]), str(answer["token"])
    assert scene.judged() == ([], [], "affirming")

    scene.open(scene.named(key), scene.named(key, detector="clone-storm"))
    assert scene.renewed(device)["statusCode"] == 403
    assert scene.judged() == (["clone-storm", "key-farm"], [], "contraindicated")
    body = json.dumps({"signals": ["overlay"]}).encode()
    assert scene.signed(device, token, "/v1/signals", body)["statusCode"] == 202
    assert scene.judged() == (["clone-storm", "key-farm"], [], "contraindicated")

    scene.open(scene.named(key, detector="clone-storm"))
    asked = secrets_body((SECRET,), device.sealing_key_thumbprint)
    assert scene.signed(device, token, "/v1/secrets", asked)["statusCode"] == 403
    assert scene.judged() == (["clone-storm"], [], "affirming")

    scene.open()
    assert scene.renewed(device)["statusCode"] == 200
    assert scene.judged() == ([], [], "affirming")


def test_incident_of_a_batch_warns_and_no_more(scene: Scene) -> None:
    """Whatever its detector is called, and however sure it is."""
    device = scene.stack.installation()
    key = str(scene.stack.enrol(device)["key_id"])
    scene.open(scene.named(key, detector="leaked-keybox", scope="batch"), scene.named(key, scope="network"))
    answer = scene.renewed(device)
    assert answer["statusCode"] == 200
    assert scene.judged() == ([], ["key-farm", "leaked-keybox"], "warning")


def test_farm_is_named_from_its_next_enrolment_on(scene: Scene) -> None:
    """The whole way: five installs of one device, the detectors, the document, the rule. Other devices go on."""
    for _ in range(5):
        scene.stack.enrol(scene.stack.android())
        scene.stack.now += 3
    (finding,) = scene.found()
    assert (finding.detector, finding.scope, len(finding.keys)) == ("key-farm", "key", 5)
    scene.open(opened(finding, scene.stack.now))
    assert scene.tried(scene.stack.android())["statusCode"] == 403
    assert scene.judged()[0] == ["key-farm"]
    assert scene.tried(scene.stack.android(release=FACTORY))["statusCode"] == 201
    assert scene.tried(scene.stack.installation())["statusCode"] == 201


def test_renewals_make_no_call_of_their_own(scene: Scene) -> None:
    """However many they are: the document is read once within its time."""
    device = scene.stack.installation()
    scene.stack.enrol(device)
    scene.restart()
    asked = scene.stack.facts.documents.calls
    for _ in range(40):
        assert scene.renewed(device)["statusCode"] == 200
        scene.stack.now += 0.1
    assert scene.stack.facts.documents.calls == asked + 1


def test_outage_of_the_document_costs_no_device_its_token(scene: Scene) -> None:
    """An incident can only lower trust: what cannot be read names no key, and that is counted."""
    device = scene.stack.installation()
    key = str(scene.stack.enrol(device)["key_id"])
    scene.open(scene.named(key))
    scene.restart()
    scene.stack.facts.documents.down = True
    scene.log_lines()
    assert scene.renewed(device)["statusCode"] == 200
    assert sum(line.get("IncidentsUnread", [0])[0] for line in scene.log_lines()) == 1
    scene.stack.facts.documents.down = False
    scene.stack.now += 11
    assert scene.renewed(device)["statusCode"] == 403


def _forged_enrolments(scene: Scene, victim: Installation) -> Iterator[dict[str, Any]]:
    """Evidence of another phone, under the victim's key id."""
    for _ in range(30):
        stranger = scene.stack.installation()
        body = stranger.attestation_body(stranger.client_data(scene.stack.challenge()))
        body["evidence"][0]["key_id"] = victim.key_id
        yield scene.stack.send("POST", "/v1/attestations", body)


def _forged_renewals(scene: Scene, victim: Installation) -> Iterator[dict[str, Any]]:
    """Renewals of the victim's key that another key signed."""
    stranger = scene.stack.installation()
    scene.stack.enrol(stranger)
    for _ in range(30):
        body = stranger.renewal_body(stranger.client_data(scene.stack.challenge()))
        yield scene.stack.send("POST", "/v1/tokens", {**body, "key_id": victim.key_id})


def _replays(scene: Scene, victim: Installation) -> Iterator[dict[str, Any]]:
    """A recorded enrolment and a recorded renewal of the victim's, again and again."""
    enrolment = victim.attestation_body(victim.client_data(scene.stack.challenge()))
    renewal = victim.renewal_body(victim.client_data(scene.stack.challenge()))
    assert scene.stack.send("POST", "/v1/tokens", renewal)["statusCode"] == 200
    for _ in range(60):
        yield scene.stack.send("POST", "/v1/attestations", enrolment)
        yield scene.stack.send("POST", "/v1/tokens", renewal)


def _beacons(scene: Scene, victim: Installation) -> Iterator[dict[str, Any]]:
    """Unsigned reports of failures, with the victim's key id in every text."""
    text = victim.key_id
    failure = {"app": APP, "platform": "ios", "stage": "attest", "code": "key-generation-failed", "app_build": text}
    for _ in range(60):
        yield scene.stack.send("POST", "/v1/attestation-failures", {**failure, "model": text, "os": text})


@pytest.mark.parametrize("attack", [_forged_enrolments, _forged_renewals, _replays, _beacons])
def test_stranger_who_knows_a_key_id_lowers_nobodys_trust(
    scene: Scene, attack: Callable[[Scene, Installation], Iterator[dict[str, Any]]]
) -> None:
    """Whatever the detectors make of it: no finding names the victim, and its next renewal is as good as ever."""
    victim = scene.stack.installation()
    scene.stack.enrol(victim)
    findings: list[Finding] = []
    for number, _answer in enumerate(attack(scene, victim)):
        scene.stack.now += 0.2
        if number % 20 == 19:
            findings += scene.found()
    findings += scene.found()
    assert not any(victim.key_id in finding.keys for finding in findings)
    scene.open(*(opened(finding, scene.stack.now) for finding in findings))
    scene.log_lines()
    assert scene.renewed(victim)["statusCode"] == 200
    assert scene.judged() == ([], [], "affirming")
