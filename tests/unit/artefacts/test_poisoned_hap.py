"""HarmonyOS packages with another developer's profile or code: one construction, one named reason, none taken over.

The owner's certificate is public, and so is the profile in every package: what proves anything is that AppGallery
signed the profile, and that the certificate in it signed the package.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from attestation.encoding.certificate import read_certificate
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bonafide.artefacts.harmony.profile_signer import app_gallery_roots

from .conftest import NotTaken, Read, Refused
from .minted_archive import Identity
from .minted_hap import (
    BUNDLE,
    DEBUG_PROFILE_SIGNER,
    DEVELOPER,
    PROFILE,
    PROPERTY,
    ROOT,
    STRANGER,
    Hap,
    profile_signer,
)

HAP = "entry.hap"
GENUINE = Hap().build()
NOT_APP_GALLERY = "has a provisioning profile that AppGallery did not sign"
OTHER_ROOT = Identity("", subject=ROOT.subject, ca=True)


def _profile(kind: str = "release", **bundle_info: object) -> dict[str, Any]:
    profile = dict(Hap().profile)
    named = {name.replace("_", "-"): value for name, value in bundle_info.items()}
    return {**profile, "type": kind, "bundle-info": {**profile["bundle-info"], **named}}


STRANGERS_PROFILE = _profile(app_identifier="666")
DEBUG_PROFILE = _profile("debug", development_certificate=DEVELOPER.pem)

POISONED = {
    "stranger's profile around our certificate": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=STRANGER, identity=STRANGER),
        NOT_APP_GALLERY,
    ),
    "stranger's profile around our certificate, in our package": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=STRANGER),
        NOT_APP_GALLERY,
    ),
    "stranger's package around our profile": (
        Hap(identity=STRANGER, files={"ets/modules.abc": b"evil"}),
        "is signed by another certificate than its provisioning profile names",
    ),
    "another certificate of our own name around our profile": (
        Hap(identity=Identity("Example,Release")),
        "is signed by another certificate than its provisioning profile names",
    ),
    "another certificate of our own key around our profile": (
        Hap(identity=Identity("Example,Release", key=DEVELOPER.key)),
        "is signed by another certificate than its provisioning profile names",
    ),
    "profile signed by the signer of packages": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=profile_signer("HOS AppGallery Application Release")),
        NOT_APP_GALLERY,
    ),
    "profile signed by a developer below the same CA": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=profile_signer("Stranger,Release", unit="stranger")),
        NOT_APP_GALLERY,
    ),
    "profile signed under a name that only begins alike": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=profile_signer("HOS Profile Management Evil")),
        NOT_APP_GALLERY,
    ),
    "profile signed below another CA of Huawei's": (
        Hap(
            profile=STRANGERS_PROFILE,
            profile_signer=profile_signer(issuer_name="Huawei CBG Developer Relations CA G2"),
        ),
        NOT_APP_GALLERY,
    ),
    "profile signed below a certificate that is no CA": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=profile_signer(ca=False)),
        NOT_APP_GALLERY,
    ),
    "profile signed below a root of the same name": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=profile_signer(root=OTHER_ROOT)),
        NOT_APP_GALLERY,
    ),
    "release profile by the signer for debugging": (
        Hap(profile=STRANGERS_PROFILE, profile_signer=DEBUG_PROFILE_SIGNER),
        NOT_APP_GALLERY,
    ),
    "debug profile by the signer for releases": (Hap(profile=DEBUG_PROFILE), NOT_APP_GALLERY),
    "debug build signed with the certificate for distribution": (
        Hap(
            profile=_profile("debug", development_certificate=STRANGER.pem),
            profile_signer=DEBUG_PROFILE_SIGNER,
        ),
        "is signed by another certificate than its provisioning profile names",
    ),
    "profile of neither kind": (
        Hap(profile=_profile("enterprise")),
        "has a provisioning profile that is neither for release nor for debugging",
    ),
    "bytes that belong to no sub-block": (Hap(gap=b"evil"), "has a broken signing block"),
    "profile and property under each other's number": (
        Hap(blocks=lambda blocks: {**blocks, PROFILE: blocks[PROPERTY], PROPERTY: blocks[PROFILE]}),
        "was changed after it was signed",
    ),
    "identifier that AppGallery gave another app": (
        Hap(profile=STRANGERS_PROFILE),
        "is signed by 666, which is not registered for demo",
    ),
}


@pytest.mark.parametrize("name", POISONED)
def test_poisoned_package_is_not_taken(not_taken: NotTaken, name: str) -> None:
    """The app is registered from the genuine package; the other one registers neither an identifier nor a build."""
    poisoned, reason = POISONED[name]
    assert reason in not_taken(poisoned.build(), genuine=GENUINE, name=HAP)


def test_signer_of_profiles_can_be_stated_by_hand(read: Read, refused: Refused) -> None:
    """For packages from elsewhere: the refusal names the digest, and that digest alone lets the profile pass."""
    elsewhere = replace(Hap(), profile_signer=STRANGER).build()
    assert STRANGER.digest in refused(elsewhere, HAP)
    point = DEVELOPER.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    stated = read(elsewhere, HAP, profile_signers=(STRANGER.digest,))
    assert stated.app_ids == (f"{BUNDLE}_{base64.b64encode(point).decode('ascii')}",)
    assert NOT_APP_GALLERY in refused(elsewhere, HAP, profile_signers=(DEVELOPER.digest,))


def test_stated_signer_excuses_nothing_else(refused: Refused) -> None:
    """The package must still be signed by the certificate in the profile."""
    poisoned = Hap(profile_signer=STRANGER, identity=STRANGER).build()
    assert "by another certificate" in refused(poisoned, HAP, profile_signers=(STRANGER.digest,))


def test_app_gallery_is_pinned_to_huaweis_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the tests' root: Huawei CBG Root CA G2, and no other."""
    monkeypatch.undo()
    (anchor,) = app_gallery_roots()
    assert "Huawei CBG Root CA G2" in str(anchor.subject)
    assert anchor.spki != read_certificate(ROOT.der).spki
