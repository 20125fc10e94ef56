"""Builds, models and systems of an app: which are known, and what came of those that are new.

A value is *watched* from its first sight on, and *known* once it did well, or was watched long enough. Who names values
proves nothing, so both lists are bounded: of what is watched, the values with the most refusals stay.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Self

KINDS: Final = ("build", "os", "model")
MAX_WATCHED: Final = 32
"""Of each kind."""
MAX_KNOWN: Final = 2_000
MAX_SPREAD: Final = 24
"""Different company in which a value was refused, beyond which it is not counted."""
MAX_REASONS: Final = 4

_DAY: Final = 86_400
_MONTH: Final = 30 * _DAY
_LARGEST: Final = 1 << 18
_ENTRY: Final = 6
_VERSION: Final = 1


class Value(NamedTuple):
    """A build, OS or model, as devices name it. ``kind`` is one of :data:`KINDS`."""

    kind: str
    platform: str
    name: str

    @property
    def digest(self) -> bytes:
        """Four bytes that stand for it among the known."""
        return blake2b("\0".join(self).encode("utf-8", "replace"), digest_size=4).digest()


@dataclass(slots=True)
class Watched:
    """What came of a value since ``first``. ``spread`` are digests of the company in which it was refused (of a build:
    OS, model and country); one phone that tries all day has one. ``last`` is the minute of the newest refusal."""

    first: int
    accepted: int = 0
    refused: int = 0
    last: int = 0
    seen: int = 0
    spread: set[int] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, at: int, outcome: str, why: str, company: tuple[str, ...], times: int) -> None:
        """Count decisions of one cell of the minute that begins at ``at``."""
        self.seen = max(self.seen, at)
        if outcome == "accepted":
            self.accepted += times
            return
        self.refused += times
        self.last = max(self.last, at)
        if len(self.spread) < MAX_SPREAD:
            self.spread.add(
                int.from_bytes(blake2b("\0".join(company).encode("utf-8", "replace"), digest_size=2).digest())
            )
        if why in self.reasons or len(self.reasons) < MAX_REASONS:
            self.reasons[why] += times

    @property
    def share(self) -> float:
        """How much of it was refused."""
        return self.refused / max(1, self.refused + self.accepted)


@dataclass(slots=True)
class Values:
    """The values of one app. ``first`` is when the app's first decision was counted, ``counted`` the time up to which
    minutes are counted (Unix seconds). ``usual`` has, by platform, refused and accepted decisions of the last day or
    so; ``new`` by kind how many values were new in the last month or so."""

    first: int = 0
    counted: int = 0
    usual: dict[str, list[float]] = field(default_factory=dict)
    new: dict[str, float] = field(default_factory=dict)
    watched: dict[Value, Watched] = field(default_factory=dict)
    known: dict[bytes, int] = field(default_factory=dict)
    _asked: dict[Value, bool] = field(default_factory=dict, init=False, repr=False)

    def knows(self, value: Value, day: int) -> bool:
        """Whether a value is known; then it was seen on this day."""
        asked = self._asked.get(value)
        if asked is None:
            digest = value.digest
            asked = self._asked[value] = digest in self.known
            if asked:
                self.known[digest] = day
        return asked

    def learn(self, value: Value, day: int) -> None:
        """Watch a value no longer: it is known."""
        self.watched.pop(value, None)
        self._asked.pop(value, None)
        self.known[value.digest] = day
        if len(self.known) > MAX_KNOWN:
            del self.known[min(self.known, key=lambda digest: (self.known[digest], digest))]

    def watch(self, value: Value, at: int) -> Watched:
        """What is watched of a value, from now on if it was not."""
        found = self.watched.get(value)
        if found is not None:
            return found
        alike = [one for one in self.watched if one.kind == value.kind]
        if len(alike) >= MAX_WATCHED:
            del self.watched[min(alike, key=lambda one: (self.watched[one].refused, self.watched[one].seen))]
        self.new[value.kind] = self.new.get(value.kind, 0.0) + 1
        self.watched[value] = Watched(at)
        return self.watched[value]

    def pass_time(self, until: int) -> None:
        """Let what is older count for less, up to ``until``."""
        seconds = max(0, until - self.counted) if self.counted else 0
        self.counted = max(self.counted, until)
        for counts in self.usual.values():
            counts[:] = [count * math.exp2(-seconds / _DAY) for count in counts]
        for kind in self.new:
            self.new[kind] *= math.exp(-seconds / _MONTH)

    def usual_share(self, platform: str) -> float:
        """Which share of a platform's decisions is refused as a rule, between half a percent and a half."""
        refused, accepted = self.usual.get(platform, (0.0, 0.0))
        return min(0.5, max(0.005, (refused + 1) / (refused + accepted + 50)))

    def to_bytes(self) -> bytes:
        """Inverse of :meth:`from_bytes`."""
        head = {
            "v": _VERSION,
            "at": [self.first, self.counted],
            "usual": {platform: [round(count, 2) for count in counts] for platform, counts in self.usual.items()},
            "new": {kind: round(count, 3) for kind, count in self.new.items()},
            "watched": [
                [*value, one.first, one.accepted, one.refused, one.last, one.seen, sorted(one.spread), one.reasons]
                for value, one in self.watched.items()
            ],
        }
        text = json.dumps(head, separators=(",", ":")).encode("ascii")
        known = b"".join(digest + day.to_bytes(2) for digest, day in sorted(self.known.items()))
        return zlib.compress(len(text).to_bytes(4) + text + known, 6)

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Self:
        """What :meth:`to_bytes` wrote; nothing yet from ``None``. Raises :class:`ValueError`."""
        if data is None:
            return cls()
        try:
            plain = zlib.decompressobj().decompress(data, _LARGEST)
            size = 4 + int.from_bytes(plain[:4])
            head: dict[str, Any] = json.loads(plain[4:size])
            found = cls(int(head["at"][0]), int(head["at"][1]), head["usual"], head["new"])
            for kind, platform, name, first, accepted, refused, last, seen, spread, reasons in head["watched"]:
                found.watched[Value(kind, platform, name)] = Watched(
                    first, accepted, refused, last, seen, set(spread), Counter(reasons)
                )
            for begin in range(size, len(plain), _ENTRY):
                found.known[plain[begin : begin + 4]] = int.from_bytes(plain[begin + 4 : begin + _ENTRY])
            return found
        except (KeyError, TypeError, zlib.error) as error:
            raise ValueError("no watched values") from error
