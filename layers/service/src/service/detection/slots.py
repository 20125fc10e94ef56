"""Where detectors' states are kept, and the same in memory for tests and for judging detectors by recorded days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Slot(NamedTuple):
    """One detector's row: of which app, detector and format, and which of its slots."""

    app: str
    detector: str
    version: int
    name: str


class Held(NamedTuple):
    """A slot as it was read. ``revision`` is empty where there is no row."""

    state: bytes | None
    revision: str


class Slots(Protocol):
    """The states. Reads may be a moment old; writes tell."""

    def read(self, slots: Sequence[Slot], now: float, *, newest: bool = False) -> Mapping[Slot, Held]:
        """Each slot as it is, or was a moment ago unless ``newest``. Raises :class:`~service.errors.Unavailable`."""
        ...

    def write(self, slot: Slot, state: bytes | None, before: Held, keep_until: float, now: float) -> bool:
        """Keep a state until ``keep_until`` (Unix seconds), or nothing, unless another was written since ``before`` was
        read: then false. Raises :class:`~service.errors.Unavailable`."""
        ...


@dataclass(slots=True)
class InMemorySlots:
    """Slots in a dictionary, with the semantics of the table's: revisions, and nothing is read after its time."""

    rows: dict[Slot, tuple[bytes, str, float]] = field(default_factory=dict)
    reads: int = 0
    writes: int = 0

    def read(self, slots: Sequence[Slot], now: float, *, newest: bool = False) -> Mapping[Slot, Held]:
        """As the protocol says; what is read is always the newest."""
        del newest
        self.reads += len(slots)
        found = {}
        for slot in slots:
            state, revision, keep_until = self.rows.get(slot, (None, "", 0.0))
            found[slot] = Held(state if keep_until > now else None, revision)
        return found

    def write(self, slot: Slot, state: bytes | None, before: Held, keep_until: float, now: float) -> bool:
        """As the protocol says."""
        del now
        if self.rows.get(slot, (None, "", 0.0))[1] != before.revision:
            return False
        self.writes += 1
        if state is None:
            self.rows.pop(slot, None)
        else:
            self.rows[slot] = state, str(self.writes), keep_until
        return True

    def forget(self, now: float) -> None:
        """Delete what has had its time, as the table's TTL does."""
        for slot in [slot for slot, (_, _, keep_until) in self.rows.items() if keep_until <= now]:
            del self.rows[slot]
