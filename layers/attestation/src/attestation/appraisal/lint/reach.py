"""Rules that decide nothing: conditions that never hold, permits that a forbid covers, forbids where nothing is let in.

Such a rule is worse than none: its author believes that it works.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

import cedarpy

from attestation.appraisal.cedar import expressions as ex
from attestation.appraisal.cedar.engine import schema
from attestation.appraisal.cedar.rules import ACCEPT, AFFIRM, RELEASE, SECRET
from attestation.appraisal.lint.formulas import CanHold, negation, some
from attestation.appraisal.lint.linted_rule import LintedRule
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.lint.vocabulary import KEY_TYPES

_CASES: Final = tuple((kind, action) for kind in KEY_TYPES for action in (ACCEPT, AFFIRM))
_NO_SUCH_ATTRIBUTE: Final = "no_such_attribute"


def impossible_messages(rule: LintedRule, can_hold: CanHold) -> Iterator[LintMessage]:
    """A rule whose conditions can never hold together. Only for rules that the type checker takes."""
    cases = [(kind, RELEASE) for kind in KEY_TYPES] if rule.releases else _CASES
    possible = any(can_hold([rule.formula_for(*case)], case[0]) for case in cases)
    if not possible or _never_typed(rule):
        yield rule.error(
            "impossible-condition",
            "its condition can never be true: what it asks contradicts itself, or what such a key is",
            "look for an attribute that is compared with two values, and for the platform that the rule begins with",
        )


def reach_messages(
    rules: Sequence[LintedRule], sound: Sequence[LintedRule], can_hold: CanHold
) -> Iterator[LintMessage]:
    """Rules without effect among ``rules``. Only those that are ``sound`` by themselves are judged, or judge others."""
    yield from _release_messages([rule for rule in rules if rule.releases])
    rules = [rule for rule in rules if not rule.releases]
    sound = [rule for rule in sound if not rule.releases]
    permits = [rule for rule in rules if rule.effect == "permit"]
    if not any(ACCEPT in rule.actions for rule in permits):
        yield LintMessage(
            1, "error", "no-permit", "", "nothing is permitted, so every device would be refused",
            "begin with permit (principal, action, resource);",
        )  # fmt: skip
        return
    ends = [rule for rule in permits if ACCEPT in rule.actions]
    if all("expires" in rule.annotations for rule in ends):
        yield ends[-1].warning(
            "permits-end",
            "every permit ends, and from then on every device is refused",
            "leave @expires out of one permit, and let a forbid end instead",
            line=ends[-1].line_of_annotation("expires"),
        )
    # A forbid that ends covers nothing for good, and one that is observed covers nothing at all.
    lasting = [
        rule for rule in sound if rule.effect == "forbid" and not rule.observed and "expires" not in rule.annotations
    ]
    yield from _unreachable(permits, sound, lasting, can_hold)
    if all(permit in sound for permit in permits):
        forbids = [rule for rule in sound if rule.effect == "forbid" and not rule.observed]
        yield from _idle(permits, forbids, lasting, can_hold)


def _release_messages(rules: Sequence[LintedRule]) -> Iterator[LintMessage]:
    """Rules about secrets: those that release what their author may not have thought of, and those that do nothing."""
    permits = [rule for rule in rules if rule.effect == "permit"]
    for rule in rules:
        if rule.effect == "permit" and rule.est["resource"]["op"] == "All" and not rule.est["conditions"]:
            yield rule.warning(
                "every-secret",
                "this releases every secret of the app, those to come as well, to every key that is accepted",
                f'name one: resource == {SECRET}::"name", and ask for a tier: when {{ context.tier == "affirming" }}',
            )
        elif rule.effect == "forbid" and not permits:
            yield rule.error(
                "idle-forbid", "nothing releases a secret, so it keeps nothing back", "delete it, or write the permit"
            )


def _unreachable(
    permits: list[LintedRule], sound: Sequence[LintedRule], lasting: list[LintedRule], can_hold: CanHold
) -> Iterator[LintMessage]:
    def passes(permit: LintedRule, forbids: list[LintedRule]) -> bool:
        return any(_passes(permit, permits, forbids, *case, can_hold) for case in _CASES)

    for permit in permits:
        if permit not in sound or passes(permit, lasting):
            continue
        covering = next((forbid for forbid in lasting if not passes(permit, [forbid])), None)
        if not passes(permit, []):
            text = f'nothing that it affirms is accepted: no permit for Action::"{ACCEPT}" covers it'
            hint = "leave its action open: permit (principal, action, resource)"
        elif covering is not None:
            text = f'the forbid "{covering.id}" (line {covering.statement.line}) refuses everything that it lets in'
            hint = f'give "{covering.id}" a narrower condition, or delete this permit'
        else:
            text, hint = "the forbids together refuse everything that it lets in", "delete it, or narrow the forbids"
        yield permit.error("unreachable-permit", text, hint)


def _passes(
    permit: LintedRule,
    permits: list[LintedRule],
    forbids: list[LintedRule],
    kind: str,
    action: str,
    can_hold: CanHold,
) -> bool:
    """Whether some key of this type passes by ``permit`` for this action, and is accepted at all."""
    own = permit.formula_for(kind, action)
    against = [negation(forbid.formula_for(kind, action)) for forbid in forbids]
    if action == ACCEPT:
        return can_hold([own, *against], kind)
    accepted = some(rule.formula_for(kind, ACCEPT) for rule in permits)
    return can_hold([own, accepted, *against], kind)


def _idle(
    permits: list[LintedRule], forbids: list[LintedRule], lasting: list[LintedRule], can_hold: CanHold
) -> Iterator[LintMessage]:
    for forbid in forbids:
        cases = [case for case in _CASES if case[0] in forbid.kinds and case[1] in forbid.actions]
        if not any(
            can_hold([forbid.formula_for(*case), some(permit.formula_for(*case) for permit in permits)], case[0])
            for case in cases
        ):
            yield forbid.error(
                "idle-forbid", "it refuses only what nothing permits anyway", "delete it, or widen the permit"
            )
        elif ACCEPT not in forbid.actions and "advice" not in forbid.annotations:
            yield from _covered(forbid, [other for other in lasting if ACCEPT in other.actions], can_hold)


def _covered(forbid: LintedRule, refusing: list[LintedRule], can_hold: CanHold) -> Iterator[LintMessage]:
    for other in refusing:
        if not any(
            can_hold([forbid.formula_for(kind, AFFIRM), negation(other.formula_for(kind, AFFIRM))], kind)
            for kind in sorted(forbid.kinds)
        ):
            yield forbid.error(
                "idle-forbid",
                f'it lowers to warning only what "{other.id}" (line {other.statement.line}) refuses',
                "delete it, or narrow the other one",
            )
            return


def _never_typed(rule: LintedRule) -> bool:
    """Whether Cedar's type checker holds the condition for impossible.

    It says so only indirectly: it does not look into a branch that cannot be reached. So a wrong attribute is put into
    the branch behind the condition, and is missed there exactly when the condition can hold.
    """
    conditions = ex.conditions_of(rule.est)
    if not conditions:
        return False
    condition = conditions[0]
    for more in conditions[1:]:
        condition = {"&&": {"left": condition, "right": more}}
    wrong = {"==": {"left": {".": {"left": {"Var": "context"}, "attr": _NO_SUCH_ATTRIBUTE}}, "right": {"Value": 1}}}
    probe = {
        **{name: rule.est[name] for name in ("principal", "action", "resource")},
        "effect": "permit",
        "conditions": [
            {"kind": "when", "body": {"if-then-else": {"if": condition, "then": wrong, "else": ex.TRUE}}},
        ],
    }
    form = {"staticPolicies": {"probe": probe}, "templates": {}, "templateLinks": []}
    try:
        text = cedarpy.policies_from_json_str(json.dumps(form))
    except ValueError:  # nested deeper than Cedar reads JSON: not known, so nothing is claimed
        return False
    return cedarpy.validate_policies(text, schema()).validation_passed
