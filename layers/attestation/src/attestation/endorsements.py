"""Endorsements, what a vendor vouches for: trust anchors, pinned by SubjectPublicKeyInfo, and revocation lists.

The pinned anchors ship with the library (``trust_anchors/``, with their provenance table). A test root enters only
through :meth:`Endorsements.with_development_anchors`, which the service calls in development stages alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

from attestation.android.revocation import StatusList
from attestation.encoding.certificate import Certificate, certificates_from_pem, read_certificate
from attestation.errors import EndorsementsUnavailable, Reason
from attestation.evidence import AttestationKind, IntegrityProfile
from attestation.harmony.simulator import ROOT_DIGEST, is_simulator_root

ANDROID_STATUS_MAX_AGE: Final = 48 * 3600.0
"""How old Google's status list may be by default, in seconds. Google asks for a refresh within a day."""
_MAX_LEAD: Final = 300.0  # a fetch dated further into the future comes from a broken clock and would never grow old


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

    @property
    def digest(self) -> str:
        """SHA-256 of the key in hex: how claims name the anchor that they rest on."""
        return sha256(self.spki).hexdigest()


@dataclass(frozen=True, slots=True)
class Endorsements:
    """Trust anchors by purpose. An empty tuple is an error when it is used; it never means that any root will do.

    ``android_status`` is Google's revocation list as last fetched; without one no Android chain can be judged.
    ``android_status_max_age`` is the age in seconds from which that list is too old to use. A stack that would rather
    accept than stand still while Google's server is down sets it to ``math.inf``: its own, visible choice.

    Huawei signs with a root per purpose: HUKS attestations anonymous or not, integrity tokens by profile. Pinning them
    apart keeps a phone's, a developer's or an app's certificate under one root from passing for another's.
    ``harmony_simulator`` is empty unless :meth:`with_openharmony_simulator` was called.
    """

    apple_attestation: tuple[TrustAnchor, ...]
    apple_receipt: tuple[TrustAnchor, ...]
    android_attestation: tuple[TrustAnchor, ...] = ()
    android_status: StatusList | None = None
    android_status_max_age: float = ANDROID_STATUS_MAX_AGE
    harmony_anonymous: tuple[TrustAnchor, ...] = ()
    harmony_non_anonymous: tuple[TrustAnchor, ...] = ()
    harmony_hms: tuple[TrustAnchor, ...] = ()
    harmony_next: tuple[TrustAnchor, ...] = ()
    harmony_enhanced: tuple[TrustAnchor, ...] = ()
    harmony_simulator: tuple[TrustAnchor, ...] = ()

    def harmony(self, purpose: AttestationKind | IntegrityProfile) -> tuple[TrustAnchor, ...]:
        """The roots of one purpose. The simulator's is never among them: it comes through its switch alone."""
        match purpose:
            case AttestationKind.ANONYMOUS:
                anchors = self.harmony_anonymous
            case AttestationKind.NON_ANONYMOUS:
                anchors = self.harmony_non_anonymous
            case IntegrityProfile.HMS:
                anchors = self.harmony_hms
            case IntegrityProfile.NEXT:
                anchors = self.harmony_next
            case IntegrityProfile.ENHANCED:
                anchors = self.harmony_enhanced
        return tuple(anchor for anchor in anchors if not is_simulator_root(anchor.spki))

    def with_development_anchors(self, anchors: Iterable[TrustAnchor]) -> Endorsements:
        """These endorsements plus test roots for every purpose. For development stages and tests only.

        Raises :class:`ValueError` for the OpenHarmony simulator's root, whose keys are public: it has its own switch.
        """
        extra = tuple(anchors)
        if any(is_simulator_root(anchor.spki) for anchor in extra):
            raise ValueError("the OpenHarmony simulator's root is no test root: use with_openharmony_simulator")
        return replace(
            self,
            apple_attestation=self.apple_attestation + extra,
            apple_receipt=self.apple_receipt + extra,
            android_attestation=self.android_attestation + extra,
            harmony_anonymous=self.harmony_anonymous + extra,
            harmony_non_anonymous=self.harmony_non_anonymous + extra,
            harmony_hms=self.harmony_hms + extra,
            harmony_next=self.harmony_next + extra,
            harmony_enhanced=self.harmony_enhanced + extra,
        )

    def with_openharmony_simulator(self, root: bytes) -> Endorsements:
        """These endorsements plus the OpenHarmony simulator's root (its certificate in DER), for HUKS attestations.

        The switch for development stages, and the only way in: anyone can attest anything under this root. Raises
        :class:`ValueError` when ``root`` is another certificate.
        """
        if sha256(root).hexdigest() != ROOT_DIGEST:
            raise ValueError("not the root certificate of the OpenHarmony simulator")
        return replace(self, harmony_simulator=(TrustAnchor.of(read_certificate(root)),))

    def with_android_status(
        self, status: StatusList | None, *, max_age: float = ANDROID_STATUS_MAX_AGE
    ) -> Endorsements:
        """These endorsements with another status list, and how old it may be (seconds)."""
        return replace(self, android_status=status, android_status_max_age=max_age)

    def fresh_android_status(self, now: float) -> StatusList:
        """The status list, if it may be used at ``now`` (Unix seconds).

        Raises :class:`EndorsementsUnavailable` when there is none or it is too old: an attacker who keeps us from
        refreshing it must not gain the use of a key revoked meanwhile.
        """
        status = self.android_status
        if status is None:
            raise EndorsementsUnavailable(Reason.ENDORSEMENTS_MISSING, "no Android status list was fetched yet")
        age = now - status.fetched_at
        if not -_MAX_LEAD <= age <= self.android_status_max_age:
            raise EndorsementsUnavailable(Reason.ENDORSEMENTS_STALE, f"the Android status list is {age:.0f} s old")
        return status


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
        android_attestation=_read("google-rsa-2022", "google-ec-p384-2025-key-attestation-ca1"),
        harmony_anonymous=_read("huawei-cbg-ecc-device-attestation-root-ca-1"),
        harmony_non_anonymous=_read("huawei-cbg-root-ca-g2", "huawei-cbg-ecc-equipment-root-ca-3"),
        harmony_hms=_read("huawei-cbg-root-ca"),
        harmony_next=_read("huawei-cbg-root-ca-g2"),
        harmony_enhanced=_read("huawei-cbg-ecc-device-attestation-root-ca-1"),
    )
