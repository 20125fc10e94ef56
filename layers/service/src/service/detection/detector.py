"""What a detector is: one that folds sightings into slots, or one that looks at tallies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from service.detection.finding import Finding
from service.detection.rates.window import TallyWindow
from service.detection.sighting import Sighting

MAX_SLOTS: Final = 3
"""Slots that one sighting may name, of one detector."""
MAX_SLOT_OCTETS: Final = 96
MAX_STATE: Final = 4_096
"""Bytes of a slot's state."""
MAX_TALLY_STATE: Final = 32_768
"""Bytes of what a detector over tallies keeps for one app."""


class Folded(NamedTuple):
    """A slot after some sightings. ``state`` is kept until ``keep_until`` (Unix seconds), and not written where it is
    as before; ``None`` keeps nothing. ``finding`` is what the state amounts to now."""

    state: bytes | None
    finding: Finding | None
    keep_until: float


class PopulationDetector(Protocol):
    """Sees sightings, one slot at a time. Deliveries come again, and several at once: folding a sighting twice changes
    nothing, and a finding is made whenever the state holds one, also where nothing changed."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Of the states' format: states of another version are left to expire."""
        ...

    def slots_of(self, sighting: Sighting) -> Sequence[str]:
        """The slots that a sighting belongs to: at most :data:`MAX_SLOTS` names, each of at most
        :data:`MAX_SLOT_OCTETS` octets. None costs nothing."""
        ...

    def fold(self, slot: str, state: bytes | None, sightings: Sequence[Sighting], now: float) -> Folded:
        """The slot after ``sightings``, all of one app, in order of time; ``state`` is what it was before."""
        ...


class Looked(NamedTuple):
    """What a detector over tallies keeps for the app, and its findings."""

    state: bytes | None
    findings: Sequence[Finding]


class TallyDetector(Protocol):
    """Looks at an app's tallies once a minute; a minute may be looked at twice, or left out."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Of the state's format."""
        ...

    def look(self, tallies: TallyWindow, state: bytes | None, now: float) -> Looked:
        """What the tallies amount to at ``now``; ``state`` is what it kept before."""
        ...
