"""A rule drafted from what devices had in common: "refuse these", as Cedar, appended to the active policy.

Texts that a device chose (model, system, build, names of signals) become string literals, whatever is in them. What a
policy cannot see is said in words, and never left out silently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from attestation.appraisal.cedar.rules import RESERVED, ReadRule, advice_of, is_id, read_rules
from attestation.appraisal.cedar.statements import Statement, statements_of
from attestation.appraisal.facts import SIGNALS
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.result import Tier

RULE_PREFIX: Final = "rule:"
"""How a tally's reason begins where the policy decided."""

FACTS: Final = ("why", "source", "platform", "build", "os", "model", "country", "route", "signal", "finding")
"""What a rule can be drafted from; each is a text."""

_TEXTS: Final[Mapping[str, str]] = {"build": "app_build", "os": "os", "model": "model", "country": "country"}
_WORDS: Final[Mapping[str, str]] = {"build": "app build", "os": "system", "model": "model", "country": "country"}
_KINDS: Final[Mapping[str, str]] = {"ios": "Apple", "macos": "Apple", "android": "Android", "harmony": "Harmony"}
_IDLE: Final = "idle-forbid"
_COUNTED: Final = 96
"""Octets that tallies keep of a text; what is nearly as long may be the beginning of a longer one."""
_LONGEST_CHARACTER: Final = 12
_LONGEST_ID: Final = 60
_NO_SLUG: Final = re.compile("[^a-z0-9]+")


class CannotDraft(Exception):
    """No rule can be written from these facts. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class DraftedRule:
    """``appraisal`` is the policy with the rule appended, ``text`` the rule alone, ``rule`` its id, ``notes`` what it
    does not say, in sentences."""

    appraisal: str
    rule: str
    text: str
    notes: tuple[str, ...]


def draft_rule(
    appraisal: str,
    facts: Mapping[str, str],
    *,
    now: float,
    tier: Tier = Tier.CONTRAINDICATED,
    advice: str | None = None,
) -> DraftedRule:
    """The policy ``appraisal`` with one more rule: a key is pulled down to ``tier`` where all ``facts`` hold.

    The linter has nothing against the draft that it had not against the policy: rules that lower to a warning only what
    the new one refuses make way for it. ``now`` is Unix seconds, for rules that expire.

    Raises :class:`CannotDraft`, and :class:`~attestation.appraisal.cedar.rules.PolicyInvalid` for a policy that is
    none or an advice that is none.
    """
    drafted = _drafted(appraisal, facts, tier, None if advice is None else advice_of(advice, "The advice:"))
    known = {_about(message) for message in lint_appraisal(appraisal, now=now)}
    errors = [
        message
        for message in lint_appraisal(drafted.appraisal, now=now)
        if message.severity == "error" and _about(message) not in known
    ]
    if not errors:
        return drafted
    if any(message.code != _IDLE or message.rule == drafted.rule for message in errors):
        raise CannotDraft(f"The linter says of the draft: {errors[0].text}.")
    return _without_idle(drafted, errors)


def _about(message: LintMessage) -> tuple[str, str, str]:
    return message.code, message.rule, message.text if message.code != _IDLE else ""


def _without_idle(drafted: DraftedRule, idle: Sequence[LintMessage]) -> DraftedRule:
    """The draft without rules that it leaves nothing to do: the linter, and so publishing, takes none such."""
    text, notes = drafted.appraisal, list(drafted.notes)
    for statement in reversed(statements_of(text)):
        for message in idle:
            if statement.line == message.line:
                notes.append(f"The rule {message.rule} lowered to a warning what the draft refuses: it makes way.")
                end = statement.offset + len(statement.text)
                text = f"{text[: statement.offset]}// {drafted.rule} refuses these.{text[end:]}"
    return replace(drafted, appraisal=text, notes=tuple(notes))


def _drafted(appraisal: str, facts: Mapping[str, str], tier: Tier, advice: str | None) -> DraftedRule:
    rules = read_rules(appraisal)
    draft = _Draft(tier)
    if facts.get("source") == "beacon":
        raise CannotDraft("These devices could not attest, so no policy ever judges them: there is nothing to refuse.")
    for name in sorted(facts.keys() - set(FACTS)):
        draft.notes.append(f"A policy knows no {name}: the rule leaves it out.")
    _read_signals(draft, facts)
    _read_why(draft, facts.get("why", ""), rules)
    _read_platform(draft, facts.get("platform"))
    for name, attribute in _TEXTS.items():
        if name in facts:
            draft.terms.append(_text_term(draft, name, attribute, facts[name]))
    if "route" in facts:
        draft.notes.append("Policies judge enrolments and renewals, not requests: the rule leaves the route out.")
    if facts.get("source") in ("enrol", "renew", "signal"):
        draft.notes.append("The rule holds at enrolments, renewals and reported signals alike.")
    if draft.lowering is not None:
        if not draft.terms:
            return _raise(draft, appraisal, draft.lowering)
        _repeat(draft, draft.lowering)
    if not draft.terms:
        raise CannotDraft(" ".join((*draft.notes, "No fact is left that a policy could compare.")).strip())
    rule = _free_id(draft, facts, {one.rule.rule for one in rules})
    text = _rule_text(draft, rule, advice)
    break_before = "" if appraisal.endswith("\n") else "\n"
    return DraftedRule(f"{appraisal}{break_before}\n{text}", rule, text, tuple(draft.notes))


def literal(text: str, *, pattern: bool = False) -> str:
    """A Cedar string with exactly this text; with ``pattern`` one that ``like`` takes literally. Raises
    :class:`CannotDraft` for half a surrogate pair, which Cedar has no way to write.

    The attack: a model called ``" } ; permit (principal, action, resource) ; //``. Whatever is not a plain printable
    character is written as its number, a direction mark or a line separator as well.
    """
    written = []
    for character in text:
        if "\ud800" <= character <= "\udfff":
            raise CannotDraft("One of these texts is no Unicode: no policy can compare it.")
        if character in '"\\' or (pattern and character == "*"):
            written.append(f"\\{character}")
        elif character.isprintable():
            written.append(character)
        else:
            written.append(f"\\u{{{ord(character):x}}}")
    return f'"{"".join(written)}"'


@dataclass(slots=True)
class _Draft:
    tier: Tier
    principal: str = "principal"
    lowering: ReadRule | None = None
    """The rule that decided, which only lowered the tier."""
    terms: list[str] = field(default_factory=list)
    copied: str = ""
    """Its conditions."""
    notes: list[str] = field(default_factory=list)


def _read_signals(draft: _Draft, facts: Mapping[str, str]) -> None:
    signal, finding = facts.get("signal"), facts.get("finding")
    if signal is not None and signal in SIGNALS:
        draft.terms.append(f"context.signals has {literal(signal)}")
    elif signal is not None:
        draft.terms.append(f"context.signals has other && context.signals.other.contains({literal(signal)})")
    if finding is not None:
        draft.terms.append(f"principal.findings.contains({literal(finding)})")


def _read_why(draft: _Draft, why: str, rules: Iterable[ReadRule]) -> None:
    if not why:
        return
    if not why.startswith(RULE_PREFIX):
        draft.notes.append(f"Devices with the reason {_shown(why)} are refused before any policy is asked.")
        return
    name = why.removeprefix(RULE_PREFIX)
    named = [one for one in rules if one.rule.rule == name and one.rule.effect == "forbid" and one.rule.enforced]
    lowering = [one for one in named if one.rule.tier is Tier.WARNING]
    if name in RESERVED or not named:
        draft.notes.append(f"The active policy has no rule {_shown(name)} to repeat: the rule leaves it out.")
    elif not lowering or draft.tier is Tier.WARNING:
        raise CannotDraft(f"The rule {name} of the active policy does that to these devices already.")
    elif draft.terms:
        draft.notes.append(f"The rule {name} only lowers the tier; what sets these devices apart is compared instead.")
    else:
        draft.lowering = lowering[0]


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a statement's parenthesis has the principal, the action, and its end: places in the statement's text."""

    begin: int
    action: int
    resource: int
    end: int


def _scope_of(statement: Statement) -> _Scope:
    depth, begin, commas = 0, -1, list[int]()
    for number, token in enumerate(statement.tokens):
        if token.kind != "mark":
            continue
        place = token.offset - statement.offset
        if token.text in "([{":
            depth += 1
            before = [one.text for one in statement.tokens[max(0, number - 2) : number]]
            if begin < 0 and token.text == "(" and before[-1:] == ["forbid"] and before[:-1] != ["@"]:
                begin = place + 1
        elif token.text in ")]}":
            depth -= 1
            if begin >= 0 and depth == 0:
                return _Scope(begin, commas[0] + 1, commas[1], place)
        elif token.text == "," and begin >= 0 and depth == 1:
            commas.append(place)
    raise CannotDraft("The rule that decided cannot be repeated.")


def _raise(draft: _Draft, appraisal: str, lowering: ReadRule) -> DraftedRule:
    """The rule that lowered the tier, made to refuse: beside a rule of the same condition it would be idle."""
    name = lowering.rule.rule
    draft.notes.append(f"The rule {name} lowered these devices to a warning: in the draft it refuses them.")
    statement = next(one for one in statements_of(appraisal) if one.line == lowering.rule.line)
    scope = _scope_of(statement)
    text = f"{statement.text[: scope.action]} action{statement.text[scope.resource :]}"
    end = statement.offset + len(statement.text)
    return DraftedRule(f"{appraisal[: statement.offset]}{text}{appraisal[end:]}", name, f"{text}\n", tuple(draft.notes))


def _repeat(draft: _Draft, lowering: ReadRule) -> None:
    """Take over what the rule that lowered the tier says of the principal, and its conditions."""
    [statement] = statements_of(lowering.text)
    scope = _scope_of(statement)
    draft.principal = statement.text[scope.begin : scope.action - 1].strip()
    draft.copied = statement.text[scope.end + 1 : -1].strip()
    draft.notes.append(f"The rule {lowering.rule.rule} only lowers the tier: its condition is repeated here.")


def _read_platform(draft: _Draft, platform: str | None) -> None:
    if platform is None:
        return
    kind = _KINDS.get(platform)
    if kind is None:
        draft.notes.append(f"No key has the platform {_shown(platform)}: the rule leaves it out.")
        return
    if draft.principal == "principal":
        draft.principal = f"principal is {kind}"
    draft.terms.append(f"principal.platform == {literal(platform)}")


def _text_term(draft: _Draft, name: str, attribute: str, value: str) -> str:
    if not value:
        return f'!(context has {attribute} && context.{attribute} != "")'
    if len(json.dumps(value)) - 2 > _COUNTED - _LONGEST_CHARACTER:
        draft.notes.append(f"Long texts are counted by their beginning: the rule takes every {_WORDS[name]} with it.")
        pattern = f'{literal(value, pattern=True)[:-1]}*"'
        return f"context has {attribute} && context.{attribute} like {pattern}"
    return f"context has {attribute} && context.{attribute} == {literal(value)}"


def _rule_text(draft: _Draft, rule: str, advice: str | None) -> str:
    action = "action" if draft.tier is Tier.CONTRAINDICATED else 'action == Action::"affirm"'
    lines = [f'@id("{rule}")', *([f"@advice({literal(advice)})"] if advice else [])]
    lines.append(f"forbid ({draft.principal}, {action}, resource)")
    if draft.copied:
        lines.append(draft.copied)
    if draft.terms:
        lines.append("when {\n  " + " &&\n  ".join(draft.terms) + "\n}")
    return "\n".join(lines) + ";\n"


def _free_id(draft: _Draft, facts: Mapping[str, str], taken: set[str]) -> str:
    verb = "refuse" if draft.tier is Tier.CONTRAINDICATED else "warn"
    slug = "-".join((verb, *_slugs(facts)))[:_LONGEST_ID].strip("-")
    name, number = slug, 1
    while name in taken or not is_id(name):
        number += 1
        name = f"{slug}-{number}"
    return name


def _slugs(facts: Mapping[str, str]) -> Iterator[str]:
    for name in ("signal", "finding", "why", "model", "build", "os", "country", "platform"):
        slug = _NO_SLUG.sub("-", facts.get(name, "").removeprefix(RULE_PREFIX).lower()).strip("-")[:24].strip("-")
        if slug:
            yield slug


def _shown(text: str) -> str:
    """A text of a stranger's in a sentence: quoted, and not long."""
    return json.dumps(text[:64])
