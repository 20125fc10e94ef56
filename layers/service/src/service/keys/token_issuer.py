"""Minting: everything that is needed for a token is at hand before anything is consumed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from attestation.appraisal.result import AttestationResult
from attestation.challenge import issue_challenge
from attestation.claims import Claims
from attestation.client_data import ClientData
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import SigningKey, mint_token

from service.deadline import TO_SPEND, require_time
from service.errors import Unavailable
from service.keys.key_ring import KeyRing
from service.tables.apps import RegisteredApp

MOST_WAITED: Final = 3.0
"""Seconds that minting waits for the time from which tokens count. More can only be a clock that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer:
    """Makes tokens of one ``issuer``; lifetimes in seconds. ``random`` draws that many fresh bytes."""

    key_ring: KeyRing
    issuer: str
    default_audience: str
    token_lifetime: int
    challenge_lifetime: int
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def ready(self, now: float, *, tokens_from: int = 0) -> ReadyTokenIssuer:
        """The issuer with its keys in memory, and a date for the token.

        Raises :class:`~service.errors.Unavailable`: then nothing was consumed.

        ``now`` must have been read *before* the head of the policy that judged: a token by an old policy is then older
        than the not-before that came with the new one, however long verifying took, or the head was remembered
        (:mod:`service.policies.publish`). And one by the new policy is dated ``tokens_from``, the same not-before, at
        the earliest, or its holder would have to renew again. In the second in which a policy took effect that time is
        still ahead: it is waited for, as no token is dated into the future.
        """
        early = tokens_from - self.clock() if tokens_from > now else 0.0
        if early > MOST_WAITED:
            raise Unavailable(f"a policy takes effect {early:.0f} s ahead of this clock")
        if early > 0:
            require_time("waiting for a policy to take effect", early + TO_SPEND)
            self.sleep(early)
        date = max(now, tokens_from)
        return ReadyTokenIssuer(
            token_issuer=self,
            now=date,
            signing_key=self.key_ring.token_key(date, lifetime=self.token_lifetime),
            sealing_key=self.key_ring.sealing_key(date),
            home=self.key_ring.region(date).label(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTokenIssuer:
    """A token issuer that can no longer fail for anything outside this process."""

    token_issuer: TokenIssuer
    now: float
    signing_key: SigningKey
    sealing_key: bytes
    home: str

    def answer(
        self,
        app: RegisteredApp,
        *,
        claims: Claims,
        client_data: ClientData,
        result: AttestationResult,
        client_policy_version: int,
    ) -> dict[str, object]:
        """The answer that carries a new token, the challenge for the next one, and which client policy is active for
        this key (0: none)."""
        issuer, lifetime, environment = self.token_issuer, self.token_issuer.token_lifetime, ""
        if claims.test_pass is not None:
            lifetime, environment = min(lifetime, claims.test_pass.ends_at - int(self.now)), claims.environment.value
        token = mint_token(
            signing_key=self.signing_key,
            issuer=issuer.issuer,
            app=app.app,
            audience=app.audiences or (issuer.default_audience,),
            request_key=client_data.request_key,
            key_id=claims.key_id,
            platform=claims.platform.value,
            app_build=client_data.app_build,
            result=result,
            jti=b64url_encode(issuer.random(16)),
            now=self.now,
            lifetime=lifetime,
            environment=environment,
        )
        next_challenge = issue_challenge(
            app=app.app,
            key=self.sealing_key,
            random=issuer.random(16),
            now=self.now,
            handed_along=True,
            home=self.home,
        )
        return {
            "token": token,
            "token_type": "DPoP",
            "expires_in": lifetime,
            "key_id": claims.key_id,
            "next_challenge": next_challenge,
            "client_policy_version": client_policy_version,
        }
