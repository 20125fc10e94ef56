"""Evidence: bytes an attester sends to prove itself, one class per format.

:func:`parse_evidence` turns one element of a request's ``evidence`` list into its class. It checks shape and size
only; what the bytes say is the verifiers' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, NamedTuple

from attestation.encoding.jose import b64url_decode
from attestation.errors import MalformedEvidence, Reason

_Reader = Callable[[Mapping[str, object], str], object]
"""Reads a field of that name."""

MAX_EVIDENCE_BYTES: Final = 48 * 1024
"""Largest single field, in bytes; a certificate chain counts whole. App Attest has 6 KB, an Android chain 5 KB."""
MAX_CHAIN: Final = 8
"""Most elements of a certificate chain that are decoded at all; verifiers accept fewer."""


@dataclass(frozen=True, slots=True)
class AppleAttestation:
    """``apple-app-attest``: an App Attest attestation object and, optionally, the key id the app was given.

    ``key_id`` is the raw 32-byte SHA-256, decoded from the base64 text that ``DCAppAttestService.generateKey`` returns.
    """

    attestation_object: bytes
    key_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class AppleAssertion:
    """``apple-app-attest-assertion``: an App Attest assertion (CBOR) by an already attested key."""

    assertion: bytes


@dataclass(frozen=True, slots=True)
class AppleReceipt:
    """``apple-app-attest-receipt``: a receipt on its own. Not taken by the API; conformance and inspection read it."""

    receipt: bytes


@dataclass(frozen=True, slots=True)
class AndroidKeyAttestation:
    """``android-key-attestation``: the certificate chain of a KeyStore key in DER, in the order Android returns it.

    ``KeyStore.getCertificateChain``: the attested key's certificate first, its issuers after it, with or without root.
    """

    certificate_chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PlayIntegrityToken:
    """``android-play-integrity``: a Play Integrity token as the app received it. Proves no key, so never alone."""

    integrity_token: str = field(repr=False)


@unique
class AttestationKind(StrEnum):
    """Which of two HUKS attestations a chain is, as the app declares it: each has roots of its own.

    Every app may ask for ``ANONYMOUS`` ones; ``NON_ANONYMOUS`` ones name the device and are for system apps.
    """

    ANONYMOUS = "anonymous"
    NON_ANONYMOUS = "non-anonymous"


@dataclass(frozen=True, slots=True)
class HarmonyKeyAttestation:
    """``harmony-key-attestation``: the certificate chain of a HUKS key in DER, leaf first, with or without root.

    ``huks.anonAttestKeyItem`` (or ``attestKeyItem``) returns it as PEM texts.
    """

    certificate_chain: tuple[bytes, ...]
    kind: AttestationKind = AttestationKind.ANONYMOUS


@dataclass(frozen=True, slots=True)
class AndroidSealingKeyAttestation:
    """``android-sealing-key-attestation``: the chain of the sealing key, attested over the same client data."""

    certificate_chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HarmonySealingKeyAttestation:
    """``harmony-sealing-key-attestation``: the same of HUKS."""

    certificate_chain: tuple[bytes, ...]
    kind: AttestationKind = AttestationKind.ANONYMOUS


SealingKeyEvidence = AndroidSealingKeyAttestation | HarmonySealingKeyAttestation


@unique
class IntegrityProfile(StrEnum):
    """Which of Huawei's integrity services signed, as the app declares it: each has its own root and algorithm.

    ``HMS`` is HMS Core's ``sysIntegrity``; ``NEXT`` is ``safetyDetect.checkSysIntegrity`` of HarmonyOS 5; ``ENHANCED``
    is ``checkSysIntegrityEnhanced`` of HarmonyOS 6.
    """

    HMS = "hms"
    NEXT = "next"
    ENHANCED = "enhanced"


@dataclass(frozen=True, slots=True)
class HarmonyDeviceIntegrity:
    """``harmony-device-integrity``: a SysIntegrity token (compact JWS) as the app received it. Proves no key."""

    profile: IntegrityProfile
    integrity_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySignature:
    """``key-signature``: ES256 by the attested key over the client data, the 64 bytes R and S (RFC 7518 §3.4).

    Java and HUKS give ECDSA signatures in DER; the app turns them into this one spelling.
    """

    signature: bytes


Evidence = (
    AppleAttestation
    | AppleAssertion
    | AppleReceipt
    | AndroidKeyAttestation
    | PlayIntegrityToken
    | HarmonyKeyAttestation
    | HarmonyDeviceIntegrity
    | KeySignature
    | SealingKeyEvidence
)


def _binary(item: Mapping[str, object], name: str) -> bytes:
    value = item.get(name)
    if not isinstance(value, str):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"evidence field {name} must be base64url text")
    if len(value) > MAX_EVIDENCE_BYTES * 4 // 3 + 4:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"evidence field {name} exceeds {MAX_EVIDENCE_BYTES} bytes")
    return b64url_decode(value)


def _binaries(item: Mapping[str, object], name: str) -> tuple[bytes, ...]:
    values = item.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"evidence field {name} must be a list of base64url texts")
    if len(values) > MAX_CHAIN or sum(map(len, values)) > MAX_EVIDENCE_BYTES * 4 // 3 + 4 * MAX_CHAIN:
        raise MalformedEvidence(
            Reason.EVIDENCE_TOO_LARGE, f"evidence field {name} exceeds {MAX_CHAIN} parts or {MAX_EVIDENCE_BYTES} bytes"
        )
    return tuple(b64url_decode(value) for value in values)


def _text(item: Mapping[str, object], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"evidence field {name} must be text")
    if len(value) > MAX_EVIDENCE_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"evidence field {name} exceeds {MAX_EVIDENCE_BYTES} bytes")
    return value


def _choice(choices: type[StrEnum]) -> _Reader:
    def read(item: Mapping[str, object], name: str) -> StrEnum:
        try:
            return choices(_text(item, name))
        except ValueError as error:
            detail = f"evidence field {name} names nothing that is known"
            raise MalformedEvidence(Reason.FORMAT_UNKNOWN, detail) from error

    return read


class _Format(NamedTuple):
    """A format's class, and the reader of each of its fields; those that are ``optional`` may be absent or null."""

    kind: Callable[..., Evidence]
    fields: Mapping[str, _Reader]
    optional: str = ""

    def read(self, item: Mapping[str, object]) -> Evidence:
        unknown = item.keys() - {"format", *self.fields}
        if unknown:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"{len(unknown)} unknown evidence field(s)")
        given = [name for name in self.fields if name != self.optional or item.get(name) is not None]
        return self.kind(**{name: self.fields[name](item, name) for name in given})


FORMATS: Final[Mapping[str, _Format]] = {
    "apple-app-attest": _Format(AppleAttestation, {"key_id": _binary, "attestation_object": _binary}, "key_id"),
    "apple-app-attest-assertion": _Format(AppleAssertion, {"assertion": _binary}),
    "apple-app-attest-receipt": _Format(AppleReceipt, {"receipt": _binary}),
    "android-key-attestation": _Format(AndroidKeyAttestation, {"certificate_chain": _binaries}),
    "android-play-integrity": _Format(PlayIntegrityToken, {"integrity_token": _text}),
    "harmony-key-attestation": _Format(
        HarmonyKeyAttestation, {"kind": _choice(AttestationKind), "certificate_chain": _binaries}, "kind"
    ),
    "harmony-device-integrity": _Format(
        HarmonyDeviceIntegrity, {"profile": _choice(IntegrityProfile), "integrity_token": _text}
    ),
    "key-signature": _Format(KeySignature, {"signature": _binary}),
    "android-sealing-key-attestation": _Format(AndroidSealingKeyAttestation, {"certificate_chain": _binaries}),
    "harmony-sealing-key-attestation": _Format(
        HarmonySealingKeyAttestation, {"kind": _choice(AttestationKind), "certificate_chain": _binaries}, "kind"
    ),
}
"""Every evidence format this library reads."""


def parse_evidence(item: Mapping[str, object]) -> Evidence:
    """Read one element of a request's ``evidence`` list.

    Raises :class:`MalformedEvidence` for an unknown format, a missing or unknown field, text that is not unpadded
    base64url, or a field over :data:`MAX_EVIDENCE_BYTES`.
    """
    name = item.get("format")
    known = FORMATS.get(name) if isinstance(name, str) else None
    if known is None:
        raise MalformedEvidence(Reason.FORMAT_UNKNOWN, "unknown evidence format")
    return known.read(item)
