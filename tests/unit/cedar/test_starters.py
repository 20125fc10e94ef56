"""The starter policies: whole, clean, and each with an effect of its own."""

from __future__ import annotations

import pytest
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.result import Tier

from bonafide.policies.starters import POLICIES, starters
from tests.unit.cedar.devices import DEVICES

NOW = 1_790_000_000.0
NAMES = ("strict-bank", "tolerant-media", "enterprise-roms", "alternative-stores", "lockdown")
LETTERS = {Tier.AFFIRMING: "A", Tier.WARNING: "w", Tier.CONTRAINDICATED: "-"}

# Under the default policy, then under each starter in the order of NAMES: affirming, warning, or - for refused.
VERDICTS = {
    "iPhone from the App Store": "A A A A A A",
    "iPhone, TestFlight build, debugger": "- - w - - -",
    "Pixel from Google Play": "A A A A A A",
    "phone of 2021, 30 months without patches": "w - A - w -",
    "unlocked phone": "- - w - - -",
    "listed system, locked": "- - w A A -",
    "app from another store": "w - A A A -",
    "Pixel, verdict of this morning": "A A A A A -",
    "hooked Pixel": "- - - - - -",
    "unregistered build": "w - A - - -",
    "HarmonyOS phone": "A A A A A A",
    "HarmonyOS phone without a verdict": "w - A w w -",
}


def _text(name: str) -> str:
    return (POLICIES / name / "appraisal.cedar").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_starter_has_nothing_to_object_to(name: str) -> None:
    """What we hand out as a beginning is clean, warnings included."""
    assert lint_appraisal(_text(name), now=NOW) == ()


def test_default_policy_has_nothing_to_object_to() -> None:
    """Nor does the policy that is active where none was published."""
    assert lint_appraisal(default_policy().text, now=NOW) == ()


@pytest.mark.parametrize("device", DEVICES)
def test_device_gets_the_tier_that_each_starter_promises(device: str) -> None:
    """One device, six policies: where they differ is what they are for. No rule fails to evaluate."""
    policies = [default_policy(), *(CedarPolicy.compile(_text(name)) for name in NAMES)]
    findings = [policy.judge(DEVICES[device], now=NOW) for policy in policies]
    assert not any(finding.rule == "policy-error" for found in findings for finding in found)
    assert " ".join(LETTERS[worst_tier(found)] for found in findings) == VERDICTS[device]


def test_every_starter_differs_from_every_other_policy() -> None:
    """Six columns of verdicts, no two alike."""
    columns = list(zip(*(verdicts.split() for verdicts in VERDICTS.values()), strict=True))
    assert len(set(columns)) == len(NAMES) + 1


def test_lockdown_ends_as_the_default() -> None:
    """When its rules have expired, a lockdown judges as the default does: it neither stays nor lets every device in."""
    after = CedarPolicy.compile(_text("lockdown").replace("2099-12-31T00:00:00Z", "2026-01-01T00:00:00Z"))
    for facts in DEVICES.values():
        assert after.judge(facts, now=NOW) == default_policy().judge(facts, now=NOW)


def test_list_of_starters_is_complete() -> None:
    """Every folder has a first sentence for the list."""
    assert set(starters()) == set(NAMES)
    assert all(starters().values())
