"""A few of the keys that a change would hit, for a person to look up: a fair draw, with exact counts, bounded.

Kept are the keys with the smallest hashes. That is a uniform sample of different keys (not of the loudest), it does not
depend on the order of decisions, samples of parts merge into the sample of the whole, and a key that is in the final
sample was in it from its first decision on, so that its count is exact.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class SampledKey(NamedTuple):
    """One key of a sample. ``decisions`` counts its decisions in the bucket; the rest is of the latest of them.

    ``support_code`` is what the client was told, where the recorded decision was a refusal; ``rules`` are the draft's.
    """

    key_id: str
    decisions: int
    at: float
    app: str
    platform: str
    app_build: str
    model: str
    support_code: str
    rules: tuple[str, ...]


class KeySample:
    """Up to ``size`` keys. ``size`` may be 0: nothing is kept then."""

    __slots__ = ("_heap", "_kept", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: dict[int, SampledKey] = {}
        self._heap: list[int] = []  # negated hashes: the largest is on top

    def wants(self, hashed: int) -> bool:
        """Whether a key with this hash would be kept; ask before making a :class:`SampledKey` in vain."""
        return len(self._heap) < self.size or (self.size > 0 and hashed <= -self._heap[0])

    def add(self, hashed: int, seen: SampledKey) -> None:
        """Offer one key with what was seen of it."""
        if not self.wants(hashed):
            return
        known = self._kept.get(hashed)
        if known is not None:
            latest = max(known, seen, key=lambda one: (one.at, one.support_code, one.rules))
            self._kept[hashed] = latest._replace(decisions=known.decisions + seen.decisions)
            return
        self._kept[hashed] = seen
        heapq.heappush(self._heap, -hashed)
        if len(self._heap) > self.size:
            del self._kept[-heapq.heappop(self._heap)]

    def drawn(self) -> tuple[SampledKey, ...]:
        """The sample; keys with most decisions first."""
        return tuple(sorted(self._kept.values(), key=lambda one: (-one.decisions, one.key_id)))

    def merge(self, other: KeySample) -> None:
        """Take over what the other sampled."""
        for hashed, seen in other._kept.items():
            self.add(hashed, seen)

    def to_state(self) -> list[list[Any]]:
        """JSON-ready, without loss."""
        return [[hashed, *seen] for hashed, seen in sorted(self._kept.items())]

    @classmethod
    def from_state(cls, state: Iterable[Iterable[Any]], size: int) -> KeySample:
        """The sample that :meth:`to_state` wrote. Raises :class:`ValueError` and the like for anything else."""
        sample = cls(size)
        for hashed, *seen in state:
            *texts, rules = seen
            sample.add(int(hashed), SampledKey._make([*texts, tuple(rules)]))
        return sample


def to_record(seen: SampledKey) -> Mapping[str, object]:
    """JSON for scripts."""
    return {**seen._asdict(), "rules": list(seen.rules)}
