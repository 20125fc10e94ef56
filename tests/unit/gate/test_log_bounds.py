"""What callers without a token can have written into the authorizer's log: a bounded line, with nothing of headers."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from tests.unit.gate.conftest import Lines
from tests.unit.gate.other_kinds import http_1, http_2, rest, rest_token
from tests.unit.gate.stand import Call, Stand

LINE = 1_000
WIDE = "\N{GRINNING FACE}"


@pytest.mark.parametrize("kind", [rest, rest_token, http_1, http_2])
def test_line_about_a_stranger_is_bounded_whatever_is_sent(
    stand: Stand, call: Call, log_lines: Lines, kind: Any
) -> None:
    """Long tokens, proofs and paths; none of them is in the line."""
    odd = call.change(path="/attacker/" + WIDE * 2_000, token="attacker" * 500, proof="attacker" * 500)
    with suppress(Exception):  # how a TOKEN authorizer says 401
        stand.answer(kind(odd))
    (line,) = log_lines()
    assert "attacker" not in json.dumps(line)
    assert len(json.dumps(line)) < LINE


def test_method_of_an_http_apis_default_route_is_cut(stand: Stand, call: Call, log_lines: Lines) -> None:
    """There, a method is whatever a client calls one."""
    event = http_2(call)
    event["requestContext"]["http"]["method"] = "ATTACKER" + WIDE * 5_000
    event["requestContext"]["requestId"] = WIDE * 5_000
    stand.answer(event)
    (line,) = log_lines()
    assert len(json.dumps(line)) < 3 * LINE
