"""Linting an appraisal policy: one mutation of a sound policy, one named message."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid
from attestation.appraisal.lint.lint import LintMessage, lint_appraisal

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
SOUND = """\
permit (principal, action, resource);

@id("boot")
@advice("update-os")
forbid (principal is Android, action, resource)
when { principal.verified_boot_state != "verified" };

@id("old")
@mode("observe")
@expires("2027-06-01")
forbid (principal is Android, action == Action::"affirm", resource)
when { principal has patch_age_months && principal.patch_age_months > 24 };

@id("hooked")
@block("1h")
forbid (principal, action, resource)
when { context.signals has hooking && context.signals.hooking.reported };
"""
RULE = '@id("x")\nforbid (principal, action, resource)\nwhen { %s };\n'
WARN = RULE.replace("action,", 'action == Action::"affirm",')
SECRET = 'permit (principal, action == Action::"release-secret", resource == Secret::"a") when { %s };'
ANDROID = '@id("x")\nforbid (principal is Android, action, resource)\nwhen { %s };\n'


def _lint(text: str) -> tuple[LintMessage, ...]:
    return lint_appraisal(text, now=NOW)


# Each row: code, what is replaced in the sound policy (nothing: put behind it), by what.
MUTATIONS = [
    ("not-cedar", "forbid (principal is", "forbid (principal was"),
    ("unknown-attribute", "principal.verified_boot_state", "principal.verifed_boot_state"),
    ("unknown-attribute", "principal has patch_age_months &&", "principal has patch_age_month && 1 == 2 &&"),
    ("unknown-signal", "", RULE % "context.signals has hookin"),
    ("unknown-entity-type", "is Android, action, resource", "is Andriod, action, resource"),
    ("unknown-entity-type", "", RULE % "principal is Aple"),
    ("unknown-action", 'Action::"affirm"', 'Action::"afirm"'),
    ("wrong-type", "> 24", '> "24"'),
    ("wrong-type", "", ANDROID % 'principal.device_locked == "no"'),
    ("wrong-type", "", ANDROID % "principal.packages < 3"),
    ("optional-without-has", "principal has patch_age_months && ", ""),
    ("other-platform", "", RULE % "!principal.device_locked"),
    ("other-platform", "", '@id("x")\nforbid (principal is Apple, action, resource)\nwhen { principal has play };\n'),
    ("impossible-value", '"verified"', '"verifed"'),
    ("impossible-value", "", RULE % 'context has country && context.country == "de"'),
    ("impossible-value", "", RULE % 'context.event == "enroll"'),
    ("impossible-value", "", RULE % 'context has build && context.build.match == "knwon"'),
    ("impossible-value", "", RULE % 'context.signals has other && context.signals.other.contains("root")'),
    ("impossible-value", "", RULE % 'principal.key_storage like "tpm*"'),
    ("unfamiliar-value", "", ANDROID % 'principal has play && principal.play.device_labels.contains("MEETS_DEVCE")'),
    ("empty-set", "", ANDROID % "principal.packages == []"),
    ("empty-set", 'action == Action::"affirm"', "action in []"),
    ("impossible-condition", "> 24", "> 24 && principal.patch_age_months < 20"),
    ("impossible-condition", "", ANDROID % "principal is Apple"),
    ("impossible-condition", "", ANDROID % 'principal.key_storage == "tee" && principal.key_storage == "software"'),
    ("impossible-condition", "", RULE % "principal == resource"),
    ("unreachable-permit", "", '@id("all-apple")\nforbid (principal is Apple, action, resource);\n'
     "permit (principal is Apple, action, resource);\n"),
    ("unreachable-permit", "", 'permit (principal is Android, action, resource)\n'
     'when { principal.verified_boot_state == "failed" };\n'),
    ("unreachable-permit", "permit (principal, action,",
     'permit (principal is Apple, action == Action::"affirm", resource);\npermit (principal is Android, action,'),
    ("idle-forbid", "permit (principal, action", "permit (principal is Apple, action"),
    ("idle-forbid", "", '@id("x")\nforbid (principal is Android, action == Action::"affirm", resource)\n'
     'when { principal.verified_boot_state == "failed" };\n'),
    ("no-permit", "permit (principal, action, resource);", ""),
    ("expired", "2027-06-01", "2026-11-23T23:00:00Z"),
    ("expires-soon", "2027-06-01", "2026-11-30"),
    ("permits-end", "permit (principal, action, resource);",
     '@expires("2090-12-31")\npermit (principal, action, resource);'),
    ("missing-id", '@id("boot")\n', ""),
    ("bad-id", '@id("boot")', '@id("Boot State")'),
    ("bad-id", '@id("boot")', '@id("policy-error")'),
    ("duplicate-id", '@id("hooked")', '@id("boot")'),
    ("unknown-annotation", "@advice", "@advise"),
    ("misplaced-annotation", "permit", '@advice("update-app")\npermit'),
    ("observed-permit", "permit", '@mode("observe")\npermit'),
    ("bad-advice", '"update-os"', '"Please update!"'),
    ("bad-mode", '"observe"', '"watch"'),
    ("bad-expires", "2027-06-01", "next week"),
    ("bad-block", '"1h"', '"25h"'),
    ("misplaced-block", '@mode("observe")', '@block("1h")'),
    ("misplaced-block", '@block("1h")', '@block("1h")\n@mode("observe")'),
    ("forbid-accept-alone", "", '@id("x")\nforbid (principal is Apple, action == Action::"accept", resource);\n'),
    ("action-in-condition", "", RULE % 'action == Action::"accept"'),
    ("template", "principal is Android, action, resource", "principal == ?principal, action, resource"),
    ("signal-raises-trust", "when { context.signals has hooking &&", "unless { context.signals has hooking &&"),
    ("signal-raises-trust", "hooking.reported", "hooking.reported == false"),
    ("signal-raises-trust", "", RULE % "if context.signals has root then false else context.event == \"enrol\""),
    ("signal-raises-trust", "", RULE % "context.signals has other && context.signals.other.isEmpty()"),
    ("signal-raises-trust", "", RULE % 'context.signals has root && context.signals.root has detail && '
     'context.signals.root.detail != "magisk"'),
    ("signal-raises-trust", "permit (principal, action, resource);",
     "permit (principal, action, resource) when { !(context.signals has root) };"),
    ("signal-raises-trust", "", RULE % 'context.signals has root || ip("10.0.0.1").isLoopback()'),
    ("incident-raises-trust", "", RULE % '!context.incidents.contains("key-farm")'),
    ("incident-raises-trust", "", RULE % "context.incidents.isEmpty()"),
    ("incident-raises-trust", "", RULE % '["key-farm"].containsAll(context.incidents)'),
    ("incident-raises-trust", "", RULE % 'context.incidents.contains("key-farm") || ip("10.0.0.1").isLoopback()'),
    ("incident-raises-trust", "permit (principal, action, resource);",
     'permit (principal, action, resource) when { context.incidents.contains("key-farm") };'),
    ("incident-raises-trust", "", SECRET % "context.incidents.isEmpty()"),
    ("incident-raises-trust", "", WARN % '!context.incident_warnings.contains("leaked-keybox")'),
    ("incident-warns-only", "", RULE % 'context.incident_warnings.contains("leaked-keybox")'),
    ("incident-warns-only", "", RULE % "{a: 1} has incident_warnings || context.event == \"enrol\""),
    ("unknown-attribute", "", SECRET % "true" + '@id("x") forbid (principal, action == '
     'Action::"release-secret", resource) when { context.incident_warnings.contains("leaked-keybox") };'),
    ("impossible-value", "", RULE % 'context.incidents.contains("key-fram")'),
    ("impossible-value", "", RULE % 'context.incidents.contains("vendor-trouble")'),
    ("may-overflow", "", RULE % "context.client_policy_version + 1 < 3"),
    ("too-deep", "", RULE % ("(" * 60 + "true" + ")" * 60)),
    ("too-large", "", "// " + "x" * 70_000),
    ("too-many-rules", "", "".join(f'@id("r{n}") forbid(principal,action,resource);\n' for n in range(501))),
    ("mixed-actions", "", 'permit (principal, action in [Action::"accept", Action::"release-secret"], resource);'),
    ("every-secret", "", 'permit (principal, action == Action::"release-secret", resource);'),
    ("idle-forbid", "", '@id("x") forbid (principal, action == Action::"release-secret", resource);'),
    ("impossible-condition", "", SECRET % 'context.tier == "affirming" && context.tier == "warning"'),
    ("impossible-value", "", SECRET % 'context.tier == "contraindicated"'),
    ("unknown-attribute", "", RULE % 'context.tier == "warning"'),
    ("unknown-attribute", "", SECRET % 'context.teir == "warning"'),
    ("unknown-entity-type", "", SECRET.replace("Secret::", "App::") % "true"),
    ("signal-raises-trust", "", SECRET % "!(context.signals has root)"),
    ("action-in-condition", "", 'permit (principal, action, resource) when { action == Action::"release-secret" };'),
    ("misplaced-annotation", "", '@advice("x") @id("y") forbid (principal, action == Action::"release-secret", '
     "resource);\n" + SECRET % "true"),
]  # fmt: skip


def _mutated(old: str, new: str) -> str:
    assert old == "" or old in SOUND
    return SOUND.replace(old, new, 1) if old else SOUND + "\n" + new


def test_sound_policy_has_nothing_to_object_to() -> None:
    """The policy that the mutations below begin from."""
    assert _lint(SOUND) == ()


@pytest.mark.parametrize(("code", "old", "new"), MUTATIONS, ids=[f"{n}-{row[0]}" for n, row in enumerate(MUTATIONS)])
def test_mutation_gives_exactly_its_code(code: str, old: str, new: str) -> None:
    """One fault, one code, with a line that exists and a sentence. An error is refused; a warning alone compiles."""
    text = _mutated(old, new)
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
    (message,) = _lint(_mutated(*row[1:]))
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
