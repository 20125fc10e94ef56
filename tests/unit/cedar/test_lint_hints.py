"""What the linter says of the faults that people make, each in the words that the operator reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from attestation.appraisal.facts import SIGNALS
from attestation.appraisal.lint.lint import lint_appraisal

from tests.unit.cedar.every_member import NOW

PERMIT = "permit (principal, action, resource);\n"
RULE = PERMIT + '@id("x")\nforbid (principal, action, resource)\nwhen {{\n  context.event == "enrol" &&\n  {}\n}};\n'
ANDROID = RULE.replace("(principal,", "(principal is Android,").replace(
    "permit (principal is Android,", "permit (principal,"
)
DETAIL = "context.signals has root && context.signals.root has detail"
SCOPE = PERMIT + '@id("x")\nforbid ({});\n'

FAULTS = [
    # Names.
    ANDROID.format("principal.zzzzzz == 1"),
    ANDROID.format("principal has zzzzzz"),
    ANDROID.format("context.device_locked"),
    ANDROID.format("context.key_storag == \"tee\""),
    ANDROID.format("principal has play && principal.play.zzzzzz == 1"),
    ANDROID.format("principal has play && principal.play.tokn == \"classic\""),
    RULE.format("context.signals has zzzzzz"),
    RULE.format("context.signals has memory_dump"),
    RULE.format("principal is Zzzzzz"),
    RULE.format("resource is Ap"),
    RULE.format("resource is App"),
    RULE.format('resource == Ap::"demo"'),
    RULE.format('principal == Androd::"k"'),
    RULE.format('action == Action::"zzzzzz"'),
    SCOPE.format('principal, action in [Action::"accept", Action::"affrm"], resource'),
    SCOPE.format("principal, action, resource is Ap"),
    SCOPE.format('principal == Zzzzzz::"k", action, resource'),
    # Platforms.
    RULE.format("principal.full_security"),
    ANDROID.format("principal.full_security"),
    RULE.format('principal.key_algorithm == "rsa"'),
    # Optional.
    ANDROID.format("principal.play.testing"),
    RULE.format('context.signals["memory-dump"].reported'),
    RULE.format('context.country == "DE"'),
    # Values.
    ANDROID.format('principal.verified_boot_state == "zzzzzz"'),
    ANDROID.format('["verified", "zzzzzz"].contains(principal.verified_boot_state)'),
    ANDROID.format('principal has play && principal.play.device_labels.contains("zzzzzz")'),
    ANDROID.format('principal has play && principal.play has licensing && principal.play.licensing == "LICENSD"'),
    RULE.format('context has country && context.country == "Germany"'),
    RULE.format('context.signals has other && context.signals.other.contains("memory-dump")'),
    RULE.format('principal.key_storage == "strngbox"'),
    RULE.format('principal.key_storage like "zzz*"'),
    ANDROID.format('principal.key_storage like "secure*"'),
    ANDROID.format('principal.app_id like "zzz*"'),
    # Types.
    ANDROID.format("principal.packages.contains(3)"),
    ANDROID.format("principal.security_level == true"),
    ANDROID.format('principal.security_level == "tee"'),
    ANDROID.format('principal.security_level == "-2"'),
    ANDROID.format("principal.device_locked == 1"),
    ANDROID.format('principal.packages == "a"'),
    ANDROID.format("principal.security_level"),
    ANDROID.format("principal.packages.contains([])"),
    ANDROID.format("principal.security_level + 1 < 3"),
    ANDROID.format("1 - 2 < 3"),
    ANDROID.format("3 < -principal.security_level"),
    SCOPE.format('principal == App::"a", action, resource'),
    # Signals.
    PERMIT.replace(";", "\nwhen { context has\n  signals };"),
    PERMIT + "permit (principal, action, resource)\nwhen { {a: context}.a.signals has root };",
    PERMIT + 'permit (principal, action, resource)\nwhen { ["a", "b"].contains(context.event) };',
    RULE.format("!(context.signals has root)"),
    RULE.format('context.signals has root && !["app"].contains(context.signals.root.source)'),
    RULE.format(DETAIL + ' && !["a"].contains(context.signals.root.detail)'),
    RULE.format('context.signals has other && ["a"].containsAll(context.signals.other)'),
    RULE.format('context.signals has other && context.signals.other.containsAll(["a"])'),
    RULE.format('context.signals has other && !context.signals.other.containsAll(["a"])'),
    RULE.format('context.signals has other && context.signals.other == ["a"]'),
    RULE.format("context.signals has root && !context.signals.root.reported"),
    RULE.format("context.signals has root && context.signals.root.reported == true"),
    RULE.format("context.signals has root && context.signals.root.reported != true"),
    RULE.format("context.signals has root && context.signals == context.signals"),
    RULE.format('context.signals has root && context.signals.root.source like "hard*"'),
    RULE.format(DETAIL + ' && !(context.signals.root.detail like "a*")'),
    RULE.format("[context.signals has root].contains(true)"),
    # Text that is not Cedar.
    PERMIT + 'forbid (principal, action, resource) when { context.event == "a" and context.event == "b" };',
    PERMIT + 'forbid (principal, action, resource)\nforbid (principal, action, resource);',
    PERMIT + "forbid (principal, action, resource) when { (context.event };",
    PERMIT + "forbid (principal, action, resource)",
    PERMIT + '@id("a") @id("b")\nforbid (principal, action, resource);',
    PERMIT + 'forbid (principal, action, resource) when { context.nosuch() };',
    "permit (principal;\n" + PERMIT + "forbid (action);",
    "\ud800",
    "",
    # Annotations.
    PERMIT + '@zzzzzz\n@id("a")\nforbid (principal, action, resource) when { context.event == "enrol" };',
    PERMIT + '@id\nforbid (principal, action, resource) when { context.event == "enrol" };',
    PERMIT + '@id("a")\n@mode\nforbid (principal, action, resource) when { context.event == "enrol" };',
    PERMIT + '@id("a")\n@expires\nforbid (principal, action, resource) when { context.event == "enrol" };',
    PERMIT + '@id("a")\n@block\nforbid (principal, action, resource) when { context.event == "enrol" };',
    f'@expires("2090-12-31")\n{PERMIT}@expires("2090-12-30")\npermit (principal is Apple, action, resource);',
    "permit (principal == ?principal, action, resource);\n" + PERMIT,
    # What is no attribute of a key or of a request.
    RULE.format('resource.name == "x"'),
    RULE.format('context.signals has root && context.signals.root.source < "b"'),
    # Several at once.
    RULE.format('principal.zzzzzz == 1 &&\n  context.signals has zzzzzz ||\n  principal.key_storage == "tea"'),
    RULE.format('context.nosuch == 1 && context.nosuch == 2'),
    ANDROID.format('principal.key_algorithm == "zzzzzz" &&\n  principal.key_storage == "tee" && '
                   'principal.key_storage == "software"'),
    # What stands elsewhere than usual.
    RULE.format('((context)).zzzzzz == "DE" ||\n  ((context)).zzzzzz == "FR"'),
    ANDROID.format('principal.zzzzzz like "a*"'),
    RULE.format("resource is Android"),
    PERMIT + ")\nforbid (principal, action, resource);",
    ANDROID.format("principal has play &&\n  principal.play.testing ==\n  (context.signals has root)"),
    '@id("all")\n@expires("2090-12-31")\n' + PERMIT,
]  # fmt: skip
HINTS = (Path(__file__).parent / "lint_hints.txt").read_text("utf-8").replace("{signals}", ", ".join(SIGNALS))
SHOWN = HINTS.split("\n\n")
"""For each fault the messages, a line each; ``(nothing)`` where there is nothing to say. ``{signals}`` in the file are
all signals with a name of their own."""


@pytest.mark.parametrize(("text", "shown"), list(zip(FAULTS, SHOWN, strict=True)), ids=range(len(FAULTS)))
def test_fault_is_told_in_these_words(text: str, shown: str) -> None:
    """Where it is, what it is, and what to write instead. (Cedar gives its objections to one line in any order.)"""
    told = [f"{m.line}: {m.severity}[{m.code}] {m.text} | {m.hint}" for m in lint_appraisal(text, now=NOW)]
    assert sorted(told or ["(nothing)"]) == sorted(shown.strip("\n").split("\n"))
