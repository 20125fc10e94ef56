"""Evidence has many spellings that all verify, so nothing may tell keys or replays apart by its bytes.

A relay of an attestation can lengthen CBOR heads, turn maps round, and write for an ECDSA signature (r, s) its twin
(r, n - s). The key id and the challenge stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from attestation.encoding import der
from bonafide_tokens.jose import b64url_decode, b64url_encode
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from devkit.devices.app_instance import AppInstance
from devkit.devices.authority.der_writer import bit_string, sequence
from tests.service_stack.events import json_of
from tests.service_stack.memory_stack import MemoryStack

P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P384 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
"""The orders n of the curves that leaves are signed on."""

Evidence = dict[str, Any]


def twin_of(certificate: bytes, order: int) -> bytes:
    """The certificate with the other signature that verifies over it."""
    _, start, stop = der.header(certificate, 0, len(certificate))
    to_be_signed, algorithm, signature = der.elements(certificate, start, stop)
    r, s = decode_dss_signature(der.bit_string(certificate[signature[1] : signature[2]]))
    signed = certificate[start : to_be_signed[2]], certificate[to_be_signed[2] : algorithm[2]]
    return sequence(*signed, bit_string(encode_dss_signature(r, order - s)))


def apple_twin(evidence: Evidence) -> Evidence:
    members = cbor2.loads(b64url_decode(evidence["attestation_object"]))
    leaf, *above = members["attStmt"]["x5c"]
    members["attStmt"]["x5c"] = [twin_of(leaf, P384), *above]
    return {**evidence, "attestation_object": b64url_encode(cbor2.dumps(members))}


def apple_turned_map(evidence: Evidence) -> Evidence:
    members = cbor2.loads(b64url_decode(evidence["attestation_object"]))
    turned = dict(reversed(members.items()))
    return {**evidence, "attestation_object": b64url_encode(cbor2.dumps(turned))}


def apple_long_head(evidence: Evidence) -> Evidence:
    """A map of three whose head takes two octets instead of one."""
    raw = b64url_decode(evidence["attestation_object"])
    assert raw[0] == 0xA3
    return {**evidence, "attestation_object": b64url_encode(b"\xb8\x03" + raw[1:])}


def apple_other_receipt(evidence: Evidence) -> Evidence:
    members = cbor2.loads(b64url_decode(evidence["attestation_object"]))
    members["attStmt"]["receipt"] = b"anything"
    return {**evidence, "attestation_object": b64url_encode(cbor2.dumps(members))}


def chain_twin(evidence: Evidence) -> Evidence:
    leaf, *above = evidence["certificate_chain"]
    return {**evidence, "certificate_chain": [b64url_encode(twin_of(b64url_decode(leaf), P256)), *above]}


def chain_without_root(evidence: Evidence) -> Evidence:
    return {**evidence, "certificate_chain": evidence["certificate_chain"][:-1]}


RESPELLED: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "Apple, the signature's twin": ("installation", apple_twin),
    "Apple, the map turned round": ("installation", apple_turned_map),
    "Apple, a longer head": ("installation", apple_long_head),
    "Apple, another receipt": ("installation", apple_other_receipt),
    "Android, the signature's twin": ("android", chain_twin),
    "Android, no root": ("android", chain_without_root),
    "HarmonyOS, the signature's twin": ("harmony", chain_twin),
    "HarmonyOS, no root": ("harmony", chain_without_root),
}


def bodies(stack: MemoryStack, device: AppInstance, respell: Callable[[Evidence], Evidence]) -> list[dict[str, Any]]:
    """One request in two spellings, over the same client data."""
    body = device.attestation_body(device.client_data(stack.challenge(device.app)))
    first, *rest = body["evidence"]
    respelled = {**body, "evidence": [respell(first), *rest]}
    assert respelled != body
    return [body, respelled]


@pytest.mark.parametrize("form", RESPELLED)
def test_respelled_evidence_is_of_the_same_key(stack: MemoryStack, form: str) -> None:
    """It verifies, and the key id is the key's."""
    make, respell = RESPELLED[form]
    device = getattr(stack, make)()
    _, respelled = bodies(stack, device, respell)
    answer = stack.send("POST", "/v1/attestations", respelled)
    assert answer["statusCode"] == 201
    assert json_of(answer)["key_id"] == device.bonafide_key_id
    assert set(stack.attested_keys.rows) == {device.bonafide_key_id}


@pytest.mark.parametrize("turned", [False, True], ids=["then respelled", "respelled first"])
@pytest.mark.parametrize("form", RESPELLED)
def test_respelled_evidence_is_no_second_enrolment(stack: MemoryStack, form: str, turned: bool) -> None:
    """The attack: a recorded enrolment, sent again in a spelling that was never seen."""
    make, respell = RESPELLED[form]
    device = getattr(stack, make)()
    first, second = bodies(stack, device, respell)[:: -1 if turned else 1]
    assert stack.send("POST", "/v1/attestations", first)["statusCode"] == 201
    keys, spent = dict(stack.attested_keys.rows), set(stack.redemption.spent)
    assert stack.send("POST", "/v1/attestations", second)["statusCode"] in (403, 409)
    assert (stack.attested_keys.rows, stack.redemption.spent) == (keys, spent)
