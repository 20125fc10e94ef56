"""Which network addresses an upstream may have: public ones, reached as themselves.

The attack is server-side request forgery: a name of an upstream that resolves to the metadata service, to a neighbour
in the network or to the process itself. So a name is resolved once, every address that it has is judged, and the
connection goes to one of those that were judged, never to the name again (DNS rebinding).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_REFUSED: Final = tuple(
    map(
        IPv6Network,
        (
            # Those that carry an IPv4 address, or mean another address than they say. NAT64 (64:ff9b::/96) and mapped
            # addresses (::ffff:0:0/96) lie outside of global unicast already.
            "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID and their like (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4 (RFC 3056)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
# Python's own table differs between its releases; these are refused whatever it says.
_REFUSED_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "168.63.129.16/32",  # public by its number, another cloud's own host in fact
        ),
    )
)


def is_public(text: str) -> bool:
    """Whether ``text`` is an address of the public Internet that means no other address. False for what is none.

    IPv6 addresses are public within 2000::/3 (IANA, "IPv6 Global Unicast Address Assignments") less what translates
    or tunnels; those with a zone never are.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_V4)
    return _is_public_v6(address)


_INTERNAL_V4: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))  # RFC 1918
_INTERNAL_V6: Final = IPv6Network("fc00::/7")  # unique local (RFC 4193)
_HOSTS_OF_CLOUDS: Final = IPv6Network("fd00:ec2::/32")  # AWS's metadata service and resolver


def is_internal(text: str) -> bool:
    """Whether ``text`` is an address of a private network, where a team runs services of its own. Never the loopback,
    nor what is link-local: credentials of the function are served there."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return any(address in network for network in _INTERNAL_V4)
    return address.scope_id is None and address in _INTERNAL_V6 and address not in _HOSTS_OF_CLOUDS


def _is_public_v6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _GLOBAL_UNICAST or not address.is_global:
        return False
    return not any(address in network for network in _REFUSED)
