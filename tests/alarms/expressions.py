"""Metric math, as far as our alarms use it, by CloudWatch's documentation ("Using math expressions with metrics").

A series has a value at some times and none at others. An operation on two series has one where both have; a number is
everywhere. FILL puts a number where a series has none, also where it has none at all. IF takes its first value where
the condition is not zero. RUNNING_SUM adds up from the first time on. A comparison is 1 or 0. What is divided by zero
has no value. Anything else is an error: an expression that cannot be judged must not pass for one that never rings.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import Final, TypeAlias

Series: TypeAlias = Mapping[float, float]
"""Values by the time that their period begins at."""

_OPERATIONS: Final[Mapping[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


class UnknownExpression(ValueError):
    """An expression that uses what is not known here, or breaks CloudWatch's rules."""


def evaluate(expression: str, series: Mapping[str, Series], times: Sequence[float]) -> Series:
    """The series that an expression makes of others, at the times asked for.

    Raises:
        UnknownExpression: for anything that is not documented, or not known here.
    """
    value = _value(_read(expression), series, times)
    if isinstance(value, float):
        raise UnknownExpression(f"{expression} is a number, and no series that an alarm could watch")
    return value


@cache
def _read(expression: str) -> ast.AST:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        raise UnknownExpression(f"{expression}: {error.msg}") from None


def _value(node: ast.AST, series: Mapping[str, Series], times: Sequence[float]) -> Series | float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in series:
            return {at: series[name][at] for at in times if at in series[name]}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _apply(operator.sub, 0.0, _value(operand, series, times), times)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            both = _value(left, series, times), _value(right, series, times)
            return _apply(_OPERATIONS[type(operation)], *both, times)
        case ast.Compare(left=left, ops=[operation], comparators=[right]) if type(operation) in _OPERATIONS:
            both = _value(left, series, times), _value(right, series, times)
            return _apply(_OPERATIONS[type(operation)], *both, times)
        case ast.Call(func=ast.Name(id="FILL"), args=[filled, ast.Constant(value=int() | float() as number)]):
            known = _value(filled, series, times)
            if isinstance(known, float):
                raise UnknownExpression("FILL takes a series")
            return {at: known.get(at, float(number)) for at in times}
        case ast.Call(func=ast.Name(id="RUNNING_SUM"), args=[summed]):
            known = _value(summed, series, times)
            if isinstance(known, float):
                raise UnknownExpression("RUNNING_SUM takes a series")
            return dict(zip(known, accumulate(known[at] for at in known), strict=True))
        case ast.Call(func=ast.Name(id="IF"), args=[condition, yes, no]):
            judged, first, second = (_value(one, series, times) for one in (condition, yes, no))
            return _if(judged, first, second, times)
    raise UnknownExpression(f"not known: {ast.unparse(node)}")


def _apply(
    operation: Callable[[float, float], float], left: Series | float, right: Series | float, times: Sequence[float]
) -> Series | float:
    if isinstance(left, float) and isinstance(right, float):
        return float(operation(left, right))
    found = {}
    for at in times:
        one, other = _at(left, at), _at(right, at)
        if one is not None and other is not None and not (operation is operator.truediv and other == 0):
            found[at] = float(operation(one, other))
    return found


def _if(condition: Series | float, yes: Series | float, no: Series | float, times: Sequence[float]) -> Series:
    found = {}
    for at in times:
        judged = _at(condition, at)
        value = None if judged is None else _at(yes if judged else no, at)
        if value is not None:
            found[at] = value
    return found


def _at(value: Series | float, at: float) -> float | None:
    return value if isinstance(value, float) else value.get(at)
