"""Types that say "verified" are made where verifying happens, and nowhere else in what ships."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache

import pytest

from tests.architecture.source_tree import ROOT, modules, python_files

VERIFIERS = {
    "attestation.android.key_attestation",
    "attestation.apple.assertion",
    "attestation.apple.attestation",
    "attestation.harmony.key_attestation",
    "attestation.key_signature",
    "attestation.passes.evidence",
    "attestation.reverify",
}
MERGING = {"attestation.claims", "attestation.appraisal.signal_history"}
"""They put claims together that were verified before."""

MAKERS = {
    "Seal.VERIFIED": VERIFIERS | MERGING,
    "Seal.MADE_UP": {"bonafide.conformance.verdicts_alone"},
    "Claims.of_stored_key": {"attestation.appraisal.signal_history", "service.tables.attested_keys"},
    "PlayClaims()": {"attestation.android.play_integrity", "attestation.claims"},
    "HarmonyIntegrityClaims()": {"attestation.harmony.device_integrity", "attestation.claims"},
    # The prover's is what the laptop compares a publication with; no gate imports it.
    "VerifiedToken()": {"bonafide_tokens.token", "bonafide.prover.named_tokens"},
    "VerifiedProof()": {"bonafide_tokens.proof", "bonafide_tokens.pop", "bonafide_tokens.signatures.signed_request"},
}


def _mentions(tree: ast.AST) -> set[str]:
    """``A.b`` where it is named, and ``A()`` where it is called."""
    attributes = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return attributes | {f"{called.id}()" for called in calls if isinstance(called, ast.Name)}


@cache
def _shipped() -> Mapping[str, set[str]]:
    return {name: _mentions(module.tree) for name, module in modules().items()}


@pytest.mark.parametrize("made", MAKERS)
def test_only_verifiers_make(made: str) -> None:
    """One list to review: what is not in it cannot say that something was verified."""
    assert {name for name, mentions in _shipped().items() if made in mentions} == MAKERS[made]


def test_tests_have_one_door() -> None:
    """Made-up claims stand out in a test: they come from one module."""
    tests = {
        path: _mentions(ast.parse(path.read_text("utf-8"))) for path in python_files() if ROOT / "tests" in path.parents
    }
    assert {path.name for path, mentions in tests.items() if "Seal.MADE_UP" in mentions} == {"minted_claims.py"}
    assert not [path for path, mentions in tests.items() if "Seal.VERIFIED" in mentions]
