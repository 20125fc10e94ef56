"""How many different keys were there: exact up to a bound, and beyond it an estimate in the same memory.

A device renews every five minutes, so a week of one device is two thousand decisions: shares of decisions are shares of
the busiest devices. Kept are the smallest hashes, as in a :class:`~attestation.appraisal.replay.key_sample.KeySample`:
hashes are uniform, so how closely they lie tells how many there are (Bar-Yossef et al. 2002). Counters merge without
loss.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

_ALL: Final = 1 << 64


def key_hash(key_id: str) -> int:
    """64 uniform bits of a key id, the same in every process."""
    return int.from_bytes(blake2b(key_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class DistinctKeys:
    """A count of different hashes: exact up to ``size``, beyond with a standard error of 1 / sqrt(size)."""

    __slots__ = ("_below", "_kept", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: set[int] = set()
        self._below = _ALL  # only smaller hashes are kept; `_ALL` as long as none was dropped

    def add(self, hashed: int) -> None:
        """Count a key by its :func:`key_hash`."""
        if hashed < self._below:
            self._kept.add(hashed)
            if len(self._kept) > self.size + self.size // 4:  # not for each one: it sorts
                self._drop()

    @property
    def is_exact(self) -> bool:
        self._drop()
        return self._below == _ALL

    def count(self) -> int:
        """The number of different keys; nearest whole number where it is an estimate."""
        self._drop()
        return round(len(self._kept) * _ALL / self._below)

    def merge(self, other: DistinctKeys) -> None:
        """Count the other's keys as well. Raises :class:`ValueError` for a counter of another size."""
        if other.size != self.size:
            raise ValueError("counters of different sizes do not merge")
        self._below = min(self._below, other._below)
        self._kept = {hashed for hashed in self._kept | other._kept if hashed < self._below}
        self._drop()

    def to_state(self) -> list[Any]:
        """JSON-ready, without loss."""
        self._drop()
        return [self.size, self._below, sorted(self._kept)]

    @classmethod
    def from_state(cls, state: list[Any], *, size: int) -> DistinctKeys:
        """The counter that :meth:`to_state` wrote. Raises :class:`ValueError` and the like for anything else."""
        counter = cls(size)
        counted_by, counter._below, kept = state
        counter._kept = {int(hashed) for hashed in kept}
        if counted_by != size:
            raise ValueError("the state of a counter of another size")
        return counter

    def _drop(self) -> None:
        """Keep no more than ``size`` hashes, the smallest."""
        if len(self._kept) > self.size:
            *kept, self._below = sorted(self._kept)[: self.size + 1]
            self._kept = set(kept)
