"""Minting: everything that is needed for a token is at hand before anything is consumed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from attestation.attestation_result import AttestationResult
from attestation.challenge import issue_challenge
from attestation.claims import Claims
from attestation.client_data import ClientData
from attestation.jose import b64url_encode
from attestation.token import SigningKey, mint_token

from .apps import RegisteredApp
from .key_ring import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class Mint:
    """Makes tokens of one ``issuer``; lifetimes in seconds. ``random`` draws that many fresh bytes."""

    key_ring: KeyRing
    issuer: str
    default_audience: str
    token_lifetime: int
    challenge_lifetime: int
    random: Callable[[int], bytes] = os.urandom

    def ready(self, now: float) -> ReadyMint:
        """The mint with its keys in memory. Raises :class:`~service.errors.Unavailable`: then nothing was consumed."""
        return ReadyMint(
            mint=self,
            now=now,
            signing_key=self.key_ring.token_key(now, lifetime=self.token_lifetime),
            sealing_key=self.key_ring.sealing_key(now),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyMint:
    """A mint that can no longer fail for anything outside this process."""

    mint: Mint
    now: float
    signing_key: SigningKey
    sealing_key: bytes

    def answer(
        self,
        app: RegisteredApp,
        *,
        claims: Claims,
        client_data: ClientData,
        result: AttestationResult,
        client_policy_version: int,
    ) -> dict[str, object]:
        """The answer that carries a new token, the challenge for the next one, and which client policy is in force for
        this key (0: none)."""
        mint = self.mint
        token = mint_token(
            signing_key=self.signing_key,
            issuer=mint.issuer,
            app=app.app,
            audience=app.audiences or (mint.default_audience,),
            request_key=client_data.request_key,
            key_id=claims.key_id,
            platform=claims.platform.value,
            app_build=client_data.app_build,
            result=result,
            jti=b64url_encode(mint.random(16)),
            now=self.now,
            lifetime=mint.token_lifetime,
        )
        next_challenge = issue_challenge(app=app.app, key=self.sealing_key, random=mint.random(16), now=self.now)
        return {
            "token": token,
            "token_type": "DPoP",
            "expires_in": mint.token_lifetime,
            "key_id": claims.key_id,
            "next_challenge": next_challenge,
            "client_policy_version": client_policy_version,
        }
