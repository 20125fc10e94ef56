"""Minting: everything that is needed for a token is at hand before anything is consumed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from attestation.appraisal.result import AttestationResult, Tier
from attestation.challenge import issue_challenge
from attestation.claims import Claims
from attestation.client_data import ClientData
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import SigningKey, mint_token

from service.admission.strain import Stress
from service.deadline import TO_SPEND, require_time
from service.errors import Unavailable
from service.keys.key_ring import KeyRing
from service.tables.apps import RegisteredApp

RENEWED_AFTER: Final = 0.85
"""Which part of a token's life apps are asked to let go by before they renew, under stress; else it is 0.7."""

MOST_WAITED: Final = 3.0
"""Seconds that minting waits for the time from which tokens count. More can only be a clock that is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer:
    """Makes tokens of one ``issuer``; lifetimes in seconds. ``stressed_lifetime`` is that of affirmed tokens under
    stress (:mod:`service.admission.strain`); 0 for the same as always. ``random`` draws that many fresh bytes."""

    key_ring: KeyRing
    issuer: str
    default_audience: str
    token_lifetime: int
    challenge_lifetime: int
    stressed_lifetime: int = 0
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def ready(self, now: float, *, tokens_from: int = 0, stress: Stress = Stress.NONE) -> ReadyTokenIssuer:
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
        if stress is Stress.TROUBLE and not self.stressed_lifetime:
            stress = Stress.NONE  # that this is trouble is our own guess, and no one asked for it
        affirmed = max(self.token_lifetime, self.stressed_lifetime) if stress else self.token_lifetime
        try:
            signing_key = self.key_ring.token_key(date, lifetime=affirmed)
        except Unavailable:
            if affirmed == self.token_lifetime:
                raise
            affirmed = self.token_lifetime
            signing_key = self.key_ring.token_key(date, lifetime=affirmed)
        return ReadyTokenIssuer(
            token_issuer=self,
            now=date,
            stress=stress,
            affirmed_lifetime=affirmed,
            signing_key=signing_key,
            sealing_key=self.key_ring.sealing_key(date),
            home=self.key_ring.region(date).label(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyTokenIssuer:
    """A token issuer that can no longer fail for anything outside this process."""

    token_issuer: TokenIssuer
    now: float
    stress: Stress
    affirmed_lifetime: int
    signing_key: SigningKey
    sealing_key: bytes
    home: str

    def lifetime(self, result: AttestationResult, claims: Claims) -> int:
        """Seconds that the token lives: under stress longer than always, where the device was affirmed. A warned one's
        policy and signals are to be judged as soon as ever."""
        life = self.affirmed_lifetime if result.tier is Tier.AFFIRMING else self.token_issuer.token_lifetime
        return life if claims.test_pass is None else min(life, claims.test_pass.ends_at - int(self.now))

    def stretched_by(self, result: AttestationResult, claims: Claims) -> str:
        """What stretches the token's life; empty where it is as always."""
        return self.stress.value if self.lifetime(result, claims) > self.token_issuer.token_lifetime else ""

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
        issuer, lifetime = self.token_issuer, self.lifetime(result, claims)
        environment = "" if claims.test_pass is None else claims.environment.value
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
        answer: dict[str, object] = {
            "token": token,
            "token_type": "DPoP",
            "expires_in": lifetime,
            "key_id": claims.key_id,
            "next_challenge": next_challenge,
            "client_policy_version": client_policy_version,
        }
        if self.stress:
            answer["renew_after"] = max(1, int(RENEWED_AFTER * lifetime))
        return answer
