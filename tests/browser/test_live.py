"""The console on a real local stack: hostile devices are seen within seconds, and the story is told by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.live import Keyboard, Live, live, measure
from tests.browser.story import tell


@pytest.fixture(scope="module")
def running(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One stack for both; none where there is no browser."""
    with live(tmp_path_factory.mktemp("stack")) as one:
        yield one


@pytest.mark.stack
@pytest.mark.long
def test_refused_line_moves_when_hostile_devices_begin(running: Live, browser: Any) -> None:
    """How soon, `make console-drill` measures."""
    assert len(measure(running, browser, 1)) == 1


@pytest.mark.stack
@pytest.mark.exhaustive  # half a minute: `make console-drill` tells it too, and ends with 1 where it goes wrong
def test_story_is_told_by_keyboard(running: Live, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that a mouse can do: from the outbreak to the rollback, and no genuine device is harmed."""
    monkeypatch.setattr("devkit.fleet.drills.traffic._PAUSE", 0.5)
    told = tell(running, browser, Keyboard(), genuine=10)
    assert told.as_expected, told
