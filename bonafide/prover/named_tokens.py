"""Whether predicates over tokens name every key that a draft newly refuses: what a paced publication refuses at once.

A token says little of a key's facts: its platform, the tier by the active policy, the build. Whatever the draft looks
at beyond these cannot be said by a predicate, and then there is an example: a key that the draft refuses, and whose
token would count until its moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import z3
from attestation.appraisal.appraise import worst_tier
from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.cedar.rules import read_rules
from attestation.appraisal.facts import Facts
from attestation.appraisal.lint.vocabulary import KEY_TYPES
from attestation.appraisal.result import Tier
from bonafide_tokens.pacing.paced import MEMBERS, Predicate
from bonafide_tokens.token import VerifiedToken

from bonafide.prover.asked import Asked, any_facts, possible
from bonafide.prover.properties import Property
from bonafide.prover.proving import PATIENCE, Answer, Proof, Prover, Witness, _enforced, _Search
from bonafide.prover.values import FALSE, record_of, term_of, text
from bonafide.prover.verdicts import RANKS, REFUSED, Verdict, rules_at

NAMED: Final = "named"
ALL_NAMED: Final = "Every key that the draft newly refuses has a token that is named."
_LAST: Final = 2**53
NONE_REFUSED: Final = "The draft refuses no key that is accepted now."


class NamedTokens(Prover):
    """``draft`` against the ``active`` policy, which is that version's. Raises
    :class:`~attestation.appraisal.cedar.rules.PolicyInvalid` for what is no policy."""

    def __init__(self, draft: str, *, active: str, version: int, now: float, patience: float = PATIENCE) -> None:
        super().__init__(draft, now=now, patience=patience)
        self._stands = CedarPolicy.compile(active)
        self._rules_now = read_rules(active)
        self._version = version

    def names_all(self, predicates: Sequence[Predicate]) -> Proof:
        """That each key which the draft refuses and the active policy accepts has a token that a predicate holds for.
        Facts that refute it are shown by the engine and by the very code that gates run."""
        wanted = Property(f"what version {self._version} accepts and the draft refuses is named", NAMED, "", None)
        return self._timed(wanted, lambda: self._all_named(wanted, predicates))

    def leaves_none(self, predicates: Sequence[Predicate]) -> bool:
        """Whether the predicates hold for the token of every key that is accepted: nothing would be paced. False also
        where that is not known."""
        for kind in KEY_TYPES:
            asked = any_facts(kind)
            rank = self._rank(asked)
            left = z3.And(possible(asked), rank > REFUSED, z3.Not(self._named(predicates, asked, rank)))
            if self._solved(_Search(asked, left), self._rules_now) is not None:
                return False
        return True

    def _all_named(self, wanted: Property, predicates: Sequence[Predicate]) -> Proof:
        unknown, refuses = "", False
        for kind in KEY_TYPES:
            asked = any_facts(kind)
            draft, rank = Verdict(asked, rules_at(self._rules, kind, self._now)), self._rank(asked)
            newly = z3.And(possible(asked), draft.rank() == REFUSED, rank > REFUSED)
            unnamed = z3.And(newly, z3.Not(self._named(predicates, asked, rank)))
            found = self._solved(_Search(asked, unnamed), self._rules_now)
            if isinstance(found, str):
                unknown = found
            elif found is None:
                refuses = refuses or self._solved(_Search(asked, newly), self._rules_now) is not None
            else:
                facts, _ = found
                tier = worst_tier(_enforced(self._stands, facts, self._now))
                refused = worst_tier(self._findings(facts)) == Tier.CONTRAINDICATED
                if refused and RANKS[Tier(tier)] > REFUSED and not names(predicates, self.token_of(facts, tier)):
                    because = (
                        f"Some {kind} key: {tier} by version {self._version}, refused by the draft, and not named."
                    )
                    return Proof(wanted, Answer.REFUTED, because, Witness(facts, Tier.CONTRAINDICATED, other_tier=tier))
                unknown = "The facts that the solver names are judged otherwise by the engine."
        if unknown:
            return Proof(wanted, Answer.UNKNOWN, unknown)
        return Proof(wanted, Answer.PROVED, ALL_NAMED if refuses else NONE_REFUSED)

    def token_of(self, facts: Facts, tier: str) -> VerifiedToken:
        """What the token says that a key with these facts gets by the active policy, the last one before its draft is
        published: later than any time that a predicate gives."""
        build = facts.context.get("app_build")
        issued_at = _LAST
        return VerifiedToken(
            facts.app, facts.key_id, str(facts.claims["platform"]), tier, str(build) if build else None, self._version,
            "", issued_at, issued_at, "",
        )  # fmt: skip

    def _rank(self, asked: Asked) -> Any:
        return Verdict(asked, rules_at(self._rules_now, asked.kind, self._now)).rank()

    def _named(self, predicates: Sequence[Predicate], asked: Asked, rank: Any) -> Any:
        return z3.Or(
            *(
                z3.And(*(self._holds(name, wanted, asked, rank) for name, wanted in predicate.items()))
                for predicate in predicates
            )
        )

    def _holds(self, name: str, wanted: Any, asked: Asked, rank: Any) -> Any:
        """As :data:`~bonafide_tokens.pacing.paced.MEMBERS` has it, of the facts behind a token."""
        if name == "platform":
            platform = term_of(asked.principal.attributes.members["platform"].value).term
            return z3.Or(*(platform == text(one) for one in wanted))
        if name == "tier":
            return z3.Or(*(rank == RANKS[Tier(one)] for one in wanted))
        if name == "policy_version_below":
            return z3.BoolVal(self._version < wanted)
        build = record_of(asked.context).members["app_build"]
        term = term_of(build.value).term
        if name == "app_build":
            says = z3.Or(term == text(""), *(term == text(one) for one in wanted))
        elif name == "app_build_below":
            says = z3.StrToInt(term) < wanted  # −1 for what is no whole number
        else:
            # Also "issued_before": apps renew until the publication, perhaps days later, and those tokens are younger.
            return FALSE
        return z3.Or(z3.Not(build.present), says)


def names(predicates: Sequence[Predicate], token: VerifiedToken) -> bool:
    """Whether a gate would refuse the token at once."""
    return any(all(MEMBERS[name](token, said) for name, said in each.items()) for each in predicates)
