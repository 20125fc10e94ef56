"""Android evidence as the API takes it: shape and size, nothing more."""

from __future__ import annotations

import pytest
from attestation.errors import MalformedEvidence, Reason
from attestation.evidence import (
    MAX_CHAIN,
    MAX_EVIDENCE_BYTES,
    AndroidKeyAttestation,
    PlayIntegrityToken,
    parse_evidence,
)
from bonafide_tokens.jose import b64url_encode

CHAIN = [b64url_encode(b"leaf"), b64url_encode(b"batch"), b64url_encode(b"root")]


def test_chain_is_read_in_its_order() -> None:
    """Android's order is kept; nothing sorts."""
    parsed = parse_evidence({"format": "android-key-attestation", "certificate_chain": CHAIN})
    assert parsed == AndroidKeyAttestation((b"leaf", b"batch", b"root"))


def test_integrity_token_is_text() -> None:
    """As Play handed it to the app; it does not show in a traceback."""
    parsed = parse_evidence({"format": "android-play-integrity", "integrity_token": "a.b.c.d.e"})
    assert parsed == PlayIntegrityToken("a.b.c.d.e")
    assert "a.b.c" not in repr(parsed)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"format": "android-key-attestation"}, Reason.STRUCTURE_INVALID),
        ({"format": "android-key-attestation", "certificate_chain": CHAIN[0]}, Reason.STRUCTURE_INVALID),
        ({"format": "android-key-attestation", "certificate_chain": {"0": CHAIN[0]}}, Reason.STRUCTURE_INVALID),
        ({"format": "android-key-attestation", "certificate_chain": [1]}, Reason.STRUCTURE_INVALID),
        ({"format": "android-key-attestation", "certificate_chain": ["="]}, Reason.ENCODING_INVALID),
        (
            {"format": "android-key-attestation", "certificate_chain": ["AA"] * (MAX_CHAIN + 1)},
            Reason.EVIDENCE_TOO_LARGE,
        ),
        (
            {"format": "android-key-attestation", "certificate_chain": ["A" * (MAX_EVIDENCE_BYTES * 2)]},
            Reason.EVIDENCE_TOO_LARGE,
        ),
        ({"format": "android-key-attestation", "certificate_chain": CHAIN, "root": ""}, Reason.STRUCTURE_INVALID),
        ({"format": "android-play-integrity", "integrity_token": b"x"}, Reason.STRUCTURE_INVALID),
        ({"format": "android-play-integrity"}, Reason.STRUCTURE_INVALID),
        (
            {"format": "android-play-integrity", "integrity_token": "x" * (MAX_EVIDENCE_BYTES + 1)},
            Reason.EVIDENCE_TOO_LARGE,
        ),
        ({"format": "key-signature"}, Reason.STRUCTURE_INVALID),
        ({"format": "key-signature", "signature": "+/"}, Reason.ENCODING_INVALID),
    ],
)
def test_other_shapes_are_malformed(item: dict[str, object], reason: Reason) -> None:
    """One change, one reason."""
    with pytest.raises(MalformedEvidence) as refusal:
        parse_evidence(item)
    assert refusal.value.reason is reason
