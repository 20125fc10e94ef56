"""A rule set: the rules that one kind of facts needs, parsed once, and Cedar's answer to them.

Two things make it quick, and both are exact. Rules go to Cedar by the group first, as one rule whose condition is "any
of theirs": most devices are sound, and then no rule is asked by itself. And facts travel in one level where they can
(:mod:`~attestation.appraisal.cedar.flattening`).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import cedarpy

from attestation.appraisal.cedar.distinctions import stands_for
from attestation.appraisal.cedar.expressions import conditions_of
from attestation.appraisal.cedar.flattening import ANY, Flattening
from attestation.appraisal.cedar.projection import Path, projected, reading_of
from attestation.appraisal.cedar.rules import ACCEPT, ACTIONS, AFFIRM, ReadRule
from attestation.appraisal.cedar.simplification import any_of
from attestation.appraisal.facts import Facts

GROUPS: Final = 3
_Forms = Mapping[str, Mapping[str, Any]]
_ACTION: Final = {name: {"type": "Action", "id": name} for name in (ACCEPT, AFFIRM)}
_PERMIT_ALL: Final = {"effect": "permit", "principal": ANY, "action": ANY, "resource": ANY, "conditions": []}
_EVERYBODY: Final = "everybody"
_ALLOW: Final = cedarpy.Decision.Allow
_NO_DECISION: Final = cedarpy.Decision.NoDecision
_NO_ENTITIES: Final = "[]"
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
    """One question. Equal ``distinct`` means: these rules cannot tell the facts apart."""

    request: dict[str, Any]
    entities: str
    distinct: tuple[str, ...]


_SOUND: Final = Answer(frozenset(), frozenset(), may_accept=True, may_affirm=True)


class RuleSet:
    """Rules by their places in the policy's text. Answers or raises :class:`EvaluationFailed`: a rule that is skipped
    must not go unseen."""

    def __init__(self, rules: Mapping[int, ReadRule], records: Container[Path]) -> None:
        """``records`` are the nested ones that all of its facts have."""
        forms = {str(index): read.est for index, read in rules.items()}
        self._reading = reading_of(forms.values())
        flattening = None
        if not self._reading.identified:
            flattening = Flattening(self._reading, records, stands_for(forms.values()))
        self._flattening = flattening
        self._forms: _Forms = forms
        if flattening is not None:
            self._forms = {name: flattening.rule(form) for name, form in forms.items()}
        self._permits = frozenset(str(index) for index, read in rules.items() if read.rule.effect == "permit")
        self._for_both = frozenset(str(index) for index, read in rules.items() if read.actions == ACTIONS)
        self._everybody = any(form == {**form, **_PERMIT_ALL} for form in self._forms.values())
        self._groups = _grouped({n: form for n, form in self._forms.items() if n not in self._permits})
        self._details: dict[frozenset[str], cedarpy.PolicySet] = {}

    def asked(self, facts: Facts) -> Asked:
        """The question that ``facts`` are, in what these rules read."""
        principal = {"type": facts.kind, "id": facts.key_id}
        if self._flattening is not None:
            text = _encode(self._flattening.facts(facts))
            return Asked(_request(principal, facts.app, text), _NO_ENTITIES, (text,))
        text = _encode(projected(facts.context, self._reading.context))
        claims = projected(facts.claims, self._reading.claims)
        entities = _encode([{"uid": principal, "attrs": claims, "parents": []}])
        return Asked(_request(principal, facts.app, text), entities, (text, entities, facts.app))

    def affirm(self, asked: Asked) -> Answer:
        """The answer by one evaluation where that is enough. For policies whose rules look at no action but in their
        scope."""
        matched = self._screened(asked)
        if matched is None:
            matched = self._evaluated(self._whole, asked)
        permits = matched & self._permits
        objects = matched - permits
        if objects and self._everybody:
            return Answer(_places(objects & self._for_both), _places(objects - self._for_both), True, True)
        if objects:
            # Where something objects, Cedar names the objections alone.
            permits = self._evaluated(self._only_permits, asked)
        elif permits & self._for_both:
            return _SOUND
        return Answer(
            refusing=_places(objects & self._for_both),
            lowering=_places(objects - self._for_both),
            may_accept=bool(permits & self._for_both),
            may_affirm=bool(permits),
        )

    def both_actions(self, asked: Asked) -> Answer:
        """The answer by evaluating each action, for policies whose rules may look at it anywhere."""
        objects, permits = {}, {}
        for name, action in _ACTION.items():
            asked.request["action"] = action
            objects[name] = self._evaluated(self._only_forbids, asked)
            permits[name] = self._evaluated(self._only_permits, asked)
        return Answer(
            refusing=_places(objects[ACCEPT]),
            lowering=_places(objects[AFFIRM] - objects[ACCEPT]),
            may_accept=bool(permits[ACCEPT]),
            may_affirm=bool(permits[AFFIRM]),
        )

    def _screened(self, asked: Asked) -> frozenset[str] | None:
        """What matches, rules of groups asked only where their group does; ``None`` where that does not tell."""
        if self._screen is None:
            return None
        try:
            matched = self._evaluated(self._screen, asked)
        except EvaluationFailed:
            return None
        fired = matched.intersection(self._groups)
        if not fired:
            return matched
        detail = self._details.get(fired)
        if detail is None:
            names = [name for group in fired for name in self._groups[group]]
            detail = self._details[fired] = _parsed({name: self._forms[name] for name in names})
        return (matched - fired) | self._evaluated(detail, asked)

    @cached_property
    def _whole(self) -> cedarpy.PolicySet:
        return _parsed(self._forms)

    @cached_property
    def _screen(self) -> cedarpy.PolicySet | None:
        members = {name for group in self._groups.values() for name in group}
        if len(members) < 2 * len(self._groups):
            return None
        forms = {name: form for name, form in self._forms.items() if name not in members}
        for group, names in self._groups.items():
            condition = any_of([_all_of(conditions_of(self._forms[name])) for name in names])
            forms[group] = {
                **_PERMIT_ALL,
                "effect": "forbid",
                "conditions": [{"kind": "when", "body": condition}],
            }
        try:
            return _parsed(forms)
        except ValueError:  # nested too deep for Cedar, once it is put together
            return None

    @cached_property
    def _only_permits(self) -> cedarpy.PolicySet:
        return _parsed({name: form for name, form in self._forms.items() if name in self._permits})

    @cached_property
    def _only_forbids(self) -> cedarpy.PolicySet:
        forms = {name: form for name, form in self._forms.items() if name not in self._permits}
        return _parsed({**forms, _EVERYBODY: _PERMIT_ALL})

    def _evaluated(self, policies: cedarpy.PolicySet, asked: Asked) -> frozenset[str]:
        """The matching forbids; without any, the matching permits."""
        try:
            answer = cedarpy.is_authorized_batch([asked.request], policies, asked.entities)[0]
        except ValueError as error:
            raise EvaluationFailed from error
        if answer.decision is _NO_DECISION or answer.diagnostics.errors:
            raise EvaluationFailed
        return frozenset(answer.diagnostics.reasons) - {_EVERYBODY}


def readable(forms: Iterable[Mapping[str, Any]]) -> bool:
    """Whether Cedar reads these statements as JSON: it stops at some depth that the text may have."""
    try:
        _parsed({str(index): form for index, form in enumerate(forms)})
    except ValueError:
        return False
    return True


def _parsed(forms: _Forms) -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_json_str(_encode({"staticPolicies": forms, "templates": {}, "templateLinks": []}))


def _places(names: Iterable[str]) -> frozenset[int]:
    return frozenset(map(int, names))


def _request(principal: Mapping[str, str], app: str, context: str) -> dict[str, Any]:
    return {
        "principal": principal,
        "action": _ACTION[AFFIRM],
        "resource": {"type": "App", "id": app},
        "context": context,
    }


def _grouped(forbids: _Forms) -> dict[str, tuple[str, ...]]:
    """Groups of rules whose scope says nothing that their conditions do not."""
    names = [
        name
        for name, form in forbids.items()
        if form["conditions"] and form["principal"] == ANY and form["resource"] == ANY
    ]
    size = max(1, -(-len(names) // GROUPS))
    return {f"group {at}": tuple(names[at : at + size]) for at in range(0, len(names), size)}


def _all_of(conditions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    together = conditions[0]
    for condition in conditions[1:]:
        together = {"&&": {"left": together, "right": condition}}
    return together
