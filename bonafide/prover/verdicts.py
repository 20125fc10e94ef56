"""What a policy says of facts, for the solver: the tier, and which rules are found.

As the engine has it (:mod:`attestation.appraisal.cedar.engine`): an evaluation that fails refuses, a forbid refuses or
lowers, and what nothing permits is refused. Observed rules change no tier, but one whose evaluation fails refuses as
well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import z3
from attestation.appraisal.cedar.projection import of_another_type
from attestation.appraisal.cedar.rules import ACCEPT, AFFIRM, NO_PERMIT, NOT_AFFIRMED, POLICY_ERROR, ReadRule
from attestation.appraisal.result import Tier

from bonafide.prover.asked import Asked
from bonafide.prover.encoding import matches
from bonafide.prover.values import term_of

REFUSED: Final = 0
WARNED: Final = 1
AFFIRMED: Final = 2
RANKS: Final = {Tier.CONTRAINDICATED: REFUSED, Tier.WARNING: WARNED, Tier.AFFIRMING: AFFIRMED}


class Found(NamedTuple):
    """A finding that is enforced, as an answer shows it."""

    rule: str
    tier: str
    advice: str
    block: int


@dataclass(frozen=True)
class Verdict:
    """The formulas of one policy for one set of facts. ``rules`` are those that have not expired."""

    asked: Asked
    rules: tuple[ReadRule, ...]

    @cached_property
    def _applies(self) -> dict[tuple[int, str], Any]:
        found = {}
        fails = []
        for action in (ACCEPT, AFFIRM):
            request = self.asked.request(action)
            for place, read in enumerate(self.rules):
                result = matches(read.est, request)
                found[place, action] = term_of(result.value).term
                fails.append(result.fails)
        found[-1, ""] = z3.Or(*fails)
        return found

    @property
    def fails(self) -> Any:
        """That the evaluation of some rule fails."""
        return self._applies[-1, ""]

    def permitted(self, action: str, without: int | None = None) -> Any:
        """That a permit lets it through, other than the one at a place."""
        return z3.Or(
            *(
                self._applies[place, action]
                for place, read in enumerate(self.rules)
                if read.rule.effect == "permit" and place != without
            )
        )

    def forbidden(self, action: str) -> Any:
        """That an enforced forbid keeps it from happening."""
        return z3.Or(
            *(
                self._applies[place, action]
                for place, read in enumerate(self.rules)
                if read.rule.effect == "forbid" and read.rule.enforced
            )
        )

    def rank(self, without: int | None = None) -> Any:
        """The tier as a number: the better, the greater; ``without`` a permit."""
        refused = z3.Or(self.fails, self.forbidden(ACCEPT), z3.Not(self.permitted(ACCEPT, without)))
        lowered = z3.Or(self.forbidden(AFFIRM), z3.Not(self.permitted(AFFIRM, without)))
        return z3.If(refused, z3.IntVal(REFUSED), z3.If(lowered, z3.IntVal(WARNED), z3.IntVal(AFFIRMED)))

    def found(self) -> dict[Found, Any]:
        """When each enforced finding is made."""
        made: dict[Found, Any] = {}
        sound = z3.Not(self.fails)

        def add(found: Found, when: Any) -> None:
            made[found] = z3.Or(made.get(found, z3.BoolVal(False)), z3.And(sound, when))

        for place, read in enumerate(self.rules):
            rule = read.rule
            if rule.effect == "forbid" and rule.enforced:
                refuses, lowers = self._applies[place, ACCEPT], self._applies[place, AFFIRM]
                block = rule.block_seconds or 0
                add(Found(rule.rule, Tier.CONTRAINDICATED, rule.advice or "", block), refuses)
                add(Found(rule.rule, Tier.WARNING, rule.advice or "", block), z3.And(lowers, z3.Not(refuses)))
        accepts, affirms = self.permitted(ACCEPT), self.permitted(AFFIRM)
        add(Found(NO_PERMIT, Tier.CONTRAINDICATED, "", 0), z3.Not(accepts))
        add(Found(NOT_AFFIRMED, Tier.WARNING, "", 0), z3.And(accepts, z3.Not(affirms)))
        made[Found(POLICY_ERROR, Tier.CONTRAINDICATED, "", 0)] = self.fails
        return made


def rules_at(rules: Sequence[ReadRule], kind: str, now: float) -> tuple[ReadRule, ...]:
    """The rules that judge keys of a type at a time (Unix seconds)."""
    return tuple(
        read
        for read in rules
        if not read.rule.releases
        and not of_another_type(read.est, kind)
        and (read.rule.expires_at is None or read.rule.expires_at > now)
    )
