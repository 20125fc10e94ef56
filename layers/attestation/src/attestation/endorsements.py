"""Endorsements: what a vendor vouches for. Here: the trust anchors, pinned by SubjectPublicKeyInfo.

The pinned anchors ship with the library (``trust_anchors/``, with their provenance table). A test root enters only
through :meth:`Endorsements.with_development_anchors`, which the service calls in development stages alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from .certificate import Certificate, certificates_from_pem
from .errors import EndorsementsUnavailable, Reason


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A root we trust: its name and key, nothing else of its certificate (RFC 5280 §6.1.1 d).

    ``subject`` is the DER of the Name, ``spki`` the DER of the SubjectPublicKeyInfo. Its own validity dates are
    deliberately not kept: vendors re-certify one root key for years.
    """

    subject: bytes
    spki: bytes

    @classmethod
    def of(cls, certificate: Certificate) -> TrustAnchor:
        """The anchor that a root certificate stands for."""
        return cls(certificate.subject, certificate.spki)


@dataclass(frozen=True, slots=True)
class Endorsements:
    """Trust anchors by purpose. An empty tuple is an error when it is used, never "trust nobody's absence"."""

    apple_attestation: tuple[TrustAnchor, ...]
    apple_receipt: tuple[TrustAnchor, ...]

    def with_development_anchors(self, anchors: Iterable[TrustAnchor]) -> Endorsements:
        """These endorsements plus test roots for every purpose. For development stages and tests only."""
        extra = tuple(anchors)
        return replace(
            self,
            apple_attestation=self.apple_attestation + extra,
            apple_receipt=self.apple_receipt + extra,
        )


def require_anchors(anchors: tuple[TrustAnchor, ...]) -> tuple[TrustAnchor, ...]:
    """The anchors, or :class:`EndorsementsUnavailable` when there are none: no roots must never mean "just pass"."""
    if not anchors:
        raise EndorsementsUnavailable(Reason.TRUST_ANCHORS_MISSING, "no trust anchor is configured for this format")
    return anchors


def _read(*names: str) -> tuple[TrustAnchor, ...]:
    folder = files(__package__).joinpath("trust_anchors")
    return tuple(
        TrustAnchor.of(certificate)
        for name in names
        for certificate in certificates_from_pem(folder.joinpath(f"{name}.pem").read_text("ascii"))
    )


@cache
def pinned_endorsements() -> Endorsements:
    """The vendors' production anchors that ship with this library."""
    return Endorsements(
        apple_attestation=_read("apple-app-attestation-root-ca"),
        apple_receipt=_read("apple-root-ca-g3"),
    )
