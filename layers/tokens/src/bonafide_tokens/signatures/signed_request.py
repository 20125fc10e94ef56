"""Signed requests: an HTTP message signature (RFC 9421) by the token's request key, with query string and body.

A proof (DPoP) names method, URL without query, and token. A signature covers what the route asks for: method,
authority, path and token always; the whole query; the body by ``Content-Digest`` (RFC 9530), which the backend
compares. One algorithm, one key: the one that the token names.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bonafide_tokens.errors import Malformed, Reason, Rejected
from bonafide_tokens.jose import EcPublicKey, es256_matches
from bonafide_tokens.proof import MAX_JTI, VerifiedProof
from bonafide_tokens.signatures.message import Message, encoded, signature_base
from bonafide_tokens.signatures.structured_fields import (
    CoveredComponents,
    Value,
    read_byte_sequences,
    read_signature_inputs,
)

TAG: Final = "bonafide"
"""Parameter ``tag`` of the one signature that is ours: a request may carry those of others."""
ALGORITHM: Final = "ecdsa-p256-sha256"

_PARAMETERS: Final = frozenset({"created", "expires", "nonce", "keyid", "alg", "tag"})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


def verify_signed_request(
    message: Message,
    *,
    request_key: EcPublicKey,
    request_key_thumbprint: str,
    attestation_field: str,
    components: Collection[str] = (),
    now: float,
    window: float = 60.0,
) -> VerifiedProof:
    """Verify that the holder of the request key signed this request just now.

    ``attestation_field`` is the header that carries the token, ``components`` what the route asks for beyond what every
    signature must cover, ``window`` how many seconds ``created`` may lie to either side of ``now``. The result is a
    proof like any other: ``nonce`` is its ``jti``, and what stands before a full stop in it the nonce of ours, which
    the caller judges, as it owes the check for replay. Raises :class:`Malformed` (``proof-malformed``) or
    :class:`Rejected` (``proof-…``).
    """
    covered, signature = _ours(message)
    parameters = covered.parameters
    if not parameters.keys() <= _PARAMETERS:
        raise _malformed("the signature has parameters that are not known here")
    created, nonce = _seconds(parameters, "created"), _text(parameters, "nonce")
    expires = _seconds(parameters, "expires") if "expires" in parameters else created + int(window)
    if expires <= created or len(nonce) > MAX_JTI:
        raise _malformed("expires is not after created, or nonce is too long")
    if _text(parameters, "alg") != ALGORITHM:
        raise Rejected(Reason.PROOF_ALGORITHM, f"alg is not {ALGORITHM}")
    if not hmac.compare_digest(_text(parameters, "keyid").encode("ascii"), request_key_thumbprint.encode("ascii")):
        raise Rejected(Reason.PROOF_KEY, "keyid is not the thumbprint of the key that the token is bound to")
    digested = _require_coverage(message, covered, attestation_field, components)
    if not es256_matches(request_key, signature_base(message, covered), signature):
        raise Rejected(Reason.PROOF_SIGNATURE, "the signature is not the request key's over this request")
    if abs(now - created) > window or now > expires:
        raise Rejected(Reason.PROOF_TIME, f"made {now - created:.0f} s ago by the app's clock, or expired")
    digest = _sha256(message.field("content-digest")) if digested else None
    given = nonce.partition(".")[0] if "." in nonce else None
    return VerifiedProof(nonce, created, created + window, given, request_key, request_key_thumbprint, digest)


def _ours(message: Message) -> tuple[CoveredComponents, bytes]:
    """The one signature with our tag, and its bytes under the same label."""
    lines = message.field("signature-input")
    if not lines:
        raise Rejected(Reason.PROOF_UNSIGNED, "there is no Signature-Input")
    labels = [(label, one) for label, one in read_signature_inputs(lines).items() if one.parameters.get("tag") == TAG]
    if not labels:
        raise Rejected(Reason.PROOF_UNSIGNED, f"no signature has the tag {TAG}")
    if len(labels) > 1:
        raise _malformed("more than one signature has our tag")
    label, covered = labels[0]
    signature = read_byte_sequences(message.field("signature") or ("",)).get(label)
    if signature is None:
        raise _malformed("Signature has no member of that label")
    return covered, signature


def _require_coverage(
    message: Message, covered: CoveredComponents, attestation_field: str, components: Collection[str]
) -> bool:
    """Raises :class:`Rejected` (``proof-coverage``) where the signature leaves out what it must cover; whether it
    covers a digest of the body."""
    names = {component.name for component in covered.components}
    whole = "@target-uri" in names
    needed = {"@method", attestation_field, *(component for component in components if component != "@query-param")}
    needed |= set() if whole else {"@authority", "@path"}
    if message.field("transfer-encoding") or any(length != "0" for length in message.field("content-length")):
        needed.add("content-digest")
    if message.derived["@method"] in _WITH_BODY:
        needed.add("content-digest")
    missing = needed - names - ({"@query"} if whole else set())
    if missing:
        raise Rejected(Reason.PROOF_COVERAGE, f"not covered: {', '.join(sorted(missing))}")
    if "@query-param" in components or not (whole or "@query" in names):
        if message.parameters is None:
            raise Rejected(Reason.PROOF_COVERAGE, "the query cannot be read, so that it must be covered as a whole")
        by_name = {one.parameters.get("name") for one in covered.components if one.name == "@query-param"}
        if not {encoded(name) for name, _ in message.parameters} <= by_name:
            raise Rejected(Reason.PROOF_COVERAGE, "a parameter of the query is not covered")
    return "content-digest" in names


def _sha256(lines: Sequence[object]) -> str:
    """The SHA-256 of ``Content-Digest``; digests by other algorithms are ignored (RFC 9530 §2)."""
    digest = read_byte_sequences(lines).get("sha-256", b"")
    if len(digest) != 32:
        raise Rejected(Reason.PROOF_COVERAGE, "Content-Digest has no sha-256")
    return f"sha-256=:{b64encode(digest).decode('ascii')}:"


def _seconds(parameters: Mapping[str, Value], name: str) -> int:
    value = parameters.get(name)
    if type(value) is not int or value < 0:
        raise _malformed(f"{name} is missing or not a time")
    return value


def _text(parameters: Mapping[str, Value], name: str) -> str:
    value = parameters.get(name)
    if type(value) is not str or not value:
        raise _malformed(f"{name} is missing or not a text")
    return value


def _malformed(detail: str) -> Malformed:
    return Malformed(Reason.PROOF_MALFORMED, detail)
