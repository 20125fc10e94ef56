"""What makes the suite quick, whichever part of it is run."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
import typer.testing
from xdist.scheduler import LoadScopeScheduling

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started by a shell in the background. What tests start would inherit it, and Ctrl-C would end nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)

OF_ONE_STACK = {
    "tests/fleet/": "one of tests/fleet",
    "tests/end_to_end/test_openapi_fuzz.py": "one of tests/end_to_end",
    "tests/end_to_end/test_races.py": "one of tests/end_to_end",
    "tests/end_to_end/test_counting.py": "one of tests/end_to_end",
    "tests/end_to_end/test_receipts.py": "one of tests/end_to_end",
    "tests/end_to_end/test_stack.py": "one of tests/end_to_end",
    "tests/end_to_end/test_view_routes.py": "one of tests/end_to_end",
    "tests/end_to_end/test_webhooks.py": "one of tests/end_to_end",
    "tests/end_to_end/test_gateway.py": "the probe",
    "tests/end_to_end/test_http_api.py": "the probe",
    "tests/end_to_end/test_signed_routes.py": "the probe",
    "tests/end_to_end/test_workers.py": "the probe",
}
"""Beginnings of the tests that share a running stack, and its name: one worker runs them all, and starts it once."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker all tests of a file, or of a stack, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = nodeid.split("::", 1)[0]
        return next((stack for start, stack in OF_ONE_STACK.items() if file.startswith(start)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """For ``--dist loadfile``."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what stays: every test and every module that tests import. It would walk them all
    again and again, while they are collected and while they run."""
    gc.unfreeze()  # what an earlier session in this process left
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for other processes: its long tests are not the last, and quick ones fill the pauses."""
    waiting = {item.path for item in items if item.get_closest_marker("stack")}
    talking = {item.path for item in items if item.get_closest_marker("ministack")}
    items.sort(key=lambda item: 0 if item.path in waiting else 1 if item.path in talking else 2)


@pytest.fixture(autouse=True)
def _counts_are_of_one_test() -> None:
    """Decisions are counted in the process: which ones are listed depends on those before."""
    lines: Any = sys.modules.get("service.telemetry.tally_lines")
    if lines is not None:
        lines.forget_counts()


@cache
def _command(app: typer.Typer, _without_detection: str | None) -> Any:
    return typer.main.get_command(app)


@pytest.fixture(scope="session", autouse=True)
def _command_is_built_once() -> Iterator[None]:
    """Typer's runner builds the whole command for each call, which takes ten times as long as most calls. What it
    builds depends on the application and on this variable alone."""
    variable = "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"
    with patch("typer.testing._get_command", lambda app: _command(app, os.environ.get(variable))):
        yield


@pytest.fixture(scope="session", autouse=True)
def _policies_are_linted_once() -> Iterator[None]:
    """Most tests publish one of a few policies, whose lint takes longer than all else they do. Lint has tests of its
    own; it depends on the text, and on the time where a rule expires."""
    documents = sys.modules.get("service.policies.documents")
    if documents is None:  # nothing that runs here publishes
        yield
        return
    lint: Any = documents.lint_appraisal
    linted = cache(lambda text, now: lint(text, now=now))
    with patch.object(documents, "lint_appraisal", lambda text, now: linted(text, now if "expires" in text else 0.0)):
        yield
