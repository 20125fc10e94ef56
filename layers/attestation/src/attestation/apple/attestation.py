"""App Attest attestations: a key made in an Apple device's Secure Enclave, for one app, over one challenge.

The sixteen steps below follow Apple's "Attestation Object Validation Guide" and "Validating apps that connect to your
server" and go beyond them where a step is marked so.

**Bytes that a relay can change.** The value of ``receipt`` in ``attStmt`` takes part in no check: a document of its
own with its own signature, *unverified until* ``apple.receipt`` *has verified it*. And a relay of an attestation
can respell the rest: CBOR heads longer than needed, maps in another order, and for the signature (r, s) of a
certificate its twin (r, n - s). All of them verify, with the same claims. So the object's own bytes must never serve as
an identity or a replay key; the key id does.

What an attestation does not prove: that the *session* runs on that device. Bind the key to requests by proofs.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple

from attestation.apple.authenticator_data import AuthenticatorData, read_attestation_data
from attestation.apple.leaf_extensions import ACCESS_LIST_UNJUDGED, LeafFacts, read_facts, read_nonce
from attestation.claims import AppleClaims, Claims, KeyStorage, Platform
from attestation.encoding.cbor import decode, exact_map
from attestation.encoding.certificate import DIGITAL_SIGNATURE, Certificate, p256_point, read_certificate
from attestation.encoding.chain import LINKS, LinkCache, verify_path
from attestation.encoding.jose import public_key_from_point
from attestation.endorsements import Endorsements
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import MAX_EVIDENCE_BYTES, AppleAttestation
from attestation.reference_values import AppleReferenceValues, Environment
from attestation.seal import Seal

FORMAT: Final = "apple-app-attest"
AAGUIDS: Final = {
    b"appattest" + bytes(7): Environment.PRODUCTION,
    b"appattestdevelop": Environment.DEVELOPMENT,
}
"""The two authenticator models of App Attest, all sixteen bytes."""
_MAX_X5C: Final = 4

APP_ID_DIFFERS: Final = "apple-app-id-differs"
"""Finding: the certificate names in clear another app id than the one it is bound to by hash."""


class AttestationObject(NamedTuple):
    """The parts of an attestation object, not yet judged: certificates leaf first, the receipt, authenticator data."""

    x5c: tuple[bytes, ...]
    receipt: bytes
    authenticator_data: bytes


def read_attestation_object(data: bytes) -> AttestationObject:
    """Steps 1 and 2: take an attestation object apart. Raises :class:`MalformedEvidence`."""
    # 1. One CBOR map of bounded size, exactly the documented keys.
    if len(data) > MAX_EVIDENCE_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"attestation object of {len(data)} bytes")
    fmt, statement, authenticator_data = exact_map(decode(data), fmt=str, attStmt=dict, authData=bytes)
    x5c, receipt = exact_map(statement, x5c=list, receipt=bytes)
    if not all(type(certificate) is bytes for certificate in x5c):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "x5c holds something else than certificates")
    # 2. The format of App Attest, which is not WebAuthn's "apple".
    if fmt != "apple-appattest":
        raise MalformedEvidence(Reason.FORMAT_UNKNOWN, "the attestation object has another format")
    return AttestationObject(tuple(x5c), receipt, authenticator_data)


def verify_attestation(
    evidence: AppleAttestation,
    *,
    client_data_hash: bytes,
    reference_values: AppleReferenceValues,
    endorsements: Endorsements,
    now: float,
    links: LinkCache = LINKS,
) -> Claims:
    """Verify an attestation and return what it proves.

    ``client_data_hash`` is the value the app passed to ``attestKey``, verbatim, whatever its length: usually a SHA-256,
    though Apple's own samples pass the challenge itself. ``now`` is the time of receipt in Unix seconds: leaf
    certificates live from three days to a year, so keep the verdict, not the evidence. The caller enrols the key once.

    Raises :class:`MalformedEvidence`, :class:`RejectedEvidence` or :class:`EndorsementsUnavailable`.
    """
    # 1 and 2. Decode; the right format.
    parts = read_attestation_object(evidence.attestation_object)
    # 3. One to four certificates, leaf first.
    if not 1 <= len(parts.x5c) <= _MAX_X5C:
        raise RejectedEvidence(Reason.CHAIN_LENGTH, f"{len(parts.x5c)} certificates in x5c")
    leaf = read_certificate(parts.x5c[0])
    certificates = [leaf, *map(links.read_issuer, parts.x5c[1:])]
    # 4 and 5. A valid path, now, from Apple's App Attestation root to a leaf that is one.
    anchor = verify_path(certificates, anchors=endorsements.apple_attestation, now=now, links=links)
    _check_leaf_role(leaf)
    # 6. Authenticator data with the attested credential and, from iOS 27 on, extensions.
    data = read_attestation_data(parts.authenticator_data)
    # 7 and 8. The nonce in the leaf binds authenticator data and client data.
    nonce = sha256(parts.authenticator_data + client_data_hash).digest()
    if not compare_digest(nonce, read_nonce(leaf)):
        raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the certificate's nonce binds other client data")
    # 9 and 10. One key: in the certificate, by its hash as key id, and as COSE key.
    public_key = _same_key(leaf, data, evidence.key_id)
    # 11. One of our apps; which one.
    app_id = _matching_app(data.rp_id_hash, reference_values.app_ids)
    # 12. A key that has signed nothing yet.
    if data.counter != 0:
        raise RejectedEvidence(Reason.COUNTER_NOT_ZERO, f"the attestation's counter is {data.counter}")
    # 13. An environment that may enrol.
    environment = _environment(data, reference_values)
    # 14. iOS 27 and macOS 27: validation category and bundle version were read in step 6; policy judges them.
    # 15. The receipt is kept as it is: unverified until verified.
    facts = read_facts(leaf)
    # 16. What was proved.
    return Claims(
        seal=Seal.VERIFIED,
        format=FORMAT,
        platform=Platform.MACOS if facts.mac else Platform.IOS,
        app_id=app_id,
        public_key=public_key,
        key_storage=KeyStorage.SECURE_ENCLAVE,
        environment=environment,
        chain_profile="strict",
        anchor=anchor.digest,
        counter=0,
        os_version=facts.os_version,
        findings=_findings(facts, app_id) + data.findings,
        apple=AppleClaims(
            os_build=facts.os_build,
            validation_category=data.validation_category,
            bundle_version=data.bundle_version,
            full_security=facts.full_security,
        ),
        receipt=parts.receipt,
    )


def _check_leaf_role(leaf: Certificate) -> None:
    """An end-entity certificate for signatures. Its extended key usage is not looked at: Apple began to add one in
    early 2026, and verifiers that demanded its absence, or another's presence, refused every new device."""
    constraints = leaf.basic_constraints
    if constraints is not None and constraints.ca:
        raise RejectedEvidence(Reason.CHAIN_CA_FLAG, "the leaf is a CA")
    usage = leaf.key_usage
    if usage is None or not usage & DIGITAL_SIGNATURE:
        raise RejectedEvidence(Reason.CHAIN_KEY_USAGE, "the leaf's key is not for signatures")


def _same_key(leaf: Certificate, data: AuthenticatorData, key_id: bytes | None) -> bytes:
    """Steps 9 and 10. The comparison with the COSE key goes beyond Apple's steps: cheap, and it leaves one key instead
    of two."""
    public_key = p256_point(leaf.spki)
    public_key_from_point(public_key)  # on the curve, or no assertion could ever be verified
    credential = data.credential
    digest = sha256(public_key).digest()
    if credential is None or not compare_digest(digest, credential.credential_id):
        raise RejectedEvidence(Reason.KEY_ID_MISMATCH, "the credential id is not the hash of the certificate's key")
    if key_id is not None and not compare_digest(digest, key_id):
        raise RejectedEvidence(Reason.KEY_ID_MISMATCH, "the supplied key id is not the hash of the certificate's key")
    if not compare_digest(public_key, credential.public_key):
        raise RejectedEvidence(Reason.KEY_MISMATCH, "certificate and authenticator data hold different keys")
    return public_key


def _matching_app(rp_id_hash: bytes, app_ids: Sequence[str]) -> str:
    for app_id in app_ids:
        if compare_digest(rp_id_hash, sha256(app_id.encode("utf-8")).digest()):
            return app_id
    raise RejectedEvidence(Reason.APP_MISMATCH, "the evidence is of another app")


def _environment(data: AuthenticatorData, reference_values: AppleReferenceValues) -> Environment:
    environment = AAGUIDS.get(data.credential.aaguid) if data.credential else None
    if environment is None:
        raise RejectedEvidence(Reason.ENVIRONMENT_NOT_ALLOWED, "the AAGUID is not App Attest's")
    if environment not in reference_values.environments:
        raise RejectedEvidence(Reason.ENVIRONMENT_NOT_ALLOWED, f"keys of the {environment} environment may not enrol")
    return environment


def _findings(facts: LeafFacts, app_id: str) -> tuple[str, ...]:
    found = (
        (APP_ID_DIFFERS, facts.app_id is not None and facts.app_id != app_id),
        (ACCESS_LIST_UNJUDGED, facts.unjudged),
    )
    return tuple(finding for finding, applies in found if applies)
