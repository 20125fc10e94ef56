"""The story in small: a rule published over the air refuses the hooked devices, spares the genuine, and is undone."""

from __future__ import annotations

import pytest

from bonafide.replay.decisions import STORE
from devkit.fleet.drills.outbreak import TOOL, Outbreak
from devkit.fleet.drills.outbreak_console import StackConsole
from devkit.fleet.drills.traffic import Fate
from devkit.fleet.run import make_scene

from .conftest import FleetStack

pytestmark = [pytest.mark.stack, pytest.mark.long]

GUARANTEED = 30.0


@pytest.mark.usefixtures("calm_traffic")
def test_outbreak_is_answered_over_the_air(fleet_stack: FleetStack) -> None:
    """The replay names the hooked devices and no others; then the gate does, until the rollback."""
    heard: list[str] = []
    story = Outbreak(
        scene=make_scene(fleet_stack.deployment, fleet_stack.authority),
        console=StackConsole.of(fleet_stack.deployment, fleet_stack.layout.local / STORE),
        tell=lambda _at, text: heard.append(text),
        genuine=9,
        hooked=2,
    )
    told = story.play()
    assert told.as_expected
    assert (told.replayed.keys, len(told.replayed.refused), told.genuine_in_replay) == (11, 2, 0)
    assert told.rolled_back.version == told.published.version + 1
    for effect in (told.published, told.rolled_back):
        assert 0 < effect.first <= effect.everywhere <= GUARANTEED
        assert effect.requests[Fate.RENEWED] == 9
    assert [text for _, text in told.timeline] == heard
    assert any(TOOL in text for text in heard)
