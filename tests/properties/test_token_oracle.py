"""PyJWT as a second opinion on thousands of mutated tokens.

The law: whatever we accept, PyJWT accepts, with the same claims. Where PyJWT accepts and we refuse, our reason is one
of a few named strictnesses.
"""

from __future__ import annotations

import base64
import random
import string
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, Self

import jwt
import pytest
from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.signing import es256_sign
from bonafide_tokens.token import VerifiedToken, verify_token
from jwt.utils import base64url_decode

from tests.unit.gate.stand import AUDIENCE, ISSUER, assembled, parts, private_key, public_key, token

NOW = 1_795_000_000
CLOCK = NOW + 0.5
"""What both take for the time. PyJWT asks the clock itself, and is given this one: a slow run changes nothing."""
KEYS = {"k7": public_key("token"), "k8": public_key("other")}
SKEW = 5

STRICTER = {
    Reason.TOKEN_MALFORMED: "one spelling of base64url, whole seconds, short printable texts, every claim of ours",
    Reason.TOKEN_TYPE: "typ must be the token's own",
    Reason.TOKEN_ALGORITHM: "a header may not bring a key",
    Reason.TOKEN_EXPIRED: "PyJWT rounds the clock to whole seconds",
}


class _Stopped(datetime):
    """The clock that PyJWT asks."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(CLOCK, tz)


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jwt.api_jwt.datetime", _Stopped)


def by_us(text: str) -> VerifiedToken | Reason:
    try:
        return verify_token(text, keys=KEYS, issuer=ISSUER, audience=AUDIENCE, now=CLOCK, skew=SKEW)
    except TokenError as error:
        return error.reason


def by_pyjwt(text: str) -> dict[str, Any] | None:
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        key = KEYS.get(kid) if isinstance(kid, str) else None
        if key is None:
            return None
        claims: dict[str, Any] = jwt.decode(
            text, key.key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, leeway=SKEW
        )
    except jwt.PyJWTError:
        return None
    except (ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        return None  # leaks of the oracle on hostile input; it did not accept
    return claims


def compare(texts: Iterator[str]) -> Counter[str]:
    """How often both accepted, both refused, and where we alone refused, by reason. Fails where we alone accept."""
    seen: Counter[str] = Counter()
    for text in texts:
        ours, theirs = by_us(text), by_pyjwt(text)
        if isinstance(ours, VerifiedToken):
            assert theirs is not None, f"accepted by us alone: {parts(text)}"
            assert (theirs["sub"], theirs["jti"], theirs["exp"]) == (ours.app, ours.jti, ours.expires_at)
            seen["both accept"] += 1
        elif theirs is None:
            seen["both refuse"] += 1
        else:
            assert ours in STRICTER, f"{ours}: {parts(text)}"
            seen[ours.value] += 1
    return seen


def mutated_texts(random_: random.Random, count: int) -> Iterator[str]:
    """Tokens with characters changed, dropped, doubled, or cut."""
    whole = token(now=NOW)
    alphabet = string.ascii_letters + string.digits + "-_.=+/ \n\0é"
    for _ in range(count):
        at = random_.randrange(len(whole))
        match random_.randrange(5):
            case 0:
                yield whole[:at] + random_.choice(alphabet) + whole[at + 1 :]
            case 1:
                yield whole[:at] + whole[at + 1 :]
            case 2:
                yield whole[:at] + random_.choice(alphabet) + whole[at:]
            case 3:
                yield whole[:at]
            case _:
                raw = bytearray(base64.urlsafe_b64decode(whole.split(".")[2] + "=="))
                raw[random_.randrange(64)] ^= 1 << random_.randrange(8)
                signature = base64.urlsafe_b64encode(raw).decode().rstrip("=")
                yield f"{whole.rsplit('.', 1)[0]}.{signature}"


ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 1.5, NOW, NOW + 600, NOW - 600, float(NOW + 60), str(NOW + 60), 1e300, 2**70,
    "", "k7", "k8", "ES256", "none", "HS256", "JWT", ISSUER, AUDIENCE, "é", "\n", [], {}, [ISSUER], [AUDIENCE],
    [AUDIENCE, 7], {"jwk": {}}, {"app": {}}, "x" * 600,
)  # fmt: skip


def mutated_members(random_: random.Random, count: int) -> Iterator[str]:
    """Tokens whose header or claims are changed and that are properly signed again."""
    usual_header, usual_claims = parts(token(now=NOW))
    names = {
        "header": ["alg", "kid", "typ", "crit", "jwk", "x5c", "b64", "cty", "extra"],
        "claims": [*usual_claims, "nbf", "extra"],
    }
    for _ in range(count):
        header, claims = dict(usual_header), dict(usual_claims)
        for _ in range(random_.randint(1, 2)):
            where = random_.choice(("header", "claims", "claims"))
            members = header if where == "header" else claims
            name = random_.choice(names[where])
            if random_.random() < 0.2:
                members.pop(name, None)
            else:
                members[name] = random_.choice(ODD)
        yield assembled(header, claims, lambda text: es256_sign(private_key("token"), text))


@pytest.mark.parametrize("seed", range(2))
def test_pyjwt_accepts_whatever_we_accept_of_mutated_text(seed: int) -> None:
    """Not one of them may pass here alone."""
    seen = compare(mutated_texts(random.Random(seed), 1000))
    assert seen["both refuse"] > 900


@pytest.mark.parametrize("seed", range(2))
def test_pyjwt_accepts_whatever_we_accept_of_mutated_members(seed: int) -> None:
    """Some mutations are harmless (an extra claim): the comparison sees both verdicts."""
    seen = compare(mutated_members(random.Random(seed), 1000))
    assert seen["both refuse"] > 100
    assert seen["both accept"] > 50


@pytest.mark.exhaustive
def test_pyjwt_agrees_on_a_hundred_thousand_mutated_tokens() -> None:
    """The same, at length."""
    chance = random.Random("a hundred thousand")
    seen = compare(mutated_texts(chance, 50_000)) + compare(mutated_members(chance, 50_000))
    assert seen.total() == 100_000


def test_pyjwt_reads_the_claims_that_we_minted() -> None:
    """A relying party with its own JWT library gets what it expects."""
    claims = by_pyjwt(token(now=NOW, audience=(AUDIENCE, "https://other.example")))
    assert claims is not None
    assert claims["aud"] == [AUDIENCE, "https://other.example"]
    assert claims["submods"]["app"]["ear_status"] == "affirming"
    assert base64url_decode(claims["cnf"]["jwk"]["x"]) == public_key("request").x


def test_oracle_itself_accepts_a_good_token_and_refuses_a_forged_one() -> None:
    """Guards the comparison against an oracle that refuses everything."""
    assert by_pyjwt(token(now=NOW)) is not None
    header, claims = parts(token(now=NOW))
    assert by_pyjwt(assembled(header, claims, lambda text: es256_sign(private_key("thief"), text))) is None
