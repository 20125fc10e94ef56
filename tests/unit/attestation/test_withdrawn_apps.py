"""Keys whose app, signer or verdict is no longer theirs: asked anew at each renewal, and beside each verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from attestation.android.revocation import StatusList
from attestation.claims import Claims, HarmonyIntegrityClaims, PlayClaims
from attestation.errors import AttestationError, Reason
from attestation.reference_values import AndroidReferenceValues, HarmonyReferenceValues, ReferenceValues
from attestation.reverify import reverify

from tests.minted_claims import changed_claims
from tests.unit.android import scene as android_scene
from tests.unit.harmony import scene as harmony_scene
from tests.unit.harmony.sound_facts import DEVICE, KEY

ANDROID = android_scene.claims_of(android_scene.Scene.default("pixel-5"))
PACKAGE, SIGNER = android_scene.PACKAGE, android_scene.SIGNER
OTHER = "org.example.other"


def _android(expected: AndroidReferenceValues | None, **statuses: str) -> Claims:
    return reverify(
        ANDROID,
        reference_values=ReferenceValues(android=expected),
        endorsements=android_scene.ENDORSEMENTS.with_android_status(StatusList(statuses, android_scene.NOW)),
    )


def _harmony(expected: HarmonyReferenceValues | None) -> Claims:
    return reverify(KEY, reference_values=ReferenceValues(harmony=expected), endorsements=harmony_scene.ENDORSEMENTS)


def _registered(packages: tuple[str, ...], *signers: bytes) -> AndroidReferenceValues:
    return AndroidReferenceValues(packages=packages, signing_digests=frozenset(signers))


@pytest.mark.parametrize(
    "expected", [_registered((PACKAGE,), SIGNER), _registered((OTHER, PACKAGE), bytes(32), SIGNER, b"\xff" * 32)]
)
def test_android_key_of_an_app_that_is_registered_renews(expected: AndroidReferenceValues) -> None:
    """One of several packages, by one of several signers."""
    assert _android(expected).app_id == PACKAGE


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        (None, Reason.REFERENCE_VALUES_MISSING),
        (_registered((OTHER,), SIGNER), Reason.APP_MISMATCH),
        (_registered((), SIGNER), Reason.APP_MISMATCH),
        (_registered((PACKAGE,), bytes(32)), Reason.SIGNER_MISMATCH),
        (_registered((PACKAGE,)), Reason.SIGNER_MISMATCH),
    ],
)
def test_android_key_of_an_app_that_was_withdrawn_is_refused(
    expected: AndroidReferenceValues | None, reason: Reason
) -> None:
    """The whole platform, the package, or the signer."""
    with pytest.raises(AttestationError) as refusal:
        _android(expected)
    assert refusal.value.reason is reason


def test_boot_key_that_is_listed_today_counts_today() -> None:
    """The owner's list is not the device's word."""
    assert ANDROID.android is not None
    boot_key = bytes.fromhex(ANDROID.android.verified_boot_key)
    for listed in (True, False):
        expected = replace(
            _registered((PACKAGE,), SIGNER), verified_boot_keys=frozenset({boot_key} if listed else {bytes(32)})
        )
        renewed = _android(expected).android
        assert renewed is not None
        assert renewed.boot_key_listed is listed


def test_chain_is_looked_up_by_serials_and_names() -> None:
    """Each of them; and the operator reads which."""
    assert ANDROID.android is not None
    sound = _registered((PACKAGE,), SIGNER)
    assert len(ANDROID.android.chain_serials) == 2
    assert ANDROID.android.chain_names
    for kind, names in (("serial", ANDROID.android.chain_serials), ("subject", ANDROID.android.chain_names)):
        for name in names:
            with pytest.raises(AttestationError, match=f"{kind} {name} of its chain: REVOKED") as refusal:
                _android(sound, **{name: "REVOKED"})
            assert refusal.value.reason is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"app_ids": (), "app_identifiers": (DEVICE.app_identifier,)}, None),
        ({"app_ids": ("old",), "app_identifiers": (DEVICE.app_identifier,)}, None),
        ({"app_ids": (DEVICE.app_id,), "app_identifiers": ("1",)}, None),
        ({"app_ids": (), "app_identifiers": ()}, None),
        ({"bundle_names": (OTHER,)}, Reason.APP_MISMATCH),
        ({"app_ids": ("old",)}, Reason.SIGNER_MISMATCH),
        ({"app_ids": (), "app_identifiers": ("1",)}, Reason.SIGNER_MISMATCH),
        ({"app_ids": ("old",), "app_identifiers": ("1",)}, Reason.SIGNER_MISMATCH),
    ],
)
def test_harmony_key_is_held_to_what_pins_its_app_today(changes: dict[str, Any], reason: Reason | None) -> None:
    """Bundle name, and app id or identifier where the owner lists any."""
    expected = replace(harmony_scene.EXPECTED, **changes)
    if reason is None:
        assert _harmony(expected) == KEY
        return
    with pytest.raises(AttestationError) as refusal:
        _harmony(expected)
    assert refusal.value.reason is reason


def test_harmony_key_of_a_platform_that_was_withdrawn_is_refused() -> None:
    """Nothing is registered any more."""
    with pytest.raises(AttestationError) as refusal:
        _harmony(None)
    assert refusal.value.reason is Reason.REFERENCE_VALUES_MISSING


def _play(package: str | None, requested_by: str | None) -> PlayClaims:
    return PlayClaims(token="standard", requested_at=android_scene.NOW, package=package, requested_by=requested_by)


@pytest.mark.parametrize(
    ("package", "requested_by", "ours"),
    [
        (PACKAGE, PACKAGE, True),
        (PACKAGE, None, True),
        (None, PACKAGE, True),
        (None, None, True),
        (OTHER, PACKAGE, False),
        (PACKAGE, OTHER, False),
        (OTHER, OTHER, False),
        (OTHER, None, False),
        (None, OTHER, False),
    ],
)
def test_verdict_of_play_is_about_the_app_of_the_key(package: str | None, requested_by: str | None, ours: bool) -> None:
    """By both names that it gives, where it gives them."""
    play = _play(package, requested_by)
    if ours:
        android = ANDROID.without_play("quota").with_play(play).android
        assert android is not None
        assert (android.play, android.play_skipped) == (play, None)
        return
    with pytest.raises(AttestationError) as refusal:
        ANDROID.with_play(play)
    assert refusal.value.reason is Reason.APP_MISMATCH


def test_verdict_beside_a_key_of_another_platform_is_refused() -> None:
    """Each verdict speaks of its own platform alone."""
    integrity = HarmonyIntegrityClaims(profile="next", checked_at=0.0, basic_integrity=True, bundle_name=KEY.app_id)
    misplaced: tuple[Callable[[], Claims], ...] = (
        lambda: KEY.with_play(_play(None, None)),
        lambda: KEY.without_play("quota"),
        lambda: ANDROID.with_device_integrity(integrity),
    )
    for refused in misplaced:
        with pytest.raises(AttestationError) as refusal:
            refused()
        assert refusal.value.reason is Reason.KEY_OTHER_PLATFORM
    skipped = ANDROID.without_play("quota").android
    assert skipped is not None
    assert skipped.play_skipped == "quota"
    beside = KEY.with_device_integrity(integrity).harmony
    assert beside is not None
    assert beside.integrity == integrity
    with pytest.raises(AttestationError) as refusal:
        KEY.with_device_integrity(replace(integrity, bundle_name=OTHER))
    assert refusal.value.reason is Reason.APP_MISMATCH


@pytest.mark.parametrize(
    ("provisioning", "serials", "device"),
    [
        ("rkp", ("a", "b", "c"), "a"),
        ("rkp", ("leaf", "a", "b", "c"), "a"),
        ("rkp", ("b", "c"), None),
        ("rkp", (), None),
        ("factory", ("leaf", "a", "b", "c"), None),
        ("unknown", ("a", "b", "c"), None),
    ],
)
def test_certificate_of_a_single_device_is_that_of_remote_provisioning(
    provisioning: str, serials: tuple[str, ...], device: str | None
) -> None:
    """Third from above; of no other chain, however long."""
    assert ANDROID.android is not None
    android = replace(ANDROID.android, provisioning=provisioning, chain_serials=serials)
    claims = changed_claims(ANDROID, android=android).android
    assert claims is not None
    assert claims.device_certificate == device
