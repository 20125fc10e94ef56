"""What is wrong with an appraisal policy, reported before it judges any device.

Cedar's parser and type checker name no places and let much pass: a misspelt attribute behind ``has``, a value that
never occurs, a permit that nothing reaches. Each of those is a rule that its author believes to be active.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import cedarpy

from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.cedar.nesting import MAX_OPERATORS, place_too_deep
from attestation.appraisal.cedar.rules import MAX_RULES, MAX_TEXT_BYTES, PolicyInvalid
from attestation.appraisal.cedar.statements import Statement, statements_of
from attestation.appraisal.lint.annotations import annotation_messages, duplicate_messages
from attestation.appraisal.lint.formulas import CanHold, satisfiable
from attestation.appraisal.lint.linted_rule import LintedRule
from attestation.appraisal.lint.lowering import lowering_messages
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.lint.names import name_messages
from attestation.appraisal.lint.reach import impossible_messages, reach_messages
from attestation.appraisal.lint.types import type_messages

__all__ = ["LintMessage", "lint_appraisal"]

_UNFINISHED: Final = "unexpected end"
_QUOTED: Final = re.compile(r"`([^`]+)`|@(\w+)")
_LINE: Final = re.compile(r"Line (\d+): ")


def lint_appraisal(text: str, *, now: float, can_hold: CanHold = satisfiable) -> tuple[LintMessage, ...]:
    """All there is to say about the policy ``text``, by line, errors first on each. ``now`` (Unix seconds) decides what
    has expired. ``can_hold`` decides whether a rule can have an effect: a bounded search, or a solver where there is
    one.

    Never raises, whatever the text. A text without an error compiles.
    """
    return tuple(sorted(set(_messages(text, now, can_hold))))


def _messages(text: str, now: float, can_hold: CanHold) -> Iterator[LintMessage]:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        yield _error(1, "too-large", f"the policy is larger than {MAX_TEXT_BYTES // 1024} KiB")
        return
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        yield _error(1, "not-cedar", "the policy is not Unicode text")
        return
    if (deep := place_too_deep(text)) is not None:
        yield _error(
            deep.line,
            "too-deep",
            "too many brackets, steps or operators in one rule",
            f'split the rule (up to {MAX_OPERATORS} operators), or write ["a", "b"].contains(…) for many ||',
        )
        return
    statements = statements_of(text)
    if len(statements) > MAX_RULES:
        yield _error(statements[MAX_RULES].line, "too-many-rules", f"the policy has more than {MAX_RULES} rules")
        return
    forms, problems = _parsed(text, statements)
    yield from problems
    if forms is None:
        return
    rules = []
    for form, statement in zip(forms, statements, strict=True):
        rule = LintedRule(form, statement)
        if _is_template(form):
            yield rule.error("template", "a template is no rule yet", "write the rule without ?principal and ?resource")
        else:
            rules.append(rule)
    objections = {id(rule): list(_objections(rule, now, can_hold)) for rule in rules}
    broken = {key for key, messages in objections.items() if any(m.severity == "error" for m in messages)}
    for messages in objections.values():
        yield from messages
    duplicates = list(duplicate_messages(rules))
    yield from duplicates
    reach = list(reach_messages(rules, [rule for rule in rules if id(rule) not in broken], can_hold))
    yield from reach
    if not broken and not duplicates and not reach and len(rules) == len(statements):
        yield from _compiled(text)


def _objections(rule: LintedRule, now: float, can_hold: CanHold) -> Iterator[LintMessage]:
    yield from annotation_messages(rule, now=now)
    named = list(name_messages(rule))
    yield from named
    said = {message.code for message in named if message.severity == "error"}
    typed = set(type_messages(rule))
    if len(typed) > 1:
        typed = {message for message in typed if message.code != _EMPTY}  # it follows from the others
    # What was said by name is not said again by type; and a scope that is misspelt fits nothing.
    yield from (message for message in typed if message.code not in said and not (said and message.code == _EMPTY))
    lowering = list(lowering_messages(rule))
    yield from lowering
    if not said and not typed and not lowering:
        yield from impossible_messages(rule, can_hold)


_EMPTY: Final = "empty-scope"


def _parsed(text: str, statements: tuple[Statement, ...]) -> tuple[list[Any] | None, list[LintMessage]]:
    """Cedar's JSON form of each statement, or what keeps the text from having one."""
    if (error := _parse_error(text)) is None:
        form = json.loads(cedarpy.policies_to_json_str(text))
        policies = {**form["templates"], **form["staticPolicies"]}
        ordered = [policies[name] for name in sorted(policies, key=lambda name: int(name.removeprefix("policy")))]
        if len(ordered) == len(statements):
            return ordered, []
        return None, [_error(1, "not-cedar", "the text cannot be split into its rules")]
    found = [_where(statement, error) for statement in statements if (error := _parse_error(statement.text))]
    return None, found or [_error(1, "not-cedar", f"this is not Cedar: {error}")]


def _parse_error(text: str) -> str | None:
    try:
        cedarpy.policies_to_json_str(text)
    except ValueError as error:
        return str(error)
    return None


def _where(statement: Statement, error: str) -> LintMessage:
    """The message for a statement that does not parse: at the first token with which its beginning is wrong."""
    tokens = statement.tokens
    low, high = 0, len(tokens) - 1
    while low < high:
        middle = (low + high) // 2
        end = tokens[middle].offset + len(tokens[middle].text) - statement.offset
        if _UNFINISHED in (_parse_error(statement.text[:end]) or _UNFINISHED):
            low = middle + 1
        else:
            high = middle
    token = tokens[low]
    if low == len(tokens) - 1 and token.text == ";" and (named := _QUOTED.search(error)):
        # Grammatical, and wrong for what a word in it means: Cedar names the word.
        names = {named[1] or named[2]}
        token = next((token for token in tokens if token.text in names), tokens[0])
    hint = ""
    if _UNFINISHED in error:
        token, hint = tokens[-1], "a rule ends with `;`, and every bracket is closed"
    elif token.text in ("permit", "forbid", "@") and low:
        hint = "is the `;` missing behind the rule before?"
    elif token.text == "=":
        hint = "equality is `==`"
    elif token.text in ("and", "or", "not", "&", "|"):
        hint = "Cedar writes `&&`, `||` and `!`"
    return _error(token.line, "not-cedar", f"this is not Cedar: {error}", hint)


def _is_template(form: Any) -> bool:
    return "slot" in json.dumps([form["principal"], form["resource"]])


def _compiled(text: str) -> Iterator[LintMessage]:
    """The last word is the compiler's: what it refuses, a linter that missed it must not let pass."""
    try:
        CedarPolicy.compile(text)
    except PolicyInvalid as invalid:
        for problem in invalid.problems:
            line = _LINE.match(problem)
            yield _error(int(line[1]) if line else 1, "refused", _LINE.sub("", problem))


def _error(line: int, code: str, text: str, hint: str = "") -> LintMessage:
    return LintMessage(line, "error", code, "", text, hint)
