"""What the default policy says of a vendor's verdict by itself, without a key: for case files and `bonafide inspect`.

Policies judge keys. So the verdict is judged with a made-up key to which no rule objects, and all findings are about
the verdict.
"""

from __future__ import annotations

from typing import Final

from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding
from attestation.claims import (
    AndroidClaims,
    Claims,
    HarmonyClaims,
    HarmonyIntegrityClaims,
    KeyStorage,
    Platform,
    PlayClaims,
)
from attestation.encoding.subject_key import P256
from attestation.reference_values import Environment
from attestation.seal import Seal

_OF_THE_PAIR: Final = frozenset({"harmony-device-integrity-of-hms-core"})
"""Rules about a verdict and a key together. The key is made up here."""


def play_findings(play: PlayClaims) -> tuple[Finding, ...]:
    """What objects to a Play Integrity verdict. Its age is left alone."""
    android = AndroidClaims(
        attestation_version=300,
        keymint_version=300,
        security_level=1,
        key_security_level=1,
        provisioning="rkp",
        verified_boot_state="verified",
        device_locked=True,
        verified_boot_key="",
        boot_key_listed=False,
        os_patch_level=202601,
        origin=0,
        purposes=(2,),
        key_algorithm=P256,
        user_authentication=False,
        packages=(),
        package_version=0,
        signing_digests=(),
        play=play,
    )
    return _judged(Platform.ANDROID, android=android)


def integrity_findings(integrity: HarmonyIntegrityClaims) -> tuple[Finding, ...]:
    """What objects to a SysIntegrity verdict. Its age is left alone."""
    harmony = HarmonyClaims(
        kind="anonymous",
        bundle_name=integrity.bundle_name,
        app_id="",
        app_mode="release",
        key_origin="generated",
        key_origin_level=3,
        key_algorithm=P256,
        claim_levels={},
        integrity=integrity,
    )
    return tuple(finding for finding in _judged(Platform.HARMONY, harmony=harmony) if finding.rule not in _OF_THE_PAIR)


def _judged(
    platform: Platform, *, android: AndroidClaims | None = None, harmony: HarmonyClaims | None = None
) -> tuple[Finding, ...]:
    claims = Claims(
        seal=Seal.MADE_UP,
        format="key-attestation",
        platform=platform,
        app_id="",
        public_key=b"",
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="strict",
        android=android,
        harmony=harmony,
    )
    return default_policy().findings(AppraisalContext(claims=claims, client_data=None))
