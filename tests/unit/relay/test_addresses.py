"""Which addresses an upstream may have, judged against IANA's registries written down here."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from service.relay.addresses import is_public

# IANA IPv4 and IPv6 Special-Purpose Address Registries, multicast and reserved space, and what carries IPv4 in IPv6.
NOT_PUBLIC = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
NETWORKS = [ip_network(text) for text in NOT_PUBLIC]


@pytest.mark.parametrize("network", NOT_PUBLIC)
def test_no_address_of_a_special_network_is_public(network: str) -> None:
    """Both ends and a sample between."""
    net, draw = ip_network(network), random.Random(network)
    for offset in (0, net.num_addresses - 1, *(draw.randrange(net.num_addresses) for _ in range(15))):
        assert not is_public(str(net.network_address + offset)), offset


def test_addresses_are_judged_as_the_registries_say() -> None:
    """Anything outside of them, and within 2000::/3, is public."""
    draw = random.Random(12)
    for _ in range(1000):
        v4 = IPv4Address(draw.randrange(1 << 32))
        v6 = IPv6Address((1 << 125) + draw.randrange(1 << 125))
        for address in (v4, v6):
            special = any(address.version == net.version and address in net for net in NETWORKS)
            assert is_public(str(address)) is not special, address


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::808:808",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "168.63.129.16",
        "2606:4700::1111%eth0",
        "",
        "api.example.com",
        "8.8.8.8 ",
        "0x7f.1",
        "2130706433",
        "127.1",
        "010.8.8.8",
    ],
)
def test_names_of_other_places_are_not_public(text: str) -> None:
    """The attack: the metadata service and the loopback, in every spelling."""
    assert not is_public(text)


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "104.18.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_public(text: str) -> None:
    """A check that refuses everything would pass the tests above."""
    assert is_public(text)
