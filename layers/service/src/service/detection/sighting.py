"""A sighting: what detectors see of one decision. It names devices and networks by pseudonyms only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One decision of ``enrol``, ``renew`` or ``signal`` (``source``), at ``at`` (Unix seconds).

    ``outcome`` is ``accepted``, ``refused`` or ``unavailable``, ``why`` the reason or ``rule:<id>``, as tallies have
    them. ``proved`` says that evidence, or the key's signature, verified: only such sightings reach
    ``context.incidents``. ``key_id`` is empty where nothing proved a key, so a caller who knows the id of another's key
    says nothing about it. ``platform``, ``app_build``, ``os``, ``model`` and ``country`` are what the line says: build,
    system and model are the app's own word.

    ``signer`` is how the app's signer compares with the owner's, as hardware attests: ``own``, ``other``, or empty
    where nothing attests it. ``issuer``, ``network`` and ``request_key`` are pseudonyms under the key of the epoch of
    ``at``: of the certificate that signed the Android key's (``issuer_kind`` ``rkp``: of one device, its app and
    rotation; ``factory``: of a batch), of the truncated origin network, and of the request key's thumbprint.
    ``earlier_issuer`` is the same certificate's under the key of the epoch before, as long as there is one.
    ``issuer_mark`` is its mark for the document that policies see, under a key that verifiers hold as well.

    ``delay`` is the time in seconds from the challenge's issue to its return, ``handed_along`` says that the challenge
    came with a token, without being asked for. ``counter`` is App Attest's (of a refusal for it, the stored one that it
    did not exceed), ``risk_metric`` Apple's. ``enrolled_hours`` is the time since the key enrolled and ``home_country``
    the country of its enrolment, where known; both only of renewals. ``id`` is the request's: a repeated delivery gives
    the same sighting again.
    """

    at: float
    app: str
    source: str
    outcome: str
    why: str
    key_id: str
    proved: bool
    platform: str
    app_build: str
    os: str
    model: str
    country: str
    signer: str = ""
    issuer: str = ""
    issuer_kind: str = ""
    earlier_issuer: str = ""
    issuer_mark: str = ""
    network: str = ""
    request_key: str = ""
    delay: float | None = None
    handed_along: bool = False
    counter: int | None = None
    risk_metric: int | None = None
    enrolled_hours: float | None = None
    home_country: str = ""
    id: str = ""
