"""Keys of detectors' facts in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.detection.epochs import epoch_of
from service.keys.fact_keys import FactKeyRotation, FactKeys, FactPurpose, FactSeal

from tests.service_stack.drawn import Drawn
from tests.service_stack.fakes import SoftwareWrappingKey, Switch


@dataclass
class MemoryFactKeys(Switch):
    """:class:`service.keys.fact_keys.FactKeyTable`."""

    rows: dict[str, bytes] = field(default_factory=dict)

    def find(self, kid: str) -> bytes | None:
        self.touch()
        return self.rows.get(kid)

    def kids(self) -> frozenset[str]:
        self.touch()
        return frozenset(self.rows)

    def add(self, kid: str, wrapped: bytes, created_at: int) -> bool:
        self.touch()
        del created_at  # for the operator who looks at the table
        return self.rows.setdefault(kid, wrapped) is wrapped

    def remove(self, kid: str) -> None:
        self.touch()
        self.rows.pop(kid, None)


@dataclass
class MemoryFacts:
    """The keys of a stack, and what its processes make of them."""

    table: MemoryFactKeys = field(default_factory=MemoryFactKeys)
    wrapping: SoftwareWrappingKey = field(default_factory=SoftwareWrappingKey)

    def __post_init__(self) -> None:
        self.rotation = FactKeyRotation(self.table, self.wrapping, Drawn("fact keys"))

    def keys(self, now: float) -> FactKeys:
        """The keys of a process, with that of this moment at hand, as after its first request."""
        self.rotation.run(now)
        keys = FactKeys(self.table, self.wrapping)
        keys.find(FactPurpose.FACTS, epoch_of(now), now)
        return keys

    def seal(self, now: float) -> FactSeal:
        """What seals facts in such a process."""
        return FactSeal(self.keys(now))
