"""Programs that are no clients: what breaks the protocol is found, and a lie is no pass."""

from __future__ import annotations

import sys

import pytest

from devkit.devices.authority.authority import DeviceAuthority
from devkit.kit.catalogue import SCENARIOS
from devkit.kit.rules import Rule
from devkit.kit.run import Result, Theatre

pytestmark = pytest.mark.enable_socket
_LIAR = """
import json, sys
for line in sys.stdin:
    count = json.loads(line).get("count", 1)
    print(json.dumps({"answers": [{"status": 200, "body": ""}] * count}), flush=True)
"""


@pytest.fixture(scope="module")
def authority() -> DeviceAuthority:
    return DeviceAuthority.create()


def _play(authority: DeviceAuthority, code: str, name: str = "restart") -> Result:
    argv = [sys.executable, "-I", "-S", "-c", code]
    (result,) = Theatre(authority).run([SCENARIOS[name]], argv)
    return result


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("", "ended at 'request'"),
        ("import sys; sys.stdin.readline(); print('[]')", "no object"),
        ("import sys; sys.stdin.readline(); print('{')", "no JSON"),
        ("import sys; sys.stdin.readline(); print('{\"answers\": 7}')", "1 answers are needed"),
        ("import sys; sys.stdin.readline(); print('{\"unsupported\": true}')", "does not know the command 'request'"),
    ],
)
def test_program_that_breaks_the_protocol_is_told(authority: DeviceAuthority, code: str, detail: str) -> None:
    """A finding with a sentence for the client's author, and never a hang or a stack trace."""
    result = _play(authority, code)
    assert [finding.rule for finding in result.findings] == [Rule.PROTOCOL]
    assert detail in result.findings[0].detail


def test_program_that_is_not_there_is_told(authority: DeviceAuthority) -> None:
    (result,) = Theatre(authority).run([SCENARIOS["restart"]], ["no-such-program-of-a-client"])
    assert "cannot be started" in result.findings[0].detail


def test_success_without_a_request_is_no_success(authority: DeviceAuthority) -> None:
    """The kit believes what it was sent, and not what a program says."""
    result = _play(authority, _LIAR)
    assert Rule.ANSWERED in result.rules
    assert "no such request came" in result.findings[0].detail
