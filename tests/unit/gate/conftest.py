"""Fixtures of the gate's tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_socket

from tests.unit.gate.stand import Call, Stand

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """A unit test that reaches for the network fails."""
    pytest_socket.disable_socket()
    yield
    pytest_socket.enable_socket()


@pytest.fixture
def stand() -> Stand:
    """An authorizer with the usual bundle."""
    return Stand()


@pytest.fixture
def call() -> Call:
    """A call that passes."""
    return Call()


@pytest.fixture
def log_lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The log lines written since the last call, but for those that only count."""

    def lines() -> list[dict[str, Any]]:
        written = map(json.loads, capsys.readouterr().out.splitlines())
        return [line for line in written if line["message"] != "tally"]

    return lines
