"""Keys of detectors' facts: made ahead, forgotten in time, and never in a request's way."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from service.detection.detection_facts import DetectionFacts
from service.detection.epochs import EPOCH_SECONDS
from service.detection.sealed_facts import SEALED_CHARACTERS, epoch_of_sealed, open_sealed
from service.errors import Unavailable
from service.keys.fact_keys import AHEAD, FactKeyRotation, FactKeys, FactPurpose, FactSeal

from tests.service_stack.drawn import Drawn
from tests.service_stack.fact_fakes import MemoryFactKeys
from tests.service_stack.fakes import SoftwareWrappingKey

EPOCH = 687
START = float(EPOCH * EPOCH_SECONDS)
STAYING = {"members-1", "rows-1"}


def of_epochs(*epochs: int) -> set[str]:
    return {f"{purpose}-{epoch}" for purpose in ("facts", "pseudonyms") for epoch in epochs} | STAYING


@pytest.fixture
def table() -> MemoryFactKeys:
    return MemoryFactKeys()


@pytest.fixture
def rotation(table: MemoryFactKeys) -> FactKeyRotation:
    return FactKeyRotation(table, SoftwareWrappingKey(), Drawn("keys"))


def sealed_soon(seal: FactSeal, now: float) -> str:
    """What is sealed once the read in the background has ended."""
    seal.prepare(now)
    for thread in threading.enumerate():
        if thread.name == "refresh":
            thread.join(10)
    return seal.seal(DetectionFacts(proved=True), now)


def test_keys_are_made_ahead_and_forgotten_two_epochs_later(table: MemoryFactKeys, rotation: FactKeyRotation) -> None:
    rotation.run(START + 60)
    assert table.rows.keys() == of_epochs(EPOCH)
    first = dict(table.rows)
    rotation.run(START + EPOCH_SECONDS - AHEAD - 60)
    assert table.rows == first
    rotation.run(START + EPOCH_SECONDS - AHEAD)
    assert table.rows.keys() == of_epochs(EPOCH, EPOCH + 1)
    assert table.rows.items() >= first.items()
    rotation.run(START + 2 * EPOCH_SECONDS - 60)
    assert table.rows.keys() == of_epochs(EPOCH, EPOCH + 1, EPOCH + 2)
    rotation.run(START + 2 * EPOCH_SECONDS)
    assert table.rows.keys() == of_epochs(EPOCH + 1, EPOCH + 2)


def test_a_clock_that_jumped_back_takes_no_key_away(table: MemoryFactKeys, rotation: FactKeyRotation) -> None:
    rotation.run(START)
    known = dict(table.rows)
    rotation.run(START - 3 * EPOCH_SECONDS)
    assert table.rows.items() >= known.items()


def test_of_two_that_rotate_one_makes_the_key(table: MemoryFactKeys, rotation: FactKeyRotation) -> None:
    rotation.run(START)
    known = dict(table.rows)
    table.kids = lambda: frozenset()  # type: ignore[method-assign]  # read before the other one wrote
    rotation.run(START)
    assert table.rows == known


def test_an_epoch_has_two_keys_and_the_one_before_too(table: MemoryFactKeys, rotation: FactKeyRotation) -> None:
    rotation.run(START)
    rotation.run(START + EPOCH_SECONDS)
    loaded = FactKeys(table, SoftwareWrappingKey()).of_epochs(START + EPOCH_SECONDS)

    assert loaded.keys.keys() == {EPOCH, EPOCH + 1}
    assert len({key for keys in loaded.keys.values() for key in (keys.facts, keys.pseudonyms)}) == 4
    assert loaded.of(EPOCH - 1) is None


def test_reader_of_lines_is_told_of_an_outage(table: MemoryFactKeys, rotation: FactKeyRotation) -> None:
    """It can read the lines again later, which a verifier cannot."""
    rotation.run(START)
    table.down = True
    with pytest.raises(Unavailable):
        FactKeys(table, SoftwareWrappingKey()).of_epochs(START)


def test_a_new_process_seals_once_the_key_is_there(table: MemoryFactKeys, rotation: FactKeyRotation) -> None:
    rotation.run(START)
    seal = FactSeal(FactKeys(table, SoftwareWrappingKey()))
    sealed = sealed_soon(seal, START + 60)

    assert (len(sealed), epoch_of_sealed(sealed)) == (SEALED_CHARACTERS, EPOCH)
    key = FactKeys(table, SoftwareWrappingKey()).find(FactPurpose.FACTS, EPOCH, START)
    assert key is not None
    assert open_sealed(sealed, key=key) == DetectionFacts(proved=True)


def test_a_key_is_read_once_and_the_next_one_before_it_is_needed(
    table: MemoryFactKeys, rotation: FactKeyRotation
) -> None:
    rotation.run(START + EPOCH_SECONDS - 60)
    seal = FactSeal(FactKeys(table, SoftwareWrappingKey()))
    sealed_soon(seal, START + EPOCH_SECONDS - 60)
    table.down = True

    assert epoch_of_sealed(seal.seal(DetectionFacts(), START + EPOCH_SECONDS - 1)) == EPOCH
    assert epoch_of_sealed(seal.seal(DetectionFacts(), START + EPOCH_SECONDS)) == EPOCH + 1


@pytest.mark.parametrize("down", [True, False])
def test_without_a_key_nothing_is_sealed_and_nothing_fails(table: MemoryFactKeys, *, down: bool) -> None:
    table.down = down
    assert sealed_soon(FactSeal(FactKeys(table, SoftwareWrappingKey())), START) == ""


def test_no_request_waits_for_a_table_that_hangs() -> None:
    @dataclass
    class Hanging(MemoryFactKeys):
        """Answers when it is let go."""

        def find(self, kid: str) -> bytes | None:
            asked.set()
            go_on.wait(30)
            return super().find(kid)

    asked, go_on = threading.Event(), threading.Event()
    seal = FactSeal(FactKeys(Hanging(), SoftwareWrappingKey()))
    try:
        seal.prepare(START)
        assert asked.wait(10)
        assert seal.seal(DetectionFacts(), START) == ""
    finally:
        go_on.set()
