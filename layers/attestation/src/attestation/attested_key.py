"""The hardware key that evidence proved: what is stored at enrolment and asked for at renewal."""

from __future__ import annotations

from dataclasses import dataclass

from attestation.claims import Claims


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedKey:
    """A stored attested key.

    ``public_key`` is the uncompressed point (65 bytes for P-256); ``counter`` is the highest App Attest counter seen
    (0 after enrolment); ``apple_app_id`` the full app id the attestation proved, which every assertion must repeat.
    ``claims`` is what the enrolment proved: renewal evidence that says nothing itself (``key-signature``) relies on it.
    """

    public_key: bytes
    counter: int = 0
    apple_app_id: str | None = None
    claims: Claims | None = None
