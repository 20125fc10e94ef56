"""Laws of linting: it never raises, its messages have places, and what it passes compiles."""

from __future__ import annotations

from pathlib import Path

from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.lint.lint import lint_appraisal
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
NOW = 1_790_000_000.0
PIECES = [
    statement.strip() + ";\n"
    for folder in sorted((ROOT / "policies").iterdir())
    for statement in (folder / "appraisal.cedar").read_text("utf-8").split(";\n")
    if statement.strip()
]
LANGUAGE = """
permit forbid when unless { } ( ) [ ] ; , . == != < && || ! has like in is if then else principal action resource
context signals hooking play "x" "verified" 3 -1 Android Apple App::"demo" Action::"affirm" @id("a") @mode @x + *
// ?principal ip decimal source reported key_storage contains isEmpty
"""
WORDS = st.sampled_from(LANGUAGE.split())
MUTATION = st.tuples(st.integers(0, 5000), st.integers(0, 8), st.one_of(WORDS, st.text(max_size=4)))


def _hold(text: str) -> None:
    messages = lint_appraisal(text, now=NOW)
    assert all(1 <= message.line <= text.count("\n") + 1 for message in messages)
    if not any(message.severity == "error" for message in messages):
        CedarPolicy.compile(text)


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=60).map(" ".join)))
@settings(max_examples=150, deadline=None)
def test_any_text_is_judged_without_an_exception(text: str) -> None:
    """Text from anywhere: letters, or words of the language in no order."""
    _hold(text)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4, unique=True), st.lists(MUTATION, max_size=3))
@settings(max_examples=150, deadline=None)
def test_mutated_rules_are_judged_without_an_exception(
    pieces: list[str], mutations: list[tuple[int, int, str]]
) -> None:
    """Rules of the starters, cut and pasted as a tired hand would."""
    text = "".join(["permit (principal, action, resource);\n", *pieces])
    for at, length, new in mutations:
        at %= len(text) + 1
        text = text[:at] + new + text[at + length :]
    _hold(text)
