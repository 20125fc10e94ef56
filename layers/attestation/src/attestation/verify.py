"""Verify: the one door to the wings. Evidence in, claims out, or an :class:`AttestationError`."""

from __future__ import annotations

from .apple.assertion import verify_assertion
from .apple.attestation import verify_attestation
from .attested_key import AttestedKey
from .claims import Claims
from .endorsements import Endorsements
from .errors import MalformedEvidence, Reason, RejectedEvidence
from .evidence import AppleAssertion, AppleAttestation, Evidence
from .reference_values import AppleReferenceValues, ReferenceValues


def verify(
    evidence: Evidence,
    *,
    client_data_hash: bytes,
    reference_values: ReferenceValues,
    endorsements: Endorsements,
    now: float,
    attested_key: AttestedKey | None = None,
) -> Claims:
    """Verify one piece of evidence.

    ``client_data_hash`` is the value the evidence must bind, normally SHA-256 of the client data; ``now`` is Unix
    time in seconds; ``attested_key`` is the stored key that renewal evidence must be signed by. Pure: the same
    arguments give the same answer.
    """
    match evidence:
        case AppleAttestation():
            return verify_attestation(
                evidence,
                client_data_hash=client_data_hash,
                reference_values=_apple(reference_values),
                endorsements=endorsements,
                now=now,
            )
        case AppleAssertion():
            return verify_assertion(
                evidence,
                client_data_hash=client_data_hash,
                reference_values=_apple(reference_values),
                attested_key=_required(attested_key),
            )
        case _:
            raise MalformedEvidence(Reason.FORMAT_UNKNOWN, "this evidence proves nothing on its own")


def _apple(reference_values: ReferenceValues) -> AppleReferenceValues:
    if reference_values.apple is None:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is not registered for Apple platforms")
    return reference_values.apple


def _required(attested_key: AttestedKey | None) -> AttestedKey:
    if attested_key is None:
        raise RejectedEvidence(Reason.KEY_UNKNOWN, "renewal evidence without an attested key")
    return attested_key
