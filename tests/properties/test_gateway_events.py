"""Whatever an event looks like, the authorizer answers or says Unauthorized, and lets no request in without a token."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gate.other_kinds import http_1, http_2, rest, rest_token, websocket
from tests.unit.gate.stand import Call, Stand, effect

MAKERS: tuple[Callable[[Call], dict[str, Any]], ...] = (rest, rest_token, http_1, http_2, websocket)
STAND = Stand()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed in an event: every member of every object and list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in ((*path, key), *places(inner, (*path, key)))]


def changed(event: dict[str, Any], place: tuple[Any, ...], value: object) -> dict[str, Any]:
    other: Any = copy.deepcopy(event)
    target = other
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return dict(other)


def outcome(event: object) -> str:
    """``Allow``, ``Deny`` or ``Unauthorized``; anything else that comes out fails the test."""
    try:
        answer = STAND.answer(event)
    except Exception as error:
        if type(error) is not Exception or str(error) != "Unauthorized":
            raise
        return "Unauthorized"
    json.dumps(answer, allow_nan=False)
    assert all(type(value) is str for value in answer["context"].values())
    return effect(answer)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_event_with_one_member_changed_is_answered_and_opens_nothing(
    make: Callable[[Call], dict[str, Any]], data: st.DataObject
) -> None:
    """One member of a documented event replaced by anything at all; there is no token, and no open route is named."""
    event = make(Call(token=None, proof=None))
    place = data.draw(st.sampled_from(places(event)))
    changed_event = changed(event, place, data.draw(JSON))
    assert outcome(changed_event) in ("Deny", "Unauthorized")


@settings(max_examples=200, deadline=None)
@given(event=JSON)
def test_event_that_is_anything_is_unauthorized_or_denied(event: object) -> None:
    """A test console, another service, garbage."""
    assert outcome(event) in ("Deny", "Unauthorized")
