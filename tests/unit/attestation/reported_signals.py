"""Claims and signal reports of one HarmonyOS key."""

from __future__ import annotations

from attestation.claims import Claims, HarmonyClaims, HarmonyIntegrityClaims, KeyStorage, Platform
from attestation.client_data import ClientData, Signal
from attestation.reference_values import Environment
from bonafide_tokens.signing import public_key_of
from cryptography.hazmat.primitives.asymmetric import ec

from tests.minted_claims import minted_claims

NOW = 1_780_000_000.0

KEY = public_key_of(ec.generate_private_key(ec.SECP256R1()))


def said(*signals: str) -> ClientData:
    return ClientData(
        digest=bytes(32), challenge="", request_key=KEY, measurements={}, signals=tuple(map(Signal, signals))
    )


def claims(checked_at: float | None, sound: bool = True) -> Claims:
    integrity = None
    if checked_at is not None:
        integrity = HarmonyIntegrityClaims(
            profile="next", checked_at=checked_at, basic_integrity=sound, bundle_name="org.example.demo"
        )
    return minted_claims(
        format="key-signature",
        platform=Platform.HARMONY,
        app_id="org.example.demo",
        public_key=KEY.point,
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        harmony=HarmonyClaims(
            kind="anonymous",
            bundle_name="org.example.demo",
            app_id="org.example.demo_x",
            key_algorithm="ec-p256",
            claim_levels={},
            integrity=integrity,
        ),
    )
