"""POST /v1/challenges: issues a sealed challenge.

Writes nothing and looks nothing up: the sealing key is in memory. An app that is not registered gets a challenge too
and is refused when it redeems it, because asking the apps table here would sell an anonymous flood one read each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from attestation.challenge import issue_challenge
from service.edge.gateway import RequestModel
from service.edge.http import Wiring, endpoint
from service.edge.request_fields import App
from service.keys.key_ring import KeyRing, wire_key_ring
from service.settings import IssueChallengeSettings, read_settings
from service.tables.signing_keys import Purpose


class ChallengeRequest(RequestModel):
    """Which app the challenge is for."""

    app: App


def issue(
    request: ChallengeRequest, *, key_ring: KeyRing, lifetime: int, random: Callable[[int], bytes], now: float
) -> Mapping[str, object]:
    """A challenge for ``request.app``, good for ``lifetime`` seconds."""
    key = key_ring.sealing_key(now)
    home = key_ring.region(now).label()
    challenge = issue_challenge(app=request.app, key=key, random=random(16), now=now, home=home)
    return {"challenge": challenge, "expires_in": lifetime}


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(IssueChallengeSettings, env)
    return Wiring(
        collaborators={
            "key_ring": wire_key_ring(settings, Purpose.CHALLENGE),
            "lifetime": settings.challenge_lifetime_seconds,
            "random": os.urandom,
        },
        allowed_origin=settings.allowed_origin,
        origin_secret_hashes=settings.origin_secret_hashes,
    )


handler = endpoint(ChallengeRequest, issue, wire, success=201, counted="challenge")
