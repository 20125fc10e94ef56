"""Conditions as logic: what can hold at once for a key of one type, and what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.appraisal.lint.formulas import (
    FALSE,
    MAX_STEPS,
    TRUE,
    All,
    Atom,
    Some,
    atoms_of,
    every,
    for_kind,
    matching,
    negation,
    satisfiable,
    some,
)
from attestation.appraisal.lint.lint import lint_appraisal

from tests.unit.cedar.conditions import IMPOSSIBLE, POSSIBLE, formula, pigeons

A, B, C = (Atom({"Var": name}, True) for name in "abc")


def possible(condition: str, kind: str = "Android") -> bool:
    return satisfiable([formula(condition)], kind)


@pytest.mark.parametrize("condition", POSSIBLE)
def test_condition_that_can_hold_is_possible(condition: str) -> None:
    """Nothing is claimed that is not shown; and its negation is not both."""
    assert possible(condition)
    assert not satisfiable([formula(condition), negation(formula(condition))], "Android")


@pytest.mark.parametrize("condition", IMPOSSIBLE)
def test_condition_that_contradicts_itself_is_impossible(condition: str) -> None:
    """And its opposite always holds."""
    assert not possible(condition)
    assert satisfiable([negation(formula(condition))], "Android")
    assert satisfiable([formula(condition, "unless")], "Android")


def test_type_of_the_key_decides() -> None:
    """What is impossible for one is possible for another."""
    assert possible("principal is Apple", "Apple")
    assert possible("principal has full_security", "Apple")
    assert not possible("principal has device_locked", "Apple")
    assert possible('principal is Android in App::"a"')
    assert not possible('principal is Android in App::"a"', "Apple")


def test_formulas_are_simplified() -> None:
    """One part is itself, none is true or false, and a constant decides."""
    assert every([]) == TRUE
    assert some([]) == FALSE
    assert every([A]) == some([A]) == every([TRUE, A]) == some([A, FALSE]) == A
    assert every([A, B]) == All((A, B))
    assert some([A, B]) == Some((A, B))
    assert every([A, FALSE, B]) == FALSE
    assert some([A, TRUE, B]) == TRUE


def test_negation_turns_every_atom() -> None:
    """And all into some."""
    turned = negation(All((A, Some((B, C)))))
    assert [(atom.expression["Var"], atom.positive) for atom in atoms_of(turned)] == [
        ("a", False),
        ("b", False),
        ("c", False),
    ]
    assert isinstance(turned, Some)
    assert negation(turned) == All((A, Some((B, C))))


def test_branch_that_is_true_is_left_out() -> None:
    """``if a then true else c`` is ``a || c``."""
    for condition, parts in (
        ("if principal.device_locked then true else principal.boot_key_listed", 2),
        ("if principal.device_locked then principal.boot_key_listed else true", 2),
        ("if principal.device_locked then principal.boot_key_listed else principal.play_expected", 4),
    ):
        assert len(list(atoms_of(formula(condition)))) == parts


def test_kind_leaves_what_it_does_not_decide() -> None:
    """Optional attributes may be there or not."""
    assert for_kind(formula("principal has play"), "Android") == formula("principal has play")
    assert for_kind(formula("principal has play"), "Apple") == FALSE
    assert for_kind(formula("!(principal has play)"), "Apple") == TRUE
    assert for_kind(formula("principal has device_locked"), "Android") == TRUE


def test_search_that_takes_too_long_claims_nothing() -> None:
    """A policy of an attacker's, or of a generator's, must not hang the linter."""
    assert MAX_STEPS == 4000
    assert not satisfiable(pigeons(3), "Android")
    assert satisfiable(pigeons(8), "Android")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (["Wildcard"], {"a*", "ab", "[a]", "a?"}),
        ([{"Literal": "a"}, "Wildcard"], {"a*", "ab", "a?"}),
        ([{"Literal": "a*"}], {"a*"}),
        ([{"Literal": "a?"}], {"a?"}),
        ([{"Literal": "[a]"}], {"[a]"}),
        ([{"Literal": "A"}, "Wildcard"], set()),
    ],
)
def test_patterns_are_cedars(pattern: list[Any], found: set[str]) -> None:
    """A star that is written is no wildcard, and case counts."""
    assert matching(["a*", "ab", "[a]", "a?"], pattern) == found


APPLE_ALONE = "permit (principal is Apple, action, resource);\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (
            APPLE_ALONE + '@id("a") forbid (principal, action, resource) when { context.event == "enrol" };',
            set(),
        ),
        (
            APPLE_ALONE + '@id("a") forbid (principal is Android, action, resource);',
            {"idle-forbid"},
        ),
        # A permit that is wrong by itself says nothing of the forbids.
        (
            APPLE_ALONE
            + 'permit (principal is Android, action, resource) when { principal.verified_boot_state == "nope" };\n'
            + '@id("a") forbid (principal is Android, action, resource)'
            + ' when { principal.verified_boot_state == "failed" };',
            {"impossible-value"},
        ),
        # A forbid that ends, or is only observed, covers nothing for good.
        (
            "permit (principal, action, resource);\npermit (principal is Apple, action, resource);\n"
            '@id("a") @expires("2090-01-01") forbid (principal is Apple, action, resource);',
            set(),
        ),
        (
            "permit (principal, action, resource);\npermit (principal is Apple, action, resource);\n"
            '@id("a") @mode("observe") forbid (principal is Apple, action, resource);',
            set(),
        ),
        (
            "permit (principal, action, resource);\npermit (principal is Apple, action, resource);\n"
            '@id("a") forbid (principal is Apple, action, resource);',
            {"unreachable-permit"},
        ),
        # Two forbids that together leave nothing.
        (
            "permit (principal, action, resource);\npermit (principal is Apple, action, resource);\n"
            '@id("a") forbid (principal is Apple, action, resource) when { principal.receipt_verified };\n'
            '@id("b") forbid (principal is Apple, action, resource) when { !principal.receipt_verified };',
            {"unreachable-permit"},
        ),
        # A warning with advice of its own is not covered by a refusal.
        (
            "permit (principal, action, resource);\n"
            '@id("a") forbid (principal is Apple, action, resource);\n'
            '@id("b") @advice("update-app") forbid (principal is Apple, action == Action::"affirm", resource);',
            set(),
        ),
        (
            "permit (principal, action, resource);\n"
            '@id("a") forbid (principal is Apple, action, resource);\n'
            '@id("b") forbid (principal is Apple, action == Action::"affirm", resource);',
            {"idle-forbid"},
        ),
        (
            "permit (principal, action, resource);\n"
            '@id("a") forbid (principal is Apple, action, resource);\n'
            '@id("b") forbid (principal, action == Action::"affirm", resource);',
            set(),
        ),
    ],
)
def test_rules_that_reach_are_told_from_those_that_do_not(text: str, codes: set[str]) -> None:
    """By what they leave to each other."""
    assert {message.code for message in lint_appraisal(text, now=1_780_000_000.0)} == codes
