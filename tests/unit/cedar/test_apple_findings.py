"""Apple's findings have the same names where they are found, where policies are linted, and in the documents."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import attestation.apple
from attestation.appraisal.lint.vocabulary import familiar_values
from attestation.evidence import FORMATS

ROOT = Path(__file__).parents[3]
NAME = re.compile("apple-[a-z0-9-]+")
APPLES_OWN = {"apple-appattest"}
"""What Apple calls its format in an attestation object."""


def found() -> set[str]:
    """The names in the code of the room that are no evidence formats, wherever they stand."""
    texts = {
        node.value
        for path in Path(attestation.apple.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if NAME.fullmatch(text)} - set(FORMATS) - APPLES_OWN


def test_findings_are_those_that_a_policy_may_name() -> None:
    """The failure: a rule that minds a finding is warned of as misspelt, or a misspelt one is not."""
    assert familiar_values(("principal", "findings"), "Apple") == frozenset(found())


def test_findings_are_documented() -> None:
    (row,) = [
        line
        for line in (ROOT / "docs/policies.md").read_text("utf-8").splitlines()
        if line.startswith("| `Apple.findings` |")
    ]
    assert set(re.findall(r"`(apple-[a-z0-9-]+)`", row)) == found()
