"""Names and values that no facts ever have: the typing errors that Cedar lets pass behind ``has`` and in quotes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from attestation.appraisal.cedar import expressions as ex
from attestation.appraisal.cedar.expressions import Expression
from attestation.appraisal.cedar.rules import ACTIONS, RELEASE, SECRET
from attestation.appraisal.facts import SIGNALS
from attestation.appraisal.lint.formulas import matching
from attestation.appraisal.lint.linted_rule import LintedRule, did_you_mean, spelt
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.lint.vocabulary import (
    ACTION_TYPE,
    APP_TYPE,
    CONTEXT,
    KEY_TYPES,
    PRINCIPAL,
    RECORD,
    SET,
    closed_values,
    familiar_values,
    vocabulary,
)

_ALL_KINDS: Final = frozenset(KEY_TYPES)
_COUNTRY: Final = re.compile(r"[A-Z]{2}\Z")
_SIGNALS_PATH: Final = (CONTEXT, "signals")
_TYPE_WORDS: Final = {"Long": "a number", "String": "a text", "Bool": "true or false", RECORD: "a record", SET: "a set"}


def name_messages(rule: LintedRule) -> Iterator[LintMessage]:
    """Unknown types, actions, attributes and signals in one rule, and values that an attribute cannot have."""
    yield from _scope(rule)
    if not rule.kinds:
        return  # a type that there is not has no attributes either
    for condition in rule.est["conditions"]:
        for part in ex.parts_of(condition["body"]):
            yield from _types(rule, part)
            path = ex.presence_of(part) or ex.path_of(part)
            if path is not None and len(path) > 1:
                yield from _path(rule, path)
            if path == ("action",):
                yield rule.error(
                    "action-in-condition",
                    "the action belongs between the brackets, where it says whether a rule refuses or warns",
                    'write forbid (principal, action == Action::"affirm", resource)',
                    line=rule.line_of_word("action"),
                )
            yield from _values(rule, part)
            yield from _arithmetic(rule, part)


def type_word(kind: str) -> str:
    """A Cedar type in plain words."""
    return next((word for name, word in _TYPE_WORDS.items() if kind.startswith(name)), kind)


def _scope(rule: LintedRule) -> Iterator[LintMessage]:
    principal, resource = rule.est["principal"], rule.est["resource"]
    for scope, known in ((principal, KEY_TYPES), (resource, (_resource_type(rule),))):
        for name in (scope.get("entity_type"), scope.get("entity", {}).get("type")):
            if name is not None and name not in known:
                yield _unknown_type(rule, name, known)
    action = rule.est["action"]
    for entity in action.get("entities") or ([action["entity"]] if "entity" in action else []):
        if entity["type"] != ACTION_TYPE or (entity["id"] not in ACTIONS and not rule.releases):
            yield _mixed_action(rule) if entity["id"] == RELEASE else _unknown_action(rule, entity["id"])


def _resource_type(rule: LintedRule) -> str:
    return SECRET if rule.releases else APP_TYPE


def _mixed_action(rule: LintedRule) -> LintMessage:
    return rule.error(
        "mixed-actions",
        "a rule about secrets is about nothing else",
        f'write a rule of its own: permit (principal, action == Action::"{RELEASE}", resource == {SECRET}::"name")',
        line=rule.line_of_word(RELEASE),
    )


def _types(rule: LintedRule, part: Expression) -> Iterator[LintMessage]:
    if "is" in part:
        known = KEY_TYPES if ex.path_of(part["is"]["left"]) == (PRINCIPAL,) else (*KEY_TYPES, _resource_type(rule))
        if part["is"]["entity_type"] not in known:
            yield _unknown_type(rule, part["is"]["entity_type"], known)
    value = part.get("Value")
    if isinstance(value, dict) and "__entity" in value:
        name, known = value["__entity"]["type"], (*KEY_TYPES, _resource_type(rule))
        if name == ACTION_TYPE:
            if value["__entity"]["id"] not in {*ACTIONS, RELEASE}:
                yield _unknown_action(rule, value["__entity"]["id"])
        elif name not in known:
            yield _unknown_type(rule, name, known)


def _unknown_type(rule: LintedRule, name: str, known: Iterable[str]) -> LintMessage:
    close = did_you_mean(name, known)
    hint = f"did you mean `{close}`?" if close else f"here stands {', '.join(known)}"
    return rule.error("unknown-entity-type", f"`{name}` is no type that can stand here", hint, line=_line(rule, name))


def _unknown_action(rule: LintedRule, name: str) -> LintMessage:
    close = did_you_mean(name, ACTIONS)
    hint = f'did you mean `Action::"{close}"`?' if close else 'there are Action::"accept" and Action::"affirm"'
    return rule.error("unknown-action", f'there is no action "{name}"', hint, line=_line(rule, name))


def _line(rule: LintedRule, name: str) -> int:
    return rule.line_of_word(name, name.rpartition("::")[2])


def _path(rule: LintedRule, path: tuple[str, ...]) -> Iterator[LintMessage]:
    words = vocabulary()
    for end in range(2, len(path) + 1):
        if words.shapes(path[:end], rule.kinds, releases=rule.releases):
            continue
        parents = words.shapes(path[: end - 1], rule.kinds, releases=rule.releases)
        if end > 2 and not any(parent.members for parent in parents):
            return  # an attribute of a text or a number: the type checker's
        if rule.kinds != _ALL_KINDS and words.shapes(path[:end], _ALL_KINDS, releases=rule.releases):
            owners = [kind for kind in KEY_TYPES if words.member(path[:end], kind)]
            yield rule.error(
                "other-platform",
                f"`{spelt(path[:end])}` is known of {' and '.join(owners)} keys, and this rule is about "
                f"{' and '.join(sorted(rule.kinds))} keys",
                f"begin it with forbid (principal is {owners[0]}, …), or leave the condition out",
                line=rule.line_of_path(path[:end]),
            )
        else:
            yield _unknown(rule, path[:end], [name for parent in parents for name in parent.members])
        return


def _unknown(rule: LintedRule, path: tuple[str, ...], siblings: list[str]) -> LintMessage:
    name, line = path[-1], rule.line_of_path(path)
    close = did_you_mean(name, siblings)
    if path[:-1] == _SIGNALS_PATH:
        hint = f"did you mean `{close}`?" if close else f"signals are {', '.join(SIGNALS)}; others are in `other`"
        return rule.error("unknown-signal", f'there is no signal "{name}"', hint, line=line)
    if close:
        hint = f"did you mean `{close}`?"
    else:
        elsewhere = {
            there[-1]: spelt((CONTEXT if owner == CONTEXT else PRINCIPAL, *there))
            for owner, there, _ in vocabulary().paths()
        }
        other = did_you_mean(name, elsewhere)
        hint = f"did you mean `{elsewhere[other]}`?" if other else "docs/policies.md lists every attribute"
    return rule.error("unknown-attribute", f"`{spelt(path[:-1])}` has no attribute `{name}`", hint, line=line)


def _values(rule: LintedRule, part: Expression) -> Iterator[LintMessage]:
    comparison, membership = ex.comparison_of(part), ex.membership_of(part)
    if comparison is not None:
        yield from _compared(rule, comparison.path, (comparison.value,), in_set=False)
    elif membership is not None:
        yield from _compared(rule, membership.path, membership.values, in_set=membership.path_is_set)
    elif "like" in part and (path := ex.path_of(part["like"]["left"])) is not None:
        closed = _all_values(rule, path, closed=True)
        if closed is not None and not matching(closed, part["like"]["pattern"]):
            yield rule.error(
                "impossible-value",
                f"no value of `{spelt(path)}` is like that",
                f"it is one of {_quoted(closed)}",
                line=rule.line_of_path(path),
            )


def _compared(
    rule: LintedRule, path: tuple[str, ...], values: tuple[ex.Literal, ...], *, in_set: bool
) -> Iterator[LintMessage]:
    shapes = vocabulary().shapes(path, rule.kinds, releases=rule.releases)
    if len(shapes) != 1:
        return
    shape = shapes[0].element if in_set and shapes[0].element is not None else shapes[0]
    for value in values:
        kind = "Bool" if isinstance(value, bool) else "Long" if isinstance(value, int) else "String"
        line = rule.line_of_path(path)
        if kind != shape.kind:
            said = f'"{value}"' if kind == "String" else str(value).lower()
            hint = f"write {value} without quotes" if shape.kind == "Long" and str(value).lstrip("-").isdigit() else ""
            if shape.kind == "Bool":
                hint = f"write `{spelt(path)}` or `!{spelt(path)}`"
            whole = f"`{spelt(path)}` " + ("holds " if in_set else "is ")
            yield rule.error(
                "wrong-type",
                f"{whole}{type_word(shape.kind)}, and {said} is {type_word(kind)}",
                hint or f"docs/policies.md lists the type of every attribute ({shape.kind} here)",
                line=line,
            )
        elif isinstance(value, str):
            yield from _text(rule, path, value)


def _text(rule: LintedRule, path: tuple[str, ...], value: str) -> Iterator[LintMessage]:
    line = rule.line_of_word(value)
    closed, familiar = _all_values(rule, path, closed=True), _all_values(rule, path, closed=False)
    if closed is not None and value not in closed:
        close = did_you_mean(value, closed)
        hint = f'did you mean "{close}"?' if close else f"it is one of {_quoted(closed)}"
        yield rule.error("impossible-value", f'`{spelt(path)}` is never "{value}"', hint, line=line)
    elif path == (CONTEXT, "country") and not _COUNTRY.match(value):
        hint = f'write "{value.upper()}"' if _COUNTRY.match(value.upper()) else 'for example "DE"'
        yield rule.error("impossible-value", f'a country is two capital letters, not "{value}"', hint, line=line)
    elif path == (*_SIGNALS_PATH, "other") and value in SIGNALS:
        hint = f"write `context.signals has {value if value.isidentifier() else chr(34) + value + chr(34)}`"
        yield rule.error("impossible-value", f'"{value}" is a signal of its own, never among `other`', hint, line=line)
    elif closed is None and familiar is not None and value not in familiar:
        close = did_you_mean(value, familiar)
        hint = f'did you mean "{close}"?' if close else f"known are {_quoted(familiar)}"
        yield rule.warning("unfamiliar-value", f'`{spelt(path)}` was never seen to be "{value}"', hint, line=line)


def _all_values(rule: LintedRule, path: tuple[str, ...], *, closed: bool) -> frozenset[str] | None:
    """The values that an attribute can have for the keys of this rule; ``None`` when some type's are not known."""
    lookup = closed_values if closed else familiar_values
    kinds = [kind for kind in rule.kinds if vocabulary().member(path, kind) is not None]
    found = [lookup(path, kind) for kind in kinds]
    return None if not found or None in found else frozenset().union(*(values or () for values in found))


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f'"{value}"' for value in sorted(values))


def _arithmetic(rule: LintedRule, part: Expression) -> Iterator[LintMessage]:
    operator = ex.operator_of(part)
    if operator not in ex.ARITHMETIC:
        return
    sides = [part[operator][name] for name in ("left", "right", "arg") if name in part[operator]]
    if any(ex.literal_of(side) is None for side in sides):
        path = next((found for side in sides for inner in ex.parts_of(side) if (found := ex.path_of(inner))), None)
        yield rule.warning(
            "may-overflow",
            "a calculation that leaves 64 bits fails, and the device is refused (policy-error)",
            "compare with a number instead; ages are facts already",
            line=rule.line_of_path(path) if path else None,
        )
