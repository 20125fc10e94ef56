"""PS256 has one length of salt (RFC 7518 §3.5): a signature with another is not PS256, whatever made it."""

from __future__ import annotations

import pytest
from attestation.errors import Reason, RejectedEvidence
from attestation.evidence import IntegrityProfile
from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, HashAlgorithm

from devkit.devices.authority.harmony import rsa_key

from .scene import HMS, NEXT, TokenQuestion, token_draft
from .token_mutations import with_header


def signed(profile: IntegrityProfile, salt: int, *, mask: HashAlgorithm | None = None) -> TokenQuestion:
    """A token by the genuine service's key, with a salt of that many octets and that hash in the mask."""
    question = with_header(profile, alg="PS256")()
    text = question.token.rpartition(".")[0]
    padding = PSS(mgf=MGF1(mask or SHA256()), salt_length=salt)
    signature = rsa_key("service").sign(text.encode("ascii"), padding, SHA256())
    return TokenQuestion(token=f"{text}.{b64url_encode(signature)}", profile=profile)


@pytest.mark.parametrize("profile", [HMS, NEXT])
def test_salt_of_the_hashs_length_passes(profile: IntegrityProfile) -> None:
    """Thirty-two octets: the default that every case below changes in one place."""
    assert signed(profile, 32).ask().basic_integrity
    assert token_draft(profile).seal()


@pytest.mark.parametrize("salt", [0, 8, 20, 31, 33, 64, 222])
@pytest.mark.parametrize("profile", [HMS, NEXT])
def test_salt_of_another_length_is_refused(profile: IntegrityProfile, salt: int) -> None:
    """Libraries that guess the length from the signature take all of these."""
    with pytest.raises(RejectedEvidence) as error:
        signed(profile, salt).ask()
    assert error.value.reason is Reason.INTEGRITY_TOKEN_SIGNATURE


@pytest.mark.parametrize("mask", [SHA1(), SHA384()])  # noqa: S303 - weak is the point
def test_mask_by_another_hash_is_refused(mask: HashAlgorithm) -> None:
    """PS256 says SHA-256 for both."""
    with pytest.raises(RejectedEvidence) as error:
        signed(NEXT, 32, mask=mask).ask()
    assert error.value.reason is Reason.INTEGRITY_TOKEN_SIGNATURE
