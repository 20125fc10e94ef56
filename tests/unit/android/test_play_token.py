"""Classic tokens: opened by our own keys and the two algorithms alone, whatever the token asks for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from attestation.android.play_token import (
    MAX_TOKEN_CHARACTERS,
    is_classic_token,
    open_classic_token,
    play_integrity_keys,
)
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.android.play_integrity import JWE_HEADER, JWS_HEADER, directly_encrypted, encrypted
from devkit.devices.authority.certificate_template import new_private_key, spki_of
from tests.unit.apple_mutations.scene import Drawn

from .play_scene import KEYS, OTHER_KEYS, ask, payload

_PLAIN = json.dumps(payload()).encode("utf-8")
_SIGNED = KEYS.signed(payload()).encode("ascii")
_TOKEN = KEYS.encrypted(_SIGNED)
_NONE_HEADER = b64url_encode(b'{"alg":"none"}')
_HS256_HEADER = b64url_encode(b'{"alg":"HS256"}')


def _hs256(secret: bytes) -> bytes:
    """The inner JWS by HMAC, keyed with what is public: the public key's bytes."""
    text = f"{_HS256_HEADER}.{b64url_encode(_PLAIN)}".encode("ascii")
    return text + b"." + b64url_encode(hmac.digest(secret, text, hashlib.sha256)).encode("ascii")


def _segments(**changes: str) -> str:
    parts = _TOKEN.split(".")
    for name, segment in changes.items():
        parts[int(name[1:])] = segment
    return ".".join(parts)


def test_classic_token_is_opened() -> None:
    """One key pair, the documented algorithms."""
    assert json.loads(open_classic_token(_TOKEN, [KEYS.ours])) == payload()


@pytest.mark.parametrize("token", [_TOKEN.rpartition(".")[0], _TOKEN + ".", _TOKEN + ".AAAA", _TOKEN + ".A.A"])
def test_token_has_five_segments(token: str) -> None:
    """No fewer, no more, and nothing behind them."""
    with pytest.raises(MalformedEvidence) as refusal:
        open_classic_token(token, [KEYS.ours])
    assert refusal.value.reason is Reason.STRUCTURE_INVALID


def test_key_that_is_being_rotated_out_still_opens() -> None:
    """Several pairs at a time; each decryption key goes with its own verification key."""
    assert ask(_TOKEN, keys=(OTHER_KEYS.ours, KEYS.ours)).package


def test_token_of_one_pair_signed_by_the_other_is_refused() -> None:
    """Pairs are never mixed: who learns one decryption key cannot use another pair's signer."""
    mixed = encrypted(OTHER_KEYS.signed(payload()).encode("ascii"), KEYS.decryption_key)
    with pytest.raises(RejectedEvidence) as refusal:
        ask(mixed, keys=(OTHER_KEYS.ours, KEYS.ours))
    assert refusal.value.reason is Reason.INTEGRITY_TOKEN_SIGNATURE


@pytest.mark.parametrize(
    "token",
    [
        directly_encrypted(_SIGNED, KEYS.decryption_key, {"alg": "dir", "enc": "A256GCM"}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "alg": "A128KW"}, bits=128),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "alg": "A256GCMKW"}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "alg": "a256kw"}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "enc": "A128GCM"}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "enc": "A256CBC-HS512"}),
        KEYS.encrypted(_SIGNED, {"enc": "A256GCM"}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "zip": "DEF"}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "crit": ["exp"], "exp": 1}),
        KEYS.encrypted(_SIGNED, {**JWE_HEADER, "jwk": {}}),
        KEYS.encrypted(_hs256(KEYS.ours.verification_key)),
        KEYS.encrypted(_hs256(KEYS.decryption_key)),
        KEYS.encrypted(KEYS.signed(payload(), {"alg": "none"}).encode("ascii")),
        KEYS.encrypted(KEYS.signed(payload(), {"alg": "ES384"}).encode("ascii")),
        KEYS.encrypted(KEYS.signed(payload(), {}).encode("ascii")),
        KEYS.encrypted(KEYS.signed(payload(), {**JWS_HEADER, "crit": ["b64"], "b64": False}).encode("ascii")),
        KEYS.encrypted(KEYS.signed(payload(), {**JWS_HEADER, "b64": False}).encode("ascii")),
        KEYS.encrypted(KEYS.signed(payload(), {**JWS_HEADER, "jwk": {}}).encode("ascii")),
        KEYS.encrypted(f"{_NONE_HEADER}.{b64url_encode(_PLAIN)}.".encode("ascii")),
    ],
    ids=[
        "dir with the same key",
        "A128KW",
        "A256GCMKW",
        "lower case",
        "A128GCM",
        "CBC",
        "no alg",
        "zip",
        "crit",
        "key brought along",
        "inner HS256 with the public key",
        "inner HS256 with the decryption key",
        "inner none with a signature",
        "inner ES384",
        "inner without alg",
        "inner crit",
        "inner b64",
        "inner key brought along",
        "inner none",
    ],
)
def test_algorithm_is_never_the_tokens_choice(token: str) -> None:
    """Confusion attacks end before a key is touched."""
    with pytest.raises(RejectedEvidence) as refusal:
        ask(token)
    assert refusal.value.reason is Reason.INTEGRITY_TOKEN_ALGORITHM


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (OTHER_KEYS.classic_token(payload()), Reason.INTEGRITY_TOKEN_KEY),
        (_segments(s3=b64url_encode(bytes(40))), Reason.INTEGRITY_TOKEN_KEY),
        (_segments(s4=b64url_encode(bytes(16))), Reason.INTEGRITY_TOKEN_KEY),
        (_segments(s2=b64url_encode(bytes(12))), Reason.INTEGRITY_TOKEN_KEY),
        (_segments(s1=b64url_encode(bytes(40))), Reason.INTEGRITY_TOKEN_KEY),
        (
            _segments(s0=b64url_encode(b'{"enc":"A256GCM","alg":"A256KW"}')),
            Reason.INTEGRITY_TOKEN_KEY,
        ),
        (KEYS.encrypted(OTHER_KEYS.signed(payload()).encode("ascii")), Reason.INTEGRITY_TOKEN_SIGNATURE),
        (KEYS.encrypted(_SIGNED[:-4] + b"AAAA"), Reason.INTEGRITY_TOKEN_SIGNATURE),
    ],
    ids=[
        "another app's keys",
        "ciphertext changed",
        "tag changed",
        "iv changed",
        "wrapped key changed",
        "header respelt",
        "inner signed by another key",
        "inner signature changed",
    ],
)
def test_token_not_made_for_our_keys_is_refused(token: str, reason: Reason) -> None:
    """Its maker lacked one of the two keys."""
    with pytest.raises(RejectedEvidence) as refusal:
        ask(token)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque-standard-token",
        "a.b.c",
        _TOKEN + ".",
        _segments(s0="!"),
        _segments(s0=b64url_encode(b"[]")),
        _segments(s0=b64url_encode(b'{"alg":"A256KW","alg":"dir","enc":"A256GCM"}')),
        _segments(s1=""),
        _segments(s2=b64url_encode(bytes(16))),
        _segments(s4=b64url_encode(bytes(12))),
        _segments(s4=_TOKEN.split(".")[4] + "="),
        _segments(s3="é"),
        KEYS.encrypted(_PLAIN),
        KEYS.encrypted(b""),
        KEYS.encrypted(b"\xff.\xff.\xff"),
        KEYS.encrypted(KEYS.signed(payload()).encode("ascii") + b".x"),
    ],
)
def test_what_is_no_token_is_malformed(token: str) -> None:
    """Lengths, segments and encodings are the algorithm's own; nothing of it is guessed."""
    with pytest.raises(MalformedEvidence):
        ask(token)


def test_overlong_token_is_refused_before_it_is_opened() -> None:
    """Genuine in every other way."""
    token = KEYS.classic_token(payload() | {"padding": "x" * MAX_TOKEN_CHARACTERS})
    with pytest.raises(MalformedEvidence) as refusal:
        ask(token)
    assert refusal.value.reason is Reason.EVIDENCE_TOO_LARGE


def test_app_without_keys_cannot_open_a_token() -> None:
    """Only Google can, and no key must never mean no check."""
    with pytest.raises(RejectedEvidence) as refusal:
        ask(_TOKEN, keys=())
    assert refusal.value.reason is Reason.REFERENCE_VALUES_MISSING


def test_flipping_any_bit_of_a_token_is_refused() -> None:
    """Header, wrapped key, iv, ciphertext and tag are all authenticated."""
    for index in range(0, len(_TOKEN), 3):
        changed = _TOKEN[:index] + chr(ord(_TOKEN[index]) ^ 1) + _TOKEN[index + 1 :]
        with pytest.raises(AttestationError):
            ask(changed)


def test_classic_tokens_are_told_from_standard_ones() -> None:
    """A standard token is opaque: Google's server opens it."""
    assert is_classic_token(_TOKEN)
    assert not is_classic_token("CocBARTwzvGy1RSn5NLnhP4zMWyCaHy3")


def test_console_texts_become_keys() -> None:
    """Standard base64, as the Play Console shows it."""
    assert play_integrity_keys(**KEYS.console_texts) == KEYS.ours


@pytest.mark.parametrize(
    "changes",
    [
        {"decryption_key": "not base64!"},
        {"decryption_key": "AAAA"},
        *(
            {name: KEYS.console_texts[name][:9] + odd + KEYS.console_texts[name][9:]}
            for name in ("decryption_key", "verification_key")
            for odd in ("*", "\n", "=")
        ),
        {"verification_key": "AAAA"},
        {"verification_key": KEYS.console_texts["decryption_key"]},
    ],
)
def test_console_texts_of_another_kind_are_refused_without_repeating_them(changes: dict[str, Any]) -> None:
    """One sentence for the operator; never the key."""
    texts = KEYS.console_texts | changes
    with pytest.raises(ValueError, match="Play Integrity") as refusal:
        play_integrity_keys(**texts)
    assert not any(text in str(refusal.value) for text in texts.values())


def test_secret_keys_do_not_show() -> None:
    """Neither in a traceback nor in a log."""
    shown = repr(KEYS.ours)
    assert str(KEYS.ours.decryption_key) not in shown
    assert "decryption_key" not in shown


def test_verification_key_of_another_curve_is_no_key() -> None:
    """ES256 means P-256."""
    spki = spki_of(new_private_key(ec.SECP384R1(), Drawn("p384")))
    with pytest.raises(ValueError, match="P-256"):
        play_integrity_keys(
            decryption_key=KEYS.console_texts["decryption_key"], verification_key=base64.b64encode(spki).decode("ascii")
        )
