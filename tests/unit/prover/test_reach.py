"""The solver in the place of the linter's search: it says the same of its cases, and more."""

from __future__ import annotations

import pytest
from attestation.appraisal.lint.lint import lint_appraisal

from bonafide.prover.reach import Reach, idle_permits
from tests.prover.reachability import BETTER, NOTHING, cases
from tests.unit.cedar.conditions import formula, pigeons
from tests.unit.cedar.lint_mutations import NOW

pytestmark = pytest.mark.long

UNSOLVED = 'ip("10.0.0.1").isLoopback()'


def test_solver_says_what_is_known_of_every_case() -> None:
    found = list(cases(Reach()))

    assert [case for case in found if case.solver != case.known] == []
    assert sum(case.better for case in found) == sum(code != NOTHING for _, code, _ in BETTER) + 2


def test_what_the_search_gives_up_on_is_solved() -> None:
    assert not Reach()(pigeons(8), "Android")


def test_condition_that_is_not_encoded_may_be_either() -> None:
    """It is the same condition each time, so it cannot be both."""
    one, other = formula(UNSOLVED), formula(f"!{UNSOLVED}")

    assert Reach()([one], "Apple")
    assert Reach()([other], "Apple")
    assert not Reach()([one, other], "Apple")


def test_evaluation_that_fails_holds_in_neither_way() -> None:
    """2^63 and more is no number: neither this comparison nor its opposite is ever true."""
    overflow = "context.client_policy_version * 0 + 9223372036854775807 + 1 > 0"

    assert not Reach()([formula(overflow)], "Apple")
    assert not Reach()([formula(overflow, "unless")], "Apple")


@pytest.mark.parametrize("reach", [Reach(in_all=0), Reach(patience=0)], ids=["in all", "for one"])
def test_without_time_the_search_answers(reach: Reach) -> None:
    assert reach([formula('principal.app_id like "a*" && principal.app_id == "b"')], "Android")
    assert not reach([formula('principal.app_id == "a" && principal.app_id == "b"')], "Android")
    assert list(idle_permits(BETTER[-3][2], now=NOW, in_all=0)) == [], "what is not known is not said"


def test_rules_about_secrets_have_facts_of_their_own() -> None:
    """``tier`` is in the context of these rules alone, and has two values."""
    neither = 'context.tier != "affirming" && context.tier != "warning"'
    text = (
        "permit (principal, action, resource);\n"
        'permit (principal, action == Action::"release-secret", resource == Secret::"a")\n'
        f"when {{ {neither} }};"
    )

    (message,) = lint_appraisal(text, now=NOW, can_hold=Reach())
    assert message.code == "impossible-condition"


def test_redundant_permit_is_named_with_its_line() -> None:
    (message,) = idle_permits(BETTER[-2][2], now=NOW)

    assert (message.line, message.severity, message.code, message.rule) == (3, "warning", "redundant-permit", "p")
