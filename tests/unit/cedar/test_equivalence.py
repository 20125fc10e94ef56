"""default.cedar against the plain rules, and the engine's cuts against evaluating everything."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import cedarpy
import pytest
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy, schema
from attestation.appraisal.facts import facts_of
from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding
from attestation.errors import AttestationError

from bonafide.conformance.case_file import CaseUnusable, load_members, read_case
from bonafide.conformance.run import RUNNERS
from tests.plain_policy.generated_contexts import NOW, generated_contexts
from tests.plain_policy.naive_evaluation import NaivePolicy
from tests.plain_policy.strict_policy import StrictPolicy
from tests.real_cases import require_cases

pytestmark = pytest.mark.long

STARTERS = sorted((Path(__file__).parents[3] / "policies").glob("*/appraisal.cedar"))
PERMIT = "permit (principal, action, resource);"
ADVERSARIAL = {
    "else-branch": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    "{ if principal has play then principal.play.testing else principal.play_expected };",
    "unless": PERMIT + '@id("a") forbid (principal is Harmony, action, resource) unless '
    '{ principal has integrity && principal.integrity.profile == "next" };',
    "nested-has": PERMIT + '@id("a") forbid (principal is Android, action == Action::"affirm", resource) when '
    "{ principal has play.apps_detected && !principal.play.apps_detected.isEmpty() };",
    "negated-has": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    '{ !(principal has play) && !(principal.play_expected && principal has play_skipped) };',
    "like": PERMIT + '@id("a") forbid (principal, action, resource) when { principal.chain_profile like "*a*" };',
    "whole-record": PERMIT + '@id("a") forbid (principal, action, resource) when '
    "{ context.signals == context.signals && context has build && context.build == context.build };",
    "incidents": PERMIT + '@id("a") forbid (principal, action, resource) when '
    '{ context.incidents.contains("key-farm") || context.incidents.containsAll(["clone-storm", "leaked-keybox"]) };'
    '@id("b") forbid (principal is Android, action == Action::"affirm", resource) when '
    '{ context.incident_warnings.containsAny(["leaked-keybox", "key-farm"]) };'
    '@id("c") @mode("observe") forbid (principal, action == Action::"affirm", resource) when '
    "{ !context.incident_warnings.isEmpty() };",
    "action": PERMIT + '@id("a") forbid (principal, action, resource) when '
    '{ action == Action::"affirm" && principal.environment == "development" };',
    "resource": PERMIT + '@id("a") forbid (principal, action, resource) when { resource == App::"org.example" };',
    "type-in-condition": PERMIT + '@id("a") forbid (principal, action, resource) when '
    "{ principal is Android && !principal.device_locked };",
    "overflow": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    "{ principal has os_version_number && principal.os_version_number * 9223372036854775807 > 5 };",
    "overflow-before-has": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    "{ principal.attestation_version * 9223372036854775807 > 5 && principal has play };",
    "observed-and-expired": PERMIT + '@id("a") @mode("observe") forbid (principal, action, resource);'
    '@id("b") @expires("2020-01-01") forbid (principal, action, resource);',
    "conditional-permits": 'permit (principal is Apple, action, resource) when { !(context has build) };'
    'permit (principal is Android, action == Action::"accept", resource) when { principal.device_locked };'
    '@id("a") @block("1h") forbid (principal, action, resource) when { context.signals has root };',
    "affirm-only-permit": 'permit (principal, action == Action::"affirm", resource);',
    "truth-values": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    "{ principal.device_locked && !(principal.boot_key_listed || principal.play_expected) } "
    "unless { principal.patch_known && (!principal.device_locked || principal has play) };"
    '@id("b") forbid (principal is Apple, action == Action::"affirm", resource) when '
    "{ principal.receipt_verified };",
    "truth-behind-a-failure": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    "{ principal.attestation_version * 9223372036854775807 > 5 && principal.play_expected };"
    '@id("b") forbid (principal is Android, action, resource) when '
    "{ principal.attestation_version * 9223372036854775807 > 5 || principal.device_locked };",
    "truth-as-a-value": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    "{ principal.device_locked == principal.patch_known && (principal.play_expected && principal has play) == "
    "(if principal.boot_key_listed then principal has play_skipped else principal.device_locked) && "
    "{ x: principal.device_locked, y: [principal.patch_known] } == { x: true, y: [true] } };",
    "written-sets": PERMIT + '@id("a") forbid (principal is Android, action, resource) when '
    '{ ["tee", "strongbox"].contains(principal.key_storage) && ![1, 2].contains(principal.security_level) || '
    "principal.purposes.containsAny([3, 4]) && principal.purposes.containsAll([2]) };",
    "spread-and-whole": PERMIT + '@id("a") forbid (principal is Harmony, action, resource) when '
    "{ principal has integrity && principal.integrity.basic_integrity && principal.integrity has age_hours && "
    'context has build && context.build.match != "known" };'
    '@id("b") forbid (principal is Harmony, action, resource) when '
    "{ principal has integrity && principal.integrity == principal.integrity && context has build && "
    "(if principal.simulator then context.build else context.build) == context.build };",
    "many": PERMIT + "".join(
        f'@id("a{n}") forbid (principal is Android, action, resource) when '
        f"{{ principal.play_expected && principal.security_level == {n} }};" for n in range(12)
    ),
}  # fmt: skip


def _facets(findings: tuple[Finding, ...]) -> set[tuple[str, str, str | None, bool]]:
    return {(f.rule, f.tier.value, f.advice, f.enforced) for f in findings}


def _agree(context: AppraisalContext) -> None:
    plain, cedar = StrictPolicy().findings(context), default_policy().findings(context)
    assert _facets(cedar) == _facets(plain), context
    assert worst_tier(cedar) is worst_tier(plain)


@pytest.mark.parametrize(
    "number", [pytest.param(10_000, marks=pytest.mark.exhaustive, id="whole"), pytest.param(4_000, id="sample")]
)
def test_generated_claims_are_judged_alike(number: int) -> None:
    """Same rules, tiers, advice and enforcement, whatever the claims."""
    for context in generated_contexts(1, number):
        _agree(context)


@pytest.mark.parametrize("platform", ["apple", "android", "harmony"])
def test_real_evidence_is_judged_alike(platform: str) -> None:
    """Every case file whose evidence verifies."""
    judged = 0
    for path in sorted(require_cases(platform).rglob("*.json")):
        members = load_members(path)
        if not isinstance(members, dict) or "case" not in members:
            continue
        try:
            case = read_case(members)
            verified = RUNNERS[case.format](case)
        except (AttestationError, CaseUnusable, KeyError):
            continue
        if verified.claims is not None:
            _agree(AppraisalContext(claims=verified.claims, client_data=None, now=case.at))
            judged += 1
    assert judged


TEXTS = pytest.mark.parametrize(
    "text",
    [default_policy().text, *(path.read_text("utf-8") for path in STARTERS), *ADVERSARIAL.values()],
    ids=["default", *(path.parent.name for path in STARTERS), *ADVERSARIAL],
)


@TEXTS
def test_what_is_cut_changes_no_finding(text: str) -> None:
    """Slices, groups, projections and caches against the whole text with all facts."""
    policy, naive = CedarPolicy.compile(text), NaivePolicy(text, NOW)
    seen = set()
    for context in generated_contexts(2, 300):
        facts = facts_of(context)
        expected = naive.judge(facts)
        assert policy.judge(facts, now=NOW) == expected
        seen.add(expected)
    assert seen


@TEXTS
def test_what_is_cut_changes_no_failure(text: str) -> None:
    """Facts that are not as the schema says: what fails without the cuts fails with them, and nothing else does."""
    policy, naive, random = CedarPolicy.compile(text), NaivePolicy(text, NOW), Random(7)
    for context in generated_contexts(8, 250):
        facts = facts_of(context)
        claims, request = _damaged(dict(facts.claims), random), _damaged(dict(facts.context), random)
        facts = facts._replace(claims=claims, context=request)
        assert policy.judge(facts, now=NOW) == naive.judge(facts), facts


def _damaged(record: dict[str, Any], random: Random) -> dict[str, Any]:
    """Some members missing, or of another type."""
    for name, value in list(record.items()):
        if isinstance(value, dict) and random.random() < 0.3:
            record[name] = _damaged(dict(value), random)
        elif (chance := random.random()) < 0.02:
            del record[name]
        elif chance < 0.04:
            record[name] = random.choice((1, 0, "x", [], [1], {}, True, False))
    return record


def test_facts_conform_to_the_schema() -> None:
    """Policies are checked against the schema when compiled, never when evaluated: so facts must keep to it."""
    for context in generated_contexts(3, 500):
        facts = facts_of(context)
        principal = {"type": facts.kind, "id": facts.key_id}
        entities = [{"uid": principal, "attrs": dict(facts.claims), "parents": []}]
        request = {
            "principal": principal,
            "action": {"type": "Action", "id": "affirm"},
            "resource": {"type": "App", "id": facts.app},
            "context": dict(facts.context),
        }
        answer = cedarpy.is_authorized(request, PERMIT, entities, schema())
        assert answer.decision is cedarpy.Decision.Allow, answer.diagnostics.errors
