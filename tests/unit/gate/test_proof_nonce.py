"""Nonces for proofs: sealed, short-lived, and asked for only where a stack says so (RFC 9449 §8 and §9)."""

from __future__ import annotations

from typing import Any

import pytest
from bonafide_tokens.gate.bundle_client import BundleUnreachable
from bonafide_tokens.jose import b64url_decode, b64url_encode
from bonafide_tokens.proof_nonce import NONCE_LIFETIME, make_nonce, nonce_holds
from bonafide_tokens.signing import make_attestation_pop

from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import KINDS
from tests.unit.gate.stand import AUDIENCE, NOW, Call, Stand, effect, private_key, token

KEY = bytes(range(32))


def nonce(*, key: bytes = KEY, audience: str = AUDIENCE, now: float = NOW) -> str:
    return make_nonce(key=key, audience=audience, now=now)


def holds(text: str, *, now: float = NOW) -> bool:
    return nonce_holds(text, key=KEY, audience=AUDIENCE, now=now)


def flipped(text: str, bit: int) -> str:
    data = bytearray(b64url_decode(text))
    data[bit // 8] ^= 1 << bit % 8
    return b64url_encode(bytes(data))


def test_nonce_holds_for_its_lifetime() -> None:
    """Both ends included, and a little clock skew between our own processes."""
    text = nonce()
    assert len(text) == 32
    assert all(holds(text, now=NOW + seconds) for seconds in (-5, 0, 1, NONCE_LIFETIME))
    assert not holds(text, now=NOW + NONCE_LIFETIME + 1)
    assert not holds(text, now=NOW - 6)


@pytest.mark.parametrize("bit", range(0, 192, 7))
def test_nonce_with_one_bit_changed_is_none_of_ours(bit: int) -> None:
    """Neither its time nor its seal can be changed."""
    assert not holds(flipped(nonce(), bit))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonce",
        "A" * 32,
        "A" * 100_000,
        "=" * 32,
        "\uff41" * 32,
        "\ud800" * 32,
        nonce(key=bytes(32)),
        nonce(audience="https://other.example"),
        nonce() + "A",
        nonce()[:-1],
    ],
)
def test_text_that_we_did_not_seal_for_this_audience_is_refused(text: str) -> None:
    """Another stack's, another key's, or none at all."""
    assert not holds(text)


def test_proof_with_our_nonce_passes(call: Call) -> None:
    """The answer carries the next one, for the backend to hand on."""
    answer = Stand(nonce_key=KEY).call(call.change(nonce=nonce(now=NOW - 200)))
    assert effect(answer) == "Allow"
    assert holds(answer["context"]["dpop_nonce"])


@pytest.mark.parametrize(
    "given", [None, "made-up", nonce(now=NOW - 301), nonce(now=NOW + 60), nonce(key=bytes(32)), flipped(nonce(), 100)]
)
def test_proof_without_a_young_nonce_of_ours_hears_use_dpop_nonce(
    call: Call, given: str | None, log_lines: Lines
) -> None:
    """Made in advance, while an attacker held the key: RFC 9449 §9's challenge, and the nonce to use."""
    stand = Stand(nonce_key=KEY)
    answer = stand.call(call.change(nonce=given))
    assert effect(answer) == "Deny"
    assert answer["context"]["error"] == "use_dpop_nonce"
    assert answer["context"]["www_authenticate"].startswith('DPoP error="use_dpop_nonce"')
    assert answer["context"]["action"] == "sign"
    assert log_lines()[-1]["reason"] == "proof-nonce"
    again = stand.call(call.change(nonce=answer["context"]["dpop_nonce"], jti="proof-2"))
    assert effect(again) == "Allow"


def test_refused_nonce_does_not_spend_the_proof(call: Call) -> None:
    """The app signs again with the nonce; its jti was not used up."""
    stand = Stand(nonce_key=KEY)
    assert effect(stand.call(call)) == "Deny"
    assert effect(stand.call(call.change(nonce=nonce()))) == "Allow"


def test_token_alone_needs_no_nonce(call: Call) -> None:
    """Nonces are for proofs; a presented proof is checked in full everywhere."""
    stand = Stand(nonce_key=KEY)
    reader = call.change(method="GET", path="/v1/whoami")
    assert effect(stand.call(reader.change(proof=None))) == "Allow"
    assert effect(stand.call(reader)) == "Deny"


@pytest.mark.parametrize("kind", KINDS)
def test_every_refusal_of_such_a_stack_carries_a_nonce(call: Call, kind: str) -> None:
    """Also one for another reason: the app will need it next. HTTP APIs keep it for their log."""
    answer = Stand(nonce_key=KEY).answer(KINDS[kind](call.change(token=None)))
    assert holds(answer["context"]["dpop_nonce"])


def test_nonce_is_offered_without_a_bundle_too(call: Call) -> None:
    """It needs nothing but the key."""
    down = Stand(nonce_key=KEY)
    down.served = BundleUnreachable("connection failed")
    assert holds(down.call(call)["context"]["dpop_nonce"])


def test_stack_that_asks_for_no_nonce_mentions_none(stand: Stand, call: Call) -> None:
    """And does not mind one that an app brings."""
    answer = stand.call(call.change(nonce="from somewhere else"))
    assert effect(answer) == "Allow"
    assert "dpop_nonce" not in answer["context"]
    assert "dpop_nonce" not in stand.call(call.change(token=None))["context"]


@pytest.mark.parametrize(("given", "passes"), [(nonce(), True), (None, False), ("made-up", False)])
def test_pop_carries_the_nonce_as_its_challenge(call: Call, given: str | None, passes: bool, log_lines: Lines) -> None:
    """The draft's names: ``challenge``, ``use_attestation_challenge``."""
    good = token()
    pop = make_attestation_pop(private_key("request"), audience=AUDIENCE, jti="p", now=NOW, challenge=given)
    change: dict[str, Any] = {"token": good, "proof": None, "headers": {"OAuth-Client-Attestation-PoP": [pop]}}
    answer = Stand(nonce_key=KEY).call(call.change(**change))
    assert effect(answer) == ("Allow" if passes else "Deny")
    if not passes:
        assert answer["context"]["error"] == "use_attestation_challenge"
        assert log_lines()[-1]["reason"] == "proof-challenge"
