"""Rules drafted from what devices had in common: what they say, what they cannot say, and hostile texts in them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, default_policy
from attestation.appraisal.cedar.rules import PolicyInvalid, read_rules
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.appraisal.lint.message import LintMessage
from attestation.appraisal.result import Tier
from hypothesis import given, settings
from hypothesis import strategies as st

from bonafide.policies import drafted_rule
from bonafide.policies.drafted_rule import CannotDraft, DraftedRule, literal
from tests.unit.console.running import Running

STRICT = default_policy().text
SMALL = "permit (principal, action, resource);\n"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    '"\\*;{}()/@\n\r\u2028\u202e', max_size=20
)
INJECTIONS = (
    '" }; permit (principal, action, resource); //',
    '\\" || true || "',
    '"\n@id("x") permit (principal, action, resource);\n//',
    "*/ permit (principal, action, resource);",
    "\\u{22}",
    "\\",
    '"',
    "a*b",
    "\u2028permit\u2029",
    "\u202e;ecruoser",
    "\x00",
    "x" * 96,
    "\U0001f600" * 8,
)


def draft_rule(appraisal: str, facts: Mapping[str, str], **more: Any) -> DraftedRule:
    return drafted_rule.draft_rule(appraisal, facts, now=time.time(), **more)


def compared(text: str) -> Iterator[tuple[str, str]]:
    """Attribute and value of every comparison in the last rule of a policy, from Cedar's own form of it."""
    [last] = read_rules(text)[-1:]
    yield from _comparisons(last.est["conditions"])


def _comparisons(form: Any) -> Iterator[tuple[str, str]]:
    if isinstance(form, list):
        for one in form:
            yield from _comparisons(one)
    elif isinstance(form, Mapping):
        for operator, inner in form.items():
            if operator in ("==", "!="):
                yield inner["left"]["."]["attr"], inner["right"]["Value"]
            elif operator == "like":
                parts = [part["Literal"] if isinstance(part, dict) else "*" for part in inner["pattern"]]
                yield inner["left"]["."]["attr"], "".join(parts)
            elif operator == "contains":
                yield inner["left"]["."]["attr"], inner["right"]["Value"]
            else:
                yield from _comparisons(inner)


def added(appraisal: str, drafted: DraftedRule) -> list[str]:
    """Errors that the draft has and the active policy has not."""
    after = lint_appraisal(drafted.appraisal, now=time.time())
    return [one.text for one in after if one.severity == "error" and one._replace(line=0) not in _said_of(appraisal)]


@cache
def _said_of(appraisal: str) -> frozenset[LintMessage]:
    return frozenset(one._replace(line=0) for one in lint_appraisal(appraisal, now=time.time()))


def check(facts: Mapping[str, str]) -> None:
    drafted = draft_rule(SMALL, facts)
    before, after = read_rules(SMALL), read_rules(drafted.appraisal)
    assert len(after) == len(before) + 1
    assert [one.est for one in after[:-1]] == [one.est for one in before]
    assert after[-1].rule.effect == "forbid"
    assert after[-1].rule.rule == drafted.rule
    names = {"model": "model", "os": "os", "build": "app_build", "signal": "other", "finding": "findings"}
    wanted = {(names[name], value) for name, value in facts.items()}
    found = set(compared(drafted.appraisal))
    cut = {(name, value) for name, value in wanted - found if (name, f"{value}*") in found}
    assert found == wanted - cut | {(name, f"{value}*") for name, value in cut}
    CedarPolicy.compile(drafted.appraisal)
    assert added(SMALL, drafted) == []


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["model", "os", "build"]), TEXTS, min_size=1))
def test_any_text_becomes_one_rule_that_compares_it(facts: dict[str, str]) -> None:
    """Must hold for whatever a device calls itself: exactly one rule more, comparing exactly these values."""
    check(facts)


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("name", ["model", "os", "build", "signal", "finding"])
def test_cedar_in_a_text_is_text(name: str, text: str) -> None:
    """Quotation marks, line ends, comments, escapes, marks that turn the direction of writing."""
    check({name: text})


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_that_is_no_unicode_is_said(text: str) -> None:
    """No device has it in its client data, and Cedar cannot write it."""
    with pytest.raises(CannotDraft, match="no Unicode"):
        draft_rule(SMALL, {"model": text})


def test_literal_is_read_by_cedar_as_the_same_text() -> None:
    """Every character of the first plane and of one beyond, but for surrogates."""
    for first in range(0, 0x11000, 0x400):
        text = "".join(chr(code) for code in range(first, first + 0x400) if not 0xD800 <= code <= 0xDFFF)
        if text:
            form = f"permit (principal, action, resource) when {{ context.model == {literal(text)} }};"
            assert list(compared(form)) == [("model", text)]


FACTS: Mapping[str, tuple[dict[str, str], str]] = {
    "model": ({"model": "Pixel 9"}, 'context has model && context.model == "Pixel 9"'),
    "build": ({"build": "9F2C"}, 'context has app_build && context.app_build == "9F2C"'),
    "country": ({"country": "DE"}, 'context has country && context.country == "DE"'),
    "no model": ({"model": ""}, '!(context has model && context.model != "")'),
    "known signal": ({"signal": "memory-dump"}, 'context.signals has "memory-dump"'),
    "other signal": ({"signal": "inline-hook"}, 'context.signals.other.contains("inline-hook")'),
    "finding": ({"finding": "unheard-of"}, 'principal.findings.contains("unheard-of")'),
    "platform": (
        {"platform": "ios"},
        'forbid (principal is Apple, action, resource)\nwhen {\n  principal.platform == "ios"',
    ),
}


@pytest.mark.parametrize(("facts", "said"), FACTS.values(), ids=FACTS)
def test_fact_becomes_a_condition(facts: dict[str, str], said: str) -> None:
    """Beside the strict default, without an error of the linter's."""
    drafted = draft_rule(STRICT, facts)
    assert said in drafted.text
    assert drafted.appraisal == f"{STRICT}\n{drafted.text}"
    assert added(STRICT, drafted) == []
    assert drafted.notes == ()


def test_rule_that_lowers_is_made_to_refuse() -> None:
    """A second rule of its condition would leave it idle, which is an error of the linter's."""
    drafted = draft_rule(STRICT, {"why": "rule:signal-other", "source": "renew"})
    before, after = read_rules(STRICT), read_rules(drafted.appraisal)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old.est != new.est]
    [(old, new)] = changed
    assert (old.rule.tier, new.rule.tier) == (Tier.WARNING, Tier.CONTRAINDICATED)
    assert new.rule.rule == drafted.rule == "signal-other"
    assert old.est["conditions"] == new.est["conditions"]
    assert added(STRICT, drafted) == []
    assert any("in the draft it refuses them" in note for note in drafted.notes)


def test_rule_that_would_be_idle_makes_way() -> None:
    """The default lowers for this finding: refusing it leaves nothing to lower, and publishing takes no idle rule."""
    drafted = draft_rule(STRICT, {"finding": "apple-app-id-differs"})
    ids = [one.rule.rule for one in read_rules(drafted.appraisal)]
    assert "apple-app-id-differs" not in ids
    assert ids[-1] == drafted.rule == "refuse-apple-app-id-differs"
    assert len(ids) == len(read_rules(STRICT))
    assert added(STRICT, drafted) == []
    assert "makes way" in drafted.notes[-1]


@pytest.mark.parametrize("rule", ["development-environment", "unvetted-distribution", "build-unmeasured"])
def test_rule_that_lowers_is_repeated_with_what_is_narrower(rule: str) -> None:
    """With its principal and its conditions, as a clause of its own."""
    drafted = draft_rule(STRICT, {"why": f"rule:{rule}", "model": "M"})
    origin = next(one for one in read_rules(STRICT) if one.rule.rule == rule and one.rule.tier is Tier.WARNING)
    last = read_rules(drafted.appraisal)[-1]
    assert last.est["principal"] == origin.est["principal"]
    assert last.est["conditions"][:-1] == origin.est["conditions"]
    assert last.rule.tier is Tier.CONTRAINDICATED
    assert added(STRICT, drafted) == []


CANNOT: Mapping[str, tuple[dict[str, str], str]] = {
    "beacon": ({"source": "beacon", "model": "x"}, "could not attest"),
    "reason": ({"why": "token-expired"}, "before any policy is asked"),
    "refused already": ({"why": "rule:signal-root", "model": "x"}, "already"),
    "route": ({"route": "orders GET /orders"}, "not requests"),
    "unknown platform": ({"platform": "plan9"}, "No key has the platform"),
    "engine's own": ({"why": "rule:no-permit"}, "no rule"),
    "nothing": ({}, "No fact is left"),
    "linter": ({"country": "XYZ"}, "linter says of the draft: a country is two capital letters"),
    "another fact": ({"shoe": "42"}, "knows no shoe"),
}


@pytest.mark.parametrize(("facts", "said"), CANNOT.values(), ids=CANNOT)
def test_what_no_policy_can_say_is_said_in_words(facts: dict[str, str], said: str) -> None:
    """And never left out silently."""
    with pytest.raises(CannotDraft, match=said):
        draft_rule(STRICT, facts)


def test_what_is_left_out_is_said_beside_the_draft() -> None:
    """The rest makes a rule all the same."""
    facts = {"why": "app-id-mismatch", "route": "x", "platform": "plan9", "build": "7", "source": "enrol"}
    drafted = draft_rule(STRICT, facts)
    assert len(drafted.notes) == 4
    assert list(compared(drafted.appraisal)) == [("app_build", "7")]


def test_ids_are_free() -> None:
    """However often a name is spelt alike."""
    text, ids = SMALL, list[str]()
    for model in ("Pixel 9", "Pixel-9", "PIXEL 9"):
        drafted = draft_rule(text, {"model": model})
        text, ids = drafted.appraisal, [*ids, drafted.rule]
    assert ids == ["refuse-pixel-9", "refuse-pixel-9-2", "refuse-pixel-9-3"]


def test_policy_without_a_line_end_stays_whole() -> None:
    """A comment at its end does not swallow the rule."""
    drafted = draft_rule(f"{SMALL}// the end", {"model": "x"})
    assert len(read_rules(drafted.appraisal)) == 2


def test_warning_and_advice() -> None:
    """As asked; an advice that is none is refused."""
    drafted = draft_rule(STRICT, {"model": "x"}, tier=Tier.WARNING, advice="update-app")
    last = read_rules(drafted.appraisal)[-1].rule
    assert (last.tier, last.advice, last.rule) == (Tier.WARNING, "update-app", "warn-x")
    with pytest.raises(PolicyInvalid):
        draft_rule(STRICT, {"model": "x"}, advice='x") permit (')


def test_draft_of_the_active_policy(console: Running) -> None:
    """The page names facts; the console fetches the active version, with the operator's rights, and drafts."""
    console.stack.answer("/admin/policies/demo", {"stable": 3})
    console.stack.answer("/admin/policies/demo/versions/3", {"appraisal": SMALL})
    told = console.call("POST", "/api/draft", {"app": "demo", "facts": {"model": 'a"b'}, "outcome": "contraindicated"})
    assert told.status == 200
    body = told.json()
    assert body["appraisal"] == f"{SMALL}\n{body['text']}"
    assert json.dumps('a"b') in body["text"]
    assert body["rule"] == "refuse-a-b"
    refused = console.call("POST", "/api/draft", {"app": "demo", "facts": {"why": "token-expired"}})
    assert (refused.status, refused.slug) == (422, "console-cannot-draft")


@pytest.mark.parametrize(
    "members",
    [{"facts": []}, {"facts": {"model": 1}}, {"facts": None}, {"facts": {}, "outcome": "affirming"}, {"app": 1}],
)
def test_draft_of_what_is_not_as_documented(console: Running, members: dict[str, object]) -> None:
    """400 in words."""
    reply = console.call("POST", "/api/draft", {"app": "demo", "facts": {"model": "x"}, **members})
    assert (reply.status, reply.slug) == (400, "console-malformed-request")


def test_draft_for_an_app_that_is_not_there(console: Running) -> None:
    """The stack's own refusal."""
    console.stack.answer("/admin/policies/none", {"type": "/problems/unknown-app", "detail": "No app."}, 404)
    reply = console.call("POST", "/api/draft", {"app": "none", "facts": {"model": "x"}})
    assert (reply.status, reply.slug, reply.json()["detail"]) == (404, "unknown-app", "No app.")
