"""Inspection recognises evidence in every wrapping, says where a bond is broken, and never raises."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from attestation.apple.attestation import read_attestation_object
from bonafide_tokens.jose import b64url_decode
from rich.console import Console

from bonafide.inspect.inspection import Inspection, inspect_evidence
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.installation import Installation

from .cases import APP_ID, NOW, altered, minted_cases

CASES = minted_cases()
ATTESTATION = b64url_decode(CASES["attestation"]["evidence"]["attestation_object"])
ASSERTION = b64url_decode(CASES["assertion"]["evidence"]["assertion"])
PARTS = read_attestation_object(ATTESTATION)
KINDS = {
    "App Attest attestation": ATTESTATION,
    "App Attest assertion": ASSERTION,
    "App Attest receipt": PARTS.receipt,
    "certificate": PARTS.x5c[0],
}


def shown(inspection: Inspection) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(inspection.render())
    return console.export_text()


def inspected(case: dict[str, Any]) -> dict[str, Any]:
    record = inspect_evidence(json.dumps(case)).to_record()
    json.dumps(record)
    return record


@pytest.mark.parametrize("kind", KINDS)
def test_evidence_is_recognised_in_every_wrapping(kind: str) -> None:
    """Raw, base64 with and without padding and line breaks, base64url, hex; as bytes and as text."""
    raw = KINDS[kind]
    standard, urlsafe = base64.encodebytes(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    for data in (raw, standard, urlsafe, urlsafe.rstrip("="), f"  {standard}\n", raw.hex(), standard.encode()):
        inspection = inspect_evidence(data)
        assert inspection.kind == kind
        assert "unreadable" not in json.dumps(inspection.to_record())


def test_attestation_shows_what_support_needs() -> None:
    """Chain with dates, app id, OS, environment, key id, extension map, receipt, and the bonds between them."""
    record = inspect_evidence(ATTESTATION).to_record()
    leaf, data = record["leaf"], record["authenticator_data"]
    assert (leaf["app_id"], leaf["os_version"], leaf["os_build"], leaf["os"]) == (APP_ID, "27.0", "24A325", "iphoneos")
    assert leaf["extended_key_usage"] == ["1.2.840.113635.100.4.24"]
    assert (data["environment"], data["counter"]) == ("production", 0)
    assert data["key_id"] == leaf["key_id"] == record["receipt"]["fields"]["key_id"]
    assert data["extensions"] == {"apple_validation_category_01": "h'02000000'", "apple_bundle_version_01": "1"}
    assert [certificate["key"] for certificate in record["certificates"]] == ["EC P-256", "EC P-384"]
    assert all(record["bonds"].values())
    text = shown(inspect_evidence(ATTESTATION))
    for fact in (APP_ID, "27.0", "production", "ECDSA with SHA-256", "2026-05-27T20:26:40+00:00"):
        assert fact in text


def test_secrets_of_a_receipt_are_not_shown() -> None:
    """Its token is for Apple's server."""
    record = json.dumps(inspect_evidence(PARTS.receipt).to_record())
    assert "not shown" in record


def test_case_that_verifies_has_its_verdict_and_claims() -> None:
    """Verdict, tier and what was proved."""
    verdict = inspected(CASES["attestation"])["verdict"]
    assert (verdict["outcome"], verdict["tier"], verdict["expected"]) == ("verified", "affirming", "verified")
    assert verdict["claims"]["os_version"] == "27.0"
    assert "Verdict: verified" in shown(inspect_evidence(json.dumps(CASES["attestation"])))


@pytest.mark.parametrize(
    ("name", "path", "value", "step", "reason"),
    [
        ("attestation", "client_data_hash", "A" * 43, "7, ", "challenge-mismatch"),
        ("attestation", "reference_values.apple.app_ids", ["a.b"], "11, ", "app-mismatch"),
        ("attestation", "at", "2027-01-01T00:00:00Z", "5, ", "chain-expired"),
        ("attestation", "trust_anchors-", None, "4, ", "anchor-unknown"),
        ("attestation", "evidence.attestation_object", "AAAA", "reading", "encoding-invalid"),
        ("assertion", "client_data_hash", "A" * 43, "3, ", "signature-invalid"),
        ("assertion", "attested_key.counter", 9, "6, ", "counter-not-greater"),
        ("receipt", "at", "2027-01-01T00:00:00Z", "8, ", "receipt-expired"),
        ("receipt", "attested_key.public_key", "04" + "00" * 64, "6, ", "key-mismatch"),
    ],
)
def test_refused_case_names_the_step_and_the_fact(name: str, path: str, value: object, step: str, reason: str) -> None:
    """What a support engineer asks first: where did it fail, and what was seen."""
    case = altered(CASES[name], path, value)
    verdict = inspected(case)["verdict"]
    assert verdict["step"].startswith(step)
    assert verdict["reason"] == reason
    assert verdict["fact"]
    assert reason in shown(inspect_evidence(json.dumps(case)))


def test_case_without_anchors_is_not_judged() -> None:
    """We lack something; the evidence may be fine."""
    assert (
        inspected(altered(CASES["attestation"], "trust_anchors", {"apple-app-attest": []}))["verdict"]["outcome"]
        == "not judged"
    )


def test_unusable_case_says_why() -> None:
    """A misspelt key."""
    assert "colour" in inspected(CASES["receipt"] | {"colour": 1})["unreadable"]


def _installation() -> Installation:
    phone = SoftwareIphone(
        authority=DeviceAuthority.create(), app_id=APP_ID, generation=GENERATIONS["ios-26"], clock=lambda: NOW
    )
    return Installation.fresh("demo", phone)


def test_request_body_shows_client_data_and_whether_it_is_bound() -> None:
    """The body of POST /v1/attestations: the nonce binds these client data, or others."""
    installation = _installation()
    data = installation.client_data("C" * 64, signals=["debugger"])
    record = inspect_evidence(json.dumps(installation.attestation_body(data))).to_record()
    assert record["kind"] == "request body"
    assert record["client_data"]["signals"] == ["debugger"]
    assert "C" * 64 not in json.dumps(record)
    assert record["evidence"][0]["bonds"]["nonce binds given client data"] is True
    tampered = installation.attestation_body(data) | {
        "client_data": installation.attestation_body(data + b" ")["client_data"]
    }
    bonds = inspect_evidence(json.dumps(tampered)).to_record()["evidence"][0]["bonds"]
    assert bonds["nonce binds given client data"] is False
    assert "NO" in shown(inspect_evidence(json.dumps(tampered)))


def test_renewal_body_is_shown() -> None:
    """The body of POST /v1/tokens."""
    installation = _installation()
    record = inspect_evidence(json.dumps(installation.renewal_body(installation.client_data("C" * 64)))).to_record()
    assert record["evidence"][0]["authenticator_data"]["counter"] == 1


def test_one_element_of_an_evidence_list_is_shown() -> None:
    """As it lies in a log or a ticket."""
    element = {**CASES["assertion"]["evidence"], "format": "apple-app-attest-assertion"}
    assert inspect_evidence(json.dumps(element)).content["authenticator_data"]["counter"] == 1


def test_pem_certificates_are_shown() -> None:
    """A chain pasted from anywhere."""
    pem = DeviceAuthority.create().root_certificate_pem
    assert len(inspect_evidence(pem + pem).content["certificates"]) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        "nonsense",
        "{",
        "[]",
        "{}",
        '{"evidence": []}',
        '{"evidence": [1, {}, {"format": 7}, {"format": "apple-app-attest"}], "client_data": 7}',
        '{"evidence": [{"format": "apple-app-attest", "attestation_object": "AAAA"}], "client_data": "e30"}',
        '{"case": 1}',
        '{"format": null}',
        "[" * 50_000,
        b"\xa3" * 5_000,
        b"\x30\x80" * 5_000,
        "-----BEGIN CERTIFICATE-----",
        b"\xff\xfe",
        "A" * 2_000_000,
        ATTESTATION[:-1],
        PARTS.receipt[:-4],
        PARTS.x5c[0] + b"\x00",
    ],
)
def test_garbage_is_described_and_never_raises(data: bytes | str) -> None:
    """A support tool answers, whatever the file."""
    inspection = inspect_evidence(data)
    json.dumps(inspection.to_record())
    assert shown(inspection)


def test_evidence_cannot_steer_the_terminal() -> None:
    """Control characters in foreign text are replaced."""
    text = shown(Inspection("test", {"app_id": "demo\x1b]0;owned\x07\x1b[2J", "x\x1b[1m": "y"}))
    assert "\x1b" not in text
    assert "\x07" not in text
