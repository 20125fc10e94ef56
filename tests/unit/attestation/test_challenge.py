"""Sealed challenges: told as ours without being stored, for one app and one short time."""

from __future__ import annotations

import os

import pytest
from attestation.challenge import CHALLENGE_BYTES, issue_challenge, open_challenge
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.jose import b64url_decode, b64url_encode

KEY, OLD_KEY = b"k" * 32, b"o" * 32
NOW, LIFETIME = 1_780_000_000.0, 300.0
RANDOM = bytes(range(16))


def sealed(**changes: object) -> str:
    arguments: dict[str, object] = {"app": "demo", "key": KEY, "random": RANDOM, "now": NOW, **changes}
    return issue_challenge(**arguments)  # type: ignore[arg-type]


def refusal(challenge: str, **changes: object) -> Reason:
    arguments: dict[str, object] = {"app": "demo", "keys": (KEY,), "lifetime": LIFETIME, "now": NOW, **changes}
    app = str(arguments.pop("app"))
    with pytest.raises(RejectedEvidence) as refused:
        open_challenge(challenge, **arguments).require_app(app)  # type: ignore[arg-type]
    return refused.value.reason


def test_challenge_of_ours_opens() -> None:
    """The default that each case below changes in one place."""
    opened = open_challenge(sealed(), keys=(KEY,), lifetime=LIFETIME, now=NOW)
    assert opened.expires_at == NOW + LIFETIME
    assert len(b64url_decode(sealed())) == CHALLENGE_BYTES


def test_nonce_names_the_challenge_and_no_other() -> None:
    """What is spent is this challenge: another random, another nonce; opened twice, the same nonce."""
    nonces = {
        open_challenge(sealed(random=os.urandom(16)), keys=(KEY,), lifetime=LIFETIME, now=NOW).nonce for _ in range(50)
    }
    assert len(nonces) == 50
    first, second = (open_challenge(sealed(), keys=(KEY,), lifetime=LIFETIME, now=NOW) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("age", [0, 1, 299.9])
def test_challenge_in_its_lifetime_opens(age: float) -> None:
    """Until the last moment."""
    assert open_challenge(sealed(), keys=(KEY,), lifetime=LIFETIME, now=NOW + age)


@pytest.mark.parametrize("age", [300, 301, 10**6])
def test_challenge_after_its_lifetime_is_expired(age: float) -> None:
    """The attack: evidence prepared in advance."""
    assert refusal(sealed(), now=NOW + age) is Reason.CHALLENGE_EXPIRED


def test_clocks_of_two_hosts_may_differ_a_little() -> None:
    """Half a minute; beyond that a clock, or the challenge, is wrong."""
    assert open_challenge(sealed(), keys=(KEY,), lifetime=LIFETIME, now=NOW - 30)
    assert refusal(sealed(), now=NOW - 31) is Reason.CHALLENGE_FROM_FUTURE


def test_challenge_of_another_app_is_refused() -> None:
    """The attack: one tenant's challenge used for another."""
    assert refusal(sealed(app="shop")) is Reason.CHALLENGE_OTHER_APP


def test_app_may_be_checked_later() -> None:
    """A renewal learns its app from the key it names."""
    opened = open_challenge(sealed(app="shop"), keys=(KEY,), lifetime=LIFETIME, now=NOW)
    opened.require_app("shop")
    with pytest.raises(RejectedEvidence) as refused:
        opened.require_app("demo")
    assert refused.value.reason is Reason.CHALLENGE_OTHER_APP


def test_every_current_key_opens() -> None:
    """Rotation costs no app its challenge."""
    for key in (KEY, OLD_KEY):
        assert open_challenge(sealed(key=key), keys=(KEY, OLD_KEY), lifetime=LIFETIME, now=NOW)


@pytest.mark.parametrize("keys", [(), (OLD_KEY,)])
def test_key_that_is_not_ours_is_forged(keys: tuple[bytes, ...]) -> None:
    """No current key never means "any key"."""
    assert refusal(sealed(), keys=keys) is Reason.CHALLENGE_FORGED


def test_every_flipped_bit_is_forged() -> None:
    """All 384 of them: version, time, app, random and seal are covered."""
    data = b64url_decode(sealed())
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(b64url_encode(bytes(flipped))) is Reason.CHALLENGE_FORGED


@pytest.mark.parametrize(
    "text", ["", "x", "A" * 63, "A" * 65, "A" * 64, "=" * 64, "é" * 64, "\x00" * 64, "\ud800" * 64]
)
def test_text_that_is_no_challenge_is_forged(text: str) -> None:
    """One face for all of it."""
    assert refusal(text) is Reason.CHALLENGE_FORGED


@pytest.mark.parametrize("size", [0, 15, 17])
def test_wrong_amount_of_chance_is_our_own_mistake(size: int) -> None:
    """A challenge with fewer random bytes would collide."""
    with pytest.raises(ValueError, match="16 random bytes"):
        sealed(random=bytes(size))


@pytest.mark.parametrize("text", ["", "A" * 63, "A" * 65, "A" * 1_000_000])
def test_text_of_another_length_costs_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone may send one, and a megabyte would have to be decoded and hashed."""

    def decoded(_: str) -> bytes:
        raise AssertionError("decoded")

    monkeypatch.setattr("attestation.challenge.b64url_decode", decoded)
    assert refusal(text) is Reason.CHALLENGE_FORGED


@pytest.mark.parametrize("handed_along", [False, True])
@pytest.mark.parametrize("last", [0, 1, 0x7F, 0xFE, 0xFF])
def test_challenge_tells_whether_it_was_asked_for(last: int, handed_along: bool) -> None:
    """Whatever the random bytes; which takes one of their 128 bits, and leaves the others as they were drawn."""
    random = RANDOM[:-1] + bytes((last,))
    challenge = sealed(random=random, handed_along=handed_along)
    opened = open_challenge(challenge, keys=(KEY,), lifetime=LIFETIME, now=NOW)
    assert opened.handed_along is handed_along
    drawn = b64url_decode(challenge)[16:32]
    assert (drawn[:-1], drawn[-1] >> 1) == (random[:-1], last >> 1)
