"""Integrity tokens whose optional members are spelled in ways that no document settles: read, or counted as absent."""

from __future__ import annotations

import base64
from dataclasses import FrozenInstanceError, replace
from hashlib import sha256

import pytest
from attestation.errors import MalformedEvidence, Reason
from attestation.harmony.integrity_token import base64_decode, read_token

from .scene import EXPECTED, HMS, NEXT, TokenQuestion, device_of, token_draft, with_payload
from .token_content_mutations import ODD_SIGNERS

_FINGERPRINT = sha256(b"a signing certificate").digest()


@pytest.mark.parametrize(
    "spelling",
    [
        _FINGERPRINT.hex(),
        _FINGERPRINT.hex().upper(),
        ":".join(f"{octet:02X}" for octet in _FINGERPRINT),
        base64.b64encode(_FINGERPRINT).decode(),
        base64.b64encode(_FINGERPRINT).decode().rstrip("="),
        base64.urlsafe_b64encode(_FINGERPRINT).decode(),
        [base64.b64encode(_FINGERPRINT).decode()],
    ],
)
def test_signers_digest_is_read_in_every_spelling(spelling: object) -> None:
    """No document says which one Huawei uses; all of them say the same."""
    for profile, member in ((NEXT, "hapCertificateSha256"), (HMS, "apkCertificateDigestSha256")):
        question = with_payload(profile, **{member: spelling})()
        expected = replace(EXPECTED, signing_digests=frozenset({_FINGERPRINT}))
        verdict = replace(question, expected=expected).ask()
        assert (verdict.signing_digests, verdict.unread) == ((_FINGERPRINT.hex(),), ())


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("hapCertificateSha256", value) for value in ODD_SIGNERS),
        ("hapCertificateSha256", [base64.b64encode(_FINGERPRINT).decode()] * 33),
        ("version", "1"),
        ("version", 2**31),
        ("advice", 7),
        ("advice", "\u001b[2J"),
    ],
)
def test_optional_member_that_cannot_be_read_counts_as_absent(member: str, value: object) -> None:
    """Nothing rests on it, so it refuses no device; claims say which one it was."""
    verdict = with_payload(NEXT, **{member: value})().ask()
    assert verdict.unread == (member,)
    assert (verdict.signing_digests, verdict.advice, verdict.version) == (
        () if member == "hapCertificateSha256" else token_signers(),
        None,
        None,
    )


def token_signers() -> tuple[str, ...]:
    return TokenQuestion(token=token_draft(NEXT).seal(), profile=NEXT).ask().signing_digests


def test_token_that_was_taken_apart_stays_as_it_was() -> None:
    """Between its checks and its reading nothing can put another payload there."""
    token = read_token(token_draft(NEXT).seal(), NEXT)
    with pytest.raises(FrozenInstanceError):
        token.payload = b"{}"  # type: ignore[misc]


def test_empty_advice_is_none() -> None:
    """HMS Core's sample shows an empty one."""
    verdict = with_payload(HMS, advice="")().ask()
    assert (verdict.advice, verdict.unread) == (None, ())


def test_verdict_shows_a_listed_identifier_where_nothing_else_is_listed() -> None:
    """The number that AppGallery Connect gave the app pins it as well as an app id does."""
    question = TokenQuestion(token=token_draft(NEXT).seal(), profile=NEXT)
    expected = replace(EXPECTED, app_ids=(), app_identifiers=(device_of().agc_app_id,))
    assert replace(question, expected=expected).ask().app_id == device_of().agc_app_id


@pytest.mark.parametrize("text", ["QR==", "QUJ=", "QQ", "QQ=", "QQ==\n", "Q-==", "QQ==QQ==", "=QQ=", "ä"])
def test_base64_has_one_spelling(text: str) -> None:
    """Unused bits, missing padding, another alphabet: a certificate or a nonce would have two."""
    assert base64_decode("QQ==") == b"A"
    with pytest.raises(MalformedEvidence) as refusal:
        base64_decode(text)
    assert refusal.value.reason is Reason.ENCODING_INVALID
