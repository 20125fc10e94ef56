"""Challenges and enrolled keys, as the table contracts store them."""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum

import pytest
from attestation.challenge import OpenedChallenge
from attestation.claims import AppleClaims, KeyStorage, Platform, key_id_of
from attestation.reference_values import Environment
from bonafide_tokens.errors import BonafideError
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import public_key_of
from bonafide_tokens.trust_bundle import TrustBundle
from cryptography.hazmat.primitives.asymmetric import ec
from service.tables.attested_keys import EnrolledKey

from tests.minted_claims import changed_claims, minted_claims
from tests.service_stack.memory_stack import APP_ID, ISSUER, ROUTES
from tests.service_stack.worlds import World

NOW = 4_000_000_000.0


def challenge() -> OpenedChallenge:
    return OpenedChallenge(nonce=b64url_encode(os.urandom(32)), expires_at=NOW + 300, app_tag=bytes(10))


def enrolled_key(**changes: object) -> EnrolledKey:
    public_key = public_key_of(ec.generate_private_key(ec.SECP256R1())).point
    claims = minted_claims(
        format="apple-app-attest",
        platform=Platform.IOS,
        app_id=APP_ID,
        public_key=public_key,
        key_storage=KeyStorage.SECURE_ENCLAVE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        counter=0,
        findings=("odd",),
        apple=AppleClaims(validation_category=4, bundle_version="17"),
    )
    key = EnrolledKey(
        key_id=key_id_of(public_key),
        app="demo",
        claims=claims,
        counter=0,
        receipt=None,
        enrolled_at=int(NOW),
        last_seen=int(NOW),
        expires_at=int(NOW) + 1000,
    )
    return replace(key, **changes)  # type: ignore[arg-type]


def renewed(key: EnrolledKey, counter: int, **changes: object) -> EnrolledKey:
    claims = changed_claims(key.claims, counter=counter)
    later: dict[str, object] = {"last_seen": key.last_seen + 60, "expires_at": key.expires_at + 60}
    return replace(key, claims=claims, counter=counter, **{**later, **changes})  # type: ignore[arg-type]


def refusal(world: World, verb: str, opened: OpenedChallenge, key: EnrolledKey) -> StrEnum:
    """Why a redemption was refused; its nonce, when new, must be unspent afterwards and the key unchanged."""
    was_spent, before = world.redemption.is_spent(opened), world.attested_keys.find(key.key_id)
    with pytest.raises(BonafideError) as refused:
        getattr(world.redemption, verb)(opened, key)
    assert world.redemption.is_spent(opened) is was_spent
    assert world.attested_keys.find(key.key_id) == before
    reason: StrEnum = refused.value.reason
    return reason


def bundle(version: int, issuer: str = ISSUER) -> TrustBundle:
    key = public_key_of(ec.derive_private_key(7, ec.SECP256R1()))
    return TrustBundle(
        issuer=issuer,
        version=version,
        issued_at=int(NOW),
        expires_at=int(NOW) + 21_600,
        keys={"token-1": key},
        apps={},
        apis={"api": ROUTES},
    )
