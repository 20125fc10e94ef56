"""Evidence of every format as the API takes it: its own fields, within bounds, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.errors import MalformedEvidence, Reason
from attestation.evidence import (
    FORMATS,
    MAX_EVIDENCE_BYTES,
    AndroidKeyAttestation,
    AndroidSealingKeyAttestation,
    AppleAssertion,
    AppleAttestation,
    AppleReceipt,
    AttestationKind,
    Evidence,
    HarmonyDeviceIntegrity,
    HarmonyKeyAttestation,
    HarmonySealingKeyAttestation,
    IntegrityProfile,
    KeySignature,
    PlayIntegrityToken,
    parse_evidence,
)
from bonafide_tokens.jose import b64url_encode

_DATA = b64url_encode(b"data")
_ITEMS: dict[str, tuple[dict[str, Any], Evidence]] = {
    "apple-app-attest": (
        {"attestation_object": _DATA, "key_id": b64url_encode(b"id")},
        AppleAttestation(b"data", b"id"),
    ),
    "apple-app-attest-assertion": ({"assertion": _DATA}, AppleAssertion(b"data")),
    "apple-app-attest-receipt": ({"receipt": _DATA}, AppleReceipt(b"data")),
    "android-key-attestation": ({"certificate_chain": [_DATA]}, AndroidKeyAttestation((b"data",))),
    "android-play-integrity": ({"integrity_token": "a.b.c"}, PlayIntegrityToken("a.b.c")),
    "harmony-key-attestation": (
        {"certificate_chain": [_DATA], "kind": "non-anonymous"},
        HarmonyKeyAttestation((b"data",), AttestationKind.NON_ANONYMOUS),
    ),
    "harmony-device-integrity": (
        {"profile": "enhanced", "integrity_token": "a.b.c"},
        HarmonyDeviceIntegrity(IntegrityProfile.ENHANCED, "a.b.c"),
    ),
    "key-signature": ({"signature": _DATA}, KeySignature(b"data")),
    "android-sealing-key-attestation": ({"certificate_chain": [_DATA]}, AndroidSealingKeyAttestation((b"data",))),
    "harmony-sealing-key-attestation": (
        {"certificate_chain": [_DATA], "kind": "non-anonymous"},
        HarmonySealingKeyAttestation((b"data",), AttestationKind.NON_ANONYMOUS),
    ),
}
_OPTIONAL = {
    ("apple-app-attest", "key_id"),
    ("harmony-key-attestation", "kind"),
    ("harmony-sealing-key-attestation", "kind"),
}
_FIELDS = [(name, field) for name, (members, _) in _ITEMS.items() for field in members]


def _refused(item: dict[str, Any]) -> Reason:
    with pytest.raises(MalformedEvidence) as refusal:
        parse_evidence(item)
    return refusal.value.reason


def test_every_format_has_an_item_here() -> None:
    """What is not tried may be read wrongly."""
    assert _ITEMS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", _ITEMS)
def test_item_of_every_format_is_read(name: str) -> None:
    """Each field where it belongs."""
    members, evidence = _ITEMS[name]
    assert parse_evidence({"format": name, **members}) == evidence


@pytest.mark.parametrize("name", _ITEMS)
def test_field_that_a_format_does_not_have_is_refused(name: str) -> None:
    """Something was meant that would not be looked at."""
    assert _refused({"format": name, **_ITEMS[name][0], "more": "A"}) is Reason.STRUCTURE_INVALID


@pytest.mark.parametrize(("name", "field"), _FIELDS)
def test_field_is_required_unless_it_is_optional(name: str, field: str) -> None:
    """An optional one may be null as well."""
    members = {other: value for other, value in _ITEMS[name][0].items() if other != field}
    for item in ({"format": name, **members}, {"format": name, **members, field: None}):
        if (name, field) in _OPTIONAL:
            assert parse_evidence(item) != _ITEMS[name][1]
        else:
            assert _refused(item) is Reason.STRUCTURE_INVALID


@pytest.mark.parametrize(("name", "field"), _FIELDS)
@pytest.mark.parametrize("value", [1, True, {}, [1]])
def test_field_of_another_type_is_refused(name: str, field: str, value: object) -> None:
    """No number is a text."""
    assert _refused({"format": name, **_ITEMS[name][0], field: value}) is Reason.STRUCTURE_INVALID


@pytest.mark.parametrize(("name", "field"), _FIELDS)
def test_field_beyond_its_bound_is_refused_unread(name: str, field: str) -> None:
    """Before it is decoded: what it holds is no base64url."""
    text = "!" * (MAX_EVIDENCE_BYTES * 4 // 3 + 200)
    value = [text] if field == "certificate_chain" else text
    assert _refused({"format": name, **_ITEMS[name][0], field: value}) is Reason.EVIDENCE_TOO_LARGE


@pytest.mark.parametrize("name", ["apple-app-attest", "apple-app-attest-assertion", "key-signature"])
def test_longest_field_is_read(name: str) -> None:
    """The bound is one of octets, not of characters."""
    field = next(iter(_ITEMS[name][0]))
    assert parse_evidence({"format": name, field: b64url_encode(bytes(MAX_EVIDENCE_BYTES))})


def test_kind_is_anonymous_unless_it_is_named() -> None:
    """The kind that names no device."""
    parsed = parse_evidence({"format": "harmony-key-attestation", "certificate_chain": [_DATA]})
    assert parsed == HarmonyKeyAttestation((b"data",), AttestationKind.ANONYMOUS)
    assert _refused({"format": "harmony-key-attestation", "certificate_chain": [_DATA], "kind": ""}) is (
        Reason.FORMAT_UNKNOWN
    )


@pytest.mark.parametrize("name", ["android-play-integrity", "harmony-device-integrity"])
def test_token_does_not_show_in_a_traceback(name: str) -> None:
    """It may be good for another request."""
    assert "a.b.c" not in repr(parse_evidence({"format": name, **_ITEMS[name][0]}))


@pytest.mark.parametrize("name", [None, 1, "", "apple", ["key-signature"]])
def test_format_that_nobody_knows_is_refused(name: object) -> None:
    """Nothing is guessed."""
    assert _refused({"format": name, "signature": _DATA}) is Reason.FORMAT_UNKNOWN
