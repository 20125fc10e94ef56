"""Known builds: how what an app says of itself compares with what its owner released, and what that means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.appraise import appraise
from attestation.appraisal.builds import (
    BuildComparison,
    BuildMatch,
    KnownBuild,
    KnownBuilds,
    UnknownBuilds,
    build_of,
    build_order,
    compare_build,
    require_not_retired,
)
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.result import AttestationResult, Tier
from attestation.claims import (
    AndroidClaims,
    AppleClaims,
    Claims,
    HarmonyClaims,
    HarmonyIntegrityClaims,
    KeyStorage,
    Platform,
)
from attestation.client_data import ClientData
from attestation.errors import Reason, RejectedEvidence
from attestation.reference_values import Environment
from bonafide_tokens.jose import public_key_from_point
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.app_attestation import point_of
from tests.minted_claims import minted_claims

DEX, LIBRARY, OTHER_STORE, ADDED = ("11" * 32, "22" * 32, "33" * 32, "44" * 32)
BUILD = KnownBuild(
    build="42", parts={"classes.dex": (DEX,), "lib/arm64-v8a/libapp.so": (LIBRARY, OTHER_STORE), "assets": ("55" * 32,)}
)
KNOWN = KnownBuilds(registered=True, build=BUILD)
GENUINE = {"classes.dex": DEX, "lib/arm64-v8a/libapp.so": LIBRARY}
POINT = point_of(ec.generate_private_key(ec.SECP256R1()).public_key())


def _match(
    measurements: dict[str, str] | None = None, *, build: str | None = "42", **known: Any
) -> BuildComparison | None:
    return compare_build(build, GENUINE if measurements is None else measurements, replace(KNOWN, **known))


def _matched(measurements: dict[str, str] | None = None, *, build: str | None = "42", **known: Any) -> BuildMatch:
    comparison = _match(measurements, build=build, **known)
    assert comparison is not None
    return comparison.match


def test_build_as_released_is_known() -> None:
    """The default of every mutation below."""
    assert _match() == BuildComparison(match=BuildMatch.KNOWN, build="42")


@pytest.mark.parametrize(
    ("measurements", "differing"),
    [
        (GENUINE | {"classes.dex": ADDED}, "classes.dex"),
        (GENUINE | {"lib/arm64-v8a/libapp.so": ADDED}, "lib/arm64-v8a/libapp.so"),
        (GENUINE | {"assets": ADDED}, "assets"),
        (GENUINE | {"classes2.dex": ADDED}, "classes2.dex"),
        (GENUINE | {"lib/arm64-v8a/libfrida-gadget.so": ADDED}, "lib/arm64-v8a/libfrida-gadget.so"),
        (GENUINE | {"feature:classes.dex": ADDED}, "feature:classes.dex"),
        (GENUINE | {"text:Frameworks/Evil.framework/Evil": ADDED}, "text:Frameworks/Evil.framework/Evil"),
        (GENUINE | {"libs/arm64-v8a/libevil.so": ADDED}, "libs/arm64-v8a/libevil.so"),
        (GENUINE | {"ets/evil.abc": ADDED}, "ets/evil.abc"),
        ({"classes.dex": ADDED}, "classes.dex"),
    ],
)
def test_changed_or_added_code_differs(measurements: dict[str, str], differing: str) -> None:
    """One part that is not as released, and the comparison names it."""
    comparison = _match(measurements)
    assert comparison is not None
    assert (comparison.match, comparison.differing) == (BuildMatch.DIFFERS, (differing,))


@pytest.mark.parametrize(
    "measurements",
    [
        {"classes.dex": DEX},
        GENUINE | {"lib/arm64-v8a/libapp.so": OTHER_STORE},
        GENUINE | {"battery": ADDED},
    ],
)
def test_fewer_measurements_and_names_that_are_no_code_are_no_difference(measurements: dict[str, str]) -> None:
    """An app measures what it can reach, several artefacts make one build, and a new way of measuring is no attack."""
    assert _matched(measurements) is BuildMatch.KNOWN


@pytest.mark.parametrize("measurements", [{}, {"battery": ADDED}])
def test_known_build_without_a_measurement_of_it_is_unmeasured(measurements: dict[str, str]) -> None:
    """Leaving measurements out must not look like matching ones."""
    assert _matched(measurements) is BuildMatch.UNMEASURED


def test_unregistered_build_is_unknown() -> None:
    """Also without any number at all."""
    known = KnownBuilds(registered=True)
    for build in ("43", "", None, "forty-two"):
        comparison = compare_build(build, GENUINE, known)
        assert comparison is not None
        assert comparison.match is BuildMatch.UNKNOWN


@pytest.mark.parametrize(
    ("build", "minimum", "reaches"),
    [
        ("42", "42", True),
        ("43", "42", True),
        ("41", "42", False),
        ("9", "10", False),
        ("1.10", "1.9", True),
        ("1.9", "1.10", False),
        ("1.0", "1", True),
        ("1", "1.0.1", False),
        ("4294967338", "42", True),
        (None, "42", False),
        ("", "42", False),
        ("42-beta", "42", False),
        ("٤٣", "42", False),
        ("43\n", "42", False),
        ("9" * 20, "42", False),
    ],
)
def test_build_below_the_minimum_is_downgraded(build: str | None, minimum: str, reaches: bool) -> None:
    """Numbers are compared as numbers, and a text that is none must not slip past."""
    comparison = compare_build(build, {}, KnownBuilds(minimum=minimum))
    assert comparison == (None if reaches else BuildComparison(match=BuildMatch.DOWNGRADED, build=build))


def test_downgraded_build_that_also_differs_is_called_modified() -> None:
    """Who changed the app is told to install it anew, not to update what cannot be."""
    assert _matched(minimum="43") is BuildMatch.DOWNGRADED
    assert _matched(GENUINE | {"classes.dex": ADDED}, minimum="43") is BuildMatch.DIFFERS


def test_nothing_registered_says_nothing() -> None:
    """Owners who do not register builds hear nothing of them."""
    assert compare_build("42", GENUINE, KnownBuilds()) is None


def test_differing_parts_are_bounded() -> None:
    """What a hostile app sends must not swell decision records."""
    comparison = _match({f"classes{n}.dex": ADDED for n in range(2, 200)})
    assert comparison is not None
    assert len(comparison.differing) == 8


def test_order_of_a_text_that_is_no_number_is_none() -> None:
    """Four parts at most, digits only."""
    assert [build_order(text) for text in ("1.2.3.4", "007", "0.0", "1.", ".1", "1.2.3.4.5", "-1")] == [
        (1, 2, 3, 4),
        (7,),
        (0,),
        None,
        None,
        None,
        None,
    ]


# --- the number that counts -------------------------------------------------------------------------------------------


def _claims(format_name: str, platform: Platform, **members: Any) -> Claims:
    return minted_claims(
        format=format_name,
        platform=platform,
        app_id="org.example.demo",
        public_key=POINT,
        key_storage=KeyStorage.TEE,
        environment=Environment.PRODUCTION,
        chain_profile="pkix",
        **members,
    )


def _client_data(app_build: str | None) -> ClientData:
    return ClientData(
        digest=b"", challenge="", request_key=public_key_from_point(POINT), app_build=app_build, measurements={}
    )


ANDROID = AndroidClaims(
    attestation_version=300,
    keymint_version=300,
    security_level=1,
    key_security_level=1,
    strongbox_certified=None,
    provisioning="rkp",
    verified_boot_state="verified",
    device_locked=True,
    verified_boot_key="00" * 32,
    boot_key_listed=False,
    origin=0,
    purposes=(2,),
    key_algorithm="ec-p256",
    user_authentication=False,
    packages=("org.example.demo",),
    package_version=41,
    signing_digests=(),
)
HARMONY = HarmonyClaims(
    kind="anonymous",
    bundle_name="org.example.demo",
    app_id="org.example.demo_x",
    key_algorithm="ec-p256",
    claim_levels={},
    integrity=HarmonyIntegrityClaims(
        profile="hms", checked_at=0, basic_integrity=True, bundle_name="org.example.demo", version=41
    ),
)


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        (_claims("apple-app-attest", Platform.IOS, apple=AppleClaims(bundle_version="41")), "41"),
        (_claims("apple-app-attest-assertion", Platform.IOS, apple=AppleClaims(bundle_version="41")), "41"),
        (_claims("apple-app-attest", Platform.IOS, apple=AppleClaims()), "42"),
        (_claims("android-key-attestation", Platform.ANDROID, android=ANDROID), "41"),
        (_claims("android-key-attestation", Platform.ANDROID, android=replace(ANDROID, package_version=0)), "42"),
        (_claims("key-signature", Platform.ANDROID, android=ANDROID), "42"),
        # The number in a SysIntegrity token is the format's own.
        (_claims("harmony-key-attestation", Platform.HARMONY, harmony=HARMONY), "42"),
        (_claims("key-signature", Platform.HARMONY, harmony=HARMONY), "42"),
    ],
)
def test_number_in_evidence_counts_for_more_than_the_apps_own(claims: Claims, number: str) -> None:
    """An old version cannot call itself new where evidence of this very request says otherwise; an app updated since
    its enrolment can."""
    assert build_of(claims, _client_data("42")) == number


# --- what the default policy makes of it ------------------------------------------------------------------------------


def _appraised(build: BuildComparison | None) -> AttestationResult:
    claims = _claims("apple-app-attest", Platform.IOS, apple=AppleClaims())
    return appraise(claims, client_data=None, policy=default_policy(), build=build)


@pytest.mark.parametrize(
    ("match", "unknown", "rule", "tier", "advice", "executables"),
    [
        (BuildMatch.DIFFERS, "warn", "build-modified", Tier.CONTRAINDICATED, "reinstall-app", 96),
        (BuildMatch.DIFFERS, "allow", "build-modified", Tier.CONTRAINDICATED, "reinstall-app", 96),
        (BuildMatch.DOWNGRADED, "warn", "build-downgraded", Tier.CONTRAINDICATED, "update-app", 3),
        (BuildMatch.UNKNOWN, "warn", "build-unknown", Tier.WARNING, None, 33),
        (BuildMatch.UNKNOWN, "refuse", "build-unknown", Tier.CONTRAINDICATED, "update-app", 33),
        (BuildMatch.UNMEASURED, "warn", "build-unmeasured", Tier.WARNING, None, 33),
        (BuildMatch.UNMEASURED, "refuse", "build-unmeasured", Tier.CONTRAINDICATED, "update-app", 33),
    ],
)
def test_build_finding_has_its_rule_tier_and_advice(
    match: BuildMatch, unknown: str, rule: str, tier: Tier, advice: str | None, executables: int
) -> None:
    """The ids are stable; only the advice is ever told to a client."""
    result = _appraised(BuildComparison(match=match, build="42", unknown=UnknownBuilds(unknown)))
    (finding,) = result.findings
    assert (finding.rule, finding.tier, finding.advice, finding.enforced) == (rule, tier, advice, True)
    assert result.tier is tier
    assert result.trustworthiness["executables"] == executables


@pytest.mark.parametrize("match", [BuildMatch.UNKNOWN, BuildMatch.UNMEASURED])
def test_allowed_unknown_build_is_recorded_and_not_enforced(match: BuildMatch) -> None:
    """The owner still sees how many there are."""
    result = _appraised(BuildComparison(match=match, build="42", unknown=UnknownBuilds.ALLOW))
    assert [finding.enforced for finding in result.findings] == [False]
    assert (result.tier, result.trustworthiness["executables"]) == (Tier.AFFIRMING, 3)


@pytest.mark.parametrize("build", [None, BuildComparison(match=BuildMatch.KNOWN, build="42")])
def test_known_build_and_no_builds_leave_the_result_alone(build: BuildComparison | None) -> None:
    """Nothing objects, and nothing is better for it."""
    assert (_appraised(build).tier, _appraised(build).findings) == (Tier.AFFIRMING, ())


@pytest.mark.parametrize("unknown", UnknownBuilds)
def test_comparison_carries_what_the_owner_thinks_of_unknown_builds(unknown: UnknownBuilds) -> None:
    """Whatever it found."""
    known = replace(KNOWN, unknown=unknown)
    changed = dict.fromkeys(GENUINE, "00" * 32)
    for build, measurements, asked in (
        ("42", GENUINE, known),
        ("42", changed, known),
        ("42", {}, known),
        ("7", {}, replace(known, minimum="8")),
        ("43", {}, replace(known, build=None)),
    ):
        comparison = compare_build(build, measurements, asked)
        assert comparison is not None
        assert (comparison.unknown, comparison.build) == (unknown, build)


def test_retired_build_is_named_up_to_64_characters() -> None:
    """It is the app's own text."""
    build = "1" * 70
    with pytest.raises(RejectedEvidence, match=f"build {'1' * 64} was retired") as refusal:
        require_not_retired(build, KnownBuilds(retired=(build,)))
    assert refusal.value.reason is Reason.BUILD_RETIRED
    require_not_retired(build, KnownBuilds(retired=("2",)))
    require_not_retired(None, KnownBuilds(retired=(build,)))
    for text, retired in (("beta", "beta"), ("041", "41"), ("1.10.0", "1.10")):
        with pytest.raises(RejectedEvidence):
            require_not_retired(text, KnownBuilds(retired=("7", retired)))
    require_not_retired("Beta", KnownBuilds(retired=("beta",)))
