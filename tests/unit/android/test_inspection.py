"""What `bonafide inspect` shows of Android evidence: enough for a support engineer, and nothing of a single device."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bonafide_tokens.jose import b64url_encode
from rich.console import Console

from bonafide.inspect.inspection import Inspection, inspect_evidence
from devkit.devices.android import key_description as kd
from devkit.devices.android.hostile import below_attestation_key, extended_by_attestation
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.authority.der_writer import integer, octet_string

from .play_scene import KEYS, payload
from .scene import AUTHORITY, CLIENT_DATA_HASH, FORGED_KEY, NOW, PACKAGE, SIGNER, Scene


def _case(chain: tuple[bytes, ...], **members: Any) -> bytes:
    case = {
        "case": "minted",
        "format": "android-key-attestation",
        "at": datetime.fromtimestamp(NOW, UTC).isoformat(),
        "evidence": {"certificate_chain": [b64url_encode(certificate) for certificate in chain]},
        "client_data_hash": b64url_encode(CLIENT_DATA_HASH),
        "reference_values": {"android": {"packages": [PACKAGE], "signing_digests": [SIGNER.hex()]}},
        "trust_anchors": {"android-key-attestation": [AUTHORITY.root_certificate_pem]},
        "expect": {"outcome": "verified"},
    }
    return json.dumps(case | members).encode("utf-8")


def _shown(inspection: Inspection) -> str:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(inspection.render())
    return console.export_text()


def test_genuine_chain_shows_what_decides() -> None:
    """Levels, boot, app, patch levels, bonds between certificates, and the verdict."""
    inspection = inspect_evidence(_case(Scene.default().draft.chain()))
    evidence, verdict = inspection.content["evidence"], inspection.content["verdict"]
    description = evidence["key_description"]
    assert description["attestation"] == "version 300, trusted environment"
    assert description["hardware enforced"]["root of trust"]["verified boot state"] == "verified"
    assert description["hardware enforced"]["origin"] == "0, generated"
    assert description["software enforced"]["application id"]["packages"] == [f"{PACKAGE}, version 42"]
    assert description["binds the given client data"] is True
    assert evidence["chain"]["0 is signed by 1"] is True
    assert evidence["key"] == "ec-p256"
    assert (verdict["outcome"], verdict["tier"]) == ("verified", "affirming")
    assert "verified boot state: verified" in _shown(inspection)


def test_refused_chain_names_the_step_and_the_fact() -> None:
    """The number of the step, what it asks for, and what was found instead."""
    scene = Scene.default(package="org.example.demo.plus")
    verdict = inspect_evidence(_case(scene.draft.chain())).content["verdict"]
    assert verdict["step"] == "17, our app, by our signer"
    assert verdict["reason"] == "app-mismatch"
    assert verdict["fact"] == "the key belongs to another application"


def test_extended_chain_shows_where_the_descriptions_are() -> None:
    """The forged certificate is the first; the genuine one stands behind it."""
    scene = Scene.default()
    inspection = inspect_evidence(_case(extended_by_attestation(scene.draft, scene.key, FORGED_KEY)))
    certificates = inspection.content["evidence"]["certificates"]
    assert certificates[0]["key_description"] == "here"
    assert certificates[1]["key_description"].startswith("HERE")
    assert inspection.content["verdict"]["step"].startswith("7, ")


def test_chain_through_an_attestation_key_is_told_from_a_forgery() -> None:
    """Its own step and reason: genuine, and refused by default."""
    scene = Scene.default()
    chain = below_attestation_key(scene.draft, scene.key, spki_of(FORGED_KEY))
    verdict = inspect_evidence(_case(chain)).content["verdict"]
    assert (verdict["step"][0], verdict["reason"]) == ("8", "attest-key-chain")


def test_pem_export_of_a_phone_is_recognised() -> None:
    """Support engineers get PEM files."""
    pem = "".join(
        f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(certificate).decode()}-----END CERTIFICATE-----\n"
        for certificate in Scene.default("pixel-9-strongbox").draft.chain()
    )
    inspection = inspect_evidence(pem)
    assert inspection.kind == "Android key attestation"
    assert inspection.content["key_description"]["KeyMint"] == "version 300, StrongBox"


def test_leaf_alone_is_described() -> None:
    """A certificate copied out of a log: its KeyDescription, and that the chain is missing."""
    for count in (1, 2):
        chain = Scene.default().draft.chain()[:count]
        content = inspect_evidence(_case(chain)).content
        assert content["evidence"]["chain"]["pinned root"] == "none: too few certificates"
        assert content["evidence"]["key_description"]["challenge"] == CLIENT_DATA_HASH.hex()
        assert content["verdict"]["step"].startswith("1, ")
    assert inspect_evidence(_case(())).content["evidence"]["certificates"] == []


def test_names_of_the_single_device_are_not_shown() -> None:
    """Serial number and IMEI stay in the file."""
    draft = Scene.default().draft
    described = draft.description.with_hardware(
        {502: integer(77_777), 713: octet_string(b"R58M123ABCD"), 714: octet_string(b"490154203237518")}
    )
    inspection = inspect_evidence(_case(replace(draft, description=described).chain()))
    shown = _shown(inspection) + json.dumps(inspection.to_record()["evidence"]["key_description"])
    assert not any(secret in shown for secret in ("77777", "R58M123ABCD", "490154203237518"))
    assert "not shown" in shown


def test_parts_that_cannot_be_read_leave_the_others_readable() -> None:
    """One broken certificate hides neither its neighbours nor the KeyDescription."""
    chain = list(Scene.default().draft.chain())
    chain[2] = b"\x30\x03garbage"
    content = inspect_evidence(_case(tuple(chain))).content["evidence"]
    assert "unreadable" in content["certificates"][2]
    assert content["certificates"][1]["subject"].endswith("O=TEE")
    assert content["key_description"]["challenge"] == CLIENT_DATA_HASH.hex()


def test_unknown_tags_and_odd_values_are_shown() -> None:
    """What a newer schema brings is shown by its number."""
    described = Scene.default("pixel-10").draft.description.with_hardware({702: integer(kd.IMPORTED)})
    draft = replace(Scene.default("pixel-10").draft, description=described)
    hardware = inspect_evidence(_case(draft.chain())).content["evidence"]["key_description"]["hardware enforced"]
    assert hardware["origin"] == "2, imported"
    assert "unknown tag 799" in hardware


def test_integrity_token_is_told_by_its_kind() -> None:
    """What it says is encrypted; the verdict of a case shows it."""
    element = {"format": "android-play-integrity", "integrity_token": KEYS.classic_token(payload())}
    assert inspect_evidence(json.dumps(element)).content["kind"].startswith("classic")
    standard = inspect_evidence(json.dumps(element | {"integrity_token": "opaque"}))
    assert standard.content["kind"].startswith("standard")
    case = _case(
        (),
        format="android-play-integrity",
        evidence={"integrity_token": element["integrity_token"]},
        reference_values={
            "android": {
                "packages": [PACKAGE],
                "signing_digests": [SIGNER.hex()],
                "play_integrity": [KEYS.console_texts],
            }
        },
        trust_anchors={},
    )
    verdict = inspect_evidence(case).content["verdict"]
    assert verdict["claims"]["app_recognition_verdict"] == "PLAY_RECOGNIZED"
