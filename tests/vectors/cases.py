"""The cases of a vector file, as a client in another language reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.vectors.mint import FOLDER


@cache
def content(name: str) -> dict[str, Any]:
    """The whole of ``name``.json."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found


def each(name: str, group: str = "cases") -> Callable[[Callable[[dict[str, Any]], None]], Callable[[], None]]:
    """Makes one test of a check of every case in a group: it names the cases that fail. A test for each would cost
    seconds."""

    def decorate(check: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        def test() -> None:
            failing = {}
            for case in content(name)[group]:
                try:
                    check(case)
                except (Exception, pytest.fail.Exception) as error:
                    failing[case["case"]] = f"{type(error).__name__}: {error}"
            assert not failing, "\n".join(f"{case}: {why}" for case, why in failing.items())

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate
