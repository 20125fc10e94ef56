"""What is no pass evidence, and builds that a pass is not for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.passes.evidence import FORMAT, read_pass_evidence, require_pass_in_use
from bonafide_tokens.jose import b64url_encode

SIGNATURE = b64url_encode(bytes(64))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, Reason.STRUCTURE_INVALID),
        ({"pass": "a", "id_token": "b"}, Reason.STRUCTURE_INVALID),
        ({"pass": "a", "more": 1}, Reason.STRUCTURE_INVALID),
        ({"pass": 1}, Reason.STRUCTURE_INVALID),
        ({"pass": "a" * 1_000_000}, Reason.EVIDENCE_TOO_LARGE),
        ({"pass": "a", "signature": b64url_encode(bytes(63))}, Reason.STRUCTURE_INVALID),
    ],
)
def test_what_is_no_pass_is_malformed(members: dict[str, object], reason: Reason) -> None:
    with pytest.raises(MalformedEvidence) as refusal:
        read_pass_evidence({"format": FORMAT, "signature": SIGNATURE, **members})

    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    ("least", "most", "build", "taken"),
    [
        (None, None, None, True),
        ("10", None, None, False),
        ("10", "10", "10", True),
        ("10", "10", "11", False),
        ("10", "20", "9", False),
        ("10", "20", "10", True),
        ("10", "20", "20", True),
        ("10", "20", "21", False),
        ("10", None, "9", False),
        (None, "20", "21", False),
        ("10", "20", "new", False),
        ("old", "20", "15", False),
    ],
)
def test_build_outside_a_passs_bounds_is_refused(
    least: str | None, most: str | None, build: str | None, taken: bool
) -> None:
    point = b"\x04" + bytes(64)
    bounds = SimpleNamespace(ends_at=10_000, least_build=least, most_build=most)
    claims = SimpleNamespace(test_pass=bounds, public_key=point)
    said = SimpleNamespace(request_key=SimpleNamespace(point=point), app_build=build)
    if taken:
        require_pass_in_use(claims, said, 0.0)  # type: ignore[arg-type]
        return
    with pytest.raises(RejectedEvidence) as refusal:
        require_pass_in_use(claims, said, 0.0)  # type: ignore[arg-type]

    assert refusal.value.reason is Reason.TEST_PASS_OTHER_USE
