"""Imports run functions → service → attestation, and bonafide → all; never back, in no circle (ARCHITECTURE §12)."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.architecture.source_tree import Module, modules

STANDARD = sys.stdlib_module_names | {"__future__"}

THIRD_PARTY = {
    "attestation": {"cryptography", "cbor2", "cedarpy"},
    "service": {
        "cryptography",
        "pydantic",
        "pydantic_core",
        "aws_lambda_powertools",
        "boto3",
        "botocore",
        "jwt",
        "mypy_boto3_dynamodb",
        "mypy_boto3_kms",
    },
    "functions": {"cryptography", "pydantic"},
}
OURS = {
    "attestation": {"attestation"},
    "service": {"attestation", "service"},
    "functions": {"attestation", "service"},
}
NOTHING_OF_OURS = {"describe_caller"}
LIBRARY_ONLY = {"authorize_request"}
OF_THE_RUNTIME = {
    "functions.authorize_request.spent_proofs": {"botocore"},
    "service.aws_attempts": {"urllib3"},
}
"""No layer brings it, the runtime does, with boto3: imported inside a function by the first route that asks for
proof-once, and for the timeouts of botocore's own connections."""

IMPURE = {
    "os", "sys", "time", "socket", "ssl", "logging", "subprocess", "asyncio", "random", "secrets", "tempfile", "shutil",
    "pathlib", "urllib", "http", "multiprocessing", "signal", "warnings", "uuid", "boto3", "botocore",
}  # fmt: skip
"""Environment, clock, network, chance, files and logs: all of these are arguments of the pure library."""

IMPURE_CALLS = {"now", "utcnow", "today", "getenv", "urandom", "open", "print", "input", "time", "monotonic"}

CALLS_OF_AN_EDGE = {"attestation.body_binding": {"print"}}
"""The decorator of a backend's handler is that function's edge: the line under its support code is its only output."""


def area(name: str) -> list[Module]:
    return [module for module in modules().values() if module.area == name]


@pytest.mark.parametrize("module", [m for name in THIRD_PARTY for m in area(name)], ids=lambda m: m.name)
def test_module_imports_only_downwards(module: Module) -> None:
    """A layer knows what is below it and what its lock file brings; nothing else is there in Lambda."""
    function = module.name.split(".")[1] if module.area == "functions" else ""
    ours = OURS[module.area]
    if function in NOTHING_OF_OURS:
        ours = set()
    elif function in LIBRARY_ONLY:
        ours = {"attestation"}
    siblings = {path.stem for path in module.path.parent.glob("*.py")} if function else set()
    third_party = set() if function in NOTHING_OF_OURS else THIRD_PARTY[module.area]
    third_party = third_party | OF_THE_RUNTIME.get(module.name, set())
    if module.name.startswith("attestation.cedar."):
        third_party = third_party | {"cedarpy"}
    tops = {name.split(".")[0] for name in module.imports()}
    assert tops - STANDARD - third_party - siblings <= ours


@pytest.mark.parametrize("module", area("attestation"), ids=lambda m: m.name)
def test_library_imports_nothing_impure(module: Module) -> None:
    """``now`` is an argument. No clock, environment, network, chance, log or file (trust anchors come as resources)."""
    assert {name.split(".")[0] for name in module.imports()} & IMPURE == set()


@pytest.mark.parametrize("module", area("attestation"), ids=lambda m: m.name)
def test_library_calls_nothing_impure(module: Module) -> None:
    """The same for what hides in pure-looking modules: ``datetime.now``, ``open``, ``print``."""
    called = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called.add(getattr(node.func, "attr", getattr(node.func, "id", "")))
    assert called & IMPURE_CALLS == CALLS_OF_AN_EDGE.get(module.name, set())


def test_no_module_takes_part_in_a_circle() -> None:
    """Each module can be read, and imported, before those that use it."""
    graph = {
        module.name: {
            target
            for name in module.imports(at_runtime_only=True)
            for target in (name, name.rpartition(".")[0])
            if target in modules() and target != module.name and not modules()[target].is_package
        }
        for module in modules().values()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_command_is_imported_by_nobody() -> None:
    """What runs on a laptop never reaches Lambda."""
    for module in modules().values():
        if module.area != "bonafide":
            assert not any(name.split(".")[0] in ("bonafide", "tests") for name in module.imports()), module.name
