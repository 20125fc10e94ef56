"""``OAuth-Client-Attestation-PoP`` in place of a DPoP proof: the draft's checks, one change and one reason each."""

from __future__ import annotations

from typing import Any

import pytest
from bonafide_tokens.pop import ATTESTATION_POP_TYPE
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signing import es256_sign, make_attestation_pop
from bonafide_tokens.trust_bundle import TrustBundle

from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import KINDS
from tests.unit.gate.stand import (
    APP,
    AUDIENCE,
    NOW,
    Call,
    Stand,
    assembled,
    bundle,
    effect,
    private_key,
    public_key,
    token,
)

HEADER = {"typ": ATTESTATION_POP_TYPE, "alg": "ES256"}
CLAIMS = {"aud": AUDIENCE, "jti": "pop-1", "iat": int(NOW)}
GOOD = token()


def forged(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, *, by: str = "request") -> str:
    """A PoP with other members, properly signed by the named key; ``None`` drops a member."""
    return assembled(_changed(HEADER, header), _changed(CLAIMS, claims), lambda text: es256_sign(private_key(by), text))


def _changed(members: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members | (changes or {})).items() if value is not None}


def call(*pops: Any, **changes: Any) -> Call:
    return Call(token=GOOD, proof=None, headers={"OAuth-Client-Attestation-PoP": list(pops)}).change(**changes)


@pytest.mark.parametrize("kind", KINDS)
def test_pop_by_the_request_key_passes_in_place_of_a_proof(kind: str, log_lines: Lines) -> None:
    """A client that speaks the draft and not DPoP, on every kind of gateway."""
    pop = make_attestation_pop(private_key("request"), audience=AUDIENCE, jti="pop-1", now=NOW)
    assert effect(Stand().answer(KINDS[kind](call(pop)))) == "Allow"
    assert log_lines()[-1]["proven"] is True


@pytest.mark.parametrize(
    ("pops", "reason"),
    [
        ([forged(by="thief")], "proof-signature"),
        ([forged(claims={"aud": "https://other.example"})], "proof-request"),
        ([forged(claims={"aud": [AUDIENCE, "https://other.example"]})], "proof-request"),
        ([forged(claims={"aud": None})], "proof-request"),
        ([forged(claims={"iat": int(NOW) - 61})], "proof-time"),
        ([forged(claims={"iat": int(NOW) + 61})], "proof-time"),
        ([forged(claims={"iat": None})], "proof-malformed"),
        ([forged(claims={"iat": float("inf")})], "proof-malformed"),
        ([forged(claims={"jti": None})], "proof-malformed"),
        ([forged(claims={"jti": "j" * 1024})], "proof-malformed"),
        ([forged(claims={"challenge": 7})], "proof-malformed"),
        ([forged(claims={"nonce": 7})], "proof-malformed"),
        ([forged(claims={"challenge": "one", "nonce": "another"})], "proof-malformed"),
        ([forged(claims={"iss": "another-app"})], "proof-token"),
        ([forged(claims={"iss": [APP]})], "proof-malformed"),
        ([forged(claims={"exp": int(NOW)})], "proof-time"),
        ([forged(claims={"exp": "soon"})], "proof-malformed"),
        ([forged({"typ": "dpop+jwt"})], "proof-malformed"),
        ([forged({"typ": "JWT"})], "proof-malformed"),
        ([forged({"alg": "none"})], "proof-algorithm"),
        ([forged({"alg": "HS256"})], "proof-algorithm"),
        ([forged({"jwk": public_key("thief").to_jwk()}, by="thief")], "proof-algorithm"),
        ([forged({"x5c": ["MIIB"]})], "proof-algorithm"),
        ([forged({"crit": ["exp"]})], "proof-malformed"),
        ([GOOD], "proof-malformed"),
        (["garbage"], "proof-malformed"),
        (["A" * 1_000_000], "proof-malformed"),
        ([forged(), forged()], "proof-malformed"),
        ([f"{forged()},{forged()}"], "proof-malformed"),
        ([None], "proof-malformed"),
        ([""], "proof-missing"),
    ],
)
def test_pop_with_one_thing_wrong_is_refused_for_its_reason(pops: list[Any], reason: str, log_lines: Lines) -> None:
    """The draft's checks: one header, members, type, algorithm, signature by cnf, time, audience."""
    assert effect(Stand().call(call(*pops))) == "Deny"
    assert log_lines()[-1]["reason"] == reason


@pytest.mark.parametrize(
    "older",
    [
        {"iss": APP},  # until -07
        {"iss": APP, "exp": int(NOW) + 60},  # until -05
        {"iss": APP, "exp": int(NOW) + 60, "nonce": "theirs"},  # before -06
        {"nonce": "the same", "challenge": "the same"},
        {"nbf": int(NOW) - 1, "later": True},  # what is not known is ignored
    ],
)
def test_pop_of_an_earlier_draft_passes(older: dict[str, Any]) -> None:
    """What is in the field goes on; what the older claims say must be true."""
    assert effect(Stand().call(call(forged(claims=older)))) == "Allow"


def test_nonce_of_an_earlier_draft_is_the_challenge(log_lines: Lines) -> None:
    stand = Stand(nonce_key=b"k" * 32)
    nonce = stand.call(call(forged()))["context"]["dpop_nonce"]
    log_lines()
    for number, name in enumerate(("challenge", "nonce")):
        assert effect(stand.call(call(forged(claims={name: nonce, "jti": f"{number}"})))) == "Allow"
    assert effect(stand.call(call(forged(claims={"nonce": nonce[:-1], "jti": "3"})))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-challenge"


def test_pop_is_replayed_neither_as_itself_nor_to_another_route(log_lines: Lines) -> None:
    """It names no route, so its jti is all that keeps it to one request of a process."""
    stand = Stand()
    assert effect(stand.call(call(forged()))) == "Allow"
    assert effect(stand.call(call(forged(), path="/v1/refunds"))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-replayed"


def test_stolen_token_with_a_pop_by_another_key_is_refused_though_a_proof_is_there(log_lines: Lines) -> None:
    """Beside a PoP, DPoP belongs to another token: it may neither save nor spoil the request."""
    stand = Stand()
    assert effect(stand.call(call(forged(by="thief"), proof="make"))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-signature"
    assert effect(stand.call(call(forged(), proof="make", signer="other"))) == "Allow"


def test_presented_pop_is_checked_where_only_a_token_is_asked_for() -> None:
    """As a proof is: by another key, the token is in the wrong hands."""
    reader = {"method": "GET", "path": "/v1/whoami"}
    assert effect(Stand().call(call(forged(), **reader))) == "Allow"
    assert effect(Stand().call(call(forged(by="thief"), **reader))) == "Deny"


def test_stack_that_accepts_no_pop_asks_for_a_proof(log_lines: Lines) -> None:
    """The setting ``off``: the header counts as if it were not there."""
    assert effect(Stand(pop_header="").call(call(forged()))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-missing"


def test_header_of_the_pop_is_a_setting() -> None:
    """As the other two are."""
    stand = Stand(pop_header="x-app-pop")
    assert effect(stand.call(call(forged()))) == "Deny"
    assert effect(stand.call(Call(token=GOOD, proof=None, headers={"X-App-PoP": [forged()]}))) == "Allow"


def test_pop_is_spent_where_a_route_asks_for_once() -> None:
    """The draft's replay check, across processes."""
    spent: list[str] = []

    class Spent:
        def spend(self, proof: VerifiedProof) -> None:
            spent.append(proof.jti)

    once: TrustBundle = bundle(apis={AUDIENCE: (RouteRequirement("*", "/*", Requirement.PROOF_ONCE),)})
    assert effect(Stand(once, spent=Spent()).call(call(forged()))) == "Allow"  # type: ignore[arg-type]
    assert spent == ["pop-1"]


def test_megabyte_token_beside_a_pop_is_refused_before_its_key_is_read(log_lines: Lines) -> None:
    """The request key comes from a token that was verified, never from one that was not."""
    assert effect(Stand().call(call(forged(), token="A" * 1_000_000))) == "Deny"
    assert log_lines()[-1]["reason"] == "token-malformed"
