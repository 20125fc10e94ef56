"""The attack table: one change to a call that passes, one named reason. Run through the whole authorizer."""

from __future__ import annotations

import pytest
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import SigningKey, public_key_of, sign_jws
from bonafide_tokens.token import TOKEN_TYPE
from bonafide_tokens.trust_bundle import AppStatus
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.gate.conftest import Lines
from tests.unit.gate.forgery import TOKEN, Attack, forged, forged_proof
from tests.unit.gate.proof_attacks import HEADERS, PROOFS
from tests.unit.gate.stand import APP, KEY_ID, NOW, Call, Stand, blocked, bundle, effect, private_key, public_key, token
from tests.unit.gate.token_attacks import TOKENS


@pytest.mark.parametrize("tried", [*TOKENS, *PROOFS, *HEADERS], ids=lambda tried: f"{tried.name} → {tried.reason}")
def test_attack_is_refused_for_its_reason(stand: Stand, log_lines: Lines, tried: Attack) -> None:
    """A silent acceptance, an exception or a vaguer reason fails."""
    answer = stand.call(Call(token=TOKEN).change(**tried.change))
    line = log_lines()[-1]
    assert effect(answer) == "Deny"
    assert line["reason"] == tried.reason
    assert line["request_class"] == tried.request_class == answer["context"]["request_class"]
    assert tried.reason not in str(answer)


def test_attacks_have_names_of_their_own() -> None:
    """Each is one law; two with one name would hide each other."""
    for table in (TOKENS, PROOFS, HEADERS):
        names = [tried.name for tried in table]
        assert len(names) == len(set(names))


def test_call_that_the_attacks_change_passes(stand: Stand) -> None:
    """Guards the table against a gate that refuses everything."""
    assert effect(stand.call(Call(token=TOKEN))) == "Allow"
    assert effect(stand.call(Call(token=forged(), jti="proof-2"))) == "Allow"
    assert effect(stand.call(Call(token=TOKEN, proof=forged_proof(claims={"jti": "proof-3"})))) == "Allow"


def test_replayed_proof_is_refused(stand: Stand, call: Call, log_lines: Lines) -> None:
    """The second use of one proof, even a moment later."""
    assert effect(stand.call(call)) == "Allow"
    stand.now = NOW + 59
    assert stand.call(call)["context"]["request_class"] == "replayed"
    assert log_lines()[-1]["reason"] == "proof-replayed"


def test_replayed_proof_is_refused_where_only_a_token_is_asked_for(stand: Stand, call: Call) -> None:
    """A presented proof counts everywhere."""
    reader = call.change(method="GET", path="/v1/whoami")
    assert effect(stand.call(reader)) == "Allow"
    assert effect(stand.call(reader)) == "Deny"


def test_proof_is_refused_again_after_its_time(stand: Stand, call: Call, log_lines: Lines) -> None:
    """When the replay memory may forget it, it is too old."""
    assert effect(stand.call(call)) == "Allow"
    stand.now = NOW + 60.5
    assert effect(stand.call(call)) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-time"


def test_one_app_cannot_burn_anothers_proof_ids(stand: Stand, call: Call) -> None:
    """A jti is unique per key: guessing another app's next one must not lock it out."""
    other = token(request_key=public_key("other"), jti="other")
    assert effect(stand.call(call.change(token=other, signer="other"))) == "Allow"
    assert effect(stand.call(call)) == "Allow"


@pytest.mark.parametrize(
    ("apps", "reason"),
    [(blocked(KEY_ID), "key-blocked"), ({APP: AppStatus(tokens_not_before=NOW - 9)}, "token-superseded")],
)
def test_revoked_caller_is_refused(call: Call, log_lines: Lines, apps: dict[str, AppStatus], reason: str) -> None:
    """What the bundle says of the app and the key counts more than a good signature."""
    assert effect(Stand(bundle(apps=apps)).call(call)) == "Deny"
    assert log_lines()[-1]["reason"] == reason


@pytest.mark.parametrize(
    "path",
    [
        "/public/%2e%2e/v1/orders",
        "/public/../v1/orders",
        "/public/%252e%252e/v1/orders",
        "/public/..%2fv1/orders",
        "/public/..\\v1\\orders",
        "/public/..;/v1/orders",
        "/public/%2e%2e%2fv1%2forders",
        "/public//../v1/orders",
        "/public/%c0%ae%c0%ae/v1/orders",
        "/public/%00/../v1/orders",
        "/%70ublic/..%5cv1%5corders",
        "/public/\u2024\u2024/../../v1/orders",
        "/public/%252525252e%252525252e/v1/orders",
    ],
)
def test_path_trick_does_not_turn_a_guarded_route_into_an_open_one(
    stand: Stand, call: Call, path: str, log_lines: Lines
) -> None:
    """The gateway, the framework and we may read such a path differently; the strictest reading counts."""
    assert effect(stand.call(call.change(path=path, token=None, proof=None))) == "Deny"
    assert log_lines()[-1]["requirement"] == "proof"


@pytest.mark.parametrize("path", ["/public/caf%C3%A9", "/public/a%20b", "/public/.well-known/x", "/public/", "/public"])
def test_honest_odd_path_stays_open(stand: Stand, call: Call, path: str) -> None:
    """Escapes and dots are no crime."""
    assert effect(stand.call(call.change(path=path, token=None, proof=None))) == "Allow"


def test_key_that_signs_tokens_cannot_sign_proofs_for_them(stand: Stand, call: Call, log_lines: Lines) -> None:
    """Only the key in cnf counts, not whichever key we trust otherwise."""
    assert effect(stand.call(call.change(signer="token"))) == "Deny"
    assert log_lines()[-1]["reason"] == "proof-key"


def test_token_signed_by_the_root_key_is_no_token(stand: Stand, call: Call, log_lines: Lines) -> None:
    """The root signs bundles; a token under its name has no kid in the bundle."""
    by_root = token(signing_key=SigningKey("root", private_key("root")))
    assert effect(stand.call(call.change(token=by_root))) == "Deny"
    assert log_lines()[-1]["reason"] == "token-key-unknown"


def test_claims_of_an_unsigned_token_are_never_read(stand: Stand, call: Call, log_lines: Lines) -> None:
    """A bomb in the payload must not go off before the signature is checked."""
    header = {"alg": "ES256", "kid": "k7", "typ": TOKEN_TYPE}
    bomb = sign_jws(private_key("thief"), header, {"iss": "x"}).split(".")
    bomb[1] = b64url_encode(b"[" * 2000)
    assert effect(stand.call(call.change(token=".".join(bomb)))) == "Deny"
    assert log_lines()[-1]["reason"] == "token-signature"


def test_public_key_of_another_curve_is_our_own_mistake() -> None:
    """ES256 means P-256 and nothing else."""
    with pytest.raises(ValueError, match="P-256"):
        public_key_of(ec.generate_private_key(ec.SECP384R1()))
