"""Tiles as C2SP tlog-tiles has them."""

from __future__ import annotations

from collections import Counter

import pytest
from service.ledger.entries import EntryUnreadable, State, build_entry, bundle_entry, policy_entry, read_entry
from service.ledger.merkle import leaf_hash, root_of
from service.ledger.tiles import TilesDamaged, bundle_of, entries_in, grown, hashes_in, tile_path, tiles_of


def nothing(path: str) -> bytes:
    raise AssertionError(f"{path} was read of an empty tree")


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ((0, 0), "tile/0/000"),
        ((0, 7, 3), "tile/0/007.p/3"),
        ((1, 999, 256), "tile/1/999"),
        ((0, 1000), "tile/0/x001/000"),
        (("entries", 1_234_067), "tile/entries/x001/x234/067"),
        ((2, 1_234_067, 255), "tile/2/x001/x234/067.p/255"),
    ],
)
def test_paths_are_the_specifications(place: tuple[int, int], path: str) -> None:
    assert tile_path(*place) == path


@pytest.mark.long
def test_tree_of_the_specifications_example() -> None:
    """70,000 entries: 273 full tiles of level 0 and one of 112, a full one of level 1 and one of 17, one of level 2."""
    entries = [b"%d" % number for number in range(70_000)]
    growth = grown(nothing, 0, entries)
    kinds = Counter((path.split("/")[1], path.split(".p/")[1] if ".p/" in path else "full") for path in growth.objects)

    assert kinds == {
        ("0", "full"): 273, ("0", "112"): 1, ("1", "full"): 1, ("1", "17"): 1, ("2", "1"): 1,
        ("entries", "full"): 273, ("entries", "112"): 1,
    }  # fmt: skip
    assert growth.root == root_of([leaf_hash(entry) for entry in entries])
    assert list(tiles_of(70_000, 1)) == [(0, 256), (1, 17)]
    assert list(tiles_of(70_000, 2)) == [(0, 1)]


@pytest.mark.parametrize("size", [1, 2, 3, 127, 255, 256, 257, 511, 512, 600])
@pytest.mark.parametrize("more", [1, 2, 255, 256, 300])
def test_growing_is_as_if_the_tree_had_been_whole(size: int, more: int) -> None:
    entries = [b"%d" % number for number in range(size + more)]
    objects = grown(nothing, 0, entries[:size]).objects
    growth = grown(objects.__getitem__, size, entries[size:])
    whole = grown(nothing, 0, entries)

    assert growth.root == whole.root
    assert {**objects, **growth.objects}.items() >= whole.objects.items()


def test_entries_of_a_bundle_are_read_back() -> None:
    entries = [b"", b"a", b"b" * 65_535]

    assert entries_in(bundle_of(entries), "it") == entries
    for broken in (b"\0", bundle_of(entries)[:-1], bundle_of([b"a"]) + b"\0"):
        with pytest.raises(TilesDamaged, match="it ends within"):
            entries_in(broken, "it")
    with pytest.raises(ValueError, match="65,535"):
        bundle_of([b"b" * 65_536])
    with pytest.raises(TilesDamaged, match="not 2 hashes"):
        hashes_in(bytes(63), 2, "it")


ENTRIES = [
    policy_entry("demo", 3, "ab", 1),
    bundle_entry("demo", 9, "a.b.c", 2),
    build_entry("demo", "android", 'odd "build" #1', {"dex": ["aa"]}, 3),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_entry_is_read_back_and_has_one_spelling(entry: object) -> None:
    data = entry.to_bytes()  # type: ignore[attr-defined]

    assert read_entry(data) == entry
    for wrong in (
        data + b" ", b" " + data, data[:-1], data.replace(b'"at"', b'"when"'), data.replace(b'"kind"', b'"sort"'),
        data.replace(b'"digest":"', b'"digest":"\\u0061'), data.replace(b"}", b',"x":1}'), b"[]", b"", b"\xff", b"1",
        b"[" * 100_000, data.replace(b'"demo"', b"true"),
    ):  # fmt: skip
        with pytest.raises(EntryUnreadable):
            read_entry(wrong)


def test_state_is_read_back() -> None:
    state = State()
    for entry in ENTRIES:
        state.add(entry)

    assert State.from_json(state.to_json()) == state
    for wrong in (b"", b"{}x", b"[[1]]", b'[["a","b","c","d"]]', b"1"):
        with pytest.raises(ValueError):
            State.from_json(wrong)
