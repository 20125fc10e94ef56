"""The rule that an incident suggests: it lints, and does to a named key what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.facts import NAMING_DETECTORS
from attestation.appraisal.incident_rule import incident_rule
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.result import Tier

from tests.unit.cedar.devices import DEVICES

NOW = 1_790_000_000.0
PHONE = DEVICES["Pixel from Google Play"]
POLICIES = Path(__file__).parents[3] / "policies"
STARTERS = ("strict-bank", "tolerant-media")
TEXTS = [default_policy().text, *((POLICIES / name / "appraisal.cedar").read_text("utf-8") for name in STARTERS)]


@pytest.mark.parametrize("warns", [False, True])
@pytest.mark.parametrize("detector", NAMING_DETECTORS)
def test_rule_lints_clean_and_compiles(detector: str, warns: bool) -> None:
    """The linter has nothing to say of it."""
    text = f"permit (principal, action, resource);\n{incident_rule(detector, warns=warns)}"
    assert lint_appraisal(text, now=NOW) == ()
    assert CedarPolicy.compile(text).rules[-1].rule == f"incident-{detector}"


@pytest.mark.parametrize("text", TEXTS, ids=["default", *STARTERS])
def test_rules_are_appended_to_any_policy(text: str) -> None:
    """All of them, at once: the linter says what it said before, and nothing more."""
    rules = [incident_rule(detector, warns=warns) for detector in NAMING_DETECTORS for warns in (False, True)]
    drafted = "\n".join([text, *rules])
    assert lint_appraisal(drafted, now=NOW) == lint_appraisal(text, now=NOW)
    assert len(CedarPolicy.compile(drafted).rules) == len(CedarPolicy.compile(text).rules) + len(rules)


@pytest.mark.parametrize(
    ("warns", "fact", "tier"),
    [
        (False, "incidents", Tier.CONTRAINDICATED),
        (False, "incident_warnings", Tier.AFFIRMING),
        (True, "incident_warnings", Tier.WARNING),
        (True, "incidents", Tier.AFFIRMING),
    ],
)
@pytest.mark.parametrize("detector", NAMING_DETECTORS)
def test_rule_lowers_the_keys_that_are_named_and_no_others(detector: str, warns: bool, fact: str, tier: Tier) -> None:
    """Refused by an incident that names the key itself, warned of by one of its batch or network."""
    policy = CedarPolicy.compile(f"{default_policy().text}\n{incident_rule(detector, warns=warns)}")
    assert worst_tier(policy.judge(PHONE, now=NOW)) is Tier.AFFIRMING
    named = PHONE._replace(context={**PHONE.context, fact: [detector]})
    assert worst_tier(policy.judge(named, now=NOW)) is tier
    other = next(name for name in NAMING_DETECTORS if name != detector)
    assert worst_tier(policy.judge(PHONE._replace(context={**PHONE.context, fact: [other]}), now=NOW)) is Tier.AFFIRMING


def test_detector_that_names_no_key_has_no_rule() -> None:
    """A rule on it would never apply."""
    with pytest.raises(ValueError, match="vendor-trouble"):
        incident_rule("vendor-trouble", warns=True)
