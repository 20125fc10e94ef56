"""The evidence format ``development-pass``: a pass, or a CI system's ID token, and a signature by the request key.

``{"format": "development-pass", "pass": …}`` or ``{…, "id_token": …}``, each with ``signature``: ES256 by the request
key over the client data (64 bytes, R and S), so that neither is of use to a thief of a copy, who has not the key.
:mod:`attestation.evidence` does not know this format: where test passes are off, it is an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from bonafide_tokens.jose import EcPublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from attestation.appraisal.builds import build_order, same_build
from attestation.claims import Claims, KeyStorage, Platform
from attestation.client_data import ClientData
from attestation.encoding.jose import b64url_decode
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.key_facts import PassClaims
from attestation.passes.pass_document import DevelopmentPass
from attestation.reference_values import Environment
from attestation.seal import Seal

FORMAT: Final = "development-pass"
MAX_CHARACTERS: Final = 16_384
SHORTEST: Final = 30
"""Seconds that a token lives at least: clients take a shorter life for a broken answer."""
_SIGNATURE_BYTES: Final = 64
_ES256_OF_DIGEST: Final = ec.ECDSA(Prehashed(SHA256()))


@dataclass(frozen=True, slots=True)
class PassEvidence:
    """What was sent: one of the two documents, and the signature."""

    signature: bytes
    document: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)


def read_pass_evidence(item: Mapping[str, object]) -> PassEvidence:
    """One element of a request's ``evidence`` list, of this format. Raises :class:`MalformedEvidence`."""
    kinds = item.keys() & {"pass", "id_token"}
    if len(kinds) != 1 or item.keys() != {"format", "signature", *kinds}:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a pass or an ID token, and a signature, and nothing else")
    texts = {name: item[name] for name in (*kinds, "signature")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "a member is no text")
    document, signature = str(texts[kinds.pop()]), b64url_decode(str(texts["signature"]))
    if len(document) > MAX_CHARACTERS:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"more than {MAX_CHARACTERS} characters")
    if len(signature) != _SIGNATURE_BYTES:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"a signature of {len(signature)} bytes, not 64")
    return PassEvidence(signature, **{"document" if "pass" in item else "id_token": document})


def claims_of_pass(given: DevelopmentPass, evidence: PassEvidence, *, client_data_hash: bytes) -> Claims:
    """The claims of an opened pass, whose request key signed the client data. Raises :class:`RejectedEvidence`."""
    bounds = PassClaims(
        pass_id=given.pass_id,
        ends_at=given.expires_at,
        least_build=given.least_build,
        most_build=given.most_build,
    )
    return _claims(given.app, given.platform, given.request_key, bounds, "test-pass", evidence, client_data_hash)


def claims_of_pipeline(
    app: str,
    platform: Platform,
    request_key: EcPublicKey,
    evidence: PassEvidence,
    *,
    pass_id: str,
    ends_at: int,
    subject: str,
    client_data_hash: bytes,
) -> Claims:
    """The claims of a verified ID token, for the ``request_key`` that its client data names and that signed it."""
    bounds = PassClaims(pass_id=pass_id, ends_at=ends_at, subject=subject)
    return _claims(app, platform, request_key, bounds, "ci", evidence, client_data_hash)


def _claims(
    app: str,
    platform: Platform,
    key: EcPublicKey,
    bounds: PassClaims,
    profile: str,
    evidence: PassEvidence,
    client_data_hash: bytes,
) -> Claims:
    r, s = int.from_bytes(evidence.signature[:32]), int.from_bytes(evidence.signature[32:])
    try:
        key.key.verify(encode_dss_signature(r, s), client_data_hash, _ES256_OF_DIGEST)
    except InvalidSignature as error:
        raise RejectedEvidence(Reason.SIGNATURE_INVALID, "not signed by the pass's request key") from error
    return Claims(
        format=FORMAT,
        platform=platform,
        app_id=app,
        public_key=key.point,
        key_storage=KeyStorage.UNPROVED,
        environment=Environment.TEST,
        chain_profile=profile,
        test_pass=bounds,
        seal=Seal.VERIFIED,
    )


def require_pass_in_use(claims: Claims, client_data: ClientData, now: float) -> None:
    """Whether what a pass let in still is what it was for: its own request key, a build in its bounds, before its end.

    For enrolments and renewals, with verified ``claims``; those of evidence pass. Raises :class:`RejectedEvidence`
    (``test-pass-other-use``, ``test-pass-ended``).
    """
    bounds = claims.test_pass
    if bounds is None:
        return
    if bounds.ends_at - now < SHORTEST:
        raise RejectedEvidence(Reason.TEST_PASS_ENDED, f"its pass ends in {bounds.ends_at - now:.0f} s")
    if not compare_digest(client_data.request_key.point, claims.public_key):
        raise RejectedEvidence(Reason.TEST_PASS_OTHER_USE, "another request key than the pass is for")
    if not _within(client_data.app_build, bounds.least_build, bounds.most_build):
        raise RejectedEvidence(Reason.TEST_PASS_OTHER_USE, "another build than the pass is for")


def _within(build: str | None, least: str | None, most: str | None) -> bool:
    if least is None and most is None:
        return True
    if build is None:
        return False
    if least is not None and most is not None and least == most:
        return same_build(build, least)
    order = build_order(build)
    low, high = (None if bound is None else build_order(bound) for bound in (least, most))
    if order is None or (least is not None and low is None) or (most is not None and high is None):
        return False  # a build that cannot be compared must not slip past a bound
    return (low is None or low <= order) and (high is None or order <= high)
