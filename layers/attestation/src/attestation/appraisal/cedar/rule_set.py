"""A rule set: the rules that one type of key needs, parsed once, and Cedar's answer to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final, NamedTuple

import cedarpy

from attestation.appraisal.cedar.distinctions import stands_for
from attestation.appraisal.cedar.projection import CONTEXT, PRINCIPAL, members_of, projected, reading_of
from attestation.appraisal.cedar.rules import ACCEPT, ACTIONS, AFFIRM, ReadRule
from attestation.appraisal.facts import Facts

_ACTION: Final = {name: {"type": "Action", "id": name} for name in (ACCEPT, AFFIRM)}
_PERMIT_ALL: Final = "permit (principal, action, resource);"
_SCOPE: Final = ("principal", "action", "resource")
_encode: Final = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode


class EvaluationFailed(Exception):
    """Cedar could not evaluate a rule, or not read the facts."""


class Answer(NamedTuple):
    """Places of the forbids that refuse, and of those that keep from affirming; and what some permit lets through."""

    refusing: frozenset[int]
    lowering: frozenset[int]
    may_accept: bool
    may_affirm: bool


class Asked(NamedTuple):
    """One question: equal ones have equal answers."""

    principal: str
    app: str
    claims: str
    context: str


class _Policies(NamedTuple):
    places: tuple[int, ...]
    policies: cedarpy.PolicySet


class RuleSet:
    """Rules by their places in the policy's text. Answers or raises :class:`EvaluationFailed`: a rule that is skipped
    must not go unseen."""

    def __init__(self, kind: str, rules: Mapping[int, ReadRule]) -> None:
        forms = [read.est for read in rules.values()]
        reading, stands = reading_of(forms), stands_for(forms)
        self._kind = kind
        self._rules = rules
        self._identified = reading.identified
        self._claims = members_of(reading.claims, (PRINCIPAL,), stands)
        self._context = members_of(reading.context, (CONTEXT,), stands)
        self._permits = frozenset(place for place, read in rules.items() if read.rule.effect == "permit")
        self._for_both = frozenset(place for place, read in rules.items() if read.actions == ACTIONS)
        self._all_permitted = any(_permits_all(read.est) for read in rules.values())

    def asked(self, facts: Facts) -> Asked:
        """The question that ``facts`` are: what these rules read, and of the values what they can tell apart."""
        return Asked(
            principal=facts.key_id if self._identified else "",
            app=facts.app if self._identified else "",
            claims=_encode(projected(facts.claims, self._claims)),
            context=_encode(projected(facts.context, self._context)),
        )

    def affirm(self, asked: Asked) -> Answer:
        """The answer by one evaluation where that is enough. For policies whose rules look at no action but in their
        scope."""
        matched = self._evaluated(self._whole, asked, AFFIRM)
        permits = matched & self._permits
        forbids = matched - permits
        if forbids and self._all_permitted:
            return Answer(forbids & self._for_both, forbids - self._for_both, may_accept=True, may_affirm=True)
        if forbids:
            # Where a forbid matches, Cedar names the forbids alone.
            permits = self._evaluated(self._only_permits, asked, AFFIRM)
        return Answer(
            refusing=forbids & self._for_both,
            lowering=forbids - self._for_both,
            may_accept=bool(permits & self._for_both),
            may_affirm=bool(permits),
        )

    def both_actions(self, asked: Asked) -> Answer:
        """The answer by evaluating each action, for policies whose rules may look at it anywhere."""
        forbids = {name: self._evaluated(self._only_forbids, asked, name) for name in _ACTION}
        permits = {name: self._evaluated(self._only_permits, asked, name) for name in _ACTION}
        return Answer(
            refusing=forbids[ACCEPT],
            lowering=forbids[AFFIRM] - forbids[ACCEPT],
            may_accept=bool(permits[ACCEPT]),
            may_affirm=bool(permits[AFFIRM]),
        )

    @cached_property
    def _whole(self) -> _Policies:
        return self._parsed(self._rules)

    @cached_property
    def _only_permits(self) -> _Policies:
        return self._parsed(place for place in self._rules if place in self._permits)

    @cached_property
    def _only_forbids(self) -> _Policies:
        return self._parsed((place for place in self._rules if place not in self._permits), _PERMIT_ALL)

    def _parsed(self, places: Iterable[int], more: str = "") -> _Policies:
        """The rules as one text. Cedar numbers its statements, so ``places`` says which rule each number is."""
        kept = tuple(places)
        texts = [self._rules[place].text for place in kept]
        return _Policies(kept, cedarpy.PolicySet.from_str("\n".join((*texts, more))))

    def _evaluated(self, rules: _Policies, asked: Asked, action: str) -> frozenset[int]:
        """Places of the matching forbids; without any, of the matching permits."""
        principal = {"type": self._kind, "id": asked.principal}
        request = {
            "principal": principal,
            "action": _ACTION[action],
            "resource": {"type": "App", "id": asked.app},
            "context": asked.context,
        }
        entities = f'[{{"uid":{_encode(principal)},"attrs":{asked.claims},"parents":[]}}]'
        try:
            answer = cedarpy.is_authorized_batch([request], rules.policies, entities)[0]
        except ValueError as error:
            raise EvaluationFailed from error
        if answer.decision is cedarpy.Decision.NoDecision or answer.diagnostics.errors:
            raise EvaluationFailed
        numbers = (int(name.removeprefix("policy")) for name in answer.diagnostics.reasons)
        return frozenset(rules.places[number] for number in numbers if number < len(rules.places))


def _permits_all(est: Mapping[str, Any]) -> bool:
    everyone = all(est[part] == {"op": "All"} for part in _SCOPE)
    return est["effect"] == "permit" and everyone and not est["conditions"]
