"""Verdicts: about our app, over our client data, recent; every label reaches the claims."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from attestation.android.play_integrity import read_decode_answer, verify_verdict
from attestation.claims import PlayClaims
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import KeySignature, PlayIntegrityToken
from attestation.reference_values import ReferenceValues
from attestation.verify import verify_additional_evidence
from bonafide_tokens.jose import b64url_encode

from devkit.devices.android.play_integrity import verdict
from tests.minted_claims import changed_claims

from .play_scene import KEYS, NONCE, judged, payload, reference_values, with_part
from .scene import CLIENT_DATA_HASH, ENDORSEMENTS, NOW, PACKAGE, SIGNER, Question, Scene, claims_of

EXPECTED = reference_values(KEYS.ours)


def _padded(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def test_every_label_reaches_the_claims() -> None:
    """Policy sees what Google said, in Google's words."""
    assert judged(payload()) == PlayClaims(
        token="classic",
        requested_at=NOW,
        requested_by=PACKAGE,
        app_recognition="PLAY_RECOGNIZED",
        package=PACKAGE,
        version_code=42,
        signing_digests=(SIGNER.hex(),),
        device_labels=("MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY"),
        sdk_version=35,
        device_activity="LEVEL_1",
        licensing="LICENSED",
        play_protect="NO_ISSUES",
        apps_detected=("KNOWN_INSTALLED",),
    )


def test_answer_of_googles_server_is_the_same_document() -> None:
    """A standard token is decoded by Google; its verdict binds the request hash, as text."""
    members = verdict(package=PACKAGE, signer=SIGNER, now=NOW, request_hash=b64url_encode(CLIENT_DATA_HASH))
    answer = json.dumps({"tokenPayloadExternal": members}).encode("utf-8")
    claims = verify_verdict(
        read_decode_answer(answer), client_data_hash=CLIENT_DATA_HASH, reference_values=EXPECTED, now=NOW
    )
    assert claims.token == "standard"


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"tokenPayloadExternal": 1}'])
def test_answer_in_any_other_form_is_malformed(answer: bytes) -> None:
    """An error page is no verdict."""
    with pytest.raises(MalformedEvidence):
        read_decode_answer(answer)


def test_huge_answer_is_not_read() -> None:
    """A server in Google's place must not exhaust us."""
    with pytest.raises(MalformedEvidence) as refusal:
        read_decode_answer(json.dumps({"tokenPayloadExternal": payload()}).encode("utf-8").ljust(70_000))
    assert refusal.value.reason is Reason.EVIDENCE_TOO_LARGE


@pytest.mark.parametrize(
    "members",
    [
        payload(nonce=NONCE + "="),
        payload(timestampMillis=int(NOW * 1000)),
        with_part("appIntegrity", certificateSha256Digest=[b64url_encode(SIGNER) + "="]),
        with_part("deviceIntegrity", deviceRecognitionVerdict=None),
        with_part("environmentDetails", appAccessRiskVerdict={}),
        with_part("somethingNew", label="NEW"),
    ],
    ids=["padded nonce", "time as a number", "padded digest", "no device labels", "not evaluated", "new member"],
)
def test_spellings_that_google_uses_are_read(members: Mapping[str, object]) -> None:
    """Padding, numbers for texts, absent parts: tolerated where they occur."""
    assert judged(members).package == PACKAGE


def test_empty_device_verdict_is_told_from_labels() -> None:
    """Rooted devices and emulators get none."""
    assert judged(with_part("deviceIntegrity", deviceRecognitionVerdict=None)).device_labels == ()


def test_not_evaluated_differs_from_nothing_found() -> None:
    """``{}`` means that Google did not look; an empty list that it saw nothing."""
    assert judged(with_part("environmentDetails", appAccessRiskVerdict={})).apps_detected is None
    assert judged(with_part("environmentDetails", appAccessRiskVerdict={"appsDetected": []})).apps_detected == ()


def test_unevaluated_app_passes_without_its_package() -> None:
    """Google names the app exactly where it evaluated it; policy judges the label."""
    members = payload() | {"appIntegrity": {"appRecognitionVerdict": "UNEVALUATED"}}
    assert judged(members).app_recognition == "UNEVALUATED"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (payload(requestPackageName="org.example.other"), Reason.APP_MISMATCH),
        (payload(requestPackageName=None), Reason.APP_MISMATCH),
        (
            with_part("appIntegrity", packageName="org.example.other")
            | {"requestDetails": payload(requestPackageName="org.example.other")["requestDetails"]},
            Reason.APP_MISMATCH,
        ),
        (with_part("appIntegrity", packageName="org.example.other"), Reason.APP_MISMATCH),
        (with_part("appIntegrity", packageName=None), Reason.APP_MISMATCH),
        (with_part("appIntegrity", certificateSha256Digest=[b64url_encode(bytes(32))]), Reason.SIGNER_MISMATCH),
        (
            with_part("appIntegrity", certificateSha256Digest=[b64url_encode(SIGNER), b64url_encode(bytes(32))]),
            Reason.SIGNER_MISMATCH,
        ),
        (with_part("appIntegrity", certificateSha256Digest=[]), Reason.SIGNER_MISMATCH),
        (
            with_part("appIntegrity", appRecognitionVerdict="UNEVALUATED", packageName="org.example.other"),
            Reason.APP_MISMATCH,
        ),
        (payload(nonce=b64url_encode(bytes(32))), Reason.CHALLENGE_MISMATCH),
        (payload(nonce=""), Reason.CHALLENGE_MISMATCH),
        (payload(nonce=None, requestHash=CLIENT_DATA_HASH.hex()), Reason.CHALLENGE_MISMATCH),
        (payload(nonce=None, requestHash=NONCE + "="), Reason.CHALLENGE_MISMATCH),
        (payload(nonce=None, requestHash="é" * 43), Reason.CHALLENGE_MISMATCH),
        (payload(timestampMillis=str(int((NOW - 601) * 1000))), Reason.INTEGRITY_TOKEN_TIME),
        (payload(timestampMillis=str(int((NOW + 61) * 1000))), Reason.INTEGRITY_TOKEN_TIME),
        (payload(timestampMillis="0"), Reason.INTEGRITY_TOKEN_TIME),
    ],
    ids=[
        "requested by another package",
        "requested by no package",
        "another app of our signer's, all through",
        "about another package",
        "evaluated, but no package",
        "signed by another",
        "signed by ours and another",
        "no signer",
        "unevaluated, yet about another package",
        "other nonce",
        "empty nonce",
        "hash in hexadecimal",
        "hash as another text",
        "hash that is not ASCII",
        "ten minutes old",
        "from the future",
        "of 1970",
    ],
)
def test_verdict_with_one_change_is_refused_for_that_reason(members: Mapping[str, object], reason: Reason) -> None:
    """One change, one reason."""
    with pytest.raises(RejectedEvidence) as refusal:
        judged(members)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    "members",
    [
        payload(requestHash=NONCE),
        payload(nonce=None),
        payload(nonce=5),
        payload(nonce=None, requestHash="\ud800"),
        payload(nonce="****"),
        payload(timestampMillis=None),
        payload(timestampMillis="-1"),
        payload(timestampMillis="1e9"),
        payload(timestampMillis=True),
        payload(timestampMillis=1.5),
        payload(timestampMillis="9" * 20),
        payload(requestPackageName="a" * 600),
        payload() | {"requestDetails": []},
    ],
)
def test_verdict_that_cannot_be_bound_is_malformed(members: Mapping[str, object]) -> None:
    """What app, client data and time rest on is read exactly."""
    with pytest.raises(MalformedEvidence):
        judged(members)


@pytest.mark.parametrize(
    ("members", "unread", "absent"),
    [
        (
            payload() | {"deviceIntegrity": "MEETS_STRONG_INTEGRITY"},
            "deviceIntegrity",
            {"device_labels": (), "sdk_version": None, "device_activity": None},
        ),
        (
            with_part("deviceIntegrity", deviceRecognitionVerdict="MEETS_STRONG_INTEGRITY"),
            "deviceRecognitionVerdict",
            {"device_labels": ()},
        ),
        (
            with_part("deviceIntegrity", deviceRecognitionVerdict=[1, "MEETS_BASIC_INTEGRITY"]),
            "deviceRecognitionVerdict",
            {"device_labels": ("MEETS_BASIC_INTEGRITY",)},
        ),
        (
            with_part("deviceIntegrity", deviceRecognitionVerdict=["MEETS_\ud800"]),
            "deviceRecognitionVerdict",
            {"device_labels": ()},
        ),
        (
            with_part("deviceIntegrity", deviceRecognitionVerdict=["A"] * 65),
            "deviceRecognitionVerdict",
            {"device_labels": ("A",) * 64},
        ),
        (with_part("deviceIntegrity", deviceAttributes={"sdkVersion": "35.1"}), "sdkVersion", {"sdk_version": None}),
        (with_part("deviceIntegrity", deviceAttributes=[]), "deviceAttributes", {"sdk_version": None}),
        (with_part("accountDetails", appLicensingVerdict=["LICENSED"]), "appLicensingVerdict", {"licensing": None}),
        (with_part("environmentDetails", playProtectVerdict={}), "playProtectVerdict", {"play_protect": None}),
        (
            with_part("environmentDetails", appAccessRiskVerdict={"appsDetected": {}}),
            "appsDetected",
            {"apps_detected": None},
        ),
        (
            with_part("environmentDetails", appAccessRiskVerdict={"appsDetected": [None, "UNKNOWN_CAPTURING"]}),
            "appsDetected",
            {"apps_detected": ("UNKNOWN_CAPTURING",)},
        ),
        (with_part("appIntegrity", versionCode="forty-two"), "versionCode", {"version_code": None}),
    ],
)
def test_member_in_a_new_form_counts_as_absent(
    members: Mapping[str, object], unread: str, absent: Mapping[str, object]
) -> None:
    """Google's next spelling of one member must not refuse every phone; nor does it help one."""
    claims = judged(members)
    assert claims.unread == (unread,)
    assert claims == replace(judged(payload()), unread=(unread,), **absent)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["true", 1, [], {"is": True}, "false"])
def test_testing_response_in_a_new_form_is_one(value: object) -> None:
    """Nothing but a plain no, or nothing at all, is no tester's answer."""
    assert judged(with_part("testingDetails", isTestingResponse=value)).testing


@pytest.mark.parametrize("spelling", [bytes.hex, lambda d: ":".join(f"{octet:02X}" for octet in d), _padded])
def test_signer_is_read_in_any_spelling(spelling: Callable[[bytes], str]) -> None:
    """Google's page shows base64url, and once showed hexadecimal."""
    assert judged(with_part("appIntegrity", certificateSha256Digest=[spelling(SIGNER)])).signing_digests == (
        SIGNER.hex(),
    )


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (with_part("appIntegrity", certificateSha256Digest=["AAAA"]), Reason.SIGNER_MISMATCH),
        (with_part("appIntegrity", certificateSha256Digest=[b64url_encode(SIGNER), 5]), Reason.SIGNER_MISMATCH),
        (with_part("appIntegrity", certificateSha256Digest=SIGNER.hex()), Reason.SIGNER_MISMATCH),
        (with_part("appIntegrity", packageName=5), Reason.APP_MISMATCH),
        (with_part("appIntegrity", appRecognitionVerdict="PLAY\x1b[2J", packageName="x.y"), Reason.APP_MISMATCH),
    ],
)
def test_unread_app_is_not_ours(members: Mapping[str, object], reason: Reason) -> None:
    """Where Google looked at the app, who it is must be read."""
    with pytest.raises(RejectedEvidence) as refusal:
        judged(members)
    assert refusal.value.reason is reason


def _with_verdict(evidence: Any, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "client_data_hash": CLIENT_DATA_HASH,
        "reference_values": ReferenceValues(android=EXPECTED),
        "endorsements": ENDORSEMENTS,
        "now": NOW,
    }
    return verify_additional_evidence(claims_of(Scene.default()), evidence, **(arguments | changes))


def test_verdict_goes_beside_the_claims_of_a_key() -> None:
    """Key attestation proves the key; Google's word stands beside it."""
    claims = _with_verdict(PlayIntegrityToken(KEYS.classic_token(payload())))
    assert claims.format == "android-key-attestation"
    assert claims.android.play == judged(payload())


def test_verdict_alone_proves_nothing() -> None:
    """No key is in it: nothing could renew, nothing could be bound."""
    with pytest.raises(MalformedEvidence) as refusal:
        Question(evidence=PlayIntegrityToken(KEYS.classic_token(payload()))).ask()
    assert refusal.value.reason is Reason.FORMAT_UNKNOWN


def test_evidence_of_a_key_is_no_additional_evidence() -> None:
    """Two keys in one request would be two attesters."""
    with pytest.raises(AttestationError) as refusal:
        _with_verdict(KeySignature(bytes(64)))
    assert refusal.value.reason is Reason.FORMAT_UNKNOWN


def test_verdict_does_not_go_beside_another_platforms_key() -> None:
    """An iPhone has no Play services."""
    apple = changed_claims(claims_of(Scene.default()), android=None)
    with pytest.raises(RejectedEvidence) as refusal:
        apple.with_play(judged(payload()))
    assert refusal.value.reason is Reason.KEY_OTHER_PLATFORM


@pytest.mark.parametrize("change", [{"package": "org.example.other"}, {"requested_by": "org.example.other"}])
def test_verdict_about_another_app_of_the_owner_does_not_go_beside(change: dict[str, str]) -> None:
    """Both are registered, by one signer: the sound app's verdict must not vouch for a key of the other's."""
    with pytest.raises(RejectedEvidence) as refusal:
        claims_of(Scene.default()).with_play(replace(judged(payload()), **change))  # type: ignore[arg-type]
    assert refusal.value.reason is Reason.APP_MISMATCH


def test_verdict_about_an_app_that_shares_the_keys_user_id_goes_beside() -> None:
    """Android attests every package of a shared user id: each of them may use the key."""
    claims = claims_of(Scene.default())
    assert claims.android is not None
    shared = changed_claims(claims, android=replace(claims.android, packages=(PACKAGE, "org.example.other")))
    play = replace(judged(payload()), package="org.example.other", requested_by="org.example.other")
    assert shared.with_play(play).android is not None


def test_app_not_registered_for_android_has_no_verdicts() -> None:
    """Reference values come first."""
    with pytest.raises(RejectedEvidence) as refusal:
        _with_verdict(PlayIntegrityToken("x"), reference_values=ReferenceValues())
    assert refusal.value.reason is Reason.REFERENCE_VALUES_MISSING
