"""Evidence: bytes an attester sends to prove itself, one class per format.

:func:`parse_evidence` turns one element of a request's ``evidence`` list into its class. It checks shape and size
only; what the bytes say is the verifiers' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .errors import MalformedEvidence, Reason
from .jose import b64url_decode

MAX_EVIDENCE_BYTES: Final = 48 * 1024
"""Largest single binary field, in bytes. A real App Attest attestation has 6 KB, an Android chain 5 KB."""


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


Evidence = AppleAttestation | AppleAssertion | AppleReceipt


def _binary(item: Mapping[str, object], name: str) -> bytes:
    value = item.get(name)
    if not isinstance(value, str):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"evidence field {name} must be base64url text")
    if len(value) > MAX_EVIDENCE_BYTES * 4 // 3 + 4:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"evidence field {name} exceeds {MAX_EVIDENCE_BYTES} bytes")
    return b64url_decode(value)


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


FORMATS: Final[Mapping[str, Callable[[Mapping[str, object]], Evidence]]] = {
    "apple-app-attest": _apple_attestation,
    "apple-app-attest-assertion": _apple_assertion,
    "apple-app-attest-receipt": _apple_receipt,
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
