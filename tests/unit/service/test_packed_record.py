"""Records packed into rows: whole or refused, and readable as long as rows live."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.errors import Unreadable
from service.items import packed_record
from service.items.packed_record import pack, text_of, unpack

RECORD = {"format": "android-key-attestation", "findings": [], "android": {"purposes": [2], "device_locked": True}}
PACKED_BY_FORMAT_1 = bytes.fromhex("0158a477e8d74e232ac3e14ccb68e182259a6b6b01c7a62343")
WORDS_1 = "470da05551bc45be4c75087bc311f5db8083eed40cd3d91987af3612b6a8ff2b"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_what_was_packed_is_what_is_unpacked(record: dict[str, object]) -> None:
    """Whatever texts an app or a vendor puts in, half a surrogate pair among them."""
    assert unpack(pack(record)) == json.loads(json.dumps(record))


def test_text_of_older_releases_is_read() -> None:
    """Rows outlive releases."""
    assert unpack(text_of(RECORD)) == RECORD == json.loads(text_of(RECORD))


def test_rows_that_were_written_stay_readable() -> None:
    """Other words under the same number, and every row that was written with the old ones is lost."""
    assert sha256(packed_record._WORDS[1]).hexdigest() == WORDS_1
    assert unpack(PACKED_BY_FORMAT_1) == RECORD


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x00",
        b"\x01",
        b"\x02" + pack(RECORD)[1:],
        pack(RECORD)[:-1],
        pack(RECORD) + b"\x00",
        pack({"long": "x" * 70_000}),
        b'{"format":"x"}',
        "",
        "[]",
        '{"format"',
    ],
)
def test_damaged_record_is_refused(stored: str | bytes) -> None:
    """Less than the whole record must not pass for it, and a small row must not unpack to a large one."""
    with pytest.raises(Unreadable):
        unpack(stored)
