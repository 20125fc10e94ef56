"""The body reader: one strict JSON document, within bounds."""

from __future__ import annotations

import pytest
from service.edge.json_body import MAX_BODY_BYTES, MAX_CONTAINERS, MalformedRequest, RequestTooLarge, read_json


def test_body_of_plain_json_is_read() -> None:
    """The default that each case below changes in one place."""
    assert read_json(b'{"app": "demo", "evidence": [{"format": "x"}]}') == {
        "app": "demo",
        "evidence": [{"format": "x"}],
    }


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="utf-16"),
        pytest.param(b'{"a": "\xc3\x28"}', id="broken-utf-8"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="byte-order-mark"),
        pytest.param(b'{"a": 1', id="truncated"),
        pytest.param(b'{"a": 1} {"a": 2}', id="two-documents"),
        pytest.param(b'{"a": 1, "a": 2}', id="repeated-member"),
        pytest.param(b'{"b": {"a": 1, "a": 1}}', id="repeated-member-below"),
        pytest.param(b'{"a": NaN}', id="nan"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": "\x00"}', id="raw-null-byte"),
        pytest.param(b"\x00", id="null-byte"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="number-of-five-thousand-digits"),
        pytest.param(b"[" * 60_000, id="sixty-thousand-brackets"),
        pytest.param(b"[" * 65 + b"]" * 65, id="one-container-too-many"),
        pytest.param(b"{'a': 1}", id="single-quotes"),
        pytest.param(b'{"a": 1,}', id="trailing-comma"),
    ],
)
def test_body_that_is_not_one_strict_document_is_malformed(body: bytes) -> None:
    """Two readers must never see two documents, and no input costs more than its length."""
    with pytest.raises(MalformedRequest) as refused:
        read_json(body)
    assert refused.value.__cause__ is None  # the decoder's own error carries the document


def test_body_at_the_limit_is_read_and_above_it_is_too_large() -> None:
    """64 KiB is the last size that is read."""
    filling = MAX_BODY_BYTES - len(b'{"a": ""}')
    assert read_json(b'{"a": "' + b"x" * filling + b'"}')
    with pytest.raises(RequestTooLarge):
        read_json(b'{"a": "' + b"x" * (filling + 1) + b'"}')


def test_body_with_as_many_containers_as_allowed_is_read() -> None:
    """The bound on containers is a bound on depth, not a ban."""
    depth = MAX_CONTAINERS - 1
    assert read_json(b'{"a":' + b"[" * depth + b"]" * depth + b"}") is not None
