"""Linting an appraisal policy: one mutation of a sound policy, one named message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid
from attestation.appraisal.lint.lint import LintMessage, lint_appraisal

from tests.unit.cedar.lint_mutations import MUTATIONS, NOW, RULE, SOUND, mutated

ROOT = Path(__file__).parents[3]


def _lint(text: str) -> tuple[LintMessage, ...]:
    return lint_appraisal(text, now=NOW)


def test_sound_policy_has_nothing_to_object_to() -> None:
    """The policy that the mutations below begin from."""
    assert _lint(SOUND) == ()


@pytest.mark.parametrize(("code", "old", "new"), MUTATIONS, ids=[f"{n}-{row[0]}" for n, row in enumerate(MUTATIONS)])
def test_mutation_gives_exactly_its_code(code: str, old: str, new: str) -> None:
    """One fault, one code, with a line that exists and a sentence. An error is refused; a warning alone compiles."""
    text = mutated(old, new)
    messages = _lint(text)
    assert {message.code for message in messages} == {code}
    for message in messages:
        assert 1 <= message.line <= text.count("\n") + 1
        assert message.text
    if all(message.severity == "warning" for message in messages):
        CedarPolicy.compile(text)


SHOWN = (Path(__file__).parent / "lint_messages.txt").read_text("utf-8").splitlines()
"""What an operator reads for each mutation, in their order: line, severity, code, rule, fault, and remedy."""


@pytest.mark.parametrize(("row", "shown"), list(zip(MUTATIONS, SHOWN, strict=True)), ids=range(len(MUTATIONS)))
def test_message_names_line_rule_fault_and_remedy(row: tuple[str, str, str], shown: str) -> None:
    """Word for word: at night, the remedy is what counts."""
    (message,) = _lint(mutated(*row[1:]))
    told = f"{message.line}: {message.severity}[{message.code}] {message.rule}: {message.text}"
    assert (f"{told} | {message.hint}" if message.hint else told) == shown


def test_forbid_of_one_key_takes_nothing_from_a_permit() -> None:
    """Its scope names the key: all others still pass."""
    permits = "permit (principal is Apple, action, resource);\npermit (principal is Android, action, resource);\n"
    assert _lint(permits + '@id("x")\nforbid (principal == Android::"k", action, resource);\n') == ()


def test_errors_come_before_warnings_of_the_same_line() -> None:
    """Here the warning is found first."""
    text = SOUND + RULE % 'context.client_policy_version + 1 < 3 && principal.key_storage == "tpm"'
    assert [message.severity for message in _lint(text)] == ["error", "warning"]


def test_messages_come_by_line() -> None:
    """A file is read from its top."""
    lines = [message.line for message in _lint(SOUND.replace("principal.", "principle.").replace("@advice", "@advise"))]
    assert lines == sorted(lines)


def test_every_code_is_tested_and_documented() -> None:
    """A code that no mutation gives, or that the guide does not explain, is not a code."""
    guide = (ROOT / "docs/policies.md").read_text("utf-8")
    tested = {code for code, _, _ in MUTATIONS}
    explained = {
        line.split("`")[1]
        for line in guide.split("## Lint codes")[1].split("\n## ")[0].splitlines()
        if line.startswith("| `")
    }
    assert tested | {"not-in-schema", "refused", "empty-scope"} == explained


def test_ids_may_be_shared_by_rules_that_differ_in_what_they_do() -> None:
    """Refuse, warn and watch under one name: one matter, three dials."""
    rules = (
        '@id("x") forbid (principal, action, resource) when { context.event == "enrol" };'
        '@id("x") forbid (principal, action == Action::"affirm", resource) when { context.event == "renew" };'
        '@id("x") @mode("observe") forbid (principal, action, resource) when { context.event == "signal" };'
    )
    assert _lint(SOUND + rules) == ()


@pytest.mark.parametrize(
    "condition",
    [
        'context.signals has root && context.signals.root.source != "app"',
        '!!(context.signals has root && context.signals.root.source == "hardware")',
        'context.signals has other && context.signals.other.contains("new-tool")',
        "context.signals has other && !context.signals.other.isEmpty()",
        'if context.signals has root then true else context.event == "enrol"',
        'context.signals has root && context.signals.root has detail && context.signals.root.detail like "*su*"',
        'context.incidents.contains("key-farm")',
        'context.incidents.containsAny(["key-farm", "clone-storm"]) && context.event == "enrol"',
        'context.incidents.containsAll(["key-farm", "clone-storm"])',
        '!["key-farm"].containsAll(context.incidents) || !context.incidents.isEmpty()',
    ],
)
def test_what_only_lowers_trust_is_allowed(condition: str) -> None:
    """The law forbids to raise trust by a signal or an incident, not to look at one."""
    assert _lint(SOUND + RULE % condition) == ()


@pytest.mark.parametrize("opening", ["(", "[", "{", "if true then ", "context.a" + ".b" * 5000 + " && "])
def test_text_that_would_end_the_parser_is_refused_before_it(opening: str) -> None:
    """Deep nesting crashes Cedar's parser, and the process with it: compiling and linting look first."""
    text = "permit (principal, action, resource) when { " + opening * 3000 + "true };"
    assert {message.code for message in _lint(text[:60_000])} == {"too-deep"}
    with pytest.raises(PolicyInvalid):
        CedarPolicy.compile(text[:60_000])


def test_examples_of_guide_and_runbook_lint_clean() -> None:
    """What people copy at night must be right."""
    for page in ("docs/policies.md", "docs/runbooks/push-a-rule.md"):
        blocks = re.findall(r"^```\w*\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
        examples = [block for block in blocks if block.startswith("@id")]
        assert examples
        for example in examples:
            assert _lint("permit (principal, action, resource);\n" + example) == ()
