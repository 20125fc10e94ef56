"""The network that a request came from, truncated until it is no person's: IPv4 to 24 bits, IPv6 to 48.

The value is worth what wrote it. A CDN that overwrites the header tells where the request came from; without one the
client tells whatever it likes, and so the header is off unless the stack names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

NETWORK_BYTES: Final = 7
_MAX_CHARACTERS: Final = 64
_IPV4: Final = b"\x04"
_IPV6: Final = b"\x06"


def network_of(values: Sequence[str]) -> bytes:
    """The network of the one address in a header's ``values``: a 4 or a 6 and the prefix, zeros behind.

    Empty for anything else: no value, two of them, or a list of addresses, of which the client may have written the
    first. ``address:port`` and ``[address]:port`` are read, too (CloudFront-Viewer-Address).
    """
    if len(values) != 1 or len(values[0]) > _MAX_CHARACTERS:
        return b""
    address = _address(values[0].strip())
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv4Address):
        return (_IPV4 + address.packed[:3]).ljust(NETWORK_BYTES, b"\0")
    return b"" if address is None else (_IPV6 + address.packed[:6]).ljust(NETWORK_BYTES, b"\0")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    if text.startswith("["):
        return _parsed(text[1:].partition("]")[0])
    alone = _parsed(text)
    return _parsed(text.rpartition(":")[0]) if alone is None else alone


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    if "%" in text:  # a zone is of one host's own interfaces
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None
