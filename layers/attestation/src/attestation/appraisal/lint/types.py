"""What Cedar's own type checker objects to, in plain words, with a line and a hint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import cedarpy

from attestation.appraisal.cedar.engine import schema
from attestation.appraisal.lint.linted_rule import LintedRule, spelt
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.lint.names import type_word
from attestation.appraisal.lint.vocabulary import CONTEXT, KEY_TYPES, PRINCIPAL, vocabulary

_PREFIX: Final = re.compile(r"for policy `[^`]*`, ")
_NOT_FOUND: Final = re.compile(r"attribute `(?P<path>.+)` (?:on entity type|in context)")
_OPTIONAL: Final = re.compile(r"unable to guarantee safety of access to optional attribute `(?P<path>.+)` (?:on|in)")
_EXPECTED: Final = re.compile(r"unexpected type: expected (?P<expected>.+) but saw (?P<seen>.+)")
_TWO_TYPES: Final = re.compile(r"the types (?P<expected>.+) and (?P<seen>.+) are not compatible")
_STEP: Final = re.compile(r'\["(?P<quoted>[^"]+)"\]|(?P<plain>[^.\[\]]+)')


def type_messages(rule: LintedRule) -> Iterator[LintMessage]:
    """The type checker's objections to one rule; it may say one more than once."""
    for error in cedarpy.validate_policies(rule.statement.text, schema()).errors:
        message = _translated(rule, _PREFIX.sub("", error.error))
        if message is not None:
            yield message


def _translated(rule: LintedRule, text: str) -> LintMessage | None:
    if found := _OPTIONAL.search(text):
        return _unguarded(rule, _path(found["path"], text))
    if found := _NOT_FOUND.search(text):
        return _not_of_every_key(rule, _path(found["path"], text))
    if found := (_EXPECTED.search(text) or _TWO_TYPES.search(text)):
        expected, seen = type_word(found["expected"].lstrip("{")), type_word(found["seen"])
        return rule.error(
            "wrong-type",
            f"{expected} is needed where {seen} stands"
            if "expected" in text
            else f"{expected} is compared with {seen}",
            "docs/policies.md lists the type of every attribute",
        )
    if "unrecognized" in text:
        return None  # said already, with what it may have meant
    if "applicable action" in text:
        return rule.error("empty-scope", "no key, action and app fit between its brackets: it never applies")
    if "empty set" in text:
        return rule.error("empty-set", "an empty set has no type", "ask `.isEmpty()`")
    return rule.error("not-in-schema", f"the schema does not allow it: {text}")


def _path(text: str, message: str) -> tuple[str, ...]:
    steps = tuple(step["quoted"] or step["plain"] for step in _STEP.finditer(text))
    return (PRINCIPAL if "entity type" in message else CONTEXT, *steps)


def _unguarded(rule: LintedRule, path: tuple[str, ...]) -> LintMessage:
    owner, name = spelt(path[:-1]), path[-1]
    asked = f"{owner} has {name if name.isidentifier() else chr(34) + name + chr(34)}"
    return rule.error(
        "optional-without-has",
        f"`{spelt(path)}` may be absent, and a rule that reads what is absent fails",
        f"ask first: `{asked} && …`",
        line=rule.line_of_path(path),
    )


def _not_of_every_key(rule: LintedRule, path: tuple[str, ...]) -> LintMessage | None:
    owners = [kind for kind in KEY_TYPES if vocabulary().member(path, kind)]
    if not owners or path[0] == CONTEXT:
        return None  # said already, with what it may have meant
    return rule.error(
        "other-platform",
        f"`{spelt(path)}` is known of {' and '.join(owners)} keys, and this rule is about others as well",
        f"begin it with {rule.effect} (principal is {owners[0]}, …), or ask first: `principal is {owners[0]} && …`",
        line=rule.line_of_path(path),
    )
