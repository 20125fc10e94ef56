"""The public table: complete, free of reasons, safe to paste into JSON and a header."""

from __future__ import annotations

import json
import re

import pytest
from attestation.errors import Reason
from refusals import REFUSALS, UNCHECKED, Refusal, support_code

OURS = [
    reason
    for reason in Reason
    if (reason.name.startswith(("TOKEN_", "PROOF_", "BUNDLE_")) or reason is Reason.KEY_BLOCKED)
    and reason is not Reason.PROOF_BODY  # an authorizer sees no body
]


def test_every_reason_of_the_gate_has_a_public_answer() -> None:
    """A reason without one would be answered as our own fault."""
    assert set(REFUSALS) == set(OURS)


@pytest.mark.parametrize("refusal", sorted(set(REFUSALS.values())), ids=lambda refusal: refusal.title)
def test_public_answer_is_safe_and_useful(refusal: Refusal) -> None:
    """Pasted into JSON by the gateway response, and into WWW-Authenticate."""
    for text in refusal:
        assert re.fullmatch(r"[A-Za-z0-9 ._'-]+", text)
    assert refusal.action in {"attest", "reattest", "renew", "sign", "retry"}
    assert refusal.request_class in {
        "no-token",
        "expired",
        "invalid",
        "replayed",
        "revoked",
        "wrong-audience",
        UNCHECKED,
    }
    assert json.loads(f'{{"title":"{refusal.title}"}}')["title"] == refusal.title
    assert re.fullmatch(r'DPoP [a-z_]+="[^"]+"(, [a-z_]+="[^"]+")*', refusal.www_authenticate)


def test_reasons_that_help_probing_share_one_answer() -> None:
    """Wrong key, wrong issuer, wrong signature: a forger learns nothing from the difference."""
    probing = (
        Reason.TOKEN_MALFORMED,
        Reason.TOKEN_ALGORITHM,
        Reason.TOKEN_TYPE,
        Reason.TOKEN_KEY_UNKNOWN,
        Reason.TOKEN_SIGNATURE,
        Reason.TOKEN_ISSUER,
    )
    assert len({REFUSALS[reason] for reason in probing}) == 1


def test_support_codes_are_short_and_differ() -> None:
    """Eight characters that survive a telephone call."""
    codes = {support_code(str(number)) for number in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{8}", code) for code in codes)
