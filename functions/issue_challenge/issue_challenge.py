"""POST /v1/challenges: issues a sealed challenge, or says when to come back for one.

Writes nothing and looks nothing up: the sealing key is in memory, and so is how many may enrol now. An app that is not
registered gets a challenge too and is refused when it redeems it, because asking the apps table here would sell an
anonymous flood one read each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from attestation.challenge import issue_challenge
from service.admission.accounts import DynamoDBAccountRow
from service.admission.pacing import Pacing
from service.aws import dynamodb
from service.edge.gateway import RequestModel
from service.edge.http import Call, Wiring, endpoint, json_members
from service.edge.request_fields import App
from service.errors import Paced
from service.keys.key_ring import KeyRing, wire_key_ring
from service.settings import IssueChallengeSettings, read_settings
from service.tables.signing_keys import Purpose

PURPOSE_HEADER: Final = "bonafide-challenge-for"
"""In which an app says what it wants the challenge for."""

RENEWAL: Final = "renewal"


class ChallengeRequest(RequestModel):
    """Which app the challenge is for."""

    app: App


class ChallengeCall(RequestModel):
    """A request, and whether its app says that it will renew a token: an install that slept past its
    ``next_challenge``."""

    body: ChallengeRequest
    renews: bool

    @property
    def app(self) -> str:
        """Under which app it is counted."""
        return self.body.app

    @property
    def counted_as(self) -> str:
        """Renewals are no demand for enrolments."""
        return RENEWAL if self.renews else ""


def issue(
    call: ChallengeCall,
    *,
    key_ring: KeyRing,
    lifetime: int,
    random: Callable[[int], bytes],
    pacing: Pacing | None = None,
    now: float,
) -> Mapping[str, object]:
    """A challenge for the call's app, good for ``lifetime`` seconds.

    Raises :class:`~service.errors.Paced` where more apps want to enrol than ``pacing`` lets in. An app that renews is
    never refused. One that says so and enrols has a challenge that it would have got by asking again; what is enrolled
    in a second is bounded by that route's own throttle.
    """
    if pacing is not None and not call.renews:
        wait = pacing.comes_back_after(call.app, now)
        if wait is not None:
            raise Paced(wait)
    key = key_ring.sealing_key(now)
    home = key_ring.region(now).label()
    challenge = issue_challenge(app=call.app, key=key, random=random(16), now=now, home=home)
    return {"challenge": challenge, "expires_in": lifetime}


def _members(call: Call) -> object:
    return {"body": json_members(call), "renews": call.headers.get(PURPOSE_HEADER) == RENEWAL}


def wire(env: Mapping[str, str]) -> Wiring:
    """The collaborators, from the environment."""
    settings = read_settings(IssueChallengeSettings, env)
    return Wiring(
        collaborators={
            "key_ring": wire_key_ring(settings, Purpose.CHALLENGE),
            "lifetime": settings.challenge_lifetime_seconds,
            "random": os.urandom,
            "pacing": Pacing.of_row(DynamoDBAccountRow(dynamodb(), settings.tallies_table), settings.enrolment_pace)
            if settings.enrolment_pace
            else None,
        },
        allowed_origin=settings.allowed_origin,
        origin_secret_hashes=settings.origin_secret_hashes,
    )


handler = endpoint(ChallengeCall, issue, wire, success=201, counted="challenge", members=_members)
