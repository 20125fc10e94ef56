"""Rules made shorter by what is known of the facts before Cedar is asked: what is there, what is empty, what is true.

Everything here is exact, errors included: where the rule that was written would fail, the shorter one fails too, or the
facts are not as this says. A ``has`` of a record at hand becomes its answer, and so does an attribute that is itself a
truth value; ``&&``, ``||``, ``!`` and ``if`` are folded over them as Cedar evaluates them, from the left. Comparing
numbers, texts and sets is left to Cedar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeGuard

from attestation.appraisal.cedar.expressions import (
    FALSE,
    TRUE,
    Expression,
    conditions_of,
    literals_of,
    parts_of,
    path_of,
    presence_of,
)

HAS: Final = "has"
HOLDS: Final = "holds"
EMPTY: Final = "empty"
ROOTS: Final = ("principal", "context")

MOST_SPELT_OUT: Final = 8
"""Literals of a set that are compared one by one instead: Cedar builds a written set anew at each evaluation."""

Path = tuple[str, ...]


class Test(NamedTuple):
    """Something about the value at ``path``: that it is there, that it is ``true``, that it is a set of nothing."""

    path: Path
    kind: str


class Known(NamedTuple):
    """What is known of some facts: tests with their answers, and which nested records are there."""

    answers: Mapping[Test, bool]
    records: frozenset[Path]


NOTHING_KNOWN: Final = Known({}, frozenset())

Key = tuple[tuple[bool | None, ...] | None, ...]


class _Record(NamedTuple):
    """The tests of the members of one record. ``compared`` are those that are read without being asked for first."""

    path: Path
    has: tuple[str, ...]
    holds: tuple[str, ...]
    empty: tuple[str, ...]
    compared: frozenset[str]

    def key(self, record: object) -> tuple[bool | None, ...] | None:
        if not isinstance(record, dict):
            return None
        if not record:
            return ()
        found: list[bool | None] = [record.keys() >= self.compared]
        found += [name in record for name in self.has]
        for name in self.holds:
            value = record.get(name)
            # Not by ==: a 1 where a truth value belongs is an error to Cedar, and stays one.
            found.append(value if value is True or value is False else None)
        if self.empty:
            found += [record.get(name) == [] or None for name in self.empty]
        return tuple(found)

    def answers(self, key: tuple[bool | None, ...]) -> dict[Test, bool]:
        tests = [
            *(Test((*self.path, name), HAS) for name in self.has),
            *(Test((*self.path, name), HOLDS) for name in self.holds),
            *(Test((*self.path, name), EMPTY) for name in self.empty),
        ]
        if not key:
            return {test: False for test in tests if test.kind == HAS}
        answers = {test: answer for test, answer in zip(tests, key[1:], strict=True) if answer is not None}
        if key[0]:
            answers |= {Test((*self.path, name), HAS): True for name in self.compared}
        return answers


class Tests:
    """The tests that make a difference to ``rules`` (Cedar's JSON of statements), for asking facts quickly."""

    def __init__(self, rules: Iterable[Mapping[str, Any]]) -> None:
        tests: dict[Test, None] = {}
        compared: dict[Path, None] = {}
        for rule in rules:
            for condition in conditions_of(rule):
                _gather(condition, tests, compared)
        paths = {test.path[:-1] for test in tests} | {path[:-1] for path in compared}
        self._roots = [self._record((root,), tests, compared) for root in ROOTS]
        self._nested = [self._record(path, tests, compared) for path in sorted(paths) if len(path) > 1]
        self._places = [(path.path[0] == ROOTS[0], path.path[1]) for path in self._nested]

    @staticmethod
    def _record(path: Path, tests: Iterable[Test], compared: Iterable[Path]) -> _Record:
        by_kind = {
            kind: tuple(test.path[-1] for test in tests if test.kind == kind and test.path[:-1] == path)
            for kind in (HAS, HOLDS, EMPTY)
        }
        read = frozenset(of[-1] for of in compared if of[:-1] == path)
        return _Record(path, by_kind[HAS], by_kind[HOLDS], by_kind[EMPTY], read.difference(by_kind[HAS]))

    def key(self, claims: Mapping[str, Any], context: Mapping[str, Any]) -> Key:
        """The answers for these facts, as short as can be. Equal keys mean equal :meth:`known`."""
        found = [self._roots[0].key(claims), self._roots[1].key(context)]
        for record, (of_claims, name) in zip(self._nested, self._places, strict=True):
            found.append(record.key((claims if of_claims else context).get(name)))
        return tuple(found)

    def known(self, key: Key) -> Known:
        """What a key says."""
        answers: dict[Test, bool] = {}
        records = set()
        for record, part in zip([*self._roots, *self._nested], key, strict=True):
            if part is not None:
                answers |= record.answers(part)
                records.add(record.path)
        return Known(answers, frozenset(records))


def simplified(rule: Mapping[str, Any], known: Known) -> Mapping[str, Any] | None:
    """``rule`` for facts of which this is known; ``None`` where it is false for them and raises nothing."""
    condition: Expression = TRUE
    for each in reversed(conditions_of(rule)):
        condition = each if condition is TRUE else {"&&": {"left": each, "right": condition}}
    condition = _shorter(condition, known, truth=True)
    if condition is FALSE:
        return None
    return {**rule, "conditions": [] if condition is TRUE else [{"kind": "when", "body": _balanced(condition)}]}


def any_of(conditions: list[Expression]) -> Expression:
    """One of them holds."""
    return _joined("||", conditions)


def _joined(operator: str, operands: list[Expression]) -> Expression:
    """Balanced, so that it does not nest deep; evaluated from the first on."""
    if len(operands) == 1:
        return operands[0]
    half = len(operands) // 2
    return {operator: {"left": _joined(operator, operands[:half]), "right": _joined(operator, operands[half:])}}


def _balanced(expression: Any) -> Any:
    """The same with long chains of ``&&`` or ``||`` as flat trees: Cedar reads no JSON that is nested deep."""
    if isinstance(expression, list):
        return [_balanced(element) for element in expression]
    if not isinstance(expression, Mapping) or "Value" in expression:
        return expression
    if "Record" in expression:  # whose members may be called like operators
        return {"Record": {name: _balanced(value) for name, value in expression["Record"].items()}}
    for operator in ("&&", "||"):
        if operator in expression:
            return _joined(operator, [_balanced(operand) for operand in _chained(operator, expression)])
    return {name: _balanced(part) for name, part in expression.items()}


def _chained(operator: str, expression: Expression) -> list[Expression]:
    if operator not in expression:
        return [expression]
    return [
        *_chained(operator, expression[operator]["left"]),
        *_chained(operator, expression[operator]["right"]),
    ]


def _gather(condition: Expression, tests: dict[Test, None], compared: dict[Path, None]) -> None:
    if _testable(path := path_of(condition)):
        tests[Test(path, HOLDS)] = None  # the condition is one attribute
    for part in parts_of(condition):
        if _testable(present := presence_of(part)):
            tests[Test(present, HAS)] = None
        elif (empty := _asked_of_set(part)) is not None:
            tests[Test(empty, EMPTY)] = None
        for operator, inner in part.items():
            if operator in ("&&", "||", "!", "if-then-else"):
                for name in ("left", "right", "arg", "if"):
                    if name in inner and _testable(path := path_of(inner[name])):
                        tests[Test(path, HOLDS)] = None
            elif operator in ("==", "!="):
                for side in inner.values():
                    if _testable(path := path_of(side)):
                        compared[path] = None


def _testable(path: Path | None) -> TypeGuard[Path]:
    """An attribute of the key or the request, or a member of such an attribute."""
    return path is not None and path[0] in ROOTS and len(path) in (2, 3)


def _asked_of_set(expression: Expression) -> Path | None:
    """The set of the key that is asked whether it contains a literal."""
    if "contains" not in expression or "Value" not in expression["contains"]["right"]:
        return None
    path = path_of(expression["contains"]["left"])
    return path if path is not None and len(path) == 2 and path[0] == ROOTS[0] else None


def _shorter(expression: Any, known: Known, *, truth: bool) -> Any:
    """``truth``: whoever uses the value fails unless it is a truth value, so ``true && x`` may become ``x``."""
    if isinstance(expression, list):
        return [_shorter(element, known, truth=False) for element in expression]
    if not isinstance(expression, Mapping):
        return expression
    if "Value" in expression:
        # One object each for true and false, told by identity: to Python, 1 equals True.
        return {True: TRUE, False: FALSE}[value] if isinstance(value := expression["Value"], bool) else expression
    if (answer := _answer(expression, known)) is not None:
        return TRUE if answer else FALSE
    if "&&" in expression or "||" in expression:
        return _folded("&&" if "&&" in expression else "||", expression, known, truth)
    if "!" in expression:
        arg = _shorter(expression["!"]["arg"], known, truth=True)
        return FALSE if arg is TRUE else TRUE if arg is FALSE else {"!": {"arg": arg}}
    if "if-then-else" in expression:
        return _branch(expression["if-then-else"], known, truth)
    if "Record" in expression:
        return {"Record": {name: _shorter(value, known, truth=False) for name, value in expression["Record"].items()}}
    if (spelt := _spelt_out(expression)) is not None:
        return spelt
    return {
        operator: {name: _shorter(operand, known, truth=False) for name, operand in inner.items()}
        if isinstance(inner, Mapping)
        else _shorter(inner, known, truth=False)
        for operator, inner in expression.items()
    }


def _answer(expression: Expression, known: Known) -> bool | None:
    if (present := presence_of(expression)) is not None:
        return known.answers.get(Test(present, HAS))
    if (path := path_of(expression)) is not None:
        return known.answers.get(Test(path, HOLDS))
    if (asked := _asked_of_set(expression)) is not None and known.answers.get(Test(asked, EMPTY)):
        return False
    return None


def _folded(operator: str, expression: Expression, known: Known, truth: bool) -> Expression:
    # The value with which the left side alone decides, and the one that leaves the decision to the other side.
    decisive, neutral = (FALSE, TRUE) if operator == "&&" else (TRUE, FALSE)
    left: Expression = _shorter(expression[operator]["left"], known, truth=True)
    if left is decisive:
        return decisive
    right: Expression = _shorter(expression[operator]["right"], known, truth=True)
    if left is neutral and (truth or right is TRUE or right is FALSE):
        return right
    if right is decisive and _cannot_fail(left, known):
        return decisive
    if right is neutral and truth:
        return left
    return {operator: {"left": left, "right": right}}


def _branch(inner: Mapping[str, Any], known: Known, truth: bool) -> Expression:
    condition = _shorter(inner["if"], known, truth=True)
    if condition is TRUE or condition is FALSE:
        branch: Expression = _shorter(inner["then" if condition is TRUE else "else"], known, truth=truth)
        return branch
    then, other = (_shorter(inner[name], known, truth=truth) for name in ("then", "else"))
    return {"if-then-else": {"if": condition, "then": then, "else": other}}


def _spelt_out(expression: Expression) -> Expression | None:
    """``["a", "b"].contains(x)`` as ``x == "a" || x == "b"``, and ``x.containsAny(["a", "b"])`` alike."""
    for operator in ("contains", "containsAny"):
        if operator not in expression:
            continue
        one, written = expression[operator]["left"], expression[operator]["right"]
        if operator == "contains":
            one, written = written, one
        literals = literals_of(written)
        if literals and len(literals) <= MOST_SPELT_OUT and path_of(one) is not None:
            single = "==" if operator == "contains" else "contains"
            return any_of([{single: {"left": one, "right": {"Value": literal}}} for literal in literals])
    return None


def _cannot_fail(expression: Expression, known: Known) -> bool:
    """Whether this is a truth value whatever the facts. Comparing for equality never fails once both sides are read."""
    for operator in ("&&", "||"):
        if operator in expression:
            return all(_cannot_fail(expression[operator][side], known) for side in ("left", "right"))
    if "!" in expression:
        return _cannot_fail(expression["!"]["arg"], known)
    for operator in ("==", "!="):
        if operator in expression:
            return all(_at_hand(expression[operator][side], known) for side in ("left", "right"))
    return expression is TRUE or expression is FALSE


def _at_hand(expression: Expression, known: Known) -> bool:
    if "Value" in expression:
        return True
    path = path_of(expression)
    return path is not None and known.answers.get(Test(path, HAS)) is True
