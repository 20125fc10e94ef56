"""Compiling an appraisal policy: it runs on stored text where no linter ran before, so it must be safe by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid
from attestation.appraisal.cedar.rules import MAX_ID, MAX_RULES, MAX_TEXT_BYTES
from attestation.appraisal.result import Tier

ROOT = Path(__file__).parents[3]
PERMIT = "permit (principal, action, resource);\n"
BODY = "forbid (principal, action, resource);\n"
LOWERING = 'forbid (principal, action == Action::"affirm", resource);\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("forbid (principal is", "The policy is not Cedar"),
        ("permit (principal == ?principal, action, resource);", "a template (?principal or ?resource)"),
        ("permit (principal, action, resource in ?resource);", "a template (?principal or ?resource)"),
        ("", "has no rule"),
        ("// nothing\n", "has no rule"),
        ("permit (principal, action in [], resource);", "Line 1: the actions are"),
        (PERMIT + BODY, "Line 2: a forbid needs an @id."),
        (PERMIT + "@id " + BODY, "Line 2: a forbid needs an @id."),
        (PERMIT + '@id("No Slug") ' + BODY, 'Line 2: "No Slug" is no id'),
        (PERMIT + f'@id("{"a" * (MAX_ID + 1)}") ' + BODY, "is no id"),
        (PERMIT + '@id("policy-error") ' + BODY, "is no id"),
        (PERMIT + '@id("a") ' + BODY + '@id("a") ' + BODY, 'Line 3: the id "a" is taken by another rule.'),
        (PERMIT + '@id("a") @note("b") ' + BODY, "Line 2: a forbid has no annotation @note."),
        ('@mode("observe") ' + PERMIT, "Line 1: a permit has no annotation @mode."),
        ('@block("1h") ' + PERMIT, "Line 1: a permit has no annotation @block."),
        (PERMIT + '@id("a") @mode("enforce") ' + BODY, 'the only @mode is "observe"'),
        (PERMIT + '@id("a") @advice("Update app") ' + BODY, "@advice is one word"),
        (PERMIT + '@id("a") @advice ' + BODY, "@advice is one word"),
        (PERMIT + '@id("a") @block("59s") ' + BODY, "@block is a time"),
        (PERMIT + '@id("a") @block("25h") ' + BODY, "@block is a time"),
        (PERMIT + '@id("a") @block("0m") ' + BODY, "@block is a time"),
        (PERMIT + '@id("a") @block("1h") ' + LOWERING, "@block is for a forbid that refuses"),
        (PERMIT + '@id("a") @expires("2026-02-30") ' + BODY, "@expires is a day"),
        (PERMIT + '@id("a") @expires("2026-12-31T18:00:00+01:00") ' + BODY, "@expires is a day"),
        (PERMIT + '@id("a") forbid (principal, action == Action::"accept", resource);', "would affirm"),
        (PERMIT + '@id("a") forbid (principal, action == Action::"enrol", resource);', "the actions are"),
        (PERMIT + '@id("a") ' + BODY[:-2] + " when { principal.no_such_fact };", "Line 2, a:"),
        (PERMIT + '@id("a") ' + BODY[:-2] + " when { principal.device_locked };", "Line 2, a:"),
        (PERMIT + f"//{'x' * MAX_TEXT_BYTES}", "larger than 64 KiB"),
        (PERMIT + f"//{'ü' * (MAX_TEXT_BYTES // 2)}", "larger than 64 KiB"),
        (PERMIT * (MAX_RULES + 1), f"more than {MAX_RULES} rules"),
    ],
)  # fmt: skip
def test_text_that_could_be_read_in_two_ways_is_refused(text: str, sentence: str) -> None:
    """One mutation, one sentence that says where and what."""
    with pytest.raises(PolicyInvalid) as refused:
        CedarPolicy.compile(text)
    assert any(sentence in problem for problem in refused.value.problems), refused.value.problems
    assert all(problem.endswith(".") for problem in refused.value.problems)


def test_every_broken_rule_is_named_at_once() -> None:
    """An author does not publish five times to learn of five mistakes."""
    with pytest.raises(PolicyInvalid) as refused:
        CedarPolicy.compile(PERMIT + BODY + BODY)
    assert str(refused.value) == " ".join(refused.value.problems)
    assert [problem[:7] for problem in refused.value.problems] == ["Line 2:", "Line 3:"]


def test_policy_of_the_greatest_size_compiles() -> None:
    """The bounds are the last that pass, not the first that fail."""
    assert (MAX_TEXT_BYTES, MAX_RULES, MAX_ID) == (64 * 1024, 500, 64), "as docs/policies.md says"
    rules = "".join(f'@id("a{n}") {BODY}' for n in range(MAX_RULES - 1))
    text = PERMIT + rules
    policy = CedarPolicy.compile(text + f"//{'x' * (MAX_TEXT_BYTES - len(text) - 2)}", version=7)
    assert (len(policy.rules), policy.version) == (MAX_RULES, 7)


@pytest.mark.parametrize(
    ("written", "seconds"), [("1m", 60), ("30m", 1800), ("90m", 5400), ("1h", 3600), ("24h", 86_400), ("1440m", 86_400)]
)
def test_block_is_in_minutes_or_hours(written: str, seconds: int) -> None:
    """From a minute to a day."""
    policy = CedarPolicy.compile(PERMIT + f'@id("a") @block("{written}") {BODY}')
    assert policy.rules[1].block_seconds == seconds


@pytest.mark.parametrize(
    ("action", "tier"),
    [
        ("action", Tier.CONTRAINDICATED),
        ('action in [Action::"accept", Action::"affirm"]', Tier.CONTRAINDICATED),
        ('action in [Action::"affirm"]', Tier.WARNING),
        ('action in Action::"affirm"', Tier.WARNING),
        ('action == Action::"affirm"', Tier.WARNING),
    ],
)
def test_forbid_refuses_or_lowers_by_its_actions(action: str, tier: Tier) -> None:
    """However they are written."""
    assert CedarPolicy.compile(PERMIT + f'@id("a") forbid (principal, {action}, resource);').rules[1].tier is tier


@pytest.mark.parametrize(
    ("action", "tier"),
    [
        ("action", Tier.AFFIRMING),
        ('action in [Action::"accept", Action::"affirm"]', Tier.AFFIRMING),
        ('action == Action::"affirm"', Tier.AFFIRMING),
        ('action in [Action::"accept"]', Tier.WARNING),
        ('action == Action::"accept"', Tier.WARNING),
    ],
)
def test_permit_lets_through_as_far_as_its_actions(action: str, tier: Tier) -> None:
    """The best that it gives."""
    assert CedarPolicy.compile(PERMIT + f"permit (principal, {action}, resource);").rules[1].tier is tier


@pytest.mark.parametrize("place", ["appraise_evidence", "renew_token", "report_signal"])
def test_function_without_the_policy_engine_does_not_start(place: str) -> None:
    """Nothing may be judged without it: a layer that lost cedarpy is an outage, and never an open gate."""
    path = [ROOT / "layers/attestation/src", ROOT / "layers/service/src", ROOT / "functions" / place]
    script = (
        f"import sys; sys.path[:0] = {[str(each) for each in path]!r}; sys.modules['cedarpy'] = None; import {place}"
    )
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert started.returncode != 0
    assert "cedarpy" in started.stderr.splitlines()[-1]


def test_text_that_was_not_published_has_version_0() -> None:
    """Drafts, and the policies that ship: published versions count from 1."""
    assert CedarPolicy.compile(PERMIT).version == 0
