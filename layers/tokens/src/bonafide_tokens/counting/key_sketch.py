"""How many different keys: an estimate in constant memory (HyperLogLog), to be added up over processes and time.

The standard error is 1.04 / √1024 = 3.25 %; few keys are counted almost exactly, because then nearly every key has a
register of its own. A client that names keys freely can drive an estimate up: of keys that were only claimed, it is
worth as much as the claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from bonafide_tokens.counting.tally import RANK_BITS, ranks_of, text_of
from bonafide_tokens.errors import Malformed, Reason
from bonafide_tokens.jose import b64url_decode

REGISTERS: Final = 1_024
STANDARD_ERROR: Final = 0.0325
"""Of an estimate, as a share of it."""
_HALF_BY_LN2: Final = 0.7213475204444817


class KeySketch:
    """The keys of some time, as far as their number is concerned."""

    __slots__ = ("_ranks",)

    def __init__(self) -> None:
        self._ranks: dict[int, int] = {}

    def add(self, key_id: str) -> None:
        """Count a key; again is no difference."""
        self._raise(ranks_of((key_id,)))

    def merge(self, other: KeySketch) -> None:
        """Count every key that ``other`` counted."""
        self._raise(other._ranks)

    def estimate(self) -> float:
        """How many keys; by O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), §4, which
        needs no corrections for small or large numbers."""
        if not self._ranks:
            return 0.0
        share, weight = 1 - len(self._ranks) / REGISTERS, 1.0
        total = sum(2.0**-rank for rank in self._ranks.values()) + REGISTERS * share
        while share > 1e-12:
            share *= share
            total += REGISTERS * share * weight
            weight += weight
        return _HALF_BY_LN2 * REGISTERS * REGISTERS / total

    def to_text(self) -> str:
        """The registers that are not zero, as a tally line has them."""
        return text_of(self._ranks)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Inverse of :meth:`to_text`. Raises :class:`~bonafide_tokens.errors.Malformed`."""
        data, found = b64url_decode(text), cls()
        found._ranks = {data[at] << 2 | data[at + 1] >> 6: data[at + 1] & 63 for at in range(0, len(data) - 1, 2)}
        if found.to_text() != text or not all(0 < rank <= RANK_BITS + 1 for rank in found._ranks.values()):
            raise Malformed(Reason.ENCODING_INVALID, "no sketch of keys")
        return found

    def _raise(self, ranks: Mapping[int, int]) -> None:
        for register, rank in ranks.items():
            self._ranks[register] = max(rank, self._ranks.get(register, 0))
