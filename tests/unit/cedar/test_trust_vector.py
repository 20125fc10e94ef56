"""The AR4SI vector of a result: lowered as far as the policy minds, in the part that the facts speak of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.appraisal.appraise import appraise_context, trustworthiness_vector
from attestation.appraisal.builds import BuildComparison, BuildMatch, UnknownBuilds
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding, Tier
from attestation.claims import AndroidClaims, KeyStorage, Platform
from attestation.client_data import Signal

from tests.minted_claims import changed_claims

from .every_member import ANDROID, APPLE, claims_of, context

REFUSED = (Finding("a-rule", Tier.CONTRAINDICATED),)
WARNED = (Finding("a-rule", Tier.WARNING),)
ENTIRE = replace(context(claims_of(Platform.IOS, apple=APPLE)), build=None)


def executables(asked: AppraisalContext, findings: tuple[Finding, ...]) -> int:
    return trustworthiness_vector(asked, findings)["executables"]


def of_android(**changes: object) -> AppraisalContext:
    android: AndroidClaims = replace(ANDROID, **changes)  # type: ignore[arg-type]
    return replace(ENTIRE, claims=claims_of(Platform.ANDROID, android=android))


def of_build(match: BuildMatch, unknown: UnknownBuilds = UnknownBuilds.WARN) -> AppraisalContext:
    return replace(ENTIRE, build=BuildComparison(match=match, build="42", unknown=unknown))


@pytest.mark.parametrize(("findings", "configuration"), [((), 2), (WARNED, 36), (REFUSED, 96)])
def test_configuration_follows_the_tier(findings: tuple[Finding, ...], configuration: int) -> None:
    """Approved, needs attention, or unacceptable; whatever the rule is called."""
    assert trustworthiness_vector(ENTIRE, findings) == {
        "instance-identity": 2,
        "configuration": configuration,
        "executables": 3,
        "hardware": 2,
        "storage-opaque": 2,
    }


@pytest.mark.parametrize(
    ("storage", "hardware", "opaque"),
    [
        (KeyStorage.SECURE_ENCLAVE, 2, 2),
        (KeyStorage.STRONGBOX, 2, 2),
        (KeyStorage.TEE, 2, 2),
        (KeyStorage.SOFTWARE, 97, 96),
    ],
)
def test_storage_of_the_key_is_a_fact_of_hardware(storage: KeyStorage, hardware: int, opaque: int) -> None:
    """A key in software is neither genuine hardware's nor kept from the system."""
    asked = replace(ENTIRE, claims=changed_claims(ENTIRE.claims, key_storage=storage))
    vector = trustworthiness_vector(asked, ())
    assert (vector["hardware"], vector["storage-opaque"]) == (hardware, opaque)


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({}, 3),
        ({"verified_boot_state": "verified", "boot_key_listed": False}, 3),
        ({"boot_key_listed": False}, 99),
        ({"device_locked": False}, 99),
        ({"device_locked": False, "verified_boot_state": "verified"}, 99),
        ({"verified_boot_state": "unverified"}, 99),
        ({"verified_boot_state": "failed"}, 99),
    ],
)
@pytest.mark.parametrize("findings", [WARNED, REFUSED])
def test_what_booted_must_be_known(changes: dict[str, object], value: int, findings: tuple[Finding, ...]) -> None:
    """Verified, or signed by a key that the owner lists; and locked."""
    assert executables(of_android(**changes), findings) == value
    assert executables(of_android(**changes), ()) == 3


@pytest.mark.parametrize("name", ["hooking", "debugger", "root", "repackaged", "automation"])
def test_hostile_signal_makes_executables_contraindicated(name: str) -> None:
    """The app's process is not its own; as far as the policy minds."""
    asked = context(ENTIRE.claims, Signal("screen-capture"), Signal(name), build=None)
    assert [executables(asked, findings) for findings in ((), WARNED, REFUSED)] == [3, 33, 96]


@pytest.mark.parametrize("name", ["screen-capture", "overlay", "of-tomorrow"])
def test_other_signals_are_not_about_executables(name: str) -> None:
    """They are about the screen, or unknown."""
    assert executables(context(ENTIRE.claims, Signal(name), build=None), REFUSED) == 3
    assert executables(replace(ENTIRE, client_data=None), REFUSED) == 3


@pytest.mark.parametrize(
    ("match", "unknown", "values"),
    [
        (BuildMatch.DIFFERS, UnknownBuilds.ALLOW, [3, 33, 96]),
        (BuildMatch.UNKNOWN, UnknownBuilds.WARN, [3, 33, 33]),
        (BuildMatch.UNKNOWN, UnknownBuilds.REFUSE, [3, 33, 33]),
        (BuildMatch.UNMEASURED, UnknownBuilds.WARN, [3, 33, 33]),
        (BuildMatch.UNKNOWN, UnknownBuilds.ALLOW, [3, 3, 3]),
        (BuildMatch.UNMEASURED, UnknownBuilds.ALLOW, [3, 3, 3]),
        (BuildMatch.KNOWN, UnknownBuilds.REFUSE, [3, 3, 3]),
        (BuildMatch.DOWNGRADED, UnknownBuilds.REFUSE, [3, 3, 3]),
    ],
)
def test_build_at_hand_is_recognised_or_not(match: BuildMatch, unknown: UnknownBuilds, values: list[int]) -> None:
    """Differing code is as bad as a debugger; an unknown build is as bad as its owner minds."""
    assert [executables(of_build(match, unknown), findings) for findings in ((), WARNED, REFUSED)] == values


def test_finding_that_is_only_observed_lowers_nothing() -> None:
    """It is recorded, and that is all."""
    observed = (Finding("a-rule", Tier.CONTRAINDICATED, enforced=False),)
    assert trustworthiness_vector(of_android(device_locked=False), observed)["executables"] == 3


def test_result_says_by_which_policy() -> None:
    """Tier, findings, vector and version belong together."""
    policy = CedarPolicy.compile(
        'permit (principal, action, resource);\n@id("no-ios") forbid (principal is Apple, action, resource);', version=7
    )
    result = appraise_context(ENTIRE, policy)
    assert (result.tier, result.policy_version) == (Tier.CONTRAINDICATED, 7)
    assert result.trustworthiness["configuration"] == 96
    assert [finding.rule for finding in result.findings] == ["no-ios"]
