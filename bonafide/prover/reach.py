"""Whether the conditions of rules can hold at once, by the solver: what the linter on the laptop asks of its rules.

The linter's own search (:mod:`attestation.appraisal.lint.formulas`) is bounded, and takes two conditions for
independent where they look different: it does not see that ``x like "a*"`` and ``x == "b"`` exclude each other, nor
what three comparisons of numbers do together. Functions have no solver and keep it; it also answers where the solver
does not know.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import z3
from attestation.appraisal.cedar.expressions import Expression, key_of, parts_of
from attestation.appraisal.cedar.rules import ACCEPT, ReadRule, read_rules
from attestation.appraisal.lint.formulas import FALSE, All, Atom, Formula, Some, for_kind, satisfiable
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.lint.vocabulary import KEY_TYPES

from bonafide.prover.asked import Asked, any_facts, possible
from bonafide.prover.encoding import evaluated
from bonafide.prover.values import NotEncoded, term_of, text
from bonafide.prover.verdicts import Verdict, rules_at

PATIENCE: Final = 2.0
"""Seconds that the solver has for one question."""
PATIENCE_IN_ALL: Final = 30.0
"""Seconds that it has for all questions about a policy; then the linter's own search answers."""


@dataclass(slots=True)
class _World:
    """All facts of a type of key, in a solver that keeps what it learnt, and facts that it found."""

    asked: Asked
    solver: Any
    models: list[Any] = field(default_factory=list)


class Reach:
    """Answers for one policy: :data:`~attestation.appraisal.lint.formulas.CanHold`."""

    def __init__(self, *, patience: float = PATIENCE, in_all: float = PATIENCE_IN_ALL) -> None:
        self._worlds: dict[str, _World] = {}
        self._patience = patience
        self._until = time.monotonic() + in_all

    def __call__(self, formulas: Sequence[Formula], kind: str) -> bool:
        """Whether all of ``formulas`` can hold at once for a key of this type. ``False`` is shown, not supposed."""
        asked = [for_kind(formula, kind) for formula in formulas]
        if FALSE in asked:
            return False
        try:
            known = self._solved(asked, kind)
        except (z3.Z3Exception, RecursionError):
            known = None
        return satisfiable(formulas, kind) if known is None else known

    def _solved(self, formulas: Sequence[Formula], kind: str) -> bool | None:
        world = self._world(kind)
        wanted = z3.And(*(_encoded(formula, world.asked) for formula in formulas))
        # Most questions are answered by facts that an earlier one found.
        if any(z3.is_true(model.eval(wanted, model_completion=True)) for model in world.models):
            return True
        left = min(self._patience, self._until - time.monotonic())
        if left <= 0:
            return None
        world.solver.set("timeout", max(1, int(left * 1000)))
        world.solver.push()
        world.solver.add(wanted)
        outcome = world.solver.check()
        if outcome == z3.sat:
            world.models.append(world.solver.model())
        world.solver.pop()
        return None if outcome == z3.unknown else bool(outcome == z3.sat)

    def _world(self, kind: str) -> _World:
        if kind not in self._worlds:
            asked = any_facts(kind, of_secrets=True)
            solver = z3.Solver()
            solver.add(possible(asked))
            self._worlds[kind] = _World(asked, solver)
        return self._worlds[kind]


def _encoded(formula: Formula, asked: Asked) -> Any:
    match formula:
        case All(parts):
            return z3.And(*(_encoded(part, asked) for part in parts))
        case Some(parts):
            return z3.Or(*(_encoded(part, asked) for part in parts))
        case Atom(expression, positive):
            return _atom(expression, positive, asked)


def _atom(expression: Expression, positive: bool, asked: Asked) -> Any:
    """That a condition is evaluated to a truth value. One that is not encoded may be either, always the same one."""
    try:
        if _names_resource(expression):
            truth, fails = _resource(expression), z3.BoolVal(False)
        else:
            result = evaluated(expression, asked.request(ACCEPT))
            truth, fails = term_of(result.value).term, result.fails
    except NotEncoded:
        truth, fails = z3.Bool(key_of(expression)), z3.BoolVal(False)
    return z3.And(z3.Not(fails), truth if positive else z3.Not(truth))


def _names_resource(expression: Expression) -> bool:
    return any(part.get("Var") == "resource" for part in parts_of(expression))


def _resource(expression: Expression) -> Any:
    """What is said of the app or the secret that a rule is about, of which only equality is known."""
    if "==" in expression:
        left, right = expression["=="]["left"], expression["=="]["right"]
        for one, other in ((left, right), (right, left)):
            value = other.get("Value")
            if one.get("Var") == "resource" and isinstance(value, Mapping) and "__entity" in value:
                return z3.String("resource#") == text(key_of(value["__entity"]))
    raise NotEncoded("what is said of a resource")


def idle_permits(policy: str, *, now: float, in_all: float = PATIENCE_IN_ALL) -> Iterator[LintMessage]:
    """A warning for each permit that decides for no facts, at ``now`` (Unix seconds) and when others have ended: what
    it lets in, others that last let in as well. Raises
    :class:`~attestation.appraisal.cedar.rules.PolicyInvalid` for what is no policy."""
    rules, until = read_rules(policy), time.monotonic() + in_all
    permits = [read for read in rules if read.rule.effect == "permit" and not read.rule.releases]
    if len(permits) < 2:
        return
    for permit in permits:
        lasting = [read for read in rules if read is not permit and read.rule.expires_at is None]
        if not any(_may_decide(permit, lasting, kind, now, until) for kind in KEY_TYPES):
            yield LintMessage(
                permit.rule.line, "warning", "redundant-permit", permit.rule.rule,
                "it decides for no device: other permits let in all that it lets in",
                "delete it, or narrow the others",
            )  # fmt: skip


def _may_decide(permit: ReadRule, others: list[ReadRule], kind: str, now: float, until: float) -> bool:
    """Whether some facts have a better tier by this permit; ``True`` where that is not known."""
    rules = rules_at([permit, *others], kind, now)
    if not rules or rules[0] is not permit:
        return False
    left = min(PATIENCE, until - time.monotonic())
    if left <= 0:
        return True
    asked = any_facts(kind)
    solver = z3.Solver()
    solver.set("timeout", max(1, int(left * 1000)))
    try:
        verdict = Verdict(asked, rules)
        solver.add(possible(asked), verdict.rank() > verdict.rank(without=0))
        return bool(solver.check() != z3.unsat)
    except (NotEncoded, z3.Z3Exception, RecursionError):
        return True
