"""The upstream's key is in no byte that leaves: a sample of the ten thousand that ``.ci/run`` makes."""

from __future__ import annotations

from unittest.mock import patch

from service.relay import key_filter

from tests.integration.hostile_upstreams import run


def test_the_key_is_in_no_byte_that_leaves() -> None:
    """Echoed in body, header, error, redirect and across chunk borders."""
    held, out = run(80)
    assert held > 60
    assert out == 0


def test_without_the_filter_it_would_be() -> None:
    """The generator is hostile, and the check can fail."""
    with patch.object(key_filter.FilteredStream, "_scan", lambda _: None):
        _, out = run(40)
    assert out > 10
