"""Reading the structures of an APK Signing Block: little-endian numbers, and everything else after its length."""

from __future__ import annotations

from collections.abc import Iterator


class BrokenStructure(Exception):
    """The bytes end early, or go on where they should not."""


class LengthPrefixed:
    """A cursor over such a structure. Every read checks its length; nothing recurses."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._data)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes. Raises :class:`BrokenStructure`."""
        stop = self._position + size
        if stop > len(self._data):
            raise BrokenStructure
        taken = self._data[self._position : stop]
        self._position = stop
        return taken

    def number(self) -> int:
        """The next uint32."""
        return int.from_bytes(self.take(4), "little")

    def long(self) -> int:
        """The next uint64."""
        return int.from_bytes(self.take(8), "little")

    def prefixed(self) -> bytes:
        """The next length-prefixed bytes."""
        return self.take(self.number())

    def nested(self) -> LengthPrefixed:
        """A cursor over the next length-prefixed bytes."""
        return LengthPrefixed(self.prefixed())

    def items(self, limit: int) -> Iterator[LengthPrefixed]:
        """Cursors over all that follow, each length-prefixed; at most ``limit``."""
        for _ in range(limit):
            if self.at_end:
                return
            yield self.nested()
        self.finish()

    def rest(self) -> bytes:
        """Everything that was not read."""
        return self.take(len(self._data) - self._position)

    def finish(self) -> None:
        """Refuse bytes behind the last that was read."""
        if not self.at_end:
            raise BrokenStructure

    def expect(self, number: int) -> None:
        """Read a uint64 that must be ``number``."""
        if self.long() != number:
            raise BrokenStructure
