"""How deep a policy text may nest. Cedar's parser recurses, and a text of a few thousand brackets ends its process.

A publisher could otherwise stop every function that compiles the policy: not by an error there, but by a crash.
"""

from __future__ import annotations

from typing import Final

from attestation.appraisal.cedar.statements import Token, tokens_of

MAX_NESTING: Final = 40
"""Most brackets that are open at the same place, and most steps of one path (``a.b["c"]``)."""
MAX_OPERATORS: Final = 150
"""Most operators and branches in one statement: each of them is a level of Cedar's tree."""

_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")
# Cedar joins the conditions of a statement, each in the one behind it, as it does with operators.
_OPERATORS: Final = frozenset({"&&", "||", "+", "-", "*", "!", "if", "has", "like", "in", "is", "when", "unless"})
_PATH: Final = frozenset(".[]()")


def place_too_deep(text: str) -> Token | None:
    """The first token at which ``text`` is nested too deeply for Cedar to be asked about it."""
    brackets = operators = steps = 0
    for token in tokens_of(text):
        mark = token.text if token.kind != "string" else ""
        if mark in _OPEN:
            brackets += 1
        elif mark in _CLOSE:
            brackets = max(brackets - 1, 0)
        elif mark == ";":
            operators = 0
        operators += mark in _OPERATORS
        if mark in (".", "["):
            steps += 1
        elif token.kind == "mark" and mark not in _PATH:
            steps = 0
        if brackets > MAX_NESTING or operators > MAX_OPERATORS or steps > MAX_NESTING:
            return token
    return None
