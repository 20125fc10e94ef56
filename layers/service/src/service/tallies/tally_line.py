"""Reads one tally line, strictly: a line that differs in anything from what processes of ours write counts for nothing.

Lines come through logs, also those of other stacks. What a forged one could do is count wrongly: no verdict depends on
tallies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple, NoReturn

from bonafide_tokens.counting.key_sketch import KeySketch
from bonafide_tokens.errors import BonafideError, TokenError

from service.tallies.rows import FACTS, OUTCOMES, UNKNOWN_APP, BundleSeen, Cell
from service.tallies.rows import STEPS as STEPS

VERSION: Final = 1
MAX_LINE: Final = 32_768
"""Characters of a line."""
OLDEST: Final = 86_400
"""Seconds for which a process may have been frozen before it wrote."""
AHEAD: Final = 60
"""Seconds that another machine's clock may be ahead."""

_TEXT: Final = 96  # octets, as JSON writes the text in ASCII
_MOST: Final = 10**12
_ID: Final = re.compile("([0-9a-f]{16})-([1-9][0-9]{0,11})", re.ASCII)
_REQUIRED: Final = frozenset({"message", "v", "id", "source", "counts"})
_OPTIONAL: Final = frozenset({"level", "timestamp", "service"})  # what loggers put on every line
_COUNTS: Final = frozenset({"at", "app", "cells"})
_MORE_COUNTS: Final = frozenset({"other", "keys"})


@unique
class Reason(StrEnum):
    """Why a line counts for nothing."""

    DAMAGED = "damaged"  # no JSON, or not what the format says
    TOO_LARGE = "too-large"
    TOO_OLD = "too-old"
    IN_THE_FUTURE = "in-the-future"
    UNKNOWN_MEMBERS = "unknown-members"
    UNKNOWN_VERSION = "unknown-version"


class UnreadableTally(BonafideError[Reason]):
    """A line, or a whole payload, is not counted."""


class LineId(NamedTuple):
    """Which line it is: of which process (16 hexadecimal digits), and its number there."""

    process: str
    number: int


@dataclass(frozen=True, slots=True)
class BucketCounts:
    """What a process counted of one app in the two seconds that begin at ``at``."""

    at: int
    app: str
    cells: Mapping[Cell, int]
    other: Mapping[str, int]
    keys: Mapping[str, KeySketch]


@dataclass(frozen=True, slots=True)
class TallyLine:
    """One line, checked."""

    id: LineId
    source: str
    counts: tuple[BucketCounts, ...]
    bundle: BundleSeen | None = None


def read_tally_line(text: object, *, now: float) -> TallyLine:
    """The tally on a line, at ``now`` (Unix seconds). Raises :class:`UnreadableTally` and nothing else.

    A line without the name of an app is one of :data:`~service.tallies.rows.UNKNOWN_APP`.
    """
    if not isinstance(text, str):
        _refuse(Reason.DAMAGED, "no text")
    if len(text) > MAX_LINE:
        _refuse(Reason.TOO_LARGE, "a line of more than 32 KB")
    try:
        members = json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _refuse(Reason.DAMAGED, "no JSON")
    if not isinstance(members, dict) or members.get("message") != "tally":
        _refuse(Reason.DAMAGED, "no tally")
    if type(members.get("v")) is not int or members["v"] != VERSION:
        _refuse(Reason.UNKNOWN_VERSION, "another version")
    source = members.get("source")
    if not isinstance(source, str) or source not in OUTCOMES:
        _refuse(Reason.DAMAGED, "an unknown source")
    own = {"bundle"} if source == "authorize" else set()
    _check_names(members, _REQUIRED, _OPTIONAL | own)
    counts = members["counts"]
    if not isinstance(counts, list) or not counts:
        _refuse(Reason.DAMAGED, "no counts")
    if not all(isinstance(members.get(name, ""), str) for name in _OPTIONAL):
        _refuse(Reason.DAMAGED, "a logger's member that is no text")
    read = tuple(_counts(each, source, now) for each in counts)
    if len({(each.at, each.app) for each in read}) != len(read):
        _refuse(Reason.DAMAGED, "a bucket twice")
    return TallyLine(_line_id(members["id"]), source, read, _bundle(members.get("bundle")))


def _counts(members: Any, source: str, now: float) -> BucketCounts:
    _check_names(members, _COUNTS, _MORE_COUNTS)
    at = members["at"]
    if type(at) is not int or not 0 <= at <= _MOST or at % STEPS[0]:
        _refuse(Reason.DAMAGED, "no time of a bucket")
    if at < now - OLDEST:
        _refuse(Reason.TOO_OLD, "more than a day old")
    if at > now + AHEAD:
        _refuse(Reason.IN_THE_FUTURE, "a time to come")
    if not isinstance(members["cells"], list):
        _refuse(Reason.DAMAGED, "no cells")
    cells: dict[Cell, int] = {}
    for each in members["cells"]:
        if not isinstance(each, list) or len(each) != 4:
            _refuse(Reason.DAMAGED, "no cell")
        outcome, why, facts, times = each
        if not isinstance(facts, list) or len(facts) != len(FACTS[source]):
            _refuse(Reason.DAMAGED, "no facts of this source")
        cell = Cell(_outcome(outcome, source), _text(why), tuple(map(_text, facts)))
        if cell in cells:
            _refuse(Reason.DAMAGED, "a cell twice")
        cells[cell] = _number(times)
    other = _by_outcome(members.get("other", {}), source)
    if not cells and not other:
        _refuse(Reason.DAMAGED, "nothing counted")
    return BucketCounts(
        at=at,
        app=_text(members["app"]) or UNKNOWN_APP,
        cells=cells,
        other={outcome: _number(times) for outcome, times in other.items()},
        keys={outcome: _sketch(text) for outcome, text in _by_outcome(members.get("keys", {}), source).items()},
    )


def _check_names(members: Any, required: frozenset[str], allowed: frozenset[str] | set[str]) -> None:
    if not isinstance(members, dict) or not required <= members.keys():
        _refuse(Reason.DAMAGED, "a member is missing")
    if not members.keys() <= required | allowed:
        _refuse(Reason.UNKNOWN_MEMBERS, "members that this version does not know")


def _line_id(value: Any) -> LineId:
    found = _ID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _refuse(Reason.DAMAGED, "no id of a line")
    return LineId(found[1], int(found[2]))


def _bundle(value: Any) -> BundleSeen | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        _refuse(Reason.DAMAGED, "no bundle")
    version, age = value
    if type(version) is not int or type(age) not in (int, float) or not 0 <= version <= _MOST or not 0 <= age <= _MOST:
        _refuse(Reason.DAMAGED, "no version and age of a bundle")
    return BundleSeen(version, version, float(age))


def _by_outcome(value: Any, source: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= set(OUTCOMES[source]):
        _refuse(Reason.DAMAGED, "not by outcome")
    return value


def _outcome(value: Any, source: str) -> str:
    if not isinstance(value, str) or value not in OUTCOMES[source]:
        _refuse(Reason.DAMAGED, "an unknown outcome")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(quoted(value)) - 2 > _TEXT:
        _refuse(Reason.DAMAGED, "a text that is none, or too long")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 < value <= _MOST:
        _refuse(Reason.DAMAGED, "no count")
    return value


def _sketch(value: Any) -> KeySketch:
    if not isinstance(value, str):
        _refuse(Reason.DAMAGED, "no sketch")
    try:
        return KeySketch.from_text(value)
    except TokenError:
        _refuse(Reason.DAMAGED, "no sketch")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _no_number(_name: str) -> NoReturn:
    raise ValueError("no number of JSON")


def _refuse(reason: Reason, detail: str) -> NoReturn:
    raise UnreadableTally(reason, detail)
