"""The strict policy on Android: which fact leads to which finding, and that genuine old phones stay acceptable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.appraise import appraise
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.facts import patch_month
from attestation.appraisal.result import AttestationResult, Tier
from attestation.claims import Claims, KeyStorage

from bonafide.conformance.verdicts_alone import play_findings
from devkit.devices.android import key_description as kd
from devkit.devices.android.releases import RELEASES
from devkit.devices.authority.der_writer import integer
from tests.minted_claims import changed_claims

from .play_scene import judged, payload
from .scene import NOW, PACKAGE, SIGNER, Question, Scene, claims_of, with_hardware, with_software

GENUINE = claims_of(Scene.default())
SOUND_PLAY = judged(payload())


def _appraised(claims: Claims, *, policy: CedarPolicy | None = None, now: float | None = NOW) -> AttestationResult:
    return appraise(claims, client_data=None, policy=policy or default_policy(), now=now)


def _dialled(line: str, instead: str) -> CedarPolicy:
    """The default policy with another dial, as an operator would write it."""
    text = default_policy().text
    assert text.count(line) == 1
    return CedarPolicy.compile(text.replace(line, instead))


def _rules(result: AttestationResult) -> list[str]:
    return [finding.rule for finding in result.findings]


def _android(**changes: Any) -> Claims:
    assert GENUINE.android is not None
    return changed_claims(GENUINE, android=replace(GENUINE.android, **changes))


@pytest.mark.parametrize("release", RELEASES)
def test_genuine_device_of_every_release_is_accepted(release: str) -> None:
    """Old phones are warned about, never refused: who wants more writes a policy."""
    assert _appraised(claims_of(Scene.default(release))).accepted


def test_current_device_is_affirming() -> None:
    """Nothing objects to a locked phone with last month's patches."""
    result = _appraised(GENUINE)
    assert (result.tier, result.findings) == (Tier.AFFIRMING, ())
    assert result.trustworthiness == {
        "instance-identity": 2,
        "configuration": 2,
        "executables": 3,
        "hardware": 2,
        "storage-opaque": 2,
    }


@pytest.mark.parametrize(
    ("claims", "rule", "tier"),
    [
        (_android(device_locked=False), "android-unlocked", Tier.CONTRAINDICATED),
        (_android(verified_boot_state="self-signed"), "android-boot-self-signed", Tier.CONTRAINDICATED),
        (_android(verified_boot_state="unverified"), "android-boot-unverified", Tier.CONTRAINDICATED),
        (_android(verified_boot_state="failed"), "android-boot-failed", Tier.CONTRAINDICATED),
        (_android(security_level=0), "android-security-levels-differ", Tier.CONTRAINDICATED),
        (_android(key_security_level=2), "android-security-levels-differ", Tier.CONTRAINDICATED),
        (
            _android(security_level=2, key_security_level=2),
            "android-strongbox-contradicted",
            Tier.CONTRAINDICATED,
        ),
        (
            _android(security_level=2, key_security_level=2, strongbox_certified=None),
            "android-strongbox-unconfirmed",
            Tier.WARNING,
        ),
        (changed_claims(GENUINE, key_storage=KeyStorage.SOFTWARE), "software-key", Tier.CONTRAINDICATED),
        (
            changed_claims(GENUINE, findings=("application-signer-unproved",)),
            "android-signer-unproved",
            Tier.CONTRAINDICATED,
        ),
        (changed_claims(GENUINE, chain_profile="factory"), "android-factory-profile", Tier.WARNING),
        (_android(provisioning="unknown"), "android-provisioning-unknown", Tier.WARNING),
        (_android(os_patch_level=None), "android-patch-level-unknown", Tier.WARNING),
        (_android(os_patch_level=0), "android-patch-level-unknown", Tier.WARNING),
        (_android(os_patch_level=202413), "android-patch-level-unknown", Tier.WARNING),
        (_android(os_patch_level=202001), "android-patch-level-old", Tier.WARNING),
        (_android(os_patch_level=202608), "android-patch-level-future", Tier.WARNING),
        (_android(os_patch_level=20260705), "android-patch-level-future", Tier.WARNING),
        (_android(os_patch_level=209912), "android-patch-level-future", Tier.WARNING),
        (_android(strongbox_certified=True), "android-level-below-chain", Tier.WARNING),
        (
            changed_claims(GENUINE, findings=("application-id-contradicted",)),
            "android-application-id-contradicted",
            Tier.WARNING,
        ),
        (GENUINE.with_play(replace(SOUND_PLAY, unread=("versionCode",))), "play-verdict-unread", Tier.WARNING),
        (_android(key_algorithm="rsa-2048"), "android-key-cannot-renew", Tier.WARNING),
        (_android(purposes=(3,)), "android-key-cannot-renew", Tier.WARNING),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_one_fact_leads_to_one_finding(claims: Claims, rule: str, tier: Tier) -> None:
    """Each rule by itself, with its tier; the ids are stable."""
    result = _appraised(claims)
    assert rule in _rules(result)
    assert next(finding.tier for finding in result.findings if finding.rule == rule) is tier
    assert result.accepted is (tier is not Tier.CONTRAINDICATED)


def test_patch_level_of_next_month_is_no_objection() -> None:
    """Makers ship next month's patches before this month ends."""
    assert _rules(_appraised(_android(os_patch_level=202606))) == []
    assert _rules(_appraised(_android(os_patch_level=209912), now=None)) == []


def test_implausible_creation_time_is_recorded_and_costs_nothing() -> None:
    """One genuine device in ten has a clock that was not set, or counts in other units."""
    result = _appraised(with_software(t701=integer(int(NOW * 1_000_000)))().ask())
    assert _rules(result) == ["android-creation-time-implausible"]
    assert result.tier is Tier.AFFIRMING


def test_statement_of_a_tee_below_a_strongbox_chain_is_warned_of() -> None:
    """The batch certificate was issued to a StrongBox; what it attests says less."""
    scene = Scene.default("pixel-3-strongbox", level=kd.TRUSTED_ENVIRONMENT)
    claims = claims_of(scene)
    assert claims.android is not None
    assert claims.android.strongbox_certified
    assert "android-level-below-chain" in _rules(_appraised(claims))
    assert claims.key_storage is KeyStorage.TEE


@pytest.mark.parametrize(
    ("hardware", "found"),
    [("org.example.other", True), (PACKAGE, False)],
    ids=["another", "the same"],
)
def test_application_in_both_lists_must_be_one(hardware: str, found: bool) -> None:
    """Genuine devices name the app in one list. Two names are warned of, and ours must be the operating system's."""
    claims = with_hardware(t709=kd.application_id([(hardware, 42)], [SIGNER]))().ask()
    assert ("android-application-id-contradicted" in _rules(_appraised(claims))) is found


def test_unread_verdict_stops_counting_with_the_next_one() -> None:
    """The finding is the verdict's, not the key's."""
    unread = GENUINE.with_play(replace(SOUND_PLAY, unread=("versionCode",)))
    assert "play-verdict-unread" in _rules(_appraised(unread))
    assert "play-verdict-unread" not in _rules(_appraised(unread.renewed(GENUINE.with_play(SOUND_PLAY))))


def test_keybox_of_a_tee_that_claims_strongbox_is_refused() -> None:
    """Its signature is genuine, its word is not: the chain was issued to a TEE."""
    scene = Scene.default("pixel-5", level=kd.STRONGBOX)
    result = _appraised(claims_of(scene))
    assert "android-strongbox-contradicted" in _rules(result)
    assert not result.accepted


def test_listed_boot_key_makes_a_self_signed_system_acceptable() -> None:
    """GrapheneOS, or an enterprise's own: observed, not enforced. An unlisted key stays refused."""
    scene = Scene.default(boot_state=kd.SELF_SIGNED)
    question = Question.of(scene.draft.chain())
    assert not _appraised(question.ask()).accepted
    listed = _appraised(question.expecting(verified_boot_keys=frozenset({scene.phone.boot_key})).ask())
    assert listed.tier is Tier.AFFIRMING
    assert [(finding.rule, finding.enforced) for finding in listed.findings] == [("android-boot-key-listed", False)]


def test_listed_boot_key_does_not_excuse_an_unlocked_device() -> None:
    """The pair counts: a listed key on an unlocked device proves nothing."""
    scene = Scene.default(boot_state=kd.SELF_SIGNED, locked=False)
    listed = Question.of(scene.draft.chain()).expecting(verified_boot_keys=frozenset({scene.phone.boot_key}))
    assert _rules(_appraised(listed.ask())) == ["android-unlocked", "android-boot-key-listed"]
    assert not _appraised(listed.ask()).accepted


def test_listed_boot_key_does_not_excuse_another_boot_state() -> None:
    """Unverified and failed boots report whatever key they like."""
    scene = Scene.default(boot_state=kd.UNVERIFIED)
    listed = Question.of(scene.draft.chain()).expecting(verified_boot_keys=frozenset({scene.phone.boot_key}))
    assert not _appraised(listed.ask()).accepted


def test_untrusted_boot_shows_in_the_trustworthiness_vector() -> None:
    """What runs on such a device is not recognised (AR4SI executables 99)."""
    assert _appraised(_android(device_locked=False)).trustworthiness["executables"] == 99


def test_age_of_patches_is_a_dial_and_needs_the_time() -> None:
    """Default two years; without a time nothing is old."""
    aged = _android(os_patch_level=202405)  # two years before NOW, to the month
    assert _appraised(aged).tier is Tier.AFFIRMING
    assert "android-patch-level-old" in _rules(
        _appraised(aged, policy=_dialled("patch_age_months > 24", "patch_age_months > 23"))
    )
    assert _appraised(_android(os_patch_level=201601), now=None).tier is Tier.AFFIRMING
    old = _appraised(_android(os_patch_level=202404))
    assert old.advice == ("update-os",)


@pytest.mark.parametrize(
    ("level", "month"),
    [
        (202405, 2024 * 12 + 5),
        (20240505, 2024 * 12 + 5),
        (0, None),
        (None, None),
        (202400, None),
        (202413, None),
        (197001, None),
        (20240, None),
        (2024050505, None),
        (-202405, None),
    ],
)
def test_patch_level_is_read_in_both_lengths(level: int | None, month: int | None) -> None:
    """YYYYMM and YYYYMMDD; 0 and impossible months are unknown."""
    assert patch_month(level) == month


@pytest.mark.parametrize(
    ("changes", "rule", "tier"),
    [
        ({"testing": True}, "play-testing-response", Tier.CONTRAINDICATED),
        ({"device_labels": ()}, "play-device-integrity", Tier.CONTRAINDICATED),
        ({"device_labels": ("UNKNOWN",)}, "play-device-integrity", Tier.CONTRAINDICATED),
        ({"device_labels": ("MEETS_VIRTUAL_INTEGRITY",)}, "play-device-integrity", Tier.CONTRAINDICATED),
        ({"device_labels": ("MEETS_QUANTUM_INTEGRITY",)}, "play-device-integrity", Tier.CONTRAINDICATED),
        ({"device_labels": ("MEETS_BASIC_INTEGRITY",)}, "play-device-basic-only", Tier.WARNING),
        ({"app_recognition": "UNRECOGNIZED_VERSION"}, "play-app-unrecognized", Tier.WARNING),
        ({"app_recognition": "UNEVALUATED"}, "play-app-unevaluated", Tier.WARNING),
        ({"app_recognition": None}, "play-app-unevaluated", Tier.WARNING),
        ({"app_recognition": "PLAY_ADORED"}, "play-app-unevaluated", Tier.WARNING),
        ({"licensing": "UNLICENSED"}, "play-unlicensed", Tier.WARNING),
        ({"play_protect": "HIGH_RISK"}, "play-protect-risk", Tier.WARNING),
        ({"play_protect": "NEW_RISK"}, "play-protect-risk", Tier.WARNING),
        ({"apps_detected": ("UNKNOWN_CAPTURING",)}, "play-app-access-risk", Tier.WARNING),
        ({"apps_detected": ("KNOWN_INSTALLED", "NEW_WATCHING")}, "play-app-access-risk", Tier.WARNING),
        ({"device_activity": "LEVEL_4"}, "play-device-activity", Tier.WARNING),
        ({"location_spoofing": ("HIGH_RISK_DEVICE",)}, "play-location-spoofing", Tier.WARNING),
    ],
)
def test_one_label_leads_to_one_finding(changes: dict[str, Any], rule: str, tier: Tier) -> None:
    """A label that Google adds tomorrow never helps."""
    findings = list(play_findings(replace(SOUND_PLAY, **changes)))
    assert [(finding.rule, finding.tier) for finding in findings] == [(rule, tier)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"device_labels": ("MEETS_DEVICE_INTEGRITY",)},
        {"device_labels": ("MEETS_STRONG_INTEGRITY",)},
        {"device_labels": ("MEETS_DEVICE_INTEGRITY", "MEETS_QUANTUM_INTEGRITY")},
        {"apps_detected": None},
        {"apps_detected": ()},
        {"play_protect": None},
        {"play_protect": "UNEVALUATED"},
        {"licensing": "UNEVALUATED"},
        {"device_activity": None},
        {"location_spoofing": ("LOW_RISK_NETWORK",)},
    ],
)
def test_sound_verdict_has_no_finding(changes: dict[str, Any]) -> None:
    """Labels come single unless the app's owner opted in to more: membership decides."""
    assert list(play_findings(replace(SOUND_PLAY, **changes))) == []


def test_play_verdict_of_yesterday_is_asked_for_again() -> None:
    """Renewals keep the last verdict: a good one of the day before the device was rooted must not last for ever."""
    claims = GENUINE.with_play(SOUND_PLAY)
    assert _rules(_appraised(claims, now=NOW + 86_000)) == []
    old = _appraised(claims, now=NOW + 86_500)
    assert [(f.rule, f.tier, f.advice) for f in old.findings] == [("play-verdict-old", Tier.WARNING, "play-integrity")]
    assert _rules(_appraised(claims, now=None)) == []
    assert (
        _rules(_appraised(claims, policy=_dialled("play.age_hours > 24", "play.age_hours > 48"), now=NOW + 86_500))
        == []
    )


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, []),
        ({"play_expected": True}, ["play-missing"]),
        ({"play_expected": True, "play": SOUND_PLAY}, []),
        ({"play_expected": True, "play_skipped": "quota"}, ["play-not-asked"]),
    ],
)
def test_verdict_that_is_kept_back_is_a_finding_where_it_is_expected(changes: dict[str, Any], rules: list[str]) -> None:
    """Otherwise a device that would get a bad one sends none. The owner says which apps send it."""
    assert _rules(_appraised(_android(**changes))) == rules


def test_play_verdict_lowers_a_key_and_never_raises_it() -> None:
    """Beside a sound key a bad verdict counts; beside a bad key a sound verdict does not help."""
    bad = replace(SOUND_PLAY, device_labels=())
    assert not _appraised(GENUINE.with_play(bad)).accepted
    assert not _appraised(_android(device_locked=False).with_play(SOUND_PLAY)).accepted
    assert _appraised(GENUINE.with_play(SOUND_PLAY)).tier is Tier.AFFIRMING
