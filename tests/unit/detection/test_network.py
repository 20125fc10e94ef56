"""Networks are truncated, and taken from one address that stands alone."""

from __future__ import annotations

import pytest
from service.detection.network import NETWORK_BYTES, network_of

HERE = b"\x04\xc6\x33\x64\0\0\0"
THERE = b"\x06\x20\x01\x0d\xb8\xab\xcd"


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("198.51.100.7", HERE),
        ("198.51.100.250", HERE),
        (" 198.51.100.7 ", HERE),
        ("198.51.100.7:46532", HERE),
        ("::ffff:198.51.100.7", HERE),
        ("2001:db8:abcd::1", THERE),
        ("2001:db8:abcd:ffff:1:2:3:4", THERE),
        ("[2001:db8:abcd::1]:46532", THERE),
        ("[2001:db8:abcd::1]", THERE),
        ("2001:db8:abcd:0:0:0:0:1:46532", THERE),
    ],
)
def test_an_address_is_its_network(text: str, network: bytes) -> None:
    assert network_of((text,)) == network
    assert len(network) == NETWORK_BYTES


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 203.0.113.9",),
        ("198.51.100",),
        ("198.51.100.007",),
        ("198.51.100.7:x:y",),
        ("fe80::1%eth0",),
        ("[198.51.100.7",) * 2,
        ("unknown",),
        ("3325256711",),
        ("1" * 10_000,),
        ("١٩٨.51.100.7",),
    ],
)
def test_anything_else_is_no_network(values: tuple[str, ...]) -> None:
    """The attack: a client that writes the first of two addresses."""
    assert network_of(values) == b""
