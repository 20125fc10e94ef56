"""Chance that is the same in every run."""

from __future__ import annotations

from hashlib import shake_256


class Drawn:
    """Random bytes that are the same in every run: SHAKE-256 of a seed and a running number."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return shake_256(f"{self._seed}/{self._count}".encode()).digest(size)
