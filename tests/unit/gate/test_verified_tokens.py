"""The memory of verified tokens: bounded in number and in size."""

from __future__ import annotations

import pytest
from bonafide_tokens.errors import Rejected
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.token import verify_token
from bonafide_tokens.verified_tokens import RememberedToken, VerifiedTokens

from tests.unit.gate.stand import AUDIENCE, ISSUER, NOW, bundle, public_key, token

VERIFIED = verify_token(token(), keys={"k7": public_key("token")}, issuer=ISSUER, audience=AUDIENCE, now=NOW)

SCOPE = (ISSUER, "", 1, AUDIENCE)


def remembered(memory: VerifiedTokens, count: int, characters: int) -> list[int]:
    """Which of ``count`` tokens of that length are still known after all were remembered."""
    names = [str(number).encode() for number in range(count)]
    for name in names:
        memory.remember(name, RememberedToken(VERIFIED, SCOPE, characters))
    return [
        number for number, name in enumerate(names) if memory.recall(name, scope=SCOPE, now=NOW, skew=5) is not None
    ]


def test_tokens_are_bounded_in_number() -> None:
    """The first is forgotten first."""
    assert remembered(VerifiedTokens(capacity=10), 25, 100) == list(range(15, 25))


def test_tokens_are_bounded_by_their_length_together() -> None:
    """Four times as long, a quarter as many."""
    assert remembered(VerifiedTokens(characters=4000), 25, 1000) == [21, 22, 23, 24]


def test_token_that_is_forgotten_makes_room() -> None:
    """Expired ones are taken out of the sum when they are met."""
    memory = VerifiedTokens(characters=2000)
    for _ in range(10):
        memory.remember(b"a", RememberedToken(VERIFIED, SCOPE, 1000))
        assert memory.recall(b"a", scope=(ISSUER, "", 2, AUDIENCE), now=NOW, skew=5) is None
    assert remembered(memory, 2, 1000) == [0, 1]


def test_bundle_of_another_region_with_the_same_number_is_another_bundle() -> None:
    """Each region counts versions of its own: a signing key that the other one no longer lists verifies no token."""
    request, memory = PresentedRequest("GET", "https://api.example.com/", [token()], [], []), VerifiedTokens()

    def check(region: str, key: str) -> None:
        listed = bundle(region=region, keys={key: public_key("token")})
        verify_presented(request, bundle=listed, audience=AUDIENCE, now=NOW, proof_needed=False, remembered=memory)

    check("eu-west-1", "k7")
    assert len(memory) == 1
    with pytest.raises(Rejected, match="token-key-unknown"):
        check("us-east-1", "k8")
