"""Tokens of test passes: gates of a test stage take them, told so by its own trust bundle; no other gate does."""

from __future__ import annotations

import json

import pytest
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.signing import SigningKey, sign_trust_bundle
from bonafide_tokens.trust_bundle import open_trust_bundle

from tests.unit.gate.conftest import Lines
from tests.unit.gate.stand import (
    APP,
    ISSUER,
    NOW,
    Call,
    Stand,
    bundle,
    effect,
    key_management_service,
    parts,
    private_key,
    public_key,
    signed,
    token,
)

TEST_TOKEN = token(environment="test")


def test_gate_of_a_test_stage_takes_it_and_says_so(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    """The backend learns that no device proved itself, and the tally counts it apart."""
    answer = Stand(bundle(environment="test")).call(call.change(token=TEST_TOKEN))
    assert effect(answer) == "Allow"
    assert answer["context"]["environment"] == "test"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    counted = [entry["app"] for line in lines if line["message"] == "tally" for entry in line["counts"]]
    (decision,) = [line for line in lines if line["message"] == "decision"]
    assert (counted, decision["app"], decision["environment"]) == ([f"{APP}@test"], APP, "test")


def test_every_other_gate_refuses_it(stand: Stand, call: Call, log_lines: Lines) -> None:
    """Also one whose keys signed it: a production bundle names no environment."""
    answer = stand.call(call.change(token=TEST_TOKEN))
    assert effect(answer) == "Deny"
    assert log_lines()[-1]["reason"] == Reason.TOKEN_ENVIRONMENT


@pytest.mark.parametrize("named", ["production", "Test", "test ", " "])
def test_environment_of_another_name_is_refused_everywhere(named: str, call: Call) -> None:
    """A word that this version does not know is never taken for none."""
    assert effect(Stand(bundle(environment="test")).call(call.change(token=token(environment=named)))) == "Deny"


def test_token_of_the_test_stage_at_production(stand: Stand, call: Call, log_lines: Lines) -> None:
    """Its own issuer and keys: refused before its environment is looked at, marked or not."""
    for environment in ("test", ""):
        foreign = token(
            issuer="shop-staging", signing_key=SigningKey("s1", private_key("staging")), environment=environment
        )
        assert effect(stand.call(call.change(token=foreign))) == "Deny"
        assert log_lines()[-1]["reason"] == Reason.TOKEN_KEY_UNKNOWN
        same_kid = token(
            issuer="shop-staging", signing_key=SigningKey("k7", private_key("staging")), environment=environment
        )
        assert effect(stand.call(call.change(token=same_kid))) == "Deny"
        assert log_lines()[-1]["reason"] == Reason.TOKEN_SIGNATURE


def test_bundle_of_the_test_stage_at_production() -> None:
    """It says that test tokens count, and is another root's: no gate of production opens it."""
    staging = sign_trust_bundle(bundle(environment="test"), sign=key_management_service("root of staging"))
    with pytest.raises(Rejected):
        open_trust_bundle(staging, root_key=public_key("root"), issuer=ISSUER, now=NOW)


def test_bundle_without_passes_is_as_it_always_was() -> None:
    """Older authorizers read it; and the member is there only where it says something."""
    assert "environment" not in parts(signed(bundle()))[1]
    assert parts(signed(bundle(environment="test")))[1]["environment"] == "test"
    opened = open_trust_bundle(signed(bundle(environment="test")), root_key=public_key("root"), issuer=ISSUER, now=NOW)
    assert (opened.environment, bundle().environment) == ("test", "")
    assert "environment" not in parts(token())[1]
