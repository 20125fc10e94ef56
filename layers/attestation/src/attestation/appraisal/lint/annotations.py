"""What is wrong with the annotations and the scope of a rule: how Bonafide, not Cedar, reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from attestation.appraisal.cedar.rules import (
    ACCEPT,
    ACTIONS,
    ANNOTATIONS,
    MAX_ID,
    RESERVED,
    PolicyInvalid,
    advice_of,
    block_seconds_of,
    expiry_of,
    is_id,
)
from attestation.appraisal.lint.linted_rule import LintedRule, did_you_mean
from attestation.appraisal.lint.message import LintMessage

SOON_SECONDS: Final = 7 * 86_400
"""A rule that ends within this time is pointed out: its author may have forgotten it."""

_KNOWN: Final = frozenset().union(*ANNOTATIONS.values())
_FORMS: Final[dict[str, tuple[str, Callable[[str | None], object], str, str]]] = {
    "advice": ("bad-advice", advice_of, "one word for the app, in lower case with dashes", '@advice("update-app")'),
    "expires": ("bad-expires", expiry_of, "a day or a moment in UTC", '@expires("2026-12-31T18:00:00Z")'),
    "block": ("bad-block", block_seconds_of, "a time from one minute to a day", '@block("1h")'),
}


def annotation_messages(rule: LintedRule, *, now: float) -> Iterator[LintMessage]:
    """What is wrong with the annotations of one rule at ``now`` (Unix seconds)."""
    yield from _names(rule)
    yield from _values(rule)
    yield from _block_place(rule)
    yield from _expiry(rule, now)
    if rule.effect == "forbid" and rule.actions == {ACCEPT}:
        yield rule.error(
            "forbid-accept-alone",
            'a forbid on Action::"accept" alone would affirm what it does not accept',
            'leave the action open to refuse, or say Action::"affirm" to lower to warning',
            line=rule.line_of_word(ACCEPT),
        )


def duplicate_messages(rules: list[LintedRule]) -> Iterator[LintMessage]:
    """Ids that two rules share. Those that differ in what they do (refuse, warn, watch) may."""
    first: dict[tuple[str, str, bool, bool], LintedRule] = {}
    for rule in rules:
        tier = rule.actions == (ACTIONS if rule.effect == "forbid" else {ACCEPT})
        earlier = first.setdefault((rule.id, rule.effect, rule.observed, tier), rule)
        if rule.id and earlier is not rule:
            yield rule.error(
                "duplicate-id",
                f'the id "{rule.id}" is that of the rule in line {earlier.statement.line}',
                "give it an id of its own, or join both conditions with ||",
                line=rule.line_of_annotation("id"),
            )


def _names(rule: LintedRule) -> Iterator[LintMessage]:
    for name in sorted(rule.annotations):
        line = rule.line_of_annotation(name)
        if name not in _KNOWN:
            close = did_you_mean(name, _KNOWN)
            known = ", ".join(f"@{known}" for known in sorted(_KNOWN))
            hint = f"did you mean `@{close}`?" if close else f"there are {known}"
            yield rule.error("unknown-annotation", f"there is no annotation @{name}", hint, line=line)
        elif name == "mode" and rule.effect == "permit":
            yield rule.error(
                "observed-permit",
                "a permit cannot be observed: without it nothing is let in",
                "observe the forbid that you want to try out",
                line=line,
            )
        elif name not in ANNOTATIONS[rule.effect]:
            yield rule.error(
                "misplaced-annotation", f"@{name} says something about a refusal, and this is a permit", line=line
            )
        elif name in ("advice", "block") and rule.releases:
            yield rule.error(
                "misplaced-annotation", f"@{name} says something about a verdict, and this is about secrets", line=line
            )
    if rule.effect == "forbid" and "id" not in rule.annotations:
        yield rule.error(
            "missing-id",
            "a forbid without an @id could not be found in a decision record",
            'write @id("what-it-refuses") above it',
        )


def _values(rule: LintedRule) -> Iterator[LintMessage]:
    allowed = ANNOTATIONS[rule.effect]
    if "id" in rule.annotations and not is_id(rule.id):
        text = (
            f'"{rule.id}" is what the engine itself calls a finding'
            if rule.id in RESERVED
            else f'"{rule.id}" is no id: lower-case words with dashes, up to {MAX_ID} characters'
        )
        yield rule.error("bad-id", text, line=rule.line_of_annotation("id"))
    if "mode" in rule.annotations and "mode" in allowed and not rule.observed:
        mode = rule.annotations["mode"] or ""
        yield rule.error(
            "bad-mode",
            f'there is no mode "{mode}"',
            'write @mode("observe"), or leave the annotation out to enforce the rule',
            line=rule.line_of_annotation("mode"),
        )
    for name, (code, reader, form, example) in _FORMS.items():
        if name not in rule.annotations or name not in allowed:
            continue
        try:
            reader(rule.annotations[name])
        except PolicyInvalid:
            value = rule.annotations[name] or ""
            yield rule.error(
                code, f'@{name} is {form}, not "{value}"', f"for example {example}", line=rule.line_of_annotation(name)
            )


def _block_place(rule: LintedRule) -> Iterator[LintMessage]:
    if "block" not in rule.annotations or rule.effect != "forbid":
        return
    line = rule.line_of_annotation("block")
    if rule.observed:
        yield rule.error("misplaced-block", "a rule that is only observed cannot block a key", line=line)
    elif rule.actions != ACTIONS and not rule.releases:
        yield rule.error(
            "misplaced-block",
            "@block is for a rule that refuses; this one only lowers to warning",
            "leave the action open: forbid (principal, action, resource)",
            line=line,
        )


def _expiry(rule: LintedRule, now: float) -> Iterator[LintMessage]:
    try:
        end = expiry_of(rule.annotations["expires"]) if "expires" in rule.annotations else None
    except PolicyInvalid:
        return
    if end is None or end - now > SOON_SECONDS:
        return
    line, moment = rule.line_of_annotation("expires"), f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M}Z"
    if end <= now:
        yield rule.error(
            "expired", f"this rule ended at {moment}: it does nothing", "delete it, or move the date", line=line
        )
    else:
        yield rule.warning("expires-soon", f"this rule ends at {moment}, in less than a week", line=line)
