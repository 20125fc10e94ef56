"""Play Integrity verdicts: what Google says about an app and its device. Evidence beside a key, never instead of one.

A verdict comes from a classic token, opened here, or in the answer of Google's ``decodeIntegrityToken`` to a standard
one, which the service asks for; both are the same document. Source: the discovery document of playintegrity.v1,
https://developer.android.com/google/play/integrity/verdicts.

Labels are open texts. What one means is policy's business; verification settles only that the verdict is about our app,
over our client data, and recent.
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from typing import Final, TypeVar

from attestation.claims import PlayClaims
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import PlayIntegrityToken
from attestation.jose import b64url_decode, b64url_encode, read_json_object
from attestation.reference_values import AndroidReferenceValues

from .play_token import open_classic_token

FORMAT: Final = "android-play-integrity"
MAX_AGE: Final = 600.0
"""Oldest verdict that is taken, in seconds. A challenge lives five minutes."""
MAX_LEAD: Final = 60.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_MAX_LABELS: Final = 64
_MAX_TEXT: Final = 512

_T = TypeVar("_T")


def verify_play_integrity(
    evidence: PlayIntegrityToken,
    *,
    client_data_hash: bytes,
    reference_values: AndroidReferenceValues,
    now: float,
) -> PlayClaims:
    """Open a classic token and verify its verdict, as :func:`verify_verdict` does."""
    payload = read_json_object(open_classic_token(evidence.integrity_token, reference_values.play_integrity))
    return verify_verdict(payload, client_data_hash=client_data_hash, reference_values=reference_values, now=now)


def read_decode_answer(data: bytes) -> dict[str, object]:
    """The verdict in an answer of ``decodeIntegrityToken``: ``{"tokenPayloadExternal": {…}}``.

    Raises :class:`MalformedEvidence`.
    """
    if len(data) > _MAX_ANSWER_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"decode answer over {_MAX_ANSWER_BYTES} bytes")
    payload = read_json_object(data).get("tokenPayloadExternal")
    if not isinstance(payload, dict):
        raise _structure("the decode answer has no tokenPayloadExternal")
    return payload


def verify_verdict(
    payload: Mapping[str, object],
    *,
    client_data_hash: bytes,
    reference_values: AndroidReferenceValues,
    now: float,
) -> PlayClaims:
    """Verify a verdict: our app, our client data, recent. ``now`` is Unix seconds.

    ``payload`` is what Google signed or answered; its bytes must come from :func:`open_classic_token` or from Google's
    server. Raises :class:`MalformedEvidence` or :class:`RejectedEvidence`.
    """
    request = _object(payload, "requestDetails")
    # 1. The package that asked. Not authenticated by Google, so never the only look at the package.
    package = _text(request, "requestPackageName")
    if package is None or package not in reference_values.packages:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the verdict was requested by another package")
    # 2. Our client data: a classic token's nonce (base64, padded or not) or a standard one's hash, as text.
    token = _bound(request, client_data_hash)
    # 3. Recent. Opening a token ourselves gives no protection against replay: the challenge does, and this.
    requested_at = _requested_at(request)
    if not -MAX_LEAD <= now - requested_at <= MAX_AGE:
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_TIME, f"the verdict is {now - requested_at:.0f} s old")
    # 4. Whether it is a test answer goes to policy.
    claims = _claims(payload, token, requested_at, package)
    # 5. The app that Google saw. It names none exactly where it did not evaluate.
    if claims.package is not None or claims.signing_digests or claims.app_recognition not in (None, "UNEVALUATED"):
        _check_app(claims, package, reference_values)
    # 6. Device, licence and environment labels go to policy.
    return claims


def _bound(request: Mapping[str, object], client_data_hash: bytes) -> str:
    nonce, request_hash = _text(request, "nonce"), _text(request, "requestHash")
    if (nonce is None) == (request_hash is None):
        raise _structure("a verdict has either a nonce or a requestHash")
    if nonce is not None:
        if not compare_digest(b64url_decode(nonce.rstrip("=")), client_data_hash):
            raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the verdict's nonce binds other client data")
        return "classic"
    expected = b64url_encode(client_data_hash)
    if not (request_hash and request_hash.isascii() and compare_digest(request_hash, expected)):
        raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the verdict's requestHash binds other client data")
    return "standard"


def _check_app(claims: PlayClaims, package: str, expected: AndroidReferenceValues) -> None:
    if claims.package != package:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the verdict is about another package")
    digests = [bytes.fromhex(digest) for digest in claims.signing_digests]
    ours = [any(compare_digest(digest, listed) for listed in expected.signing_digests) for digest in digests]
    if not ours or not all(ours):
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the verdict's application is signed by somebody else")


def _claims(payload: Mapping[str, object], token: str, requested_at: float, package: str) -> PlayClaims:
    app = _object(payload, "appIntegrity")
    device = _object(payload, "deviceIntegrity")
    environment = _object(payload, "environmentDetails")
    access_risk = _object(environment, "appAccessRiskVerdict")
    return PlayClaims(
        token=token,
        requested_at=requested_at,
        requested_by=package,
        app_recognition=_text(app, "appRecognitionVerdict"),
        package=_text(app, "packageName"),
        version_code=_number(app, "versionCode"),
        signing_digests=tuple(_digest(text) for text in _texts(app, "certificateSha256Digest") or ()),
        device_labels=_texts(device, "deviceRecognitionVerdict") or (),
        sdk_version=_number(_object(device, "deviceAttributes"), "sdkVersion"),
        device_activity=_text(_object(device, "recentDeviceActivity"), "deviceActivityLevel"),
        licensing=_text(_object(payload, "accountDetails"), "appLicensingVerdict"),
        play_protect=_text(environment, "playProtectVerdict"),
        apps_detected=_texts(access_risk, "appsDetected"),
        location_spoofing=_texts(environment, "locationSpoofingRiskVerdict") or (),
        testing=_member(_object(payload, "testingDetails"), "isTestingResponse", bool) or False,
    )


def _requested_at(request: Mapping[str, object]) -> float:
    milliseconds = _number(request, "timestampMillis")
    if milliseconds is None:
        raise _structure("the verdict has no timestampMillis")
    return milliseconds / 1000


def _digest(text: str) -> str:
    digest = b64url_decode(text.rstrip("="))
    if len(digest) != 32:
        raise _structure("a signing certificate digest is not SHA-256")
    return digest.hex()


def _structure(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.STRUCTURE_INVALID, detail)


def _member(members: Mapping[str, object], name: str, kind: type[_T]) -> _T | None:
    value = members.get(name)
    if value is None:
        return None
    if type(value) is not kind:
        raise _structure(f"verdict member {name} has the wrong type")
    return value


def _object(members: Mapping[str, object], name: str) -> dict[str, object]:
    return _member(members, name, dict) or {}


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = _member(members, name, str)
    if value is not None and not _is_short(value):
        raise _structure(f"verdict member {name} is no short text")
    return value


def _is_short(text: str) -> bool:
    # Printable: JSON can spell lone surrogates, which no encoder takes, and controls, which reach terminals.
    return len(text) <= _MAX_TEXT and text.isprintable()


def _texts(members: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    values = _member(members, name, list)
    if values is None:
        return None
    if len(values) > _MAX_LABELS or not all(type(value) is str and _is_short(value) for value in values):
        raise _structure(f"verdict member {name} is not a short list of texts")
    return tuple(values)


def _number(members: Mapping[str, object], name: str) -> int | None:
    """An int64, which Google writes as text, or as a number where it is small."""
    value = members.get(name)
    if value is None:
        return None
    digits = str(value) if type(value) is int else value
    if not isinstance(digits, str) or len(digits) > 19 or not digits.isascii() or not digits.isdigit():
        raise _structure(f"verdict member {name} is not a number")
    return int(digits)
