"""One statement of a policy as the linter sees it: parsed form and source text side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise
from typing import Any

from attestation.appraisal.cedar.expressions import conditions_of
from attestation.appraisal.cedar.rules import ACTIONS, RELEASE
from attestation.appraisal.cedar.statements import Statement
from attestation.appraisal.lint import formulas
from attestation.appraisal.lint.message import LintMessage, Severity
from attestation.appraisal.lint.vocabulary import KEY_TYPES


@dataclass(frozen=True)
class LintedRule:
    """A statement. ``est`` is Cedar's JSON form of it."""

    est: Mapping[str, Any]
    statement: Statement

    @property
    def effect(self) -> str:
        """``permit`` or ``forbid``."""
        return str(self.est["effect"])

    @property
    def annotations(self) -> Mapping[str, str | None]:
        """Annotations by name; one without a value has ``None``."""
        annotations: Mapping[str, str | None] = self.est.get("annotations", {})
        return annotations

    @property
    def id(self) -> str:
        """Its ``@id``, or nothing."""
        return self.annotations.get("id") or ""

    @property
    def observed(self) -> bool:
        """Whether it is recorded and not enforced."""
        return self.annotations.get("mode") == "observe"

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The types of key that its scope covers."""
        scope = self.est["principal"]
        if scope["op"] == "All":
            return frozenset(KEY_TYPES)
        named = scope.get("entity_type") or scope.get("entity", {}).get("type")
        return frozenset({named}) & frozenset(KEY_TYPES)

    @cached_property
    def actions(self) -> frozenset[str]:
        """The verdicts that its scope covers, as far as they exist; none for a rule about secrets."""
        return ACTIONS if self.est["action"]["op"] == "All" else self._named_actions & ACTIONS

    @cached_property
    def releases(self) -> bool:
        """Whether it is about secrets."""
        return self._named_actions == {RELEASE}

    @property
    def _named_actions(self) -> frozenset[str]:
        scope = self.est["action"]
        entities = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
        return frozenset(entity["id"] for entity in entities if entity["type"] == "Action")

    @cached_property
    def formula(self) -> formulas.Formula:
        """Its conditions, and what its scope says of one key or one app."""
        named = [
            {"==": {"left": {"Var": variable}, "right": {"Value": {"__entity": entity}}}}
            for variable in ("principal", "resource")
            for scope in (self.est[variable],)
            for entity in (scope.get("entity") or scope.get("in", {}).get("entity"),)
            if entity
        ]
        return formulas.every(formulas.formula_of(part) for part in (*named, *conditions_of(self.est)))

    def formula_for(self, kind: str, action: str) -> formulas.Formula:
        """When it applies to keys of one type and one action."""
        covered = self.releases if action == RELEASE else action in self.actions
        return self.formula if kind in self.kinds and covered else formulas.FALSE

    def error(self, code: str, text: str, hint: str = "", *, line: int | None = None) -> LintMessage:
        """A message about this rule that keeps the policy from being published."""
        return self._message("error", code, text, hint, line)

    def warning(self, code: str, text: str, hint: str = "", *, line: int | None = None) -> LintMessage:
        """A message about this rule that does not."""
        return self._message("warning", code, text, hint, line)

    def _message(self, severity: Severity, code: str, text: str, hint: str, line: int | None) -> LintMessage:
        return LintMessage(self.statement.line if line is None else line, severity, code, self.id, text, hint)

    def line_of_annotation(self, name: str) -> int:
        """Where ``@name`` stands."""
        return self._annotation_lines.get(name, self.statement.line)

    def line_of_path(self, path: tuple[str, ...]) -> int:
        """Where an attribute is read: its own name behind that of what it belongs to, if they stand together."""
        if path not in self._path_lines:
            self._path_lines[path] = self._found_path(path)
        return self._path_lines[path]

    def line_of_word(self, *words: str) -> int:
        """Where the first of ``words`` stands, quoted or not."""
        return next((self._word_lines[word] for word in words if word in self._word_lines), self.statement.line)

    # The attack: a set of seven thousand texts, each looked for from the beginning, which takes longer than the Admin
    # API has for an answer.
    @cached_property
    def _word_lines(self) -> Mapping[str, int]:
        return {_unquoted(token.text): token.line for token in reversed(self.statement.tokens)}

    @cached_property
    def _annotation_lines(self) -> Mapping[str, int]:
        pairs = [(mark, word) for mark, word in pairwise(self.statement.tokens) if mark.text == "@"]
        return {word.text: mark.line for mark, word in reversed(pairs)}

    @cached_property
    def _path_lines(self) -> dict[tuple[str, ...], int]:
        return {}

    def _found_path(self, path: tuple[str, ...]) -> int:
        tokens, best = self.statement.tokens, None
        for at, token in enumerate(tokens):
            if _unquoted(token.text) != path[-1] or at == 0 or tokens[at - 1].text not in (".", "[", "has"):
                continue
            before = {_unquoted(earlier.text) for earlier in tokens[max(at - 3, 0) : at - 1]}
            if len(path) < 2 or path[-2] in before:
                return token.line
            best = best or token.line
        return best or self.statement.line


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The name of ``known`` that ``word`` looks like; empty when none does."""
    by_form = {name.lower().replace("-", "_"): name for name in sorted(known)}
    close = get_close_matches(word.lower().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return by_form[close[0]] if close else ""


def spelt(path: Iterable[str]) -> str:
    """A path as Cedar spells it: ``context.signals["memory-dump"]``."""
    text = ""
    for step in path:
        text += (f".{step}" if text else step) if step.isidentifier() else f'["{step}"]'
    return text


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
