"""The upstream's key is overwritten in every form that the page names, however the answer is cut."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from urllib.parse import quote

import pytest
from service.relay.key_filter import KeyFilter, usable_key

KEY = 'sk-ant-api03-"A/b+c\\d=~x_9zQ0w'
FILTER = KeyFilter(KEY)
RAW = KEY.encode()


def filtered(body: bytes, cuts: list[int], known: KeyFilter = FILTER) -> bytes:
    """``body`` fed in pieces that end at the cuts."""
    stream, out, begin = known.stream(), b"", 0
    for end in [*cuts, len(body)]:
        out += stream.feed(body[begin:end])
        begin = end
    return out + stream.end()


def unicode_escaped(text: str, *, upper: bool = False) -> str:
    """Every character as an escape."""
    return "".join(f"\\u{ord(c):04X}" if upper else f"\\u{ord(c):04x}" for c in text)


FORMS: dict[str, Callable[[], bytes]] = {
    "literal": lambda: RAW,
    "json": lambda: json.dumps(KEY).encode(),
    "json in json": lambda: json.dumps(json.dumps({"key": KEY})).encode(),
    "json with escaped slash": lambda: json.dumps(KEY).replace("/", "\\/").encode(),
    "all escaped": lambda: unicode_escaped(KEY).encode(),
    "all escaped, upper case": lambda: unicode_escaped(KEY, upper=True).encode(),
    "url": lambda: quote(KEY, safe="").encode(),
    "url, lower case": lambda: quote(KEY, safe="").lower().encode() and "".join(f"%{b:02x}" for b in RAW).encode(),
    "url twice": lambda: quote(quote(KEY, safe=""), safe="").encode(),
    "every byte in percent": lambda: "".join(f"%{b:02X}" for b in RAW).encode(),
    "hex": lambda: RAW.hex().encode(),
    "hex, upper case": lambda: RAW.hex().upper().encode(),
    "html": lambda: "".join(f"&#{b};" for b in RAW).encode(),
    "base64": lambda: base64.b64encode(RAW),
    "base64, one before": lambda: base64.b64encode(b"x" + RAW),
    "base64, two before": lambda: base64.b64encode(b"xy" + RAW + b"tail"),
    "base64 of a header": lambda: base64.b64encode(b"Authorization: Bearer " + RAW + b"\r\n"),
    "base64url": lambda: base64.urlsafe_b64encode(b"z" + RAW),
    "base64 in json": lambda: json.dumps(base64.b64encode(RAW).decode()).replace("/", "\\/").encode(),
    "base64 in a url": lambda: quote(base64.b64encode(RAW).decode(), safe="").encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_overwritten_wherever_it_is_cut(name: str) -> None:
    """The attack: a debug answer that repeats the request, split between two chunks."""
    form = FORMS[name]()
    body = b'data: {"error": "' + form + b'"}\n\n'
    expected = filtered(body, [])
    assert len(expected) == len(body)
    assert expected.count(b"*") >= len(RAW)
    assert form not in expected
    for cut in range(len(body)):
        assert filtered(body, [cut]) == expected
    assert filtered(body, list(range(len(body)))) == expected


def test_half_of_a_key_is_overwritten_too() -> None:
    """The attack: an answer that ends, or goes on otherwise, before the key does."""
    half = RAW[: len(RAW) // 2 + 1]
    for body in (half, b"begin " + half + b" end"):
        assert half not in filtered(body, [3])


def test_a_key_that_overlaps_itself_is_overwritten_each_time() -> None:
    """The second one begins inside the first."""
    known = KeyFilter("ab" * 12)
    out = filtered(b"x" + b"ab" * 40 + b"y", [5, 30], known)
    assert out == b"x" + b"*" * 80 + b"y"


def test_other_text_leaves_at_once_and_unchanged() -> None:
    """What streams is read while it is written: nothing is held back that cannot be the key."""
    stream = FILTER.stream()
    event = b'data: {"choices":[{"delta":{"content":"Hello, so much for sk-ant-api"}}]}\n\n'
    assert stream.feed(event) == event
    assert stream.feed(b"so s") == b"so "
    assert stream.feed(b"o") == b"so"
    assert stream.end() == b""
    assert stream.found == 0


def test_random_text_passes_unchanged() -> None:
    """No form is seen where none is, whatever the pieces."""
    draw = random.Random(1)
    for _ in range(60):
        body = bytes(draw.choice(b'sk-ant"\\%u0&#;ABcd012345=+/') for _ in range(300))
        cuts = sorted(draw.randrange(301) for _ in range(4))
        assert filtered(body, cuts) == filtered(body, [])
        if b"*" not in filtered(body, []):
            assert filtered(body, cuts) == body


def test_endless_backslashes_hold_nothing_back_for_long() -> None:
    """The attack: bytes that might begin a form, without end, to fill the memory."""
    stream = FILTER.stream()
    left = sum(len(stream.feed(b"\\" * 1024)) for _ in range(3))
    assert left >= 3 * 1024 - 64


def test_found_forms_are_counted() -> None:
    """The operator learns that an upstream echoes."""
    stream = FILTER.stream()
    stream.feed(RAW + b" and " + RAW.hex().encode() + b" ")
    assert stream.found == 2


def test_text_with_the_key_is_dropped() -> None:
    """Headers are not mended."""
    assert FILTER.text("req_123") == "req_123"
    assert FILTER.text("token " + KEY) is None


@pytest.mark.parametrize("key", ["", "short", "with space in the middle", "ünïcode-key-that-is-long", "x" * 513])
def test_what_cannot_be_filtered_is_no_credential(key: str) -> None:
    """A key of four letters would overwrite half of every answer."""
    assert not usable_key(key)
    with pytest.raises(ValueError, match="credential"):
        KeyFilter(key)
