"""The law of incidents by evaluation: whatever policy the linter admits, one more incident makes no verdict better."""

from __future__ import annotations

from random import Random

import pytest
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.cedar.releases import release_facts
from attestation.appraisal.facts import INCIDENT_SETS, INCIDENT_WARNINGS, INCIDENTS, Facts, facts_of
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.result import Tier

from tests.plain_policy.generated_contexts import NOW, generated_contexts
from tests.plain_policy.random_policies import DETECTORS, random_rules

PERMIT = "permit (principal, action, resource);\n"
SECRET = 'permit (principal, action == Action::"release-secret", resource == Secret::"a")'
OF_OTHER_RULES = frozenset({"idle-forbid", "unreachable-permit", "no-permit"})
SEVERITY = {Tier.AFFIRMING: 0, Tier.WARNING: 1, Tier.CONTRAINDICATED: 2}


def _admitted(rule: str) -> bool:
    messages = lint_appraisal(PERMIT + rule, now=NOW)
    return not any(message.severity == "error" and message.code not in OF_OTHER_RULES for message in messages)


def _named(facts: Facts, changed: str, detector: str) -> tuple[Facts, Facts]:
    """The facts without an incident of this detector, and with it."""
    others = [name for name in facts.context[changed] if name != detector]  # type: ignore[attr-defined]
    before = facts._replace(context={**facts.context, changed: others})
    return before, facts._replace(context={**facts.context, changed: sorted([*others, detector])})


def _policy(seed: int) -> tuple[str, CedarPolicy] | None:
    random = Random(seed)
    rules = [rule for rule in random_rules(random, about_incidents=0.7) if _admitted(rule)]
    text = PERMIT * (random.random() < 0.8) + "\n".join(rules)
    return (text, CedarPolicy.compile(text)) if rules else None


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(60), id="sample"),
        pytest.param(range(60, 3_000), marks=pytest.mark.exhaustive, id="whole"),
    ],
)
def test_one_more_incident_makes_no_verdict_better(seeds: range) -> None:
    """Adding one never does; one of a batch or network refuses nothing; and some do lower."""
    lowered = dict.fromkeys(INCIDENT_SETS, 0)
    devices = [facts_of(context) for context in generated_contexts(seeds.start, 100)]
    for seed in seeds:
        made = _policy(seed)
        if made is None:
            continue
        text, policy = made
        for device in Random(seed).sample(devices, 6):
            for changed in INCIDENT_SETS:
                for detector in DETECTORS:
                    facts, more = _named(device, changed, detector)
                    before = SEVERITY[worst_tier(policy.judge(facts, now=NOW))]
                    after = SEVERITY[worst_tier(policy.judge(more, now=NOW))]
                    assert after >= before, (text, more)
                    assert changed == INCIDENTS or (after == 2) is (before == 2), (text, more)
                    lowered[changed] += after > before
    assert min(lowered.values()) > 0, lowered


def test_one_more_incident_releases_no_secret() -> None:
    """Forbids of secrets may look at incidents; permits may not, and those of batches are out of reach."""
    policy = CedarPolicy.compile(
        f'{PERMIT}{SECRET};\n@id("farm") forbid (principal, action == Action::"release-secret", resource)\n'
        'when { context.incidents.contains("key-farm") };'
    )
    for context in generated_contexts(5, 20):
        for changed in INCIDENT_SETS:
            facts, more = _named(facts_of(context), changed, "key-farm")
            before, after = (
                policy.releases(release_facts(one, tier="affirming", sealing_key_storage="claimed"), ("a",), now=NOW)
                for one in (facts, more)
            )
            assert after[0].granted is (before[0].granted and changed == INCIDENT_WARNINGS)
