"""Decisions counted instead of listed: what one process saw in each two seconds, on one line.

A bucket is written when the next one begins, and at once where an outcome shows up that its two seconds and those
before did not have: the first decision of a quiet process, the first refusal of an outbreak. Nothing that a client
chooses makes a line longer than 32,768 octets: each outcome has its own room for cells. What finds none is counted by
outcome and reason, what finds none there by outcome, and in the end without its app. Pure: the time is an argument.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple
from weakref import WeakSet

from bonafide_tokens.jose import b64url_encode

STEP: Final = 2
"""Seconds of a bucket; it begins at an even second."""
MAX_TEXT: Final = 96
"""Octets of one text, as JSON writes it in ASCII."""
LISTED: Final = 32
"""Decisions of one outcome that a process lists in two seconds before it lists fewer, each with its weight."""
RANK_BITS: Final = 54
"""Bits of a key's eight bytes beside the ten that choose its register."""
_ROOM: Final = 7_800  # octets for the cells of an outcome; and for all sketches of keys
_BESIDE: Final = 60  # octets that an app's first cell brings with it, or its first key


class Cell(NamedTuple):
    """What is counted together. ``facts`` are those of the source, in its order, each empty where it is not known;
    ``None`` where only the outcome is told."""

    app: str
    outcome: str
    why: str = ""
    facts: tuple[str, ...] | None = ()


class Tally:
    """The decisions of one source in one process, not for several threads at once. Hands each line to ``write``.

    ``head(at)`` are the members that the line of a bucket begins with, its id among them. It is not asked before the
    first line: what is drawn at random earlier may be in a snapshot from which many processes begin. Keys are held for
    their two seconds, so as many as a process decides about in that time.
    """

    def __init__(self, source: str, write: Callable[[str], None], head: Callable[[int], Mapping[str, object]]) -> None:
        self._source, self._write, self._head, self._at, self._shift = source, write, head, 0, 0
        self._numbers, self._before = Counter[str](), Counter[str]()
        self._cells, self._apps, self._room = Counter[Cell](), set[str](), defaultdict[str, int](lambda: _ROOM)
        self._keys = defaultdict[tuple[str, str], set[str]](set)
        TALLIES.add(self)

    def count(self, now: float, cell: Cell, key_id: str = "") -> int:
        """Count a decision made at ``now`` (Unix seconds), and say for how many it stands in a list of such decisions;
        0 where it is not to be listed.

        Of one outcome in two seconds, the first 32 are listed, then 8 of the next 32, 8 of the next 64, 8 of the next
        128, and so on: a million are 152 lines. Which ones differs from bucket to bucket and cannot be foreseen, so
        that no order of requests hides anything. The weights add up to what was decided, to less than the last one.
        """
        at, outcome = int(now) // STEP * STEP, cell.outcome
        if at != self._at:
            self.flush()
            self._before = self._numbers if 0 < at - self._at <= STEP else Counter()
            self._numbers, self._at, self._shift = Counter(), at, hash(str(at))
        if cell not in self._cells:
            cell = self._admitted(cell)
        self._cells[cell] += 1
        if key_id:
            self._keys[cell.app, outcome].add(key_id)
        number = self._numbers[outcome] = self._numbers[outcome] + 1
        if number == 1 and not self._before[outcome]:
            self.flush()
        weight = 2 << times.bit_length() if (times := (number - 1) // LISTED) else 1
        return 0 if (number + self._shift) % weight else weight

    def flush(self) -> None:
        """Write what is counted, if anything is."""
        if self._cells:
            line = {**self._head(self._at), "v": 1, "source": self._source, "counts": self._counts()}
            for counted in (self._cells, self._apps, self._keys, self._room):
                counted.clear()
            self._write(dumps(line, separators=(",", ":")))

    def _admitted(self, cell: Cell) -> Cell:
        app, outcome, why, facts = cell
        app, why, facts = beginning(app), beginning(why), tuple(map(beginning, facts or ()))
        blank = Cell(app, outcome, why, ("",) * len(facts))
        for one, kept in ((blank._replace(facts=facts), 2_000), (blank, 1_000), (Cell(app, outcome, "", None), 0)):
            size = 0 if one in self._cells else len(dumps(one)) + (0 if app in self._apps else _BESIDE)
            if size <= max(0, self._room[outcome] - kept):
                self._room[outcome] -= size
                self._apps.add(app)
                return one
        return Cell("", outcome, "", None)

    def _counts(self) -> list[dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for cell, times in self._cells.items():
            entry = entries.setdefault(cell.app, {"at": self._at, "app": cell.app, "cells": []})
            if cell.facts is None:
                entry.setdefault("other", {})[cell.outcome] = times
            else:
                entry["cells"].append((*cell[1:], times))
        room = _ROOM
        for (app, outcome), keys in sorted(self._keys.items(), key=lambda counted: counted[0][1]):
            room -= len(text := text_of(ranks_of(keys))) + _BESIDE
            if room >= 0:
                entries[app].setdefault("keys", {})[outcome] = text
        return list(entries.values())


TALLIES: Final = WeakSet[Tally]()
"""All of this process, for what runs processes that are not frozen: to have the last bucket written too."""


def beginning(text: str) -> str:
    """As much of ``text`` as takes :data:`MAX_TEXT` octets in a line."""
    while len(quoted(text)) - 2 > MAX_TEXT:
        text = text[: min(len(text) - 1, MAX_TEXT)]
    return text


def ranks_of(keys: Iterable[str]) -> dict[int, int]:
    """What is noted of keys, to estimate later how many there were (:mod:`bonafide_tokens.counting.key_sketch`): of
    1,024 registers those that are not zero, each the highest rank of the keys that fell to it.

    A key's number is the first eight bytes of the SHA-256 of its id, also where the id is a digest itself, which a
    client that makes up ids could choose.
    """
    ranks: dict[int, int] = {}
    for key_id in keys:
        number = int.from_bytes(sha256(key_id.encode("utf-8", "surrogatepass")).digest()[:8])
        register, rest = number >> RANK_BITS, number & (1 << RANK_BITS) - 1
        ranks[register] = max(ranks.get(register, 0), RANK_BITS + 1 - rest.bit_length())
    return ranks


def text_of(ranks: Mapping[int, int]) -> str:
    """Two bytes for each register (ten bits its number, six bits the rank), in unpadded base64url."""
    return b64url_encode(b"".join((register << 6 | rank).to_bytes(2) for register, rank in sorted(ranks.items())))
