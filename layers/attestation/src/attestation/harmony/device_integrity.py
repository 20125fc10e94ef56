"""SysIntegrity: what Huawei's service says about a device and the app on it. Beside a key, never instead of one.

The steps continue those of :mod:`attestation.harmony.integrity_token` (1 to 6). Three profiles, two payloads: HMS Core
speaks of packages and ``timestampMs``, HarmonyOS 5 and 6 of bundles and ``timestamp``. What a verdict says is policy's
business; verification settles that it is about our app, over our client data, and recent.

No genuine token was at hand, so the members that nothing rests on (advice, version, signer digests that no one asked
for) are read in every spelling that makes sense, and count as absent in any other: :attr:`unread` names them. What a
verdict rests on, nonce, time, app, ``basicIntegrity`` and ``detail``, stays exact.

What a verdict does not prove: that it came from the device that holds the key beside it. Both bind the same client
data, but an anonymous attestation names no device, so an attacker who controls two devices can ask each for its half.
``checkSysIntegrityOnLocal`` answers without a signature and is no evidence at all.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from hmac import compare_digest
from typing import Final, TypeVar

from attestation.claims import HarmonyIntegrityClaims
from attestation.encoding.chain import LINKS, LinkCache
from attestation.encoding.digest_text import sha256_of
from attestation.encoding.jose import read_json_object
from attestation.endorsements import Endorsements
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import HarmonyDeviceIntegrity, IntegrityProfile
from attestation.harmony.integrity_token import authenticate, base64_decode, read_token
from attestation.reference_values import HarmonyReferenceValues

FORMAT: Final = "harmony-device-integrity"
MAX_AGE: Final = 300.0
"""Oldest verdict that is taken, in seconds: as long as a challenge lives."""
MAX_LEAD: Final = 60.0
"""How far Huawei's clock may be ahead of ours, in seconds."""
_MAX_DETAILS: Final = 32
_MAX_TEXT: Final = 512

_T = TypeVar("_T")


def verify_device_integrity(
    evidence: HarmonyDeviceIntegrity,
    *,
    client_data_hash: bytes,
    reference_values: HarmonyReferenceValues,
    endorsements: Endorsements,
    now: float,
    links: LinkCache = LINKS,
) -> HarmonyIntegrityClaims:
    """Verify a SysIntegrity token and return what it says.

    ``client_data_hash`` is the nonce: its bytes for ``hms``; for ``next`` and ``enhanced``, whose nonce is a text, its
    standard base64. ``now`` is Unix seconds. Raises :class:`MalformedEvidence`, :class:`RejectedEvidence` or
    :class:`EndorsementsUnavailable`.
    """
    # 1 to 3. A token that can be read. 4 to 6. Signed by the profile's own signer.
    profile = evidence.profile
    token = read_token(evidence.integrity_token, profile, links)
    authenticate(token, profile, endorsements=endorsements, now=now, links=links)
    payload = read_json_object(token.payload)
    # 7. Our client data.
    if not _binds(_required(payload, "nonce", str), client_data_hash, profile):
        raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the verdict's nonce binds other client data")
    # 8. Recent.
    hms = profile is IntegrityProfile.HMS
    checked_at = _milliseconds(payload, "timestampMs" if hms else "timestamp") / 1000
    if not -MAX_LEAD <= now - checked_at <= MAX_AGE:
        raise RejectedEvidence(Reason.INTEGRITY_TOKEN_TIME, f"the verdict is {now - checked_at:.0f} s old")
    # 9. Our app, as the service saw it.
    bundle_name = _text(payload, "apkPackageName" if hms else "hapBundleName")
    unread: list[str] = []
    digests = _signers(payload, "apkCertificateDigestSha256" if hms else "hapCertificateSha256", unread)
    app_id = _matching_app(bundle_name, _optional_text(payload, "appId", unread), digests, reference_values)
    # 10. The verdict, as it is: policy judges it, and takes any detail for a bad one.
    return HarmonyIntegrityClaims(
        profile=profile.value,
        checked_at=checked_at,
        basic_integrity=_required(payload, "basicIntegrity", bool),
        details=_details(payload),
        bundle_name=bundle_name,
        app_id=app_id,
        signing_digests=tuple(digest.hex() for digest in digests),
        version=_version(payload, unread),
        advice=_optional_text(payload, "advice", unread),
        unread=tuple(unread),
        signer_is_ca=token.signer_is_ca,
    )


def _binds(nonce: str, client_data_hash: bytes, profile: IntegrityProfile) -> bool:
    """Step 7. HMS Core takes bytes and answers with their base64. The others take a text, and documents disagree
    whether they answer with that text or with its base64, so either will do: each is one spelling of one value."""
    if profile is IntegrityProfile.HMS:
        return compare_digest(base64_decode(nonce), client_data_hash)
    if not nonce.isascii():
        return False
    as_text = _base64(client_data_hash)
    accepted = (client_data_hash, as_text, _base64(as_text))
    return any(compare_digest(nonce.encode("ascii"), spelling) for spelling in accepted)


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)


def _matching_app(
    bundle_name: str, app_id: str | None, digests: tuple[bytes, ...], expected: HarmonyReferenceValues
) -> str | None:
    """Step 9. Any app can use a bundle name, so where the owner pins the app at all, a verdict must show one of the
    owner's app ids or, where these are listed, signing digests. ``app_identifiers`` alone pin too: the number must be
    one of them, or the verdict is refused. An app that lists nothing is unpinned, which a finding of its key says."""
    if bundle_name not in expected.bundle_names:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the verdict is about another app")
    if expected.app_ids:
        if app_id not in expected.app_ids:
            raise RejectedEvidence(Reason.APP_MISMATCH, "the verdict was asked for under another app id")
    elif expected.app_identifiers and not expected.signing_digests and app_id not in expected.app_identifiers:
        # A repackaged copy under our bundle name, with an app id of its own at AppGallery Connect.
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the verdict shows neither an app id nor a signer of ours")
    if expected.signing_digests:
        ours = [any(compare_digest(digest, listed) for listed in expected.signing_digests) for digest in digests]
        if not ours or not all(ours):
            raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the verdict's app has another signer")
    return app_id


def _milliseconds(payload: Mapping[str, object], name: str) -> int:
    value = _required(payload, name, int)
    if not 0 <= value < 2**53:
        raise _structure(f"verdict member {name} is no time")
    return value


def _signers(payload: Mapping[str, object], name: str, unread: list[str]) -> tuple[bytes, ...]:
    """SHA-256 of the signing certificates: a list of base64 by HMS Core, one text in no documented encoding by
    HarmonyOS. All of them or none: the one that cannot be read may be the stranger's."""
    value = payload.get(name)
    texts: list[object] = value if isinstance(value, list) else [] if value in (None, "") else [value]
    digests = tuple(digest for digest in map(sha256_of, texts[:_MAX_DETAILS]) if digest is not None)
    if len(digests) == len(texts):
        return digests
    unread.append(name)
    return ()


def _details(payload: Mapping[str, object]) -> tuple[str, ...]:
    details = _member(payload, "detail", list) or []
    if len(details) > _MAX_DETAILS:
        raise _structure(f"{len(details)} details")
    return tuple(_short(detail, "detail") for detail in details)


def _version(payload: Mapping[str, object], unread: list[str]) -> int | None:
    version = payload.get("version")
    if type(version) is int and 0 <= version < 2**31:
        return version
    if version is not None:
        unread.append("version")
    return None


def _structure(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.STRUCTURE_INVALID, detail)


def _member(payload: Mapping[str, object], name: str, kind: type[_T]) -> _T | None:
    value = payload.get(name)
    if value is None:
        return None
    if type(value) is not kind:  # exactly: true is no number, 1 and "true" are no verdict
        raise _structure(f"verdict member {name} has the wrong type")
    return value


def _required(payload: Mapping[str, object], name: str, kind: type[_T]) -> _T:
    value = _member(payload, name, kind)
    if value is None:
        raise _structure(f"the verdict has no {name}")
    return value


def _short(value: object, name: str) -> str:
    if type(value) is not str or not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise _structure(f"verdict member {name} is no short text")
    return value


def _text(payload: Mapping[str, object], name: str) -> str:
    return _short(payload.get(name), name)


def _optional_text(payload: Mapping[str, object], name: str, unread: list[str]) -> str | None:
    value = payload.get(name)
    if value in (None, ""):
        return None
    try:
        return _short(value, name)
    except MalformedEvidence:
        unread.append(name)
        return None
