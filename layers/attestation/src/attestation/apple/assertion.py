"""App Attest assertions: a signature by an attested key over client data, with a counter that only grows.

The steps follow Apple's "Validating apps that connect to your server", section on assertions.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from attestation.apple.authenticator_data import read_assertion_data
from attestation.attested_key import AttestedKey
from attestation.claims import AppleClaims, Claims, KeyStorage, Platform
from attestation.encoding.cbor import decode, exact_map
from attestation.encoding.jose import public_key_from_point
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import AppleAssertion
from attestation.reference_values import AppleReferenceValues, Environment
from attestation.seal import Seal

FORMAT: Final = "apple-app-attest-assertion"
_MAX_BYTES: Final = 4096  # genuine ones have 140 bytes, 220 with the map of iOS 27
_ES256: Final = ec.ECDSA(SHA256())


def verify_assertion(
    evidence: AppleAssertion,
    *,
    client_data_hash: bytes,
    reference_values: AppleReferenceValues,
    attested_key: AttestedKey,
) -> Claims:
    """Verify an assertion by ``attested_key`` over ``client_data_hash`` and return what it proves.

    The returned counter must be stored by compare-and-set: two requests may race with the same one. An assertion says
    nothing about operating system or environment; platform is given as iOS and the environment as the weakest that the
    app may enrol in, until :meth:`Claims.renewed` merges the counter and iOS 27's facts into the enrolment's claims.

    Raises :class:`MalformedEvidence` or :class:`RejectedEvidence`.
    """
    # 1. One CBOR map of exactly two byte strings.
    if len(evidence.assertion) > _MAX_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"assertion of {len(evidence.assertion)} bytes")
    signature, authenticator_data = exact_map(decode(evidence.assertion), signature=bytes, authenticatorData=bytes)
    # 2. Authenticator data: AT flag without attested data, perhaps a map of extensions (with step 8's facts).
    data = read_assertion_data(authenticator_data)
    # 3 and 4. The stored key signed the nonce: ECDSA hashes it once more, so SHA-256 is applied twice.
    nonce = sha256(authenticator_data + client_data_hash).digest()
    try:
        public_key_from_point(attested_key.public_key).key.verify(signature, nonce, _ES256)
    except InvalidSignature as error:
        raise RejectedEvidence(Reason.SIGNATURE_INVALID, "not signed by the attested key over this data") from error
    # 5. The app that enrolled the key, as long as it is still one of ours.
    app_id = _app_id(data.rp_id_hash, reference_values.app_ids, attested_key.apple_app_id)
    # 6. The counter grew. Gaps are normal: requests get lost and overtake each other.
    if data.counter <= attested_key.counter:
        raise RejectedEvidence(
            Reason.COUNTER_NOT_GREATER, f"counter {data.counter} where more than {attested_key.counter} is due"
        )
    # 7. The challenge inside client data is the caller's: it knows what it issued and what is spent.
    # 8. Category and bundle version: handed to policy like the attestation's.
    return Claims(
        seal=Seal.VERIFIED,
        format=FORMAT,
        platform=Platform.IOS,
        app_id=app_id,
        public_key=attested_key.public_key,
        key_storage=KeyStorage.SECURE_ENCLAVE,
        environment=_weakest(reference_values),
        chain_profile="attested-key",
        counter=data.counter,
        findings=data.findings,
        apple=AppleClaims(validation_category=data.validation_category, bundle_version=data.bundle_version),
    )


def _app_id(rp_id_hash: bytes, registered: tuple[str, ...], enrolled: str | None) -> str:
    for app_id in registered:
        if enrolled in (None, app_id) and compare_digest(rp_id_hash, sha256(app_id.encode("utf-8")).digest()):
            return app_id
    raise RejectedEvidence(Reason.APP_MISMATCH, "the assertion is of another app than the attested key")


def _weakest(reference_values: AppleReferenceValues) -> Environment:
    if Environment.DEVELOPMENT in reference_values.environments:
        return Environment.DEVELOPMENT
    return Environment.PRODUCTION
