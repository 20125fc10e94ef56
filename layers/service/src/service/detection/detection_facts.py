"""What one decision tells detectors, noted as it becomes known, and sealed into its line (``sealed_facts``)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from attestation.claims import AndroidClaims, Claims

DIGEST_BYTES: Final = 16
"""Of a SHA-256, which is enough to tell 10⁹ certificates apart."""

_ISSUERS_BELOW_ROOT: Final = {"rkp": 3, "factory": 2}


@dataclass(slots=True, kw_only=True)
class DetectionFacts:
    """What one decision tells detectors.

    ``issuer`` and ``request_key`` are 16 bytes of a SHA-256: of the certificate that signed the attested key's, by the
    serial numbers from it up to the root, and of the request key's thumbprint. ``network`` is a truncated prefix
    (:mod:`service.detection.network`); empty bytes for what is not known. ``delay`` is in seconds, to a tenth,
    ``enrolled_seconds`` in whole ones. The rest is as in :class:`~service.detection.sighting.Sighting`.
    """

    proved: bool = False
    signer: str = ""
    issuer: bytes = b""
    issuer_kind: str = ""
    network: bytes = b""
    request_key: bytes = b""
    delay: float | None = None
    handed_along: bool = False
    counter: int | None = None
    risk_metric: int | None = None
    enrolled_seconds: int | None = None
    home_country: str = ""

    def note_proof(self, claims: Claims) -> None:
        """Take over what verified evidence says of its key."""
        self.proved = True
        self.signer = "" if claims.android is not None and not claims.android.signing_digests else "own"
        self.counter = claims.counter
        self.risk_metric = None if claims.apple is None else claims.apple.risk_metric
        self.note_issuer(claims)

    def note_counter_back(self, highest: int) -> None:
        """Take over that the attested key signed a fresh challenge with a counter no greater than ``highest``, the
        stored one: the signature is verified before the counter is looked at. Two instances that count apart do so."""
        self.proved, self.counter = True, highest

    def note_issuer(self, claims: Claims) -> None:
        """Take over who signed the key's certificate, where the chain says whether that is one device or a batch."""
        if claims.android is not None and (issuer := issuer_of(claims.android)):
            self.issuer, self.issuer_kind = issuer, claims.android.provisioning


def issuer_of(android: AndroidClaims) -> bytes:
    """What stands for the certificate that signed the key's, told by the serials from it up to the root: one device's,
    per app and rotation, where it was remotely provisioned (``rkp``), a batch's where it came from the ``factory``.
    Empty where the chain does not say which."""
    length, serials = _ISSUERS_BELOW_ROOT.get(android.provisioning, 0), android.chain_serials
    return digest_of("/".join(serials[-length:])) if length and len(serials) >= length else b""


def digest_of(text: str) -> bytes:
    """What stands for a certificate or a key."""
    return sha256(text.encode()).digest()[:DIGEST_BYTES]
