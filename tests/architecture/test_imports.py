"""Imports run functions → service → attestation → tokens, and bonafide and devkit → all; never back, in no circle."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.architecture.rooms import circles, module_arrows, neighbour_arrows
from tests.architecture.source_tree import Module, modules

STANDARD = sys.stdlib_module_names | {"__future__"}

THIRD_PARTY = {
    "bonafide_tokens": {"cryptography"},
    "attestation": {"cryptography", "cbor2"},
    "service": {
        "cryptography",
        "pydantic",
        "pydantic_core",
        "aws_lambda_powertools",
        "boto3",
        "botocore",
        "jwt",
        "standardwebhooks",
        "mypy_boto3_dynamodb",
        "mypy_boto3_kms",
    },
    "functions": {"cryptography", "pydantic"},
}
OURS = {
    "bonafide_tokens": {"bonafide_tokens"},
    "attestation": {"bonafide_tokens", "attestation"},
    "service": {"bonafide_tokens", "attestation", "service"},
    "functions": {"bonafide_tokens", "attestation", "service"},
}
NOTHING_OF_OURS = {"describe_caller"}
TOKENS_ONLY = {"authorize_request"}
OF_THE_RUNTIME = {
    "functions.authorize_request.spent_proofs": {"botocore"},
    "functions.check_new_version": {"botocore"},
    "service.aws_attempts": {"urllib3"},
}
"""No layer brings it, the runtime does, with boto3: imported inside a function by the first route that asks for
proof-once, for what went wrong when a version was invoked, and for the timeouts of botocore's own connections."""

IMPURE = {
    "os", "sys", "time", "socket", "ssl", "logging", "subprocess", "asyncio", "random", "secrets", "tempfile", "shutil",
    "pathlib", "urllib", "http", "multiprocessing", "signal", "warnings", "uuid", "boto3", "botocore",
}  # fmt: skip
"""Environment, clock, network, chance, files and logs: all of these are arguments of the pure library."""

IMPURE_CALLS = {"now", "utcnow", "today", "getenv", "urandom", "open", "print", "input", "time", "monotonic"}

EDGES = ("bonafide_tokens.backends.", "bonafide_tokens.checker.", "bonafide_tokens.gate.bundle_client")
"""What a backend of a team's own stands behind, with its environment, clock and log; and the one way out of the
package, to where the trust bundle is."""

FRAMEWORKS = {f"bonafide_tokens.backends.{name}": {name} for name in ("django", "fastapi", "flask")}
"""Each for those who have it."""

CALLS_OF_AN_EDGE = {"bonafide_tokens.signed_body": {"print"}}
"""The decorator of a backend's handler is that function's edge: the line under its support code is its only output."""


def area(name: str) -> list[Module]:
    return [module for module in modules().values() if module.area == name]


def pure() -> list[Module]:
    """The modules of the pure library."""
    every = [*area("bonafide_tokens"), *area("attestation")]
    return [module for module in every if not module.name.startswith(EDGES)]


@pytest.mark.parametrize("module", [m for name in THIRD_PARTY for m in area(name)], ids=lambda m: m.name)
def test_module_imports_only_downwards(module: Module) -> None:
    """A layer knows what is below it and what its lock file brings; nothing else is there in Lambda."""
    function = module.name.split(".")[1] if module.area == "functions" else ""
    ours = OURS[module.area]
    if function in NOTHING_OF_OURS:
        ours = set()
    elif function in TOKENS_ONLY:
        ours = {"bonafide_tokens"}
    siblings = {path.stem for path in module.path.parent.glob("*.py")} if function else set()
    third_party = set() if function in NOTHING_OF_OURS else THIRD_PARTY[module.area]
    third_party = third_party | OF_THE_RUNTIME.get(module.name, set()) | FRAMEWORKS.get(module.name, set())
    if module.name.startswith("attestation.appraisal."):
        third_party = third_party | {"cedarpy"}
    tops = {name.split(".")[0] for name in module.imports()}
    assert tops - STANDARD - third_party - siblings <= ours


@pytest.mark.parametrize("module", pure(), ids=lambda m: m.name)
def test_library_imports_nothing_impure(module: Module) -> None:
    """``now`` is an argument. No clock, environment, network, chance, log or file (trust anchors come as resources)."""
    assert {name.split(".")[0] for name in module.imports()} & IMPURE == set()


@pytest.mark.parametrize("module", pure(), ids=lambda m: m.name)
def test_library_calls_nothing_impure(module: Module) -> None:
    """The same for what hides in pure-looking modules: ``datetime.now``, ``open``, ``print``."""
    called = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called.add(getattr(node.func, "attr", getattr(node.func, "id", "")))
    assert called & IMPURE_CALLS == CALLS_OF_AN_EDGE.get(module.name, set())


def test_no_module_takes_part_in_a_circle() -> None:
    """Each module can be read before those that use it; imports for types alone count too."""
    assert circles(module_arrows()) == []


def test_folders_of_one_parent_point_in_one_direction() -> None:
    """What two neighbouring folders need of each other belongs into one of them, or below both."""
    assert circles(neighbour_arrows()) == []


def test_laptop_is_imported_by_nothing_that_ships() -> None:
    """What runs on a laptop never reaches Lambda, and the operator's command does without the laptop's stack."""
    for module in modules().values():
        tops = {name.split(".")[0] for name in module.imports()}
        if module.area not in ("bonafide", "devkit"):
            assert tops & {"bonafide", "devkit", "tests"} == set(), module.name
        elif module.area == "bonafide":
            assert tops & {"devkit", "tests"} == set(), module.name
