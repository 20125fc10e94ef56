"""Appends to the log: every entry once, in one order, whatever runs at the same time or dies in the middle.

The size of the log names the next step. Who wants to append at a size writes the entries down first, in an object of
that name which only one writer can create (``journal/<size>``). All the rest follows from it and from the log as it
was: tiles, bundles, root, and a signature that is always the same. So a second writer, or the next run after a crash,
carries out what is written down, with the same bytes, and the checkpoint moves from one step to the next by a
conditional write. A writer that comes late changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from service.ledger.entries import Entry, State, news, read_entry
from service.ledger.merkle import EMPTY_ROOT
from service.ledger.notes import Checkpoint, NoteKey, read_checkpoint, signed_note
from service.ledger.tiles import bundle_of, entries_in, grown, tile_path, tiles_of

CHECKPOINT: Final = "checkpoint"
KEY: Final = "key"
"""Where the key of the log is written, for the operator who asks the root to endorse it."""
MOST_AT_ONCE: Final = 1_000
"""Entries of one step."""


class Stored(NamedTuple):
    """An object, and the tag by which a conditional write names what it replaces."""

    data: bytes
    tag: str


class Objects(Protocol):
    """Where the log lies. Every method raises :class:`~service.errors.Unavailable`."""

    def get(self, path: str) -> Stored | None:
        """An object, or ``None``."""

    def put(self, path: str, data: bytes) -> None:
        """Write an object, whatever stands there."""

    def put_if(self, path: str, data: bytes, tag: str | None) -> bool:
        """Write an object if what stands there has this tag; ``None``: if nothing does. False: it is another."""


class LedgerDamaged(Exception):
    """An object that the log needs is not there. The message says which."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One log. ``sign`` gives an Ed25519 signature by ``key``; it must be the same for the same text."""

    objects: Objects
    key: NoteKey
    sign: Callable[[bytes], bytes]

    def append(self, find: Callable[[State], Iterable[Entry]]) -> int:
        """Append what ``find`` finds and the log lacks, at most :data:`MOST_AT_ONCE`; how many were appended at this
        step, by this call or by another one.

        Raises :class:`~service.errors.Unavailable`, :class:`~service.ledger.notes.NoteRejected`,
        :class:`~service.ledger.tiles.TilesDamaged` and :class:`LedgerDamaged`: then nothing is lost, and the next call
        goes on.
        """
        head, tag = self._head()
        state = self._state(head.size)
        path = f"journal/{head.size}"
        written = self.objects.get(path)
        if written is None:
            wanted = [entry.to_bytes() for entry, _ in zip(news(state, find(state)), range(MOST_AT_ONCE), strict=False)]
            if not wanted:
                return 0
            self.objects.put_if(path, bundle_of(wanted), None)
            written = self.objects.get(path)  # another writer may have been first
        if written is None:
            raise LedgerDamaged(f"{path} was written and is not there")
        entries = entries_in(written.data, path)
        self._carry_out(head, tag, state, entries)
        return len(entries)

    def _carry_out(self, head: Checkpoint, tag: str | None, state: State, entries: list[bytes]) -> None:
        if tag is None:
            self.objects.put(KEY, f"{self.key}\n".encode())
        growth = grown(self._read, head.size, entries)
        for place, data in growth.objects.items():
            self.objects.put(place, data)
        for entry in entries:
            state.add(read_entry(entry))
        size = head.size + len(entries)
        self.objects.put(f"state/{size}", state.to_json())
        note = signed_note(Checkpoint(self.key.name, size, growth.root).text, self.key, self.sign)
        self.objects.put_if(CHECKPOINT, note.encode(), tag)  # or another writer did it, with the same bytes

    def _head(self) -> tuple[Checkpoint, str | None]:
        found = self.objects.get(CHECKPOINT)
        if found is None:
            return Checkpoint(self.key.name, 0, EMPTY_ROOT), None
        return read_checkpoint(found.data.decode("utf-8", "replace"), self.key), found.tag

    def _state(self, size: int) -> State:
        if size == 0:
            return State()
        stored = self.objects.get(f"state/{size}")
        if stored is not None:
            return State.from_json(stored.data)
        state = State()
        for index, width in tiles_of(size):
            path = tile_path("entries", index, width)
            for entry in entries_in(self._read(path), path):
                state.add(read_entry(entry))
        return state

    def _read(self, path: str) -> bytes:
        found = self.objects.get(path)
        if found is None:
            raise LedgerDamaged(f"{path} is not there")
        return found.data
