"""The tables of docs/client-kit.md, as the code has them."""

from __future__ import annotations

from devkit.kit.catalogue import SCENARIOS
from devkit.kit.rules import Rule


def rule_rows() -> list[str]:
    """A row of each rule."""
    return [f"| `{rule.value}` | {rule.meaning} |" for rule in Rule]


def scenario_rows() -> list[str]:
    """A row of each scenario."""
    return [f"| `{one.name}` | {one.does} | {_names(one.rules)} |" for one in SCENARIOS.values()]


def _names(rules: tuple[Rule, ...]) -> str:
    return ", ".join(f"`{rule.value}`" for rule in rules)
