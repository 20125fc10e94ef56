"""Policy texts that are written to hurt: they end processes, take minutes, or let a signal raise trust unseen."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from attestation.appraisal.cedar.engine import CedarPolicy, PolicyInvalid
from attestation.appraisal.cedar.rules import MAX_TEXT_BYTES
from attestation.appraisal.lint.lint import lint_appraisal

from tests.unit.cedar.devices import DEVICES

NOW = 1_790_000_000.0
PERMIT = "permit (principal, action, resource);\n"
FORBID = '@id("a") forbid (principal, action, resource)'


def _codes(text: str) -> set[str]:
    assert len(text) < MAX_TEXT_BYTES
    return {message.code for message in lint_appraisal(text, now=NOW)}


@pytest.mark.parametrize(
    "attack",
    [
        # Cedar's comments end at a carriage return. A reader who thinks that they go on sees none of these brackets.
        f"// \r{FORBID} when {{ " + "(" * 20_000 + "true" + ")" * 20_000 + " };",
        FORBID + "when{true}" * 5_000 + ";",
        FORBID + "unless{false}" * 1_000 + ";",
        FORBID + " when { principal" + '["a"]' * 12_000 + " == 1 };",
        FORBID + " when { context" + '.a["a"]' * 30 + " == 1 };",
    ],
    ids=["behind-carriage-return", "many-when", "many-unless", "many-indices", "mixed-steps"],
)
def test_text_that_nests_without_brackets_is_refused(attack: str) -> None:
    """Neither the linter nor the compiler may crash, or fail in their own way."""
    assert _codes(PERMIT + attack) == {"too-deep"}
    with pytest.raises(PolicyInvalid, match="nested too deeply"):
        CedarPolicy.compile(PERMIT + attack)


CHAINS: dict[str, Callable[[int], str]] = {
    "or": lambda n: "when { " + " || ".join(f'principal.app_id == "a{i}"' for i in range(n + 1)) + " }",
    "and": lambda n: "when { " + " && ".join(f'principal.app_id != "a{i}"' for i in range(n + 1)) + " }",
    "when": lambda n: 'when { principal.app_id == "a" }' * (n + 1),
    "if": lambda n: "when { " + 'if principal.app_id == "a" then true else ' * (n + 1) + "false }",
    "not": lambda n: "when { " + "(!" * min(n, 37) + "(context has os)" + ")" * min(n, 37) + " }",
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("length", [*range(2, 50, 8), 48, 50, *range(51, 66), 80, 120, 140])
def test_what_compiles_can_be_evaluated(chain: str, length: int) -> None:
    """Cedar reads back less than it writes. A policy that cannot be evaluated refuses every device, or fails."""
    text = f"{PERMIT}{FORBID} {CHAINS[chain](length)};"
    codes = _codes(text)
    if codes & {"too-deep", "refused"}:
        assert length > 40
        with pytest.raises(PolicyInvalid, match="nested too deeply"):
            CedarPolicy.compile(text)
        return
    policy = CedarPolicy.compile(text)
    for facts in DEVICES.values():
        assert "policy-error" not in {finding.rule for finding in policy.judge(facts, now=NOW)}


@pytest.mark.parametrize("path", ["principal.app_id", "principal.key_storage"])
def test_large_set_is_linted_in_time(path: str) -> None:
    """Each value is looked up, not looked for: linting is part of a request with 29 seconds."""
    values = ",".join(f'"a{number}"' for number in range(7_000))
    begin = time.process_time()
    codes = _codes(f"{PERMIT}{FORBID} when {{ [{values}].contains({path}) }};")
    assert time.process_time() - begin < 10
    assert codes == (set() if path == "principal.app_id" else {"impossible-value"})


def test_many_annotations_are_linted_in_time() -> None:
    """Each of them is told, and none is looked for from the beginning."""
    annotations = "".join(f'@a{number}("x")' for number in range(5_000))
    begin = time.process_time()
    assert _codes(f"{PERMIT}{annotations}{FORBID};") == {"unknown-annotation"}
    assert time.process_time() - begin < 10


def test_asking_that_nothing_else_was_reported_raises_trust() -> None:
    """An app that reports one thing more would get through."""
    condition = 'context.signals has other && ["a", "b"].containsAll(context.signals.other)'
    assert _codes(f"{PERMIT}{FORBID} when {{ {condition} }};") == {"signal-raises-trust"}


def test_asking_that_something_else_was_reported_lowers_trust() -> None:
    """The other way round it is as good as any."""
    condition = 'context.signals has other && !["a", "b"].containsAll(context.signals.other)'
    assert _codes(f"{PERMIT}{FORBID} when {{ {condition} }};") == set()


def test_policy_that_will_refuse_every_device_is_pointed_out() -> None:
    """Fine today; and on the day when its last permit ends, no device gets in."""
    ending = '@expires("2090-12-31") permit (principal, action, resource);\n'
    assert [(m.severity, m.code) for m in lint_appraisal(ending, now=NOW)] == [("warning", "permits-end")]
    assert "permits-end" not in _codes(ending + PERMIT)
    assert _codes(ending + 'permit (principal, action == Action::"affirm", resource);') == {"permits-end"}


@pytest.mark.parametrize("name", ["&&", "||", "Value", "Var", "Record", "==", "."])
def test_member_called_like_an_operator_is_a_member(name: str) -> None:
    """Cedar's JSON form has operators and members as keys; a record must not be taken for an operation."""
    text = f'{PERMIT}{FORBID} when {{ {{"{name}": context.event}}["{name}"] == "renew" }};'
    assert _codes(text) == set()
    policy = CedarPolicy.compile(text)
    assert {finding.rule for facts in DEVICES.values() for finding in policy.judge(facts, now=NOW)} == {"a"}


@pytest.mark.parametrize(
    "around",
    [
        "(if true then context else context)",
        "{a: context}.a",
        '{"Value": context}["Value"]',
        '(if context.event == "renew" then {b: {c: context}} else {b: {c: context}}).b.c',
    ],
)
def test_signals_cannot_be_reached_around_the_law(around: str) -> None:
    """Behind a value that is the whole context, a report is still a report."""
    hidden = f" when {{ !({around}.signals has hooking) }};"
    assert "signal-raises-trust" in _codes(PERMIT + FORBID + hidden)
    assert "signal-raises-trust" in _codes("permit (principal, action, resource)" + hidden)


@pytest.mark.parametrize(
    "condition",
    [
        'context.incident_warnings.contains("leaked-keybox")',
        'context has incident_warnings && context.incident_warnings.contains("leaked-keybox")',
        'context["incident_warnings"].contains("leaked-keybox")',
        "{a: context}.a has incident_warnings",
        'if context.event == "enrol" then !context.incident_warnings.isEmpty() else false',
        'context == {incident_warnings: ["leaked-keybox"]}',
        '{"Value": context.incident_warnings}["Value"].isEmpty()',
    ],
)
@pytest.mark.parametrize(
    "action", ["action", 'action in [Action::"accept", Action::"affirm"]', 'action == Action::"release-secret"']
)
def test_no_rule_refuses_for_a_batch_or_a_network(condition: str, action: str) -> None:
    """Neither the linter nor the compiler takes one, however it is spelt: honest keys share a batch, too."""
    permits = PERMIT + 'permit (principal, action == Action::"release-secret", resource == Secret::"a");'
    text = f'{permits}@id("a") forbid (principal, {action}, resource) when {{ {condition} }};'
    assert any(message.severity == "error" for message in lint_appraisal(text, now=NOW))
    with pytest.raises(PolicyInvalid, match="incident_warnings"):
        CedarPolicy.compile(text)
