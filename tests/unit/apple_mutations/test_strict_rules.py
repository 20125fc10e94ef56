"""The strict policy on Apple claims: one fact, one finding, one tier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.appraise import appraise
from attestation.attestation_result import Tier
from attestation.cedar.cedar_policy import default_policy
from attestation.claims import Claims
from attestation.evidence import AppleAttestation

from .scene import Question, Scene

GENUINE = Question(evidence=AppleAttestation(Scene.default().attestation.seal(), None)).ask()


def _apple(**changes: object) -> Claims:
    assert GENUINE.apple is not None
    return replace(GENUINE, apple=replace(GENUINE.apple, **changes))  # type: ignore[arg-type]


def _rules(claims: Claims) -> dict[str, Tier]:
    result = appraise(claims, client_data=None, policy=default_policy())
    return {finding.rule: finding.tier for finding in result.findings}


@pytest.mark.parametrize("category", [None, 1, 2, 4, 5])
def test_vetted_distribution_has_no_finding(category: int | None) -> None:
    """Platform, TestFlight, App Store, enterprise; and releases that do not say."""
    assert _rules(_apple(validation_category=category)) == {}


@pytest.mark.parametrize(
    ("claims", "rule", "tier"),
    [
        (_apple(validation_category=3), "development-distribution", Tier.WARNING),
        *((_apple(validation_category=number), "unvetted-distribution", Tier.WARNING) for number in (0, 6, 7, 10, 99)),
        (_apple(full_security=False), "reduced-security-mac", Tier.CONTRAINDICATED),
        (replace(GENUINE, findings=("apple-app-id-differs",)), "apple-app-id-differs", Tier.WARNING),
        (replace(GENUINE, findings=("apple-access-list-unjudged",)), "apple-access-list-unjudged", Tier.WARNING),
    ],
)
def test_one_fact_gives_one_finding(claims: Claims, rule: str, tier: Tier) -> None:
    """A number that Apple has yet to explain never helps, and never refuses."""
    assert _rules(claims) == {rule: tier}
