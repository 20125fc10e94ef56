"""The reference client on the other platforms, and over HTTP in a process of its own. Long: each is the whole list."""

from __future__ import annotations

import sys

import pytest

from devkit.devices.authority.authority import DeviceAuthority
from devkit.kit.catalogue import SCENARIOS
from devkit.kit.in_process import play_here
from devkit.kit.run import Theatre

pytestmark = [pytest.mark.long, pytest.mark.enable_socket]


@pytest.mark.parametrize("platform", ["ios", "harmony"])
def test_right_client_breaks_no_rule_on(platform: str) -> None:
    authority = DeviceAuthority.create()
    found = {name: play_here(one, authority, platform=platform).findings for name, one in SCENARIOS.items()}
    assert {name: findings for name, findings in found.items() if findings} == {}


def test_right_client_breaks_no_rule_over_http() -> None:
    """As `bonafide kit run` plays to a client in another language."""
    argv = [sys.executable, "-m", "devkit.kit.reference_client"]
    results = list(Theatre(DeviceAuthority.create()).run(SCENARIOS.values(), argv))
    assert {result.scenario.name: result.findings for result in results if not result.passed} == {}
    assert len(results) == len(SCENARIOS)
