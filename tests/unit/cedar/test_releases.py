"""Rules about secrets: what releases one, what never does, and that verdicts take no notice of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid, default_policy
from attestation.appraisal.cedar.releases import Release, release_facts
from attestation.appraisal.facts import Facts, facts_of
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.policy import AppraisalContext
from attestation.claims import Platform

from tests.unit.cedar.every_member import APPLE, claims_of

POLICIES = Path(__file__).parents[3] / "policies"
STARTERS = sorted(path.parent.name for path in POLICIES.glob("*/appraisal.cedar"))
PERMIT = "permit (principal, action, resource);\n"
ONE = 'permit (principal, action == Action::"release-secret", resource == Secret::"a")'
NOW = 1_780_000_000.0


def facts(tier: str = "affirming", storage: str = "claimed") -> Facts:
    claims = claims_of(Platform.IOS, apple=APPLE)
    plain = facts_of(AppraisalContext(claims=claims, client_data=None, now=NOW, app="demo", event="secret"))
    return release_facts(plain, tier=tier, sealing_key_storage=storage)


def released(text: str, *names: str, now: float | None = NOW, **changed: str) -> tuple[Release, ...]:
    return CedarPolicy.compile(text).releases(facts(**changed), names or ("a",), now=now)


def test_default_policy_releases_no_secret() -> None:
    """It permits everything that it does not object to, and a secret is not among everything."""
    assert PERMIT.strip() in default_policy().text
    for name in ("a", "maps-key"):
        assert default_policy().releases(facts(), (name,), now=NOW) == (Release(name, granted=False),)


@pytest.mark.parametrize("starter", STARTERS)
def test_no_starter_releases_a_secret(starter: str) -> None:
    """Publishing one gives away nothing."""
    policy = CedarPolicy.compile((POLICIES / starter / "appraisal.cedar").read_text("utf-8"))
    assert not any(rule.releases for rule in policy.rules)
    assert [one.granted for one in policy.releases(facts(), ("a", "b"), now=NOW)] == [False, False]


@pytest.mark.parametrize(
    "rule",
    [
        "permit (principal, action, resource);",
        "permit (principal, action, resource) when { true };",
        "permit (principal, action, resource) when { context has tier };",
        'permit (principal, action == Action::"accept", resource);',
        'permit (principal, action in [Action::"accept", Action::"affirm"], resource);',
        "permit (principal is Apple, action, resource);",
    ],
)
def test_rule_that_does_not_name_the_action_releases_nothing(rule: str) -> None:
    assert released(PERMIT + rule) == (Release("a", granted=False),)


@pytest.mark.parametrize(
    "rule",
    [
        'permit (principal, action in [Action::"accept", Action::"release-secret"], resource);',
        'permit (principal, action, resource) when { action == Action::"release-secret" };',
        'permit (principal, action, resource) when { resource == Secret::"a" };',
        "permit (principal, action, resource) when { resource is Secret };",
        'permit (principal, action == Action::"release-secret", resource == App::"a");',
        'permit (principal, action == Action::"release-secret", resource == Secret::"A b");',
        '@mode("observe") ' + ONE + ";",
        '@block("1h") @id("x") forbid (principal, action == Action::"release-secret", resource);',
        '@advice("x") @id("x") forbid (principal, action == Action::"release-secret", resource);',
        'forbid (principal, action == Action::"release-secret", resource);',
        ONE + ' when { context.teir == "affirming" };',
        ONE + " when { principal.play.testing };",
    ],
)
def test_rule_that_could_be_read_in_two_ways_is_no_policy(rule: str) -> None:
    """Nor does the linter take it."""
    with pytest.raises(PolicyInvalid):
        CedarPolicy.compile(PERMIT + rule)
    assert any(message.severity == "error" for message in lint_appraisal(PERMIT + rule, now=NOW))


def test_rule_names_its_secret_and_its_tier() -> None:
    text = PERMIT + '@id("sound") ' + ONE + ' when { context.tier == "affirming" };'
    assert released(text, "a", "b") == (Release("a", granted=True, rules=("sound",)), Release("b", granted=False))
    assert released(text, tier="warning") == (Release("a", granted=False),)


def test_forbid_wins_and_is_named_and_an_observed_one_is_noted() -> None:
    forbid = '@id("claimed") forbid (principal, action == Action::"release-secret", resource)\n'
    forbid += 'when { context.sealing_key_storage == "claimed" };\n'
    assert released(PERMIT + ONE + ";" + forbid) == (Release("a", granted=False, rules=("claimed",)),)
    assert released(PERMIT + ONE + ";" + forbid, storage="attested") == (Release("a", granted=True),)
    watched = released(PERMIT + ONE + ';@mode("observe")' + forbid)
    assert watched == (Release("a", granted=True, observed=("claimed",)),)


def test_expired_rule_is_not_there() -> None:
    text = PERMIT + '@expires("2026-05-01")' + ONE + ";"
    assert not released(text)[0].granted
    assert released(text, now=1_700_000_000.0)[0].granted
    ended = '@id("x") @expires("2026-05-01") forbid (principal, action == Action::"release-secret", resource);'
    assert released(PERMIT + ONE + ";" + ended)[0].granted


def test_rule_that_cannot_be_evaluated_releases_nothing() -> None:
    """Cedar would skip it: a forbid that is skipped fails open."""
    failing = '@id("x") forbid (principal, action == Action::"release-secret", resource)\n'
    failing += "when { context.client_policy_version * 9223372036854775807 > 1 };\n"
    policy = CedarPolicy.compile(PERMIT + ONE + ";" + failing)
    given = facts()
    given = given._replace(context={**given.context, "client_policy_version": 5})
    assert policy.releases(given, ("a",), now=NOW) == (Release("a", granted=False, rules=("policy-error",)),)


def test_verdicts_take_no_notice_of_rules_about_secrets() -> None:
    """Neither findings nor questions nor memory: the same policy with such rules asks the same of the same facts."""
    about = '@id("soft") forbid (principal, action == Action::"affirm", resource) when { context.signals has root };\n'
    secret = ONE + ' when { principal.key_storage == "secure-enclave" };\n'
    secret += '@id("no") forbid (principal, action == Action::"release-secret", resource);\n'
    plain, mixed = CedarPolicy.compile(PERMIT + about), CedarPolicy.compile(secret + PERMIT + about)
    assert mixed.judge(facts(), now=NOW) == plain.judge(facts(), now=NOW) == ()
    rule_sets = [policy._rule_set(facts(), NOW) for policy in (plain, mixed)]
    assert rule_sets[0].asked(facts()) == rule_sets[1].asked(facts())
    assert [rule.rule for rule in mixed.rules if rule.releases] == ["", "no"]
