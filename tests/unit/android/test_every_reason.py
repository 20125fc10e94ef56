"""The closed loop: every reason that an Android verifier can give is provoked by a mutation."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import pytest
from attestation.errors import Reason

from .chain_mutations import CHAIN_MUTATIONS
from .key_mutations import KEY_MUTATIONS

_MODULES = (
    "android/device_chain.py",
    "android/key_attestation.py",
    "android/key_description.py",
    "android/subject_key.py",
)


def _source(module: str) -> ast.Module:
    return ast.parse(Path(str(files("attestation"))).joinpath(module).read_text("utf-8"))


def _reasons(module: str) -> set[Reason]:
    return {
        Reason[part.attr]
        for part in ast.walk(_source(module))
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "Reason"
    }


def test_every_reason_of_key_attestation_has_a_mutation() -> None:
    """A check that no mutation reaches may be dead, or wrong, and no test would show it."""
    reachable = set[Reason]().union(*map(_reasons, _MODULES))
    provoked = {mutation.reason for mutation in (*CHAIN_MUTATIONS, *KEY_MUTATIONS)}
    missing = reachable - provoked
    assert not missing, f"no mutation provokes {sorted(reason.value for reason in missing)}"


@pytest.mark.parametrize("module", _MODULES)
def test_scanned_module_exists(module: str) -> None:
    """A renamed module must not silently leave the scan."""
    assert _source(module).body
