"""What enrolments, renewals and reports tell detectors, sealed into their lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import shake_256
from typing import Any

import pytest
from attestation.errors import Reason
from bonafide_tokens.signed_body import content_digest
from service.detection.reading import sightings_of
from service.detection.sealed_facts import SEALED_CHARACTERS
from service.detection.sighting import Sighting
from service.edge.http import Wiring

from devkit.devices.android.releases import RELEASES
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import APP, VERIFIER_ORIGIN, MemoryStack

Lines = Callable[[], list[dict[str, Any]]]
ADDRESS = "X-Viewer-Address"


class Decisions:
    """A stack, and what was decided there since the last look."""

    def __init__(self, stack: MemoryStack, log_lines: Lines) -> None:
        self.stack, self.log_lines = stack, log_lines

    def lines(self) -> list[dict[str, Any]]:
        return [line for line in self.log_lines() if line.get("message") == "decision"]

    def sightings(self) -> list[Sighting]:
        damaged = Counter[str]()
        keys = self.stack.facts.keys(self.stack.now).of_epochs(self.stack.now)
        found = list(sightings_of(map(json.dumps, self.lines()), keys, self.stack.now, damaged))
        assert not damaged
        return found

    def sighting(self) -> Sighting:
        (one,) = self.sightings()
        return one


@pytest.fixture
def decided(stack: MemoryStack, log_lines: Lines, monkeypatch: pytest.MonkeyPatch) -> Decisions:
    """A stack that names the headers of a CDN."""
    for name in ("_judging", "_reporting"):
        wire = getattr(stack, name)

        def wired(wire: Callable[..., Wiring] = wire, **more: object) -> Wiring:
            return replace(wire(**more), network_header=ADDRESS, country_header="X-Country")

        monkeypatch.setattr(stack, name, wired)
    stack.restart()
    return Decisions(stack, log_lines)


def test_an_iphone_tells_its_counter_and_delay(decided: Decisions) -> None:
    stack = decided.stack
    phone = stack.installation()
    body = phone.attestation_body(phone.client_data(stack.challenge()))
    stack.now += 2.5
    assert stack.send("POST", "/v1/attestations", body, headers={"X-Country": "de"})["statusCode"] == 201
    seen = decided.sighting()

    assert (seen.source, seen.outcome, seen.proved, seen.signer) == ("enrol", "accepted", True, "own")
    assert (seen.delay, seen.handed_along, seen.counter, seen.country) == (2.5, False, 0, "DE")
    assert (seen.issuer, seen.issuer_kind, seen.network) == ("", "", "")
    assert seen.request_key


def test_a_renewal_tells_since_when_and_from_where_the_key_is(decided: Decisions) -> None:
    stack = decided.stack
    phone = stack.installation()
    body = phone.attestation_body(phone.client_data(stack.challenge()))
    answer = stack.send("POST", "/v1/attestations", body, headers={"X-Country": "DE"})
    stack.now += 200
    body = phone.renewal_body(phone.client_data(json_of(answer)["next_challenge"]))
    assert stack.send("POST", "/v1/tokens", body, headers={"X-Country": "BR"})["statusCode"] == 200
    enrolled, renewed = decided.sightings()

    assert (renewed.handed_along, renewed.delay, renewed.counter) == (True, 200.0, 1)
    assert renewed.enrolled_hours == pytest.approx(200 / 3600)
    assert (renewed.home_country, renewed.country) == ("DE", "BR")
    assert (enrolled.home_country, enrolled.enrolled_hours) == ("", None)
    assert enrolled.request_key == renewed.request_key
    assert enrolled.key_id == renewed.key_id != ""


def test_a_counter_that_went_back_is_told_of_the_key_that_signed(decided: Decisions) -> None:
    """Two copies of an app do so; that is all by which detectors can tell them."""
    stack = decided.stack
    phone = stack.installation()
    stack.enrol(phone)
    for counter in (0, 1, 0):
        phone.phone.keys[phone.key_id].counter = counter
        stack.send("POST", "/v1/tokens", phone.renewal_body(phone.client_data(stack.challenge())))
    *_, last, behind = decided.sightings()

    assert (last.outcome, last.counter) == ("accepted", 2)
    assert (behind.outcome, behind.why, behind.proved, behind.counter) == ("refused", "counter-not-greater", True, 2)
    assert behind.key_id == last.key_id != ""


def test_a_renewal_that_comes_again_proves_nothing(decided: Decisions) -> None:
    """The attack: a recorded renewal, sent again, so that the key looks copied."""
    stack = decided.stack
    phone = stack.installation()
    stack.enrol(phone)
    body = phone.renewal_body(phone.client_data(stack.challenge()))
    for _ in range(2):
        stack.send("POST", "/v1/tokens", body)
    *_, again = decided.sightings()

    assert (again.why, again.proved, again.key_id) == ("challenge-spent", False, "")


def test_two_installs_of_one_android_phone_have_one_issuer(decided: Decisions) -> None:
    """And a factory batch is told as one."""
    stack = decided.stack
    for phone in (stack.android(), stack.android(), stack.android(release=RELEASES["pixel-5"])):
        stack.enrol(phone)
    one, same, batch = decided.sightings()

    assert one.issuer == same.issuer != ""
    assert batch.issuer not in ("", one.issuer)
    assert (one.issuer_kind, batch.issuer_kind) == ("rkp", "factory")


def test_a_renewal_has_the_issuer_of_the_enrolment(decided: Decisions) -> None:
    stack = decided.stack
    phone = stack.android()
    answer = stack.enrol(phone)
    body = phone.renewal_body(phone.client_data(answer["next_challenge"]))
    assert stack.send("POST", "/v1/tokens", body)["statusCode"] == 200
    enrolled, renewed = decided.sightings()

    assert renewed.issuer == enrolled.issuer != ""


def test_another_signer_is_told_as_hardware_attests_it(decided: Decisions) -> None:
    """Which proves no key: a repackaged app's own is none of ours."""
    stack = decided.stack
    phone = stack.android(signer=shake_256(b"a repackager's").digest(32))
    body = phone.attestation_body(phone.client_data(stack.challenge()))
    assert stack.send("POST", "/v1/attestations", body)["statusCode"] == 403
    seen = decided.sighting()

    assert (seen.why, seen.signer, seen.proved, seen.key_id) == (Reason.SIGNER_MISMATCH, "other", False, "")


def test_a_caller_who_names_anothers_key_says_nothing_about_it(decided: Decisions) -> None:
    """The attack: renewals in another's name, so that a detector holds them against the key."""
    stack = decided.stack
    victim, attacker = stack.installation(), stack.installation()
    answers = [stack.enrol(each) for each in (victim, attacker)]
    body = attacker.renewal_body(attacker.client_data(answers[1]["next_challenge"]))
    assert stack.send("POST", "/v1/tokens", {**body, "key_id": answers[0]["key_id"]})["statusCode"] == 403
    seen = decided.sightings()[-1]

    assert (seen.outcome, seen.key_id, seen.proved) == ("refused", "", False)


def test_a_report_is_proved_by_the_key_that_the_attested_key_signed(decided: Decisions) -> None:
    stack = decided.stack
    phone = stack.installation()
    token = str(stack.enrol(phone)["token"])
    body = json.dumps({"signals": ["hooking"]}).encode()
    proof = phone.proof(
        method="POST", url=f"{VERIFIER_ORIGIN}/v1/signals", token=token, content_digest=content_digest(body)
    )
    headers = {TOKEN_HEADER: token, PROOF_HEADER: proof}
    assert stack.send("POST", "/v1/signals", body, headers=headers)["statusCode"] == 202
    enrolled, reported = decided.sightings()

    assert (reported.source, reported.proved) == ("signal", True)
    assert (reported.key_id, reported.request_key) == (enrolled.key_id, enrolled.request_key)


def test_a_network_is_named_by_the_header_alone(decided: Decisions) -> None:
    stack = decided.stack
    for address in ("198.51.100.7", "198.51.100.8:443", "203.0.113.7", "198.51.100.7, 198.51.100.9"):
        phone = stack.installation()
        body = phone.attestation_body(phone.client_data(stack.challenge()))
        assert stack.send("POST", "/v1/attestations", body, headers={ADDRESS: address})["statusCode"] == 201
    here, too, there, spoofed = decided.sightings()

    assert here.network == too.network != ""
    assert there.network not in ("", here.network)
    assert spoofed.network == ""
    assert not any("198.51" in json.dumps(line) or "203.0" in json.dumps(line) for line in decided.lines())


@pytest.mark.parametrize("header", ["", "X-Viewer-Address"])
def test_no_header_is_believed_that_the_stack_does_not_name(stack: MemoryStack, log_lines: Lines, header: str) -> None:
    phone = stack.installation()
    body = phone.attestation_body(phone.client_data(stack.challenge()))
    assert stack.send("POST", "/v1/attestations", body, headers={header: "198.51.100.7"})["statusCode"] == 201

    assert Decisions(stack, log_lines).sighting().network == ""


def test_every_line_of_an_app_has_facts_of_one_length(decided: Decisions) -> None:
    """Refusals before and after the seal of the challenge too: the length tells nothing."""
    stack = decided.stack
    stack.enrol(stack.android())
    stack.enrol(stack.installation())
    stack.send("POST", "/v1/attestations", {"app": APP})
    lengths = [len(line["detection"]) for line in decided.lines()]

    assert lengths == [SEALED_CHARACTERS] * 3


def test_a_line_is_written_where_sealing_fails(decided: Decisions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own fault in it costs no decision, no line and no answer."""

    def broken(*_: object, **__: object) -> str:
        raise ValueError("no seal")

    monkeypatch.setattr("service.keys.fact_keys.seal", broken)
    decided.stack.enrol(decided.stack.installation())
    (line,) = decided.lines()

    assert "detection" not in line
    assert line["outcome"] == "accepted"
