"""The engine's cuts against evaluating everything, on policies that no author would write."""

from __future__ import annotations

from random import Random

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid
from attestation.appraisal.facts import facts_of

from tests.plain_policy.generated_contexts import NOW, generated_contexts
from tests.plain_policy.naive_evaluation import NaivePolicy
from tests.plain_policy.random_policies import random_rules


def _compiles(text: str) -> bool:
    try:
        CedarPolicy.compile(text)
    except PolicyInvalid:
        return False
    return True


@pytest.mark.parametrize("seed", range(40))
def test_engine_judges_any_policy_as_its_words_say(seed: int) -> None:
    """Same findings in the same order, evaluation errors included, whatever the rules, the facts and what they lack."""
    random = Random(seed)
    rules = [rule for rule in random_rules(random) if _compiles(rule)] or ["permit (principal, action, resource);"]
    text = "\n".join(random.sample(rules, len(rules)))
    policy, naive = CedarPolicy.compile(text), NaivePolicy(text, NOW)
    for context in generated_contexts(seed, 25):
        facts = facts_of(context)
        if random.random() < 0.1:
            facts = facts._replace(claims={name: fact for name, fact in facts.claims.items() if random.random() < 0.8})
        assert policy.judge(facts, now=NOW) == naive.judge(facts), (text, facts)
