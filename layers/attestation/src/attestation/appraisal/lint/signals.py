"""A signal can lower trust, never raise it: no rule may let more pass because an app reported something.

A hostile app can say anything of itself. So permits do not look at signals at all, and a forbid may
only become truer by one more report. A rule that cannot be shown to keep to that is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attestation.appraisal.cedar import expressions as ex
from attestation.appraisal.lint.formulas import Atom, atoms_of
from attestation.appraisal.lint.linted_rule import LintedRule
from attestation.appraisal.lint.message import LintMessage

_SIGNALS: Final = ("context", "signals")
_LAW: Final = "a signal can lower trust, never raise it"


def signal_messages(rule: LintedRule) -> Iterator[LintMessage]:
    """Where one rule would let a signal raise trust."""
    if rule.effect == "permit":
        if any(_looks_at_signals(condition["body"]) for condition in rule.est["conditions"]):
            yield rule.error(
                "signal-raises-trust",
                f"{_LAW}: a permit must not look at signals",
                "let the permit be, and write a forbid for the signal",
                line=rule.line_of_word("signals"),
            )
        return
    for atom in atoms_of(rule.formula):
        if _looks_at_signals(atom.expression) and not _lowers(atom):
            yield rule.error(
                "signal-raises-trust",
                f"{_LAW}: this forbid refuses less when the app reports more",
                "write the condition so that the signal's presence refuses, without `!` and `unless`",
                line=rule.line_of_path(_path_read(atom) or _SIGNALS),
            )


def _looks_at_signals(part: Any) -> bool:
    """Whether signals are read, or may be: of the whole context as a value, as in ``{a: context}.a``, anything may."""
    if isinstance(part, list):
        return any(_looks_at_signals(element) for element in part)
    if not isinstance(part, Mapping):
        return False
    if "Record" in part:
        return any(_looks_at_signals(value) for value in part["Record"].values())
    path = ex.presence_of(part) or ex.path_of(part)
    if path is not None:
        return path == _SIGNALS[:1] or path[:2] == _SIGNALS
    return "Value" not in part and any(_looks_at_signals(inner) for inner in part.values())


def _lowers(atom: Atom) -> bool:
    """Whether one more report can only make ``atom`` true, never false."""
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
        return not atom.positive and ex.path_of(expression["isEmpty"]["arg"]) == (*_SIGNALS, "other")
    return False


def _nothing_else(expression: ex.Expression) -> bool:
    return "containsAll" in expression and ex.literals_of(expression["containsAll"]["left"]) is not None


def _ends(path: tuple[str, ...], name: str) -> bool:
    return len(path) == 4 and path[-1] == name


def _path_read(atom: Atom) -> tuple[str, ...] | None:
    paths = [path for part in ex.parts_of(atom.expression) if (path := ex.presence_of(part) or ex.path_of(part))]
    return max((path for path in paths if path[:2] == _SIGNALS), key=len, default=None)
