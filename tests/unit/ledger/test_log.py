"""Appending to the log: every entry once, whoever writes, and wherever a writer dies."""

from __future__ import annotations

import pytest
from service.ledger.entries import Entry, build_entry
from service.ledger.log import MOST_AT_ONCE, LedgerDamaged
from service.ledger.notes import read_checkpoint

from bonafide.ledger.audit import Log, consistency_faults, order_faults, read_log
from tests.ledger.memory import KEY, Objects, Reader, Stopped, filled, found, ledger_in, versions


def read(objects: Objects) -> Log:
    log = read_log(Reader(objects), KEY)
    assert list(order_faults(log)) == []
    return log


def names(log: Log) -> list[tuple[str, int]]:
    return [(entry.subject.name, entry.version) for entry in log.entries]


def test_entries_stand_in_their_order_and_once() -> None:
    objects = filled(versions("a", 1, 3), versions("a", 1, 5) + versions("b", 1, 1))

    assert names(read(objects)) == [("a", 1), ("a", 2), ("a", 3), ("a", 4), ("a", 5), ("b", 1)]
    assert ledger_in(objects).append(found(versions("a", 1, 5))) == 0


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 700])
def test_log_grows_over_the_ends_of_tiles(size: int) -> None:
    """In steps of odd sizes; each step's checkpoint is a beginning of the last one."""
    objects, seen = Objects(), []
    for last in [*range(37, size, 37), size]:
        ledger_in(objects).append(found(versions("a", 1, last)))
        seen.append(read_checkpoint(objects.stored["checkpoint"].decode(), KEY))
    log = read(objects)

    assert len(log.entries) == size
    assert [fault for old in seen for fault in consistency_faults(log, old)] == []


def test_many_entries_take_several_steps() -> None:
    objects = Objects()
    wanted = versions("a", 1, MOST_AT_ONCE + 1)

    assert [ledger_in(objects).append(found(wanted)) for _ in range(3)] == [MOST_AT_ONCE, 1, 0]


FIRST, MORE, OTHER = versions("a", 1, 3), versions("a", 1, 300), versions("a", 1, 5)


def _steps(entries: list[Entry]) -> int:
    objects = filled(FIRST)
    objects.steps = 0
    ledger_in(objects).append(found(entries))
    return objects.steps


@pytest.mark.parametrize("step", range(_steps(MORE)))
@pytest.mark.parametrize("dies", [True, False], ids=["dies", "goes on"])
def test_writer_is_overtaken_before_each_of_its_steps(step: int, dies: bool) -> None:
    """Another one, which found other entries, runs whole in between; then the first dies, or goes on."""
    objects = filled(FIRST)
    objects.steps = 0

    def overtake(at: int) -> None:
        if at == step:
            objects.before = lambda _step: None
            while ledger_in(objects).append(found(OTHER)):
                pass
            if dies:
                raise Stopped

    objects.before = overtake
    try:
        ledger_in(objects).append(found(MORE))
    except Stopped:
        pass
    while ledger_in(objects).append(found(MORE)):
        pass
    assert names(read(objects)) == [("a", number) for number in range(1, 301)]


@pytest.mark.parametrize("step", range(_steps(MORE)))
def test_writer_that_dies_is_followed_by_one_that_finishes(step: int) -> None:
    objects = filled(FIRST)
    objects.steps = 0

    def die(at: int) -> None:
        if at == step:
            raise Stopped

    objects.before = die
    with pytest.raises(Stopped):
        ledger_in(objects).append(found(MORE))
    assert len(read(objects).entries) in (3, 300), "what is signed is whole"
    objects.before = lambda _step: None
    while ledger_in(objects).append(found(MORE)):
        pass
    assert names(read(objects)) == [("a", number) for number in range(1, 301)]


def test_state_that_is_lost_is_read_from_the_log() -> None:
    objects = filled(versions("a", 1, 300))
    del objects.stored["state/300"]

    assert ledger_in(objects).append(found(versions("a", 1, 301))) == 1
    assert len(read(objects).entries) == 301


def test_object_that_is_lost_is_named_and_nothing_is_written() -> None:
    objects = filled(versions("a", 1, 3))
    del objects.stored["tile/0/000.p/3"]
    with pytest.raises(LedgerDamaged, match=r"tile/0/000\.p/3"):
        ledger_in(objects).append(found(versions("a", 1, 4)))


def test_build_is_logged_as_often_as_it_changes() -> None:
    one = build_entry("a", "android", "7", {"dex": ["aa"]}, 1)
    grown = build_entry("a", "android", "7", {"dex": ["aa", "bb"]}, 2)
    same = build_entry("a", "android", "7", {"dex": ["bb", "aa"]}, 3)
    log = read(filled([one], [one], [grown], [same]))

    assert log.entries == (one, grown)
