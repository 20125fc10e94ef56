"""Facts sealed into decision lines: what comes back, and what a reader without the key can tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.detection.detection_facts import DetectionFacts
from service.detection.epochs import EPOCH_SECONDS, EpochKeys, epoch_of
from service.detection.sealed_facts import (
    SEALED_CHARACTERS,
    UnreadableFacts,
    epoch_of_sealed,
    open_sealed,
    seal,
)

KEY = bytes(range(32))
OTHER = bytes(32)
NONCE = b"\1" * 12
FULL = DetectionFacts(
    proved=True,
    signer="other",
    issuer=b"i" * 16,
    issuer_kind="rkp",
    network=b"\x04\xc6\x33\x64\0\0\0",
    request_key=b"r" * 16,
    delay=12.3,
    handed_along=True,
    counter=4_000_000_000,
    risk_metric=17,
    enrolled_seconds=7_200,
    home_country="DE",
)


@pytest.mark.parametrize(
    "facts", [FULL, DetectionFacts(), DetectionFacts(counter=0, risk_metric=0, enrolled_seconds=0)]
)
def test_what_was_sealed_comes_back(facts: DetectionFacts) -> None:
    assert open_sealed(seal(facts, epoch=687, key=KEY, nonce=NONCE), key=KEY) == facts


@given(
    st.builds(
        DetectionFacts,
        proved=st.booleans(),
        delay=st.none() | st.floats(-10, 1e9),
        counter=st.none() | st.integers(-1, 1 << 40),
        risk_metric=st.none() | st.integers(-1, 1 << 40),
        enrolled_seconds=st.none() | st.integers(-1, 1 << 40),
        home_country=st.sampled_from(["", "DE"]),
    )
)
def test_no_value_of_any_size_changes_the_length_or_fails(facts: DetectionFacts) -> None:
    sealed = seal(facts, epoch=687, key=KEY, nonce=NONCE)
    opened = open_sealed(sealed, key=KEY)

    assert len(sealed) == SEALED_CHARACTERS
    assert (opened.counter is None, opened.delay is None) == (facts.counter is None, facts.delay is None)


def test_the_epoch_is_read_without_a_key_and_no_other_key_opens() -> None:
    sealed = seal(FULL, epoch=687, key=KEY, nonce=NONCE)

    assert epoch_of_sealed(sealed) == 687
    with pytest.raises(UnreadableFacts):
        open_sealed(sealed, key=OTHER)


def test_no_change_of_any_character_is_taken() -> None:
    sealed = seal(FULL, epoch=687, key=KEY, nonce=NONCE)
    for index, character in enumerate(sealed):
        changed = sealed[:index] + ("A" if character != "A" else "B") + sealed[index + 1 :]
        with pytest.raises(UnreadableFacts):
            open_sealed(changed, key=KEY)


@pytest.mark.parametrize("text", ["", "A", "ü" * SEALED_CHARACTERS, "=" * SEALED_CHARACTERS, "A" * SEALED_CHARACTERS])
def test_other_texts_are_unreadable(text: str) -> None:
    with pytest.raises(UnreadableFacts):
        open_sealed(text, key=KEY)


def test_a_pseudonym_is_of_one_epoch_and_kind() -> None:
    keys, later = EpochKeys(KEY, KEY), EpochKeys(KEY, OTHER)
    name = keys.pseudonym("issuer", b"value")

    assert name == keys.pseudonym("issuer", b"value")
    assert len({name, keys.pseudonym("network", b"value"), later.pseudonym("issuer", b"value")}) == 3
    assert keys.pseudonym("issuer", b"") == ""


def test_an_epoch_has_thirty_days() -> None:
    assert epoch_of(EPOCH_SECONDS * 687.0) == 687
    assert epoch_of(EPOCH_SECONDS * 687.0 - 0.001) == 686
    assert EPOCH_SECONDS == 30 * 24 * 3600


def test_keys_do_not_stand_in_a_repr() -> None:
    assert "\\x" not in repr(EpochKeys(KEY, OTHER))
