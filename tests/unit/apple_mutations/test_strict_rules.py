"""The strict policy on Apple claims: one fact, one finding, one tier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attestation.apple.authenticator_data import CATEGORY_UNREAD, DATA_UNREAD
from attestation.appraisal.appraise import appraise
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.result import Tier
from attestation.claims import Claims

from devkit.devices.apple.app_attestation import encode_map
from tests.minted_claims import changed_claims
from tests.unit.apple_mutations.genuine_facts import GENUINE

from .attestation_changes import with_authenticator_data


def _apple(**changes: object) -> Claims:
    assert GENUINE.apple is not None
    return changed_claims(GENUINE, apple=replace(GENUINE.apple, **changes))  # type: ignore[arg-type]


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
        (changed_claims(GENUINE, findings=("apple-app-id-differs",)), "apple-app-id-differs", Tier.WARNING),
        (changed_claims(GENUINE, findings=("apple-access-list-unjudged",)), "apple-access-list-unjudged", Tier.WARNING),
        (changed_claims(GENUINE, findings=(CATEGORY_UNREAD,)), "apple-validation-category-unread", Tier.WARNING),
    ],
)
def test_one_fact_gives_one_finding(claims: Claims, rule: str, tier: Tier) -> None:
    """A number that Apple has yet to explain never helps, and never refuses."""
    assert _rules(claims) == {rule: tier}


def _with_tail(**extensions: object) -> Claims:
    members: dict[object, object] = dict(extensions.items())
    tail = encode_map(members)
    return with_authenticator_data(lambda data: replace(data, tail=tail))().ask()


@pytest.mark.parametrize("category", ["4", b"\x04\x00\x00", -4, True, [4], {"is": 4}])
def test_attestation_whose_category_cannot_be_read_is_a_warning(category: object) -> None:
    """A release of tomorrow is let in and noted, and no form is guessed at."""
    claims = _with_tail(apple_validation_category_01=category, apple_bundle_version_01="1")
    assert claims.apple is not None
    assert claims.apple.validation_category is None
    assert _rules(claims) == {CATEGORY_UNREAD: Tier.WARNING}


def test_other_extension_that_cannot_be_read_costs_nothing() -> None:
    """The bundle version decides nothing."""
    claims = _with_tail(apple_validation_category_01=4, apple_bundle_version_01=1)
    result = appraise(claims, client_data=None, policy=default_policy())
    assert result.tier is Tier.AFFIRMING
    assert [(finding.rule, finding.enforced) for finding in result.findings] == [(DATA_UNREAD, False)]


@pytest.mark.parametrize("flags", [0x41, 0x45, 0x5D, 0xC1])
def test_attestation_with_flags_of_tomorrow_is_noted(flags: int) -> None:
    """The nonce covers them; what they would mean is not known."""
    claims = with_authenticator_data(lambda data: replace(data, flags=flags))().ask()
    assert claims.findings == (DATA_UNREAD,)


def test_category_that_a_renewal_sends_readably_ends_the_finding() -> None:
    """An update of the app or of this stack heals it; silence does not."""
    unread = _with_tail(apple_validation_category_01="4")
    readable, silent = _apple(validation_category=4), _apple(validation_category=None)
    assert CATEGORY_UNREAD in unread.findings
    assert unread.renewed(readable).findings == ()
    assert unread.renewed(silent).findings == unread.findings
    assert readable.renewed(unread).findings == unread.findings
