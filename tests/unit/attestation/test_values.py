"""The values that verifiers and policies hand on: no code changes them on the way, adds to them, or mixes them up."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any

import attestation
from attestation.android.revocation import parse_status_list
from attestation.appraisal.appraise import appraise
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.lint.lint import lint_appraisal
from attestation.challenge import issue_challenge, open_challenge
from attestation.evidence import AppleAttestation

from tests.unit.android.scene import Question as AndroidQuestion
from tests.unit.android.scene import Scene as AndroidScene
from tests.unit.apple_mutations.assertion_mutations import default_question
from tests.unit.apple_mutations.scene import Question, Scene
from tests.unit.harmony.scene import NOW, KeyQuestion, chain_draft

_CHANGEABLE = {"_Range", "_Facts"}
"""What the lint uses, and does not hand out."""
_CACHING = {"LintedRule"}
"""Keeps what it has worked out, and so has a dictionary."""
_BUILT_BY_NAME = {
    "attestation.apple.receipt",
    "attestation.appraisal.builds",
    "attestation.appraisal.policy",
    "attestation.appraisal.signal_history",
    "attestation.attested_key",
    "attestation.claims",
    "attestation.client_data",
    "attestation.reference_values",
}


def _values() -> Iterator[type[Any]]:
    for found in pkgutil.walk_packages(attestation.__path__, "attestation."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == found.name and is_dataclass(value):
                yield value


def _functions() -> Iterator[FunctionType]:
    for found in pkgutil.walk_packages(attestation.__path__, "attestation."):
        for value in vars(importlib.import_module(found.name)).values():
            members = vars(value).values() if inspect.isclass(value) else [value]
            for member in members:
                function = inspect.unwrap(getattr(member, "__func__", member))
                if isinstance(function, FunctionType) and function.__module__ == found.name:
                    yield function


def _verified() -> None:
    """What makes them, from evidence to a verdict."""
    claims = AndroidQuestion.of(AndroidScene.default().draft.chain()).ask()
    appraise(claims, client_data=None, policy=default_policy())
    KeyQuestion(chain=chain_draft().chain()).ask()
    for text in ("permit (principal, action, resource);", '@idea("x") forbid (principal, action, resource);'):
        lint_appraisal(text, now=NOW)
    for question in (default_question(), Question(evidence=AppleAttestation(Scene.default().attestation.seal()))):
        question.ask()
    parse_status_list(b'{"entries": {}}', fetched_at=NOW)
    challenge = issue_challenge(app="demo", key=bytes(32), random=bytes(16), now=NOW)
    open_challenge(challenge, keys=(bytes(32),), lifetime=300, now=NOW)


def test_values_are_frozen_and_have_only_their_members() -> None:
    """Claims that a policy could change, or a misspelt member that is silently new, would be a hole."""
    _verified()
    values = list(_values())
    assert len(values) > 40
    assert {value.__name__ for value in values if not value.__dataclass_params__.frozen} == _CHANGEABLE
    assert {value.__name__ for value in values if "__slots__" not in vars(value)} == _CACHING


def test_values_of_many_members_of_one_type_are_built_by_name() -> None:
    """Two digests in the other's place would type-check."""
    _verified()
    positional = {
        f"{value.__module__}.{value.__qualname__}"
        for value in _values()
        if value.__module__ in _BUILT_BY_NAME and not all(member.kw_only for member in fields(value))
    }
    assert positional == {"attestation.client_data.Signal"}, "a name and its detail"


def test_every_parameter_can_be_named() -> None:
    """A call with two keys, two hashes or two times in a row is read by their names."""
    _verified()
    functions = list(_functions())
    assert len(functions) > 400, "they were not found"
    positional = {
        f"{function.__module__}.{function.__qualname__}: {name}"
        for function in functions
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    }
    assert positional == set()
