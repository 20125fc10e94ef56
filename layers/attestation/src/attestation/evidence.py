"""Evidence: bytes an attester sends to prove itself, one class per format.

:func:`parse_evidence` turns one element of a request's ``evidence`` list into its class. It checks shape and size
only; what the bytes say is the verifiers' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Final, TypeVar

from attestation.encoding.jose import b64url_decode
from attestation.errors import MalformedEvidence, Reason

_Choice = TypeVar("_Choice", bound=StrEnum)

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


def _choice(item: Mapping[str, object], name: str, choices: type[_Choice]) -> _Choice:
    try:
        return choices(_text(item, name))
    except ValueError as error:
        raise MalformedEvidence(Reason.FORMAT_UNKNOWN, f"evidence field {name} names nothing that is known") from error


def _exactly(item: Mapping[str, object], *names: str) -> None:
    unknown = item.keys() - {"format", *names}
    if unknown:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"{len(unknown)} unknown evidence field(s)")


def _apple_attestation(item: Mapping[str, object]) -> AppleAttestation:
    _exactly(item, "attestation_object", "key_id")
    key_id = _binary(item, "key_id") if item.get("key_id") is not None else None
    return AppleAttestation(_binary(item, "attestation_object"), key_id)


def _apple_assertion(item: Mapping[str, object]) -> AppleAssertion:
    _exactly(item, "assertion")
    return AppleAssertion(_binary(item, "assertion"))


def _apple_receipt(item: Mapping[str, object]) -> AppleReceipt:
    _exactly(item, "receipt")
    return AppleReceipt(_binary(item, "receipt"))


def _android_key_attestation(item: Mapping[str, object]) -> AndroidKeyAttestation:
    _exactly(item, "certificate_chain")
    return AndroidKeyAttestation(_binaries(item, "certificate_chain"))


def _play_integrity_token(item: Mapping[str, object]) -> PlayIntegrityToken:
    _exactly(item, "integrity_token")
    return PlayIntegrityToken(_text(item, "integrity_token"))


def _harmony_key_attestation(item: Mapping[str, object]) -> HarmonyKeyAttestation:
    _exactly(item, "certificate_chain", "kind")
    kind = _choice(item, "kind", AttestationKind) if item.get("kind") is not None else AttestationKind.ANONYMOUS
    return HarmonyKeyAttestation(_binaries(item, "certificate_chain"), kind)


def _harmony_device_integrity(item: Mapping[str, object]) -> HarmonyDeviceIntegrity:
    _exactly(item, "profile", "integrity_token")
    return HarmonyDeviceIntegrity(_choice(item, "profile", IntegrityProfile), _text(item, "integrity_token"))


def _key_signature(item: Mapping[str, object]) -> KeySignature:
    _exactly(item, "signature")
    return KeySignature(_binary(item, "signature"))


FORMATS: Final[Mapping[str, Callable[[Mapping[str, object]], Evidence]]] = {
    "apple-app-attest": _apple_attestation,
    "apple-app-attest-assertion": _apple_assertion,
    "apple-app-attest-receipt": _apple_receipt,
    "android-key-attestation": _android_key_attestation,
    "android-play-integrity": _play_integrity_token,
    "harmony-key-attestation": _harmony_key_attestation,
    "harmony-device-integrity": _harmony_device_integrity,
    "key-signature": _key_signature,
}
"""Every evidence format this library reads, with its reader."""


def parse_evidence(item: Mapping[str, object]) -> Evidence:
    """Read one element of a request's ``evidence`` list.

    Raises :class:`MalformedEvidence` for an unknown format, a missing or unknown field, text that is not unpadded
    base64url, or a field over :data:`MAX_EVIDENCE_BYTES`.
    """
    name = item.get("format")
    reader = FORMATS.get(name) if isinstance(name, str) else None
    if reader is None:
        raise MalformedEvidence(Reason.FORMAT_UNKNOWN, "unknown evidence format")
    return reader(item)
