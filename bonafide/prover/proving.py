"""Proves properties of a policy, or finds facts that refute them. What the solver cannot say is ``unknown``.

A refutation is never the solver's word alone: the facts that it names are judged by the real engine, and only what is
seen there is ``refuted``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Any, Final, NamedTuple

import z3
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.cedar.rules import ACCEPT, ReadRule, read_rules
from attestation.appraisal.facts import Facts
from attestation.appraisal.lint.vocabulary import KEY_TYPES
from attestation.appraisal.result import Tier

from bonafide.operator.errors import OperatorError
from bonafide.prover.asked import (
    Asked,
    any_facts,
    facts_in,
    fewer_signals,
    plain_wishes,
    possible,
    these_facts,
    with_signals,
)
from bonafide.prover.encoding import matches
from bonafide.prover.properties import ALWAYS, MONOTONE, NEVER, NO_STRICTER, REACHABLE, Property
from bonafide.prover.values import NotEncoded, term_of
from bonafide.prover.verdicts import RANKS, Verdict, rules_at

NOTHING: Final = "There are no facts as it says, so that it holds of any policy: look at its condition."
PATIENCE: Final = 10.0
"""Seconds that the solver has for one property."""
_TIERS: Final = {rank: tier for tier, rank in RANKS.items()}


@unique
class Answer(StrEnum):
    """What came of a property."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Witness:
    """Facts that refute a property, or show that something is reachable: each with its tier by the real engine."""

    facts: Facts
    tier: str
    other: Facts | None = None
    other_tier: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """An answer. ``because`` is one sentence; ``seconds`` is the time that it took."""

    of: Property
    answer: Answer
    because: str
    witness: Witness | None = None
    seconds: float = 0.0


class _Search(NamedTuple):
    """What a model would refute (or show), for keys of one type."""

    asked: Asked
    formula: Any
    more: Asked | None = None


class Prover:
    """Proves properties of ``text`` at ``now`` (Unix seconds). Raises
    :class:`~attestation.appraisal.cedar.rules.PolicyInvalid` for what is no policy."""

    def __init__(self, text: str, *, now: float, patience: float = PATIENCE) -> None:
        self._policy = CedarPolicy.compile(text)
        self._rules = read_rules(text)
        self._now = now
        self._patience = patience

    def prove(self, wanted: Property) -> Proof:
        """One of the properties of a file."""
        if wanted.kind == REACHABLE and not any(
            read.rule.rule == wanted.of and read.rule.effect == "permit" for read in self._rules
        ):
            raise OperatorError(f'Line {wanted.line}: the policy has no permit with the id "{wanted.of}".')
        return self._timed(wanted, lambda: self._proved(wanted))

    def compare(self, kind: str, other: str) -> Proof:
        """That this policy is equal to another one (:data:`EQUAL`: same tier, enforced findings, advice and block), or
        no stricter (:data:`NO_STRICTER`: no tier is worse), for all facts."""
        against = CedarPolicy.compile(other)
        rules = read_rules(other)
        wanted = Property(kind, kind, "", None)
        return self._timed(wanted, lambda: self._compared(wanted, against, rules))

    def _timed(self, wanted: Property, prove: Any) -> Proof:
        began = time.monotonic()
        try:
            proof: Proof = prove()
        except NotEncoded as error:
            proof = Proof(wanted, Answer.UNKNOWN, f"The solver is not told about {error}.")
        except z3.Z3Exception as error:
            proof = Proof(wanted, Answer.UNKNOWN, f"The solver failed: {str(error)[:200]}.")
        return replace(proof, seconds=time.monotonic() - began)

    def _proved(self, wanted: Property) -> Proof:
        unknown = "" if wanted.kind not in (NEVER, ALWAYS) or self._is_about_some(wanted) else NOTHING
        for search in self._searches(wanted):
            found = self._solved(search)
            if isinstance(found, str):
                unknown = found
                continue
            if found is None:
                continue
            witness = self._witness(*found)
            if self._shows(wanted, witness):
                answer = Answer.PROVED if wanted.kind == REACHABLE else Answer.REFUTED
                return Proof(wanted, answer, _said(wanted, witness), witness)
            unknown = "The facts that the solver names are judged otherwise by the engine."
        if unknown:
            return Proof(wanted, Answer.UNKNOWN, unknown)
        if wanted.kind == REACHABLE:
            return Proof(wanted, Answer.REFUTED, f'The permit "{wanted.of}" decides for no facts.')
        return Proof(wanted, Answer.PROVED, "It holds for all facts.")

    def _searches(self, wanted: Property) -> Iterator[_Search]:
        for kind in KEY_TYPES:
            asked = any_facts(kind)
            about = z3.And(possible(asked), _about(wanted, asked))
            verdict = Verdict(asked, rules_at(self._rules, kind, self._now))
            match wanted.kind:
                case "never":
                    yield _Search(asked, z3.And(about, verdict.rank() >= RANKS[Tier(wanted.of)]))
                case "always":
                    yield _Search(asked, z3.And(about, verdict.rank() < RANKS[Tier(wanted.of)]))
                case "reachable":
                    for place, read in enumerate(verdict.rules):
                        if read.rule.rule == wanted.of and read.rule.effect == "permit":
                            yield _Search(asked, z3.And(about, verdict.rank() > verdict.rank(without=place)))
                case _:
                    more = with_signals(asked, any_facts(kind, "more."))
                    worse = Verdict(more, verdict.rules).rank() > verdict.rank()
                    yield _Search(asked, z3.And(about, possible(more), fewer_signals(asked, more), worse), more)

    def _is_about_some(self, wanted: Property) -> bool:
        """Whether there are facts as the property says. Without any it would hold whatever the policy is."""
        for kind in KEY_TYPES:
            asked = any_facts(kind)
            if self._solved(_Search(asked, z3.And(possible(asked), _about(wanted, asked)))) is not None:
                return True
        return False

    def _compared(self, wanted: Property, against: CedarPolicy, others: Sequence[ReadRule]) -> Proof:
        unknown = ""
        for kind in KEY_TYPES:
            asked = any_facts(kind)
            ours = Verdict(asked, rules_at(self._rules, kind, self._now))
            theirs = Verdict(asked, rules_at(others, kind, self._now))
            if wanted.kind == NO_STRICTER:
                differs = ours.rank() < theirs.rank()
            else:
                one, other = ours.found(), theirs.found()
                never = z3.BoolVal(False)
                differs = z3.Or(
                    ours.rank() != theirs.rank(),
                    *(one.get(found, never) != other.get(found, never) for found in one.keys() | other.keys()),
                )
            found = self._solved(_Search(asked, z3.And(possible(asked), differs)), others)
            if isinstance(found, str):
                unknown = found
            elif found is not None:
                facts, _ = found
                judged, otherwise = self._findings(facts), _enforced(against, facts, self._now)
                tiers = worst_tier(judged), worst_tier(otherwise)
                stricter = RANKS[tiers[0]] < RANKS[tiers[1]]
                if stricter if wanted.kind == NO_STRICTER else set(judged) != set(otherwise):
                    witness = Witness(facts, tiers[0], other_tier=tiers[1])
                    says = f"{_name(facts)}: {tiers[0]} here, {tiers[1]} there"
                    if tiers[0] == tiers[1]:
                        says += f" by other findings ({_ids(judged)}; {_ids(otherwise)})"
                    return Proof(wanted, Answer.REFUTED, f"{says}.", witness)
                unknown = "The facts that the solver names are judged otherwise by the engine."
        if unknown:
            return Proof(wanted, Answer.UNKNOWN, unknown)
        return Proof(wanted, Answer.PROVED, "It holds for all facts.")

    def _solved(self, search: _Search, others: Sequence[ReadRule] = ()) -> tuple[Facts, Facts | None] | str | None:
        """Facts that satisfy a formula; ``None`` where there are none, a sentence where that is not known."""
        solver = z3.Solver()
        solver.set("timeout", int(self._patience * 1000))
        solver.add(search.formula)
        outcome = solver.check()
        if outcome == z3.unsat:
            return None
        if outcome != z3.sat:
            return f"The solver does not know after {self._patience:g} s: {solver.reason_unknown()}."
        model = _plainest(solver, [search.asked, *([] if search.more is None else [search.more])], self._patience)
        named = {one for read in (*self._rules, *others) for one in _named_in(read.est)}
        more = None if search.more is None else facts_in(model, search.more, named)
        return facts_in(model, search.asked, named), more

    def _witness(self, facts: Facts, more: Facts | None) -> Witness:
        if more is None:
            return Witness(facts, worst_tier(self._findings(facts)))
        return Witness(facts, worst_tier(self._findings(facts)), more, worst_tier(self._findings(more)))

    def _findings(self, facts: Facts) -> tuple[Any, ...]:
        return _enforced(self._policy, facts, self._now)

    def _shows(self, wanted: Property, witness: Witness) -> bool:
        """Whether the engine sees what the solver says."""
        rank = RANKS[Tier(witness.tier)]
        if not _is_about(wanted, witness.facts):
            return False
        if wanted.kind == NEVER:
            return rank >= RANKS[Tier(wanted.of)]
        if wanted.kind == ALWAYS:
            return rank < RANKS[Tier(wanted.of)]
        if wanted.kind == MONOTONE:
            return RANKS[Tier(witness.other_tier)] > rank
        rest = [read for read in self._rules if not (read.rule.rule == wanted.of and read.rule.effect == "permit")]
        without = CedarPolicy.compile("\n".join(read.text for read in rest)) if rest else None
        worse = REFUSED if without is None else RANKS[worst_tier(_enforced(without, witness.facts, self._now))]
        return rank > worse


REFUSED: Final = RANKS[Tier.CONTRAINDICATED]


def _about(wanted: Property, asked: Asked) -> Any:
    if wanted.est is None:
        return z3.BoolVal(True)
    found = matches(wanted.est, asked.request(ACCEPT))
    return term_of(found.value).term


def _is_about(wanted: Property, facts: Facts) -> bool:
    return bool(z3.is_true(z3.simplify(_about(wanted, these_facts(facts)))))


def _enforced(policy: CedarPolicy, facts: Facts, now: float) -> tuple[Any, ...]:
    return tuple(finding for finding in policy.judge(facts, now=now) if finding.enforced)


def _said(wanted: Property, witness: Witness) -> str:
    if wanted.kind == MONOTONE:
        return f"{_name(witness.facts)}: {witness.tier}, and {witness.other_tier} with more signals."
    if wanted.kind == REACHABLE:
        return f'{_name(witness.facts)}: {witness.tier} by "{wanted.of}" alone.'
    return f"{_name(witness.facts)}: {witness.tier}."


def _name(facts: Facts) -> str:
    return f"Some {facts.kind} key"


def _ids(findings: Sequence[Any]) -> str:
    return ", ".join(finding.rule for finding in findings) or "none"


def _plainest(solver: Any, asked: Sequence[Asked], patience: float) -> Any:
    """A model with as little as can be: a person is to read these facts. Each wish is kept where it can be had."""
    model, until = solver.model(), time.monotonic() + patience
    for wish in (wish for one in asked for wish in plain_wishes(one)):
        if time.monotonic() > until:
            break
        solver.push()
        solver.add(wish)
        if solver.check() == z3.sat:
            model = solver.model()
        else:
            solver.pop()
    return model


def _named_in(part: Any) -> Iterator[str | int]:
    """Texts and numbers that are written out in a rule."""
    if isinstance(part, dict):
        if isinstance(value := part.get("Value"), str | int):
            yield value
        for inner in part.values():
            yield from _named_in(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _named_in(inner)


def facts_text(facts: Facts) -> str:
    """Facts as ``bonafide policy replay`` reads them: one JSON object."""
    return json.dumps(facts.to_record(), sort_keys=True)
