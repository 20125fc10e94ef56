"""A signed client policy, damaged: every bit flip and every truncation is refused, with one reason."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from attestation.client_policy import SignedClientPolicy, open_client_policy
from attestation.errors import Reason, RejectedEvidence
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.client_policy.signed import forged, signed
from tests.unit.gate.stand import APP, ISSUER, NOW, public_key

JWS = signed()
SAMPLE = 400


def opened(jws: str) -> SignedClientPolicy:
    return open_client_policy(jws, root_keys=[public_key("root")], issuer=ISSUER, app=APP, newest_seen=7, now=NOW)


def flips() -> Iterator[str]:
    for place, character in enumerate(JWS):
        for bit in range(7):  # ASCII
            yield JWS[:place] + chr(ord(character) ^ 1 << bit) + JWS[place + 1 :]


def assert_refused(jws: str) -> None:
    with pytest.raises(RejectedEvidence) as refusal:
        opened(jws)
    assert refusal.value.reason is Reason.CLIENT_POLICY_INVALID


@pytest.mark.exhaustive
def test_every_bit_flip_is_refused() -> None:
    """No character of the JWS may be another: base64url has one spelling, and all of it is signed."""
    for jws in flips():
        assert_refused(jws)


def test_sampled_bit_flips_are_refused() -> None:
    """A sample of the same sweep."""
    for jws in random.Random(25).sample(list(flips()), SAMPLE):
        assert_refused(jws)


def test_every_truncation_is_refused() -> None:
    """From either end."""
    for length in range(len(JWS)):
        assert_refused(JWS[:length])
        assert_refused(JWS[length + 1 :])


@given(
    st.text(max_size=300)
    | st.from_regex(r"[A-Za-z0-9_-]{1,80}\.[A-Za-z0-9_-]{1,80}\.[A-Za-z0-9_-]{86}", fullmatch=True)
)
def test_foreign_text_is_refused(text: str) -> None:
    """Whatever a server answers, one of our errors."""
    assert_refused(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["iss", "app", "version", "iat", "document", "exp"]), JSON, min_size=1))
def test_claims_of_any_shape_under_the_root_key_are_read_or_refused(claims: dict[str, object]) -> None:
    """Even the root key's holder cannot crash a device."""
    assert outcome(forged(claims=claims)) in {APP, Reason.CLIENT_POLICY_INVALID, Reason.CLIENT_POLICY_ROLLBACK}


def outcome(jws: str) -> str:
    try:
        return opened(jws).app
    except RejectedEvidence as refusal:
        return refusal.reason
