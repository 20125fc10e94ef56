"""Writes DER, and the little BER that Apple's receipts use. A writer only: whatever it is told, it encodes.

Deliberately not the inverse of the library's reader: software devices must be able to write what a reader refuses.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NULL: Final = b"\x05\x00"
END_OF_CONTENTS: Final = b"\x00\x00"


def tlv(tag: int, *content: bytes) -> bytes:
    """One element with a definite length in its shortest form. ``tag`` is the whole identifier octet."""
    return bytes((tag,)) + _with_length(b"".join(content))


def indefinite(tag: int, *content: bytes) -> bytes:
    """One constructed element of indefinite length (X.690 §8.1.3.6): BER, never DER."""
    return bytes((tag, 0x80)) + b"".join(content) + END_OF_CONTENTS


def sequence(*content: bytes) -> bytes:
    return tlv(0x30, *content)


def set_of(*content: bytes) -> bytes:
    """A SET in the order given: Apple does not sort the fields of a receipt."""
    return tlv(0x31, *content)


def integer(value: int) -> bytes:
    length = (value + (value < 0)).bit_length() // 8 + 1
    return tlv(0x02, value.to_bytes(length, signed=True))


def enumerated(value: int) -> bytes:
    return b"\x0a" + integer(value)[1:]


def boolean(value: bool, *, true: int = 0xFF) -> bytes:
    """A BOOLEAN. ``true`` is the octet for TRUE: ``FF`` in DER, anything but 0 in BER."""
    return tlv(0x01, bytes((true if value else 0,)))


def octet_string(data: bytes) -> bytes:
    return tlv(0x04, data)


def octet_string_in_segments(data: bytes, size: int) -> bytes:
    """A constructed OCTET STRING of indefinite length, cut every ``size`` bytes (X.690 §8.7.3)."""
    return indefinite(0x24, *(octet_string(data[at : at + size]) for at in range(0, len(data), size)))


def bit_string(data: bytes, unused_bits: int = 0) -> bytes:
    return tlv(0x03, bytes((unused_bits,)), data)


def utf8_string(text: str) -> bytes:
    return tlv(0x0C, text.encode("utf-8"))


def object_identifier(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(0x06, *(_base128(arc) for arc in (first * 40 + second, *rest)))


def explicit(number: int, *content: bytes) -> bytes:
    """A context-specific constructed tag around ``content``; numbers over 30 take the long form (X.690 §8.1.2.4)."""
    identifier = bytes((0xA0 | number,)) if number < 31 else b"\xbf" + _base128(number)
    return identifier + _with_length(b"".join(content))


def time(unix_seconds: float) -> bytes:
    """UTCTime until 2049, GeneralizedTime after it (RFC 5280 §4.1.2.5). Fractions of a second are cut off."""
    moment = datetime.fromtimestamp(int(unix_seconds), UTC)
    if 1950 <= moment.year < 2050:
        return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode("ascii"))
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode("ascii"))


def _with_length(content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((length,)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((0x80 | len(octets),)) + octets + content


def _base128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))
