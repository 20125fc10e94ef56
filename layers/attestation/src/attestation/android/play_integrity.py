"""Play Integrity verdicts: what Google says about an app and its device. Evidence beside a key, never instead of one.

A verdict comes from a classic token, opened here, or in the answer of Google's ``decodeIntegrityToken`` to a standard
one, which the service asks for; both are the same document. Source: the discovery document of playintegrity.v1,
https://developer.android.com/google/play/integrity/verdicts.

Labels are open texts. What one means is policy's business; verification settles only that the verdict is about our app,
over our client data, and recent. What that rests on is read exactly. Any other member in an undocumented form
counts as absent and is named in :attr:`PlayClaims.unread`: Google's next spelling must not shut every phone out, and
absent never helps (a rule of the default policy warns).
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from typing import Final, TypeGuard, TypeVar

from attestation.android.play_token import open_classic_token
from attestation.claims import PlayClaims
from attestation.encoding.digest_text import sha256_of
from attestation.encoding.jose import b64url_decode, b64url_encode, read_json_object
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import PlayIntegrityToken
from attestation.reference_values import AndroidReferenceValues

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
    request = _member(payload, "requestDetails", dict) or {}
    # 1. The package that asked. Not authenticated by Google, so never the only look at the package.
    package = _exact_text(request, "requestPackageName")
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
    nonce, request_hash = _exact_text(request, "nonce"), _exact_text(request, "requestHash")
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
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the verdict's application has another signer")


def _claims(payload: Mapping[str, object], token: str, requested_at: float, package: str) -> PlayClaims:
    reader = _Reader()
    app = reader.members(payload, "appIntegrity")
    device = reader.members(payload, "deviceIntegrity")
    environment = reader.members(payload, "environmentDetails")
    access_risk = reader.members(environment, "appAccessRiskVerdict")
    testing = reader.members(payload, "testingDetails").get("isTestingResponse")
    return PlayClaims(
        token=token,
        requested_at=requested_at,
        requested_by=package,
        app_recognition=reader.text(app, "appRecognitionVerdict"),
        package=reader.text(app, "packageName"),
        version_code=reader.number(app, "versionCode"),
        signing_digests=reader.digests(app, "certificateSha256Digest"),
        device_labels=reader.texts(device, "deviceRecognitionVerdict") or (),
        sdk_version=reader.number(reader.members(device, "deviceAttributes"), "sdkVersion"),
        device_activity=reader.text(reader.members(device, "recentDeviceActivity"), "deviceActivityLevel"),
        licensing=reader.text(reader.members(payload, "accountDetails"), "appLicensingVerdict"),
        play_protect=reader.text(environment, "playProtectVerdict"),
        apps_detected=reader.texts(access_risk, "appsDetected"),
        location_spoofing=reader.texts(environment, "locationSpoofingRiskVerdict") or (),
        testing=testing is not None and testing is not False,  # anything but a plain no is a tester's answer
        unread=tuple(reader.unread),
    )


def _requested_at(request: Mapping[str, object]) -> float:
    milliseconds = _whole_number(request.get("timestampMillis"))
    if milliseconds is None:
        raise _structure("the verdict has no timestampMillis, or none that is a number")
    return milliseconds / 1000


def _structure(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.STRUCTURE_INVALID, detail)


def _member(members: Mapping[str, object], name: str, kind: type[_T]) -> _T | None:
    value = members.get(name)
    if value is None:
        return None
    if type(value) is not kind:
        raise _structure(f"verdict member {name} has the wrong type")
    return value


def _exact_text(members: Mapping[str, object], name: str) -> str | None:
    value = _member(members, name, str)
    if value is not None and not _is_short(value):
        raise _structure(f"verdict member {name} is no short text")
    return value


def _is_short(text: object) -> TypeGuard[str]:
    # Printable: JSON can spell lone surrogates, which no encoder takes, and controls, which reach terminals.
    return type(text) is str and len(text) <= _MAX_TEXT and text.isprintable()


def _whole_number(value: object) -> int | None:
    """An int64, which Google writes as text, or as a number where it is small."""
    digits = str(value) if type(value) is int else value
    if not isinstance(digits, str) or len(digits) > 19 or not digits.isascii() or not digits.isdigit():
        return None
    return int(digits)


class _Reader:
    """Reads members that no verdict is refused for, and remembers the names of those it could not read."""

    def __init__(self) -> None:
        self.unread: list[str] = []

    def members(self, members: Mapping[str, object], name: str) -> dict[str, object]:
        value = members.get(name)
        return value if isinstance(value, dict) else self._absent(name, value, {})

    def text(self, members: Mapping[str, object], name: str) -> str | None:
        value = members.get(name)
        return value if _is_short(value) else self._absent(name, value, None)

    def texts(self, members: Mapping[str, object], name: str) -> tuple[str, ...] | None:
        """The texts of a list; what is none is left out, and the list then counts as unread."""
        value = members.get(name)
        if not isinstance(value, list):
            return self._absent(name, value, None)
        texts = tuple(text for text in value[:_MAX_LABELS] if _is_short(text))
        return texts if len(texts) == len(value) else self._absent(name, value, texts)

    def number(self, members: Mapping[str, object], name: str) -> int | None:
        value = members.get(name)
        number = _whole_number(value)
        return number if number is not None else self._absent(name, value, None)

    def digests(self, members: Mapping[str, object], name: str) -> tuple[str, ...]:
        """All of them or none: the one that cannot be read may be the stranger's."""
        value = members.get(name)
        digests: list[bytes | None] = []
        if isinstance(value, list):
            digests = [sha256_of(text) for text in value[:_MAX_LABELS]]
        if value is None or (isinstance(value, list) and len(digests) == len(value) and None not in digests):
            return tuple(digest.hex() for digest in digests if digest is not None)
        return self._absent(name, value, ())

    def _absent(self, name: str, value: object, instead: _T) -> _T:
        if value is not None:
            self.unread.append(name)
        return instead
