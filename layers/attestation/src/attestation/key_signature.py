"""Key signatures: a renewal on platforms whose attested key signs anything (Android, HarmonyOS).

ES256 (RFC 7518 §3.4) by the attested key over the client data, as the 64 bytes R and S. A signature says nothing but
that the key is still at hand and agrees to this client data: the facts are the enrolment's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from attestation.attested_key import AttestedKey
from attestation.claims import Claims, Platform
from attestation.encoding.jose import public_key_from_point
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import KeySignature
from attestation.seal import Seal

FORMAT: Final = "key-signature"
_ES256_OF_DIGEST: Final = ec.ECDSA(Prehashed(SHA256()))
_PLATFORMS: Final = frozenset({Platform.ANDROID, Platform.HARMONY})


def verify_key_signature(evidence: KeySignature, *, client_data_hash: bytes, attested_key: AttestedKey) -> Claims:
    """Verify that ``attested_key`` signed the client data whose SHA-256 is ``client_data_hash``.

    Returns the claims of the enrolment (``attested_key.claims``), for :meth:`Claims.renewed`. Raises
    :class:`MalformedEvidence`, or :class:`RejectedEvidence`: ``signature-invalid``, ``key-other-platform`` for a key
    whose platform renews otherwise (App Attest's counter must not be bypassed), ``key-unknown`` without an enrolment.
    """
    enrolled = attested_key.claims
    if enrolled is None:
        raise RejectedEvidence(Reason.KEY_UNKNOWN, "nothing is known of the key's enrolment")
    if enrolled.platform not in _PLATFORMS and enrolled.test_pass is None:
        raise RejectedEvidence(Reason.KEY_OTHER_PLATFORM, f"keys of {enrolled.platform} renew in another format")
    if len(evidence.signature) != 64:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"key signature of {len(evidence.signature)} bytes, not 64")
    if len(client_data_hash) != SHA256.digest_size:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a key signature binds a SHA-256")
    r, s = int.from_bytes(evidence.signature[:32]), int.from_bytes(evidence.signature[32:])
    try:
        key = public_key_from_point(attested_key.public_key).key
        key.verify(encode_dss_signature(r, s), client_data_hash, _ES256_OF_DIGEST)
    except InvalidSignature as error:
        raise RejectedEvidence(Reason.SIGNATURE_INVALID, "not signed by the attested key over this data") from error
    return replace(enrolled, seal=Seal.VERIFIED, format=FORMAT, counter=None, findings=())
