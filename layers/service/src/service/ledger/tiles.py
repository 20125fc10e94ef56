"""A Merkle tree as static tiles, by C2SP tlog-tiles (https://c2sp.org/tlog-tiles): 256 hashes a tile, 256 entries a
bundle, each at a path of its own.

What is full never changes. The last tile of each level is partial, and its width is part of its path: so a path has one
content for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from service.ledger.merkle import HASH_BYTES, leaf_hash, node_hash, root_of, root_of_peaks

WIDTH: Final = 256
MAX_ENTRY: Final = 0xFFFF
"""Bytes of an entry, whose length has two bytes in a bundle."""


class TilesDamaged(Exception):
    """A tile or a bundle is not what its place asks for. The message says which."""


class Growth(NamedTuple):
    """What a longer tree adds: objects by their paths, and the root."""

    objects: dict[str, bytes]
    root: bytes


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Where a tile lies; ``level`` is a number, or ``entries`` for a bundle of entries."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return f"tile/{level}/{path}" + (f".p/{width}" if width < WIDTH else "")


def tiles_of(size: int, level: int = 0) -> Iterator[tuple[int, int]]:
    """Index and width of each tile of a level, for a tree of ``size`` entries."""
    hashes = size // WIDTH**level
    for index in range(-(-hashes // WIDTH)):
        yield index, min(WIDTH, hashes - index * WIDTH)


def bundle_of(entries: Sequence[bytes]) -> bytes:
    """Entries, each behind its length. Raises :class:`ValueError` for one that is too long."""
    if any(len(entry) > MAX_ENTRY for entry in entries):
        raise ValueError("an entry of a ledger has 65,535 bytes at most")
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def entries_in(bundle: bytes, where: str) -> list[bytes]:
    """The entries of a bundle. Raises :class:`TilesDamaged`."""
    found, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2])
        if at + 2 > len(bundle) or end > len(bundle):
            raise TilesDamaged(f"{where} ends within an entry")
        found.append(bundle[at + 2 : end])
        at = end
    return found


def hashes_in(tile: bytes, width: int, where: str) -> list[bytes]:
    """The hashes of a tile. Raises :class:`TilesDamaged`."""
    if len(tile) != width * HASH_BYTES:
        raise TilesDamaged(f"{where} has {len(tile)} bytes, not {width} hashes")
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def grown(read: Callable[[str], bytes], size: int, entries: Sequence[bytes]) -> Growth:
    """The tiles and bundles of a tree of ``size`` entries that got more, at least one. ``read`` gives an object of the
    tree as it was. Raises :class:`TilesDamaged`."""
    objects = dict(_bundles(read, size, entries))
    new = [leaf_hash(entry) for entry in entries]
    level, peaks = 0, list[list[bytes]]()
    while new or size >= WIDTH**level:
        index, width = divmod(size // WIDTH**level, WIDTH)
        path = tile_path(level, index, width)
        hashes = hashes_in(read(path), width, path) if width else []
        added, new = new, []
        hashes += added
        for begin in range(0, len(hashes) if added else 0, WIDTH):
            tile = hashes[begin : begin + WIDTH]
            objects[tile_path(level, index + begin // WIDTH, len(tile))] = b"".join(tile)
            if len(tile) == WIDTH:
                new.append(root_of(tile))
        peaks.append(_peaks(hashes[len(hashes) // WIDTH * WIDTH :]))
        level += 1
    return Growth(objects, root_of_peaks([peak for found in reversed(peaks) for peak in found]))


def _bundles(read: Callable[[str], bytes], size: int, entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    index, width = divmod(size, WIDTH)
    path = tile_path("entries", index, width)
    whole = [*(entries_in(read(path), path) if width else []), *entries]
    for begin in range(0, len(whole), WIDTH):
        bundle = whole[begin : begin + WIDTH]
        yield tile_path("entries", index + begin // WIDTH, len(bundle)), bundle_of(bundle)


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """The complete subtrees over hashes that are fewer than a tile, the largest first."""
    found, at = [], 0
    for height in range(8, -1, -1):
        if len(hashes) - at >= 1 << height:
            row = list(hashes[at : at + (1 << height)])
            while len(row) > 1:
                row = [node_hash(row[one], row[one + 1]) for one in range(0, len(row), 2)]
            found.append(row[0])
            at += 1 << height
    return found
