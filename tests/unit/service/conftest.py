"""Unit tests of the service: no network, a fresh stack in memory, and log lines as dictionaries."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_socket
from service.telemetry.decisions import logger

from tests.service_stack.memory_stack import MemoryStack


class _StandardOutput:
    """Whatever standard output is at the moment: pytest changes it between a test's phases."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """A unit test that reaches for the network fails."""
    pytest_socket.disable_socket()
    yield
    pytest_socket.enable_socket()


@pytest.fixture
def stack() -> MemoryStack:
    """A stack with its first keys, where the demo app is registered."""
    return MemoryStack()


@pytest.fixture
def log_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[dict[str, Any]]]:
    """What was logged since the last call, one dictionary a line."""
    monkeypatch.setattr(logger().registered_handler, "stream", _StandardOutput())

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]

    return lines
