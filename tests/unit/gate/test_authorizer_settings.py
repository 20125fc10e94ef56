"""Settings: defaults, and a clear sentence for each mistake."""

from __future__ import annotations

import pytest
from authorize_request import wire
from bonafide_tokens.gate.settings import GateSettings, SettingsError
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.routes import Requirement

from tests.unit.gate.authorizer_environment import ENVIRONMENT
from tests.unit.gate.stand import public_key


def test_defaults_are_strict() -> None:
    """What is not said is the safe choice; empty means not said."""
    settings = GateSettings.from_environment(ENVIRONMENT | {"EXTERNAL_ORIGIN": "", "DEFAULT_REQUIREMENT": ""})
    assert settings.default_requirement is Requirement.PROOF
    assert not settings.allow_when_unavailable
    assert (settings.token_header, settings.proof_header) == ("oauth-client-attestation", "dpop")
    assert (settings.external_origin, settings.clock_skew) == ("", 5.0)
    assert settings.root_keys == (public_key("root"),)


def test_every_setting_is_read() -> None:
    """Names of headers in any case; an origin with or without its last slash."""
    settings = GateSettings.from_environment(
        ENVIRONMENT
        | {
            "DEFAULT_REQUIREMENT": "token",
            "TOKEN_HEADER": "X-App-Token",
            "PROOF_HEADER": "X-App-Proof",
            "ATTESTATION_POP_HEADER": "X-App-PoP",
            "EXTERNAL_ORIGIN": "https://api.example.com/shop/",
            "ON_BUNDLE_UNAVAILABLE": "allow",
            "CLOCK_SKEW_SECONDS": "2.5",
            "AUTHORIZER_CACHE_SECONDS": "300",
            "PROOF_NONCES_TABLE": "nonces",
            "PROOF_NONCE": "require",
            "PROOF_NONCE_KEY": b64url_encode(bytes(32)),
            "ORIGIN_SECRET_HASHES": f"{'0b' * 32}, {'C4' * 32}",
            "LIST_ACCEPTED": "on",
        }
    )
    assert settings == (
        ENVIRONMENT["TRUST_BUNDLE_URL"],
        (public_key("root"),),
        "bonafide-prod",
        "https://api.example.com",
        Requirement.TOKEN,
        "x-app-token",
        "x-app-proof",
        "x-app-pop",
        "https://api.example.com/shop",
        True,
        2.5,
        300.0,
        "nonces",
        bytes(32),
        (b"\x0b" * 32, b"\xc4" * 32),
        True,
    )


def test_pop_can_be_switched_off() -> None:
    """A stack may insist on DPoP, which says more."""
    assert GateSettings.from_environment(ENVIRONMENT | {"ATTESTATION_POP_HEADER": "off"}).pop_header == ""


def test_nonce_key_is_not_looked_at_while_nonces_are_off() -> None:
    """A key alone asks for nothing."""
    assert GateSettings.from_environment(ENVIRONMENT | {"PROOF_NONCE_KEY": "short"}).nonce_key == b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRUST_BUNDLE_URL", ""),
        ("TRUST_BUNDLE_URL", "http://verifier.example.com/v1/trust-bundle"),
        ("TRUST_BUNDLE_URL", "verifier.example.com"),
        ("TRUST_BUNDLE_URL", "https://edge.example.com/v1/trust-bundle,"),
        ("TRUST_BUNDLE_URL", "https://edge.example.com/v1/trust-bundle,http://verifier.example.com/v1/trust-bundle"),
        ("ORIGIN_SECRET_HASHES", "secret"),
        ("ORIGIN_SECRET_HASHES", ","),
        ("ORIGIN_SECRET_HASHES", "0b" * 31),
        ("ORIGIN_SECRET_HASHES", f"{'0b' * 32},"),
        ("ORIGIN_SECRET_HASHES", ",".join(["0b" * 32] * 3)),
        ("ROOT_PUBLIC_KEY", ""),
        ("ROOT_PUBLIC_KEY", "not a key"),
        ("ROOT_PUBLIC_KEY", b64url_encode(b"\4" + b"\1" * 64)),
        ("TOKEN_ISSUER", ""),
        ("AUDIENCE", ""),
        ("DEFAULT_REQUIREMENT", "none"),
        ("TOKEN_HEADER", "X App"),
        ("TOKEN_HEADER", "dpop"),
        ("PROOF_HEADER", "X-App:"),
        ("EXTERNAL_ORIGIN", "api.example.com"),
        ("EXTERNAL_ORIGIN", "https://api.example.com?x"),
        ("ON_BUNDLE_UNAVAILABLE", "maybe"),
        ("CLOCK_SKEW_SECONDS", "-1"),
        ("CLOCK_SKEW_SECONDS", "nan"),
        ("CLOCK_SKEW_SECONDS", "301"),
        ("CLOCK_SKEW_SECONDS", "five"),
        ("ATTESTATION_POP_HEADER", "DPoP"),
        ("AUTHORIZER_CACHE_SECONDS", "3601"),
        ("AUTHORIZER_CACHE_SECONDS", "-1"),
        ("LIST_ACCEPTED", "true"),
        ("PROOF_NONCE", "maybe"),
        ("PROOF_NONCE", "require"),
    ],
)
def test_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    """The sentence begins with the variable to look at."""
    with pytest.raises(SettingsError, match=name):
        wire(ENVIRONMENT | {name: value})


@pytest.mark.parametrize("key", ["", "short", b64url_encode(bytes(31)), "=" * 43])
def test_nonces_without_a_proper_key_are_refused(key: str) -> None:
    """A guessable key would let anyone make nonces; the message does not quote it."""
    with pytest.raises(SettingsError, match="PROOF_NONCE_KEY") as refusal:
        wire(ENVIRONMENT | {"PROOF_NONCE": "require", "PROOF_NONCE_KEY": key})
    assert not key or key not in str(refusal.value)
