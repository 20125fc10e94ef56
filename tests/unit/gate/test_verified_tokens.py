"""The memory of verified tokens: bounded in number and in size."""

from __future__ import annotations

from bonafide_tokens.token import verify_token
from bonafide_tokens.verified_tokens import RememberedToken, VerifiedTokens

from tests.unit.gate.stand import AUDIENCE, ISSUER, NOW, public_key, token

VERIFIED = verify_token(token(), keys={"k7": public_key("token")}, issuer=ISSUER, audience=AUDIENCE, now=NOW)

SCOPE = (ISSUER, 1, AUDIENCE)


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
        assert memory.recall(b"a", scope=(ISSUER, 2, AUDIENCE), now=NOW, skew=5) is None
    assert remembered(memory, 2, 1000) == [0, 1]
