"""Whether the prover's encoding says of a draft and of facts what Cedar says."""

from __future__ import annotations

from dataclasses import dataclass

import z3
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.cedar.rules import PolicyInvalid, read_rules
from attestation.appraisal.facts import Facts

from bonafide.prover.asked import these_facts
from bonafide.prover.values import NotEncoded
from bonafide.prover.verdicts import RANKS, Verdict, rules_at
from tests.prover.drafts import KIND_NAMES, Drafts

NOW = 1_780_000_000.0


@dataclass(slots=True)
class Tally:
    """How many were compared, and those that differ: draft, facts and what each says."""

    compared: int = 0
    refused: int = 0
    failed: int = 0
    differing: list[tuple[str, Facts, str, str]] | None = None

    def __post_init__(self) -> None:
        self.differing = []


def compared(seed: int, drafts: int, facts_each: int = 2, *, until_one_differs: bool = False) -> Tally:
    """Compare random drafts, each for some facts. Drafts that Cedar's type checker refuses are counted apart."""
    made, tally = Drafts(seed), Tally()
    assert tally.differing is not None
    while tally.compared < drafts * facts_each:
        kind = made.random.choice(KIND_NAMES)
        text = made.draft(kind)
        try:
            policy = CedarPolicy.compile(text)
        except PolicyInvalid:
            tally.refused += 1
            continue
        rules = read_rules(text)
        for _ in range(facts_each):
            facts = made.facts(kind)
            engine, ours = by_engine(policy, facts), by_encoding(rules, facts)
            tally.compared += 1
            tally.failed += "policy-error" in engine
            if engine != ours:
                tally.differing.append((text, facts, engine, ours))
                if until_one_differs:
                    return tally
    return tally


def by_engine(policy: CedarPolicy, facts: Facts) -> str:
    """The tier, and the enforced findings."""
    found = [finding for finding in policy.judge(facts, now=NOW) if finding.enforced]
    return f"{RANKS[worst_tier(found)]} {sorted(f'{one.rule} {one.tier}' for one in found)}"


def by_encoding(rules: tuple[object, ...], facts: Facts) -> str:
    """The same, by the encoding with these facts in the place of unknown ones."""
    verdict = Verdict(these_facts(facts), rules_at(rules, facts.kind, NOW))  # type: ignore[arg-type]
    try:
        rank = z3.simplify(verdict.rank())
    except NotEncoded as error:
        return f"not encoded: {error}"
    found = [one for one, when in verdict.found().items() if z3.is_true(z3.simplify(when))]
    return f"{rank} {sorted(f'{one.rule} {one.tier}' for one in found)}"
