"""Whole sweeps take minutes: they run when asked for by ``-m exhaustive``, and a sample of each every time."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "exhaustive" in str(config.getoption("markexpr")):
        return
    whole = [item for item in items if item.get_closest_marker("exhaustive")]
    if whole:
        config.hook.pytest_deselected(items=whole)
        items[:] = [item for item in items if item not in whole]
