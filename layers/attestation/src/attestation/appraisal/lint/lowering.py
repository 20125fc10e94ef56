"""What can only lower trust: no rule may let more pass because an app reported something, or an incident opened.

A hostile app can say anything of itself, and a detector can be made to speak. So permits look at neither signals nor
incidents, and a forbid may only become truer by one more. A rule that cannot be shown to keep to that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from attestation.appraisal.cedar import expressions as ex
from attestation.appraisal.cedar.rules import ACCEPT, AFFIRM
from attestation.appraisal.facts import INCIDENT_WARNINGS, INCIDENTS
from attestation.appraisal.lint.formulas import Atom, atoms_of
from attestation.appraisal.lint.linted_rule import LintedRule
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.lint.vocabulary import CONTEXT


class _Fact(NamedTuple):
    """A fact that only lowers: where it is, the code of messages about it, and how they speak of it."""

    path: tuple[str, str]
    code: str
    law: str
    singular: str
    plural: str
    more: str


_SIGNALS: Final = (CONTEXT, "signals")
_SETS: Final = ((*_SIGNALS, "other"), (CONTEXT, INCIDENTS), (CONTEXT, INCIDENT_WARNINGS))
_INCIDENT: Final = (
    "incident-raises-trust", "an incident can lower trust, never raise it", "incident", "incidents",
    "one more incident opens",
)  # fmt: skip
_LOWERING: Final = (
    _Fact(
        _SIGNALS, "signal-raises-trust", "a signal can lower trust, never raise it", "signal", "signals",
        "the app reports more",
    ),
    _Fact((CONTEXT, INCIDENTS), *_INCIDENT),
    _Fact((CONTEXT, INCIDENT_WARNINGS), *_INCIDENT),
)  # fmt: skip


def lowering_messages(rule: LintedRule) -> Iterator[LintMessage]:
    """Where one rule would let a signal or an incident raise trust, or refuse for what can only warn."""
    bodies = [condition["body"] for condition in rule.est["conditions"]]
    if ACCEPT in rule.actions and ex.names_attribute(bodies, INCIDENT_WARNINGS):
        yield rule.error(
            "incident-warns-only",
            "an incident of a batch or a network can only warn: honest keys share both",
            f'write action == Action::"{AFFIRM}"; what refuses looks at context.{INCIDENTS}',
            line=rule.line_of_word(INCIDENT_WARNINGS),
        )
    for fact in _LOWERING:
        messages = list(_raising(rule, fact, bodies))
        yield from messages
        if messages:
            return  # a whole context is all of them


def _raising(rule: LintedRule, fact: _Fact, bodies: list[ex.Expression]) -> Iterator[LintMessage]:
    if not ex.may_read(bodies, fact.path):
        return
    if rule.effect == "permit":
        yield rule.error(
            fact.code,
            f"{fact.law}: a permit must not look at {fact.plural}",
            f"let the permit be, and write a forbid for the {fact.singular}",
            line=rule.line_of_word(fact.path[1]),
        )
        return
    for atom in atoms_of(rule.formula):
        if ex.may_read(atom.expression, fact.path) and not _lowers(atom):
            yield rule.error(
                fact.code,
                f"{fact.law}: this forbid refuses less when {fact.more}",
                f"write the condition so that the {fact.singular}'s presence refuses, without `!` and `unless`",
                line=rule.line_of_path(_path_read(atom, fact.path) or fact.path),
            )
    if any(ex.can_fail(body) for body in bodies):
        yield rule.error(
            fact.code,
            f"{fact.law}: a rule that fails refuses, and the {fact.singular} may keep this one from failing",
            "leave the calculation out, or give it a rule of its own",
        )


def _lowers(atom: Atom) -> bool:
    """Whether one more report, or incident, can only make ``atom`` true, never false."""
    expression = atom.expression
    presence = ex.presence_of(expression)
    if presence is not None:
        return atom.positive
    path = ex.path_of(expression)
    if path is not None:
        return atom.positive and path[-1] == "reported"
    comparison = ex.comparison_of(expression)
    if comparison is not None and comparison.operator == "==":
        # An app cannot change the source: a report never takes the place of what hardware or a vendor says.
        return _ends(comparison.path, "source") or (
            atom.positive and (_ends(comparison.path, "detail") or comparison.value is True)
        )
    membership = ex.membership_of(expression)
    if membership is not None:
        if membership.path_is_set:
            # `["a"].containsAll(other)` asks whether nothing else was reported: one more report makes it false.
            return atom.positive is not _nothing_else(expression)
        return _ends(membership.path, "source") or (atom.positive and _ends(membership.path, "detail"))
    if "like" in expression:
        path = ex.path_of(expression["like"]["left"])
        return path is not None and (_ends(path, "source") or (atom.positive and _ends(path, "detail")))
    if "isEmpty" in expression:
        return not atom.positive and ex.path_of(expression["isEmpty"]["arg"]) in _SETS
    return False


def _nothing_else(expression: ex.Expression) -> bool:
    return "containsAll" in expression and ex.literals_of(expression["containsAll"]["left"]) is not None


def _ends(path: tuple[str, ...], name: str) -> bool:
    return len(path) == 4 and path[-1] == name


def _path_read(atom: Atom, fact: tuple[str, str]) -> tuple[str, ...] | None:
    paths = [path for part in ex.parts_of(atom.expression) if (path := ex.presence_of(part) or ex.path_of(part))]
    return max((path for path in paths if path[:2] == fact), key=len, default=None)
