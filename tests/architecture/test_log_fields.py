"""Log calls name no secret: evidence, tokens, challenges and key material are never log fields (HOUSES, "our law")."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source_tree import Module, modules

SECRET = re.compile(
    r"(^|_)(evidence|assertion|attestation_object|certificate_chain|integrity_token|receipt|token|jws|jwt|proof|challenge|"
    r"client_data|request_key|private|secret|wrapped|password|credential|authorization|body|headers|event|plaintext)(_|$)"
)
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "append_keys", "structure_logs"}
LOG_FUNCTIONS = {"log_decision", "log_unavailable", "log_unexpected", "print"}

SHIPPED = [m for m in modules().values() if m.area in ("attestation", "service", "functions")]


def log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            on_logger = isinstance(node.func, ast.Attribute) and "log" in ast.unparse(node.func.value).lower()
            if name in LOG_FUNCTIONS or (name in LOG_METHODS and on_logger):
                yield node


def fields_of(call: ast.Call) -> set[str]:
    """Every name a log call uses: keywords, dictionary keys, variables, attributes."""
    names = {keyword.arg for keyword in call.keywords if keyword.arg}
    for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
        for node in ast.walk(value):
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Dict):
                names |= {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}
    return names


@pytest.mark.parametrize("module", SHIPPED, ids=lambda module: module.name)
def test_log_call_names_no_secret(module: Module) -> None:
    """Neither as a field nor as a value."""
    for call in log_calls(module.tree):
        secrets = {name for name in fields_of(call) if SECRET.search(name)}
        assert not secrets, f"{module.name}:{call.lineno} logs {sorted(secrets)}"


def test_rule_finds_what_it_is_for() -> None:
    """It would notice a token in an f-string, an attribute, a keyword and a dictionary."""
    for line in (
        'logger().info("x", token=t)',
        'logger.info(f"got {evidence}")',
        'log.info("x", extra={"challenge": c})',
        "logger().error(request.client_data)",
        "print(proof)",
    ):
        (call,) = log_calls(ast.parse(line))
        assert any(SECRET.search(name) for name in fields_of(call)), line


def test_some_log_calls_are_found() -> None:
    """A rule that looks at nothing would always hold."""
    assert sum(1 for module in SHIPPED for _ in log_calls(module.tree)) >= 5
