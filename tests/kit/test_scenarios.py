"""The reference client passes every scenario, and each scenario finds at least one client that is wrong."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from devkit.devices.authority.authority import DeviceAuthority
from devkit.kit.catalogue import SCENARIOS
from devkit.kit.in_process import play_here
from tests.kit.wrong_clients import WRONG


@pytest.fixture(scope="module")
def authority() -> DeviceAuthority:
    return DeviceAuthority.create()


@pytest.mark.parametrize("name", SCENARIOS)
def test_right_client_breaks_no_rule(authority: DeviceAuthority, name: str) -> None:
    """A rule that the contract's own reading breaks would be a wrong rule."""
    assert play_here(SCENARIOS[name], authority).findings == ()


def _pairs(step: int) -> list[tuple[str, str]]:
    return [(wrong, name) for wrong, client in WRONG.items() for name in client.found][::step]


@pytest.mark.parametrize(("wrong", "name"), _pairs(6))
def test_wrong_client_is_found(authority: DeviceAuthority, wrong: str, name: str) -> None:
    """A sixth of the list below."""
    _require_found(authority, wrong, name)


@pytest.mark.long
@pytest.mark.parametrize(("wrong", "name"), _pairs(1))
def test_every_wrong_client_is_found_by_its_rule(authority: DeviceAuthority, wrong: str, name: str) -> None:
    """One change of the reference client, and the scenario names the rule that it breaks."""
    _require_found(authority, wrong, name)


def _require_found(authority: DeviceAuthority, wrong: str, name: str) -> None:
    client = WRONG[wrong]
    with ExitStack() as patches:
        for change in client.patches():
            patches.enter_context(change)
        result = play_here(SCENARIOS[name], authority)
    assert client.found[name] in result.rules, result.findings


def test_every_scenario_finds_a_wrong_client() -> None:
    """A scenario that no wrong client fails shows nothing."""
    assert SCENARIOS.keys() - {name for client in WRONG.values() for name in client.found} == set()
