"""The demo app as it is registered: its names, and the keys that stand for its signers on each platform."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import point_of

DEMO_PACKAGE: Final = "org.bonafide.demo"
"""Application id on Android, bundle name on HarmonyOS."""

DEMO_ANDROID_SIGNER: Final = sha256(b"the certificate that signs the Android demo app").digest()
"""SHA-256 of the signing certificate."""

DEMO_BOOT_KEY: Final = sha256(b"the boot key of another operating system").digest()
"""Boot key of the system that the app's owner trusts besides the vendors': what GrapheneOS is to a real app."""

_HARMONY_SCALAR: Final = int.from_bytes(sha256(b"the key that signs the HarmonyOS demo app").digest()) >> 1

DEMO_AGC_APP_ID: Final = "6917500000000000001"
"""The app's number in AppGallery Connect, which integrity tokens carry."""


def demo_harmony_signer() -> ec.EllipticCurvePublicKey:
    """The key that signs the HarmonyOS build."""
    return ec.derive_private_key(_HARMONY_SCALAR, ec.SECP256R1()).public_key()


def demo_harmony_app_id() -> str:
    """The app id that HUKS attestations carry: bundle name and signing key."""
    return f"{DEMO_PACKAGE}_{base64.b64encode(point_of(demo_harmony_signer())).decode('ascii')}"
