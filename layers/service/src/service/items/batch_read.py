"""Reads of rows of several tables, in one round trip."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from service.aws import DynamoDBClient, from_item, to_item, unavailable_on_failure
from service.deadline import seconds_left
from service.errors import Unavailable

ATTEMPTS: Final = 4
"""How often rows are asked for that DynamoDB left out, as it does when a table is throttled."""

_WAIT: Final = 0.05
_LEAST: Final = 0.1
_CHANCE: Final = random.SystemRandom()
_WHAT: Final = "dynamodb:BatchGetItem"


class Place(NamedTuple):
    """Where a row is: a table, and the members of the row's key."""

    table: str
    key: Mapping[str, object]


def read_rows(
    client: DynamoDBClient,
    places: Sequence[Place],
    *,
    consistent: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> list[dict[str, Any] | None]:
    """The rows at ``places``, in their order, ``None`` for one that is not there. Each is read consistently, or as it
    was a moment ago, for half the price.

    Rows that are left out are asked for again, within the request's deadline. Raises
    :class:`~service.errors.Unavailable` unless each row is known to be there or not.
    """
    found: list[dict[str, Any] | None] = [None] * len(places)
    missing: dict[str, Any] = {}
    for place in places:
        missing.setdefault(place.table, {"Keys": [], "ConsistentRead": consistent})["Keys"].append(to_item(place.key))
    for attempt in range(ATTEMPTS):
        with unavailable_on_failure(_WHAT):
            answer = client.batch_get_item(RequestItems=missing)
        for table, items in answer["Responses"].items():
            for item in items:
                row = from_item(item)
                found[_index(places, table, row)] = row
        missing = dict(answer.get("UnprocessedKeys", {}))
        if not missing:
            return found
        wait = _CHANCE.uniform(0, _WAIT * 2**attempt)  # full jitter, so that those who met do not meet again
        if attempt == ATTEMPTS - 1 or wait + _LEAST > seconds_left():
            break
        sleep(wait)
    raise Unavailable(f"{_WHAT}: rows left out of {', '.join(sorted(missing))}")


def _index(places: Sequence[Place], table: str, row: Mapping[str, Any]) -> int:
    for index, place in enumerate(places):
        if place.table == table and place.key.items() <= row.items():
            return index
    raise Unavailable(f"{_WHAT}: a row of {table} that was not asked for")
