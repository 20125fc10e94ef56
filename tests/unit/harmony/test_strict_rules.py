"""The strict policy on HarmonyOS claims: one fact, one finding, one tier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.appraisal.appraise import appraise
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.result import AttestationResult, Finding, Tier
from attestation.claims import Claims, KeyStorage
from attestation.evidence import AttestationKind
from attestation.reference_values import Environment

from tests.minted_claims import changed_claims
from tests.unit.harmony.sound_facts import KEY, SOUND, VERDICT

from .scene import EXPECTED, NOW, KeyQuestion, chain_draft, device_of


def judged(claims: Claims, *, now: float | None = NOW) -> AttestationResult:
    return appraise(claims, client_data=None, policy=default_policy(), now=now)


def rules(claims: Claims, *, now: float | None = NOW) -> dict[str, Tier]:
    return {finding.rule: finding.tier for finding in judged(claims, now=now).findings}


def key_with(**changes: object) -> Claims:
    harmony = SOUND.harmony
    assert harmony is not None
    return changed_claims(SOUND, harmony=replace(harmony, **changes))  # type: ignore[arg-type]


def verdict_with(**changes: object) -> Claims:
    return KEY.with_device_integrity(replace(VERDICT, **changes))  # type: ignore[arg-type]


def test_sound_key_beside_a_sound_verdict_is_affirmed() -> None:
    """No rule objects, and the vector says hardware."""
    result = judged(SOUND)
    assert (result.tier, result.findings) == (Tier.AFFIRMING, ())
    assert result.trustworthiness["hardware"] == 2


def test_key_without_a_verdict_is_asked_for_one() -> None:
    """HUKS says nothing about the boot, so a key alone stays below affirming, and the app is told what to send."""
    result = judged(KEY)
    assert result.findings == (Finding("harmony-device-integrity-missing", Tier.WARNING, advice="device-integrity"),)
    assert result.accepted
    assert result.advice == ("device-integrity",)


@pytest.mark.parametrize(
    ("claims", "rule", "tier"),
    [
        (key_with(key_algorithm="rsa-2048"), "harmony-key-cannot-sign", Tier.CONTRAINDICATED),
        (key_with(key_algorithm="sm2"), "harmony-key-cannot-sign", Tier.CONTRAINDICATED),
        (key_with(app_mode="debug"), "harmony-app-not-release", Tier.CONTRAINDICATED),
        (key_with(app_mode="Release"), "harmony-app-not-release", Tier.CONTRAINDICATED),
        (key_with(app_mode=None), "harmony-app-mode-unknown", Tier.WARNING),
        (key_with(key_origin=None, key_origin_level=None), "harmony-key-origin-unknown", Tier.WARNING),
        (key_with(key_origin_level=2), "harmony-key-origin-from-os", Tier.WARNING),
        (verdict_with(basic_integrity=False), "harmony-device-integrity-failed", Tier.CONTRAINDICATED),
        (verdict_with(details=("unlock",)), "harmony-device-integrity-detail", Tier.CONTRAINDICATED),
        (verdict_with(details=("a word of tomorrow",)), "harmony-device-integrity-detail", Tier.CONTRAINDICATED),
        (verdict_with(profile="hms"), "harmony-device-integrity-of-hms-core", Tier.WARNING),
        (changed_claims(SOUND, key_storage=KeyStorage.SOFTWARE), "software-key", Tier.CONTRAINDICATED),
        (changed_claims(SOUND, environment=Environment.DEVELOPMENT), "development-environment", Tier.WARNING),
        (changed_claims(SOUND, findings=("harmony-signer-unpinned",)), "harmony-signer-unpinned", Tier.WARNING),
        (changed_claims(SOUND, findings=("harmony-device-identified",)), "harmony-device-identified", Tier.WARNING),
        (
            changed_claims(SOUND, findings=("harmony-revocation-unchecked",)),
            "harmony-revocation-unchecked",
            Tier.WARNING,
        ),
        (
            changed_claims(SOUND, findings=("harmony-attestation-version-unknown",)),
            "harmony-attestation-version-unknown",
            Tier.WARNING,
        ),
        (verdict_with(signer_is_ca=True), "harmony-device-integrity-signer-unclear", Tier.WARNING),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_fact_gives_one_finding(claims: Claims, rule: str, tier: Tier) -> None:
    """Default passes; each change objects by its own rule alone."""
    assert rules(claims) == {rule: tier}


def test_verdict_of_yesterday_is_asked_for_again() -> None:
    """Renewals keep the last verdict; after a day it says too little."""
    assert rules(SOUND, now=NOW + 86_000) == {}
    assert rules(SOUND, now=NOW + 86_500) == {"harmony-device-integrity-old": Tier.WARNING}
    assert rules(SOUND, now=None) == {}


def test_member_that_could_not_be_read_is_recorded_and_costs_nothing() -> None:
    """No document says how Huawei spells it; nothing rests on it."""
    result = judged(verdict_with(unread=("hapCertificateSha256",)))
    assert result.tier is Tier.AFFIRMING
    assert [finding.rule for finding in result.findings] == ["harmony-device-integrity-unread"]


@pytest.mark.parametrize("finding", ["harmony-claims-unread", "harmony-issued-on-device"])
def test_finding_that_is_only_recorded_costs_nothing(finding: str) -> None:
    """A claim in a new form, a key attested without the network: genuine, and worth counting."""
    result = judged(changed_claims(SOUND, findings=(finding,)))
    assert result.tier is Tier.AFFIRMING
    assert [found.rule for found in result.findings] == [finding]


def test_signer_that_is_unclear_gains_nothing_over_no_verdict() -> None:
    """A phone with its CA's key extracted is no better off than one that sends nothing, and the next verdict heals."""
    unclear = verdict_with(signer_is_ca=True)
    assert judged(unclear).tier is judged(KEY).tier is Tier.WARNING
    assert rules(unclear.renewed(SOUND)) == {}


def test_genuine_releases_of_2024_stay_a_warning() -> None:
    """They say less, and are not worse for it than their owners can help."""
    claims = KeyQuestion(chain=chain_draft(device_of("harmony-5")).chain()).ask()
    assert judged(claims).tier is Tier.WARNING


def test_non_anonymous_key_stays_a_warning() -> None:
    """Its revocation was not asked for."""
    chain = chain_draft(kind=AttestationKind.NON_ANONYMOUS).chain()
    claims = KeyQuestion(chain=chain, kind=AttestationKind.NON_ANONYMOUS).ask().with_device_integrity(VERDICT)
    assert rules(claims) == {"harmony-revocation-unchecked": Tier.WARNING}


def test_debug_build_is_refused_even_where_development_may_enrol() -> None:
    """A debugger can be attached to it, whatever else is sound."""
    device = device_of(app_mode="debug")
    claims = KeyQuestion(chain=chain_draft(device).chain(), expected=EXPECTED).ask().with_device_integrity(VERDICT)
    assert judged(claims).tier is Tier.CONTRAINDICATED


def test_claims_without_their_platforms_part_are_refused() -> None:
    """Nothing is known of such a key, and no rule may be skipped for want of what it reads."""
    assert rules(changed_claims(SOUND, harmony=None)) == {"policy-error": Tier.CONTRAINDICATED}
