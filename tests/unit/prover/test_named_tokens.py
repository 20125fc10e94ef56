"""Whether predicates name what a draft newly refuses: answers that are known, and examples that gates agree with."""

from __future__ import annotations

from typing import Any

import pytest

from bonafide.prover.named_tokens import ALL_NAMED, NONE_REFUSED, NamedTokens, names
from bonafide.prover.proving import Answer

pytestmark = pytest.mark.long
NOW = 1_790_000_000.0
ACTIVE = '@id("all") permit (principal, action, resource);\n'
ANDROID = '@id("no-android") forbid (principal is Android, action, resource);\n'
OLD = '@id("old") forbid (principal, action, resource) when { context has app_build && context.app_build == "41" };\n'
WARNED = (
    '@id("warned") forbid (principal, action == Action::"affirm", resource) when { context.signals has hooking };\n'
)
HOOKED = '@id("hooked") forbid (principal, action, resource) when { context.signals has hooking };\n'


def asked(draft: str, *predicates: dict[str, Any], active: str = ACTIVE, version: int = 7) -> Any:
    return NamedTokens(ACTIVE + draft, active=active, version=version, now=NOW).names_all(predicates)


@pytest.mark.parametrize(
    ("draft", "active", "predicate"),
    [
        (ANDROID, ACTIVE, {"platform": ["android"]}),
        (ANDROID, ACTIVE, {"platform": ["ios", "android"]}),
        (OLD, ACTIVE, {"app_build": ["41", "42"]}),
        (OLD, ACTIVE, {"app_build_below": 42}),
        (HOOKED, ACTIVE + WARNED, {"tier": ["warning"]}),
        (HOOKED, ACTIVE, {"policy_version_below": 8}),
    ],
)
def test_draft_whose_refusals_are_all_named_is_proved(draft: str, active: str, predicate: dict[str, Any]) -> None:
    """Nothing that it condemns keeps its token."""
    proof = asked(draft, predicate, active=active)
    assert (proof.answer, proof.because) == (Answer.PROVED, ALL_NAMED)


@pytest.mark.parametrize(
    ("draft", "active", "predicate"),
    [
        (ANDROID, ACTIVE, {"platform": ["ios"]}),
        (ANDROID, ACTIVE, {"platform": ["android"], "app_build_below": 120}),
        (OLD, ACTIVE, {"app_build_below": 41}),
        (OLD, ACTIVE, {"app_build": ["42"]}),
        (HOOKED, ACTIVE, {"tier": ["warning"]}),
        (HOOKED, ACTIVE, {"policy_version_below": 7}),
        (HOOKED, ACTIVE, {"issued_before": int(NOW) - 9}),
        (HOOKED, ACTIVE, {"issued_before": int(NOW) + 9}),
        (HOOKED, ACTIVE, {"issued_before": int(NOW) + 30 * 86_400}),
        (HOOKED, ACTIVE, {"policy_version_below": 8, "issued_before": int(NOW) + 9}),
    ],
)
def test_refusal_that_nothing_names_is_shown(draft: str, active: str, predicate: dict[str, Any]) -> None:
    """By facts that the engine judges, whose token gates would let through."""
    prover = NamedTokens(ACTIVE + draft, active=active, version=7, now=NOW)
    proof = prover.names_all([predicate])
    assert proof.answer is Answer.REFUTED
    assert proof.witness is not None
    assert not names([predicate], prover.token_of(proof.witness.facts, proof.witness.other_tier))


def test_draft_that_refuses_nothing_new_needs_no_predicate() -> None:
    """And with none at all, every refusal is an example."""
    assert asked("", {"platform": ["ios"]}).because == NONE_REFUSED
    assert asked(ANDROID).answer is Answer.REFUTED


def test_predicates_that_leave_nothing_to_pace_are_noticed() -> None:
    """All tokens are named: the grace has no effect."""
    prover = NamedTokens(ACTIVE + ANDROID, active=ACTIVE, version=7, now=NOW)
    assert prover.leaves_none([{"policy_version_below": 8}])
    assert prover.leaves_none([{"tier": ["affirming"]}]), "the active policy warns of none"
    assert not prover.leaves_none([{"platform": ["android"]}])
