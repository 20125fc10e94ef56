"""The closed loop: every reason that an Apple verifier can give is provoked by a mutation, and every step has one."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import pytest
from attestation.errors import Reason

from . import assertion_mutations, attestation_mutations, receipt_mutations

_APPLE_MODULES = (
    "apple/attestation.py",
    "apple/assertion.py",
    "apple/leaf_extensions.py",
    "apple/receipt.py",
    "apple/authenticator_data.py",
    "encoding/cbor.py",
    "encoding/certificate.py",
    "encoding/chain.py",
    "encoding/der.py",
)
_APPLE_FUNCTIONS = {
    "endorsements.py": {"require_anchors"},
    "encoding/jose.py": {"public_key_from_point"},
    "verify.py": {"verify", "_registered", "_required"},
}
"""Modules that serve other formats too: only these functions of theirs take part."""


def _reasons(node: ast.AST) -> set[Reason]:
    return {
        Reason[part.attr]
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "Reason"
    }


def _source(module: str) -> ast.Module:
    return ast.parse(Path(str(files("attestation"))).joinpath(module).read_text("utf-8"))


def _reachable() -> set[Reason]:
    reasons = set[Reason]().union(*(_reasons(_source(module)) for module in _APPLE_MODULES))
    for module, names in _APPLE_FUNCTIONS.items():
        for node in _source(module).body:
            if isinstance(node, ast.FunctionDef) and node.name in names:
                reasons |= _reasons(node)
    return reasons


_MUTATIONS = (
    *attestation_mutations.MUTATIONS,
    *assertion_mutations.MUTATIONS,
    *receipt_mutations.MUTATIONS,
)


def test_every_reason_of_an_apple_verifier_has_a_mutation() -> None:
    """A check that no mutation reaches may be dead, or wrong, and no test would show it."""
    missing = _reachable() - {mutation.reason for mutation in _MUTATIONS}
    assert not missing, f"no mutation provokes {sorted(reason.value for reason in missing)}"


def test_every_mutation_names_a_reason_that_apple_verifiers_give() -> None:
    """The list above is complete: no mutation ends in a reason that the scan did not see."""
    assert {mutation.reason for mutation in _MUTATIONS} <= _reachable()


@pytest.mark.parametrize("module", _APPLE_MODULES)
def test_scanned_module_exists(module: str) -> None:
    """A renamed module must not silently leave the scan."""
    assert _source(module).body
