"""What calls ask for and what they used, as OpenAI and Anthropic say it, and as a hostile upstream might."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest
from service.relay.usage import MOST_TOKENS, AskUnreadable, Tokens, UsageReader, asked

ANTHROPIC: list[dict[str, object]] = [
    {"message": {"usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1}}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": '{"usage": {"input_tokens": 9999}}'}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 42}},
]  # fmt: skip
OPENAI: list[dict[str, object]] = [
    {"choices": [{"delta": {"content": "Hi"}}], "usage": None},
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 11, "total_tokens": 18}},
]
RESPONSES: list[dict[str, object]] = [
    {"type": "response.completed", "response": {"usage": {"input_tokens": 3, "output_tokens": 4}}}
]


def events(documents: Sequence[Mapping[str, object]]) -> bytes:
    """Server-sent events, as these APIs send them."""
    return b"".join(b"event: x\r\ndata: " + json.dumps(one).encode() + b"\r\n\r\n" for one in documents) + (
        b"data: [DONE]\n\n"
    )


def read(body: bytes, *, of_events: bool, size: int = 7) -> Tokens | None:
    """The usage of a body that comes in pieces."""
    reader = UsageReader(of_events)
    for begin in range(0, len(body), size):
        reader.feed(body[begin : begin + size])
    return reader.tokens()


@pytest.mark.parametrize(
    ("documents", "expected"), [(ANTHROPIC, Tokens(25, 42)), (OPENAI, Tokens(7, 11)), (RESPONSES, Tokens(3, 4))]
)
def test_usage_of_a_stream(documents: list[dict[str, object]], expected: Tokens) -> None:
    """Wherever the events are cut."""
    for size in (1, 7, 4096):
        assert read(events(documents), of_events=True, size=size) == expected


def test_usage_of_a_document() -> None:
    """The same members, in one JSON document."""
    body = json.dumps({"content": [], "usage": {"input_tokens": 8, "output_tokens": 9}}).encode()
    assert read(body, of_events=False) == Tokens(8, 9)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {"input_tokens": 5},
        {"input_tokens": -5, "output_tokens": 1},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        {"input_tokens": "5", "output_tokens": 1},
        {"input_tokens": MOST_TOKENS + 1, "output_tokens": 1},
    ],
)
def test_what_is_no_usage_is_not_guessed(usage: object) -> None:
    """The caller keeps what was reserved."""
    assert read(json.dumps({"usage": usage}).encode(), of_events=False) is None
    assert read(events([{"usage": usage}]), of_events=True) is None


def test_numbers_of_a_stream_never_shrink() -> None:
    """The attack: a last event that says that nothing was used."""
    told: list[Mapping[str, object]] = [*ANTHROPIC, {"usage": {"input_tokens": 0, "output_tokens": 0}}]
    assert read(events(told), of_events=True) == Tokens(25, 42)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"usage": NaN}', b"data: " + b"x" * 999])
def test_broken_bodies_say_nothing(body: bytes) -> None:
    """And raise nothing."""
    assert read(body, of_events=False, size=4096) is None
    assert read(body, of_events=True, size=4096) is None


def test_memory_is_bounded() -> None:
    """The attack: a document, or a line, without end."""
    for of_events in (True, False):
        reader = UsageReader(of_events)
        for _ in range(100):
            reader.feed(b"x" * (1 << 17))
        assert len(reader._buffer) == 0
        assert reader.tokens() is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"max_tokens": 100}, Tokens(50, 100)),
        ({"max_completion_tokens": 10, "max_tokens": 20}, Tokens(50, 20)),
        ({"max_output_tokens": 5, "n": 3}, Tokens(50, 15)),
        ({"max_tokens": 5, "n": 2, "best_of": 4}, Tokens(50, 20)),
        ({"max_tokens": None}, None),
        ({"model": "x"}, None),
    ],
)
def test_most_that_a_call_asks_for(body: dict[str, object], expected: Tokens | None) -> None:
    """By the largest limit that it names, and by how many answers it wants."""
    assert asked(body, 50) == expected


@pytest.mark.parametrize("value", [0, -1, "5", 1.5, True, [], MOST_TOKENS + 1])
def test_odd_limits_are_refused(value: object) -> None:
    """The attack: a limit that we read as nothing, and the upstream as much."""
    for body in ({"max_tokens": value}, {"max_tokens": 1, "n": value}):
        with pytest.raises(AskUnreadable):
            asked(body, 50)
