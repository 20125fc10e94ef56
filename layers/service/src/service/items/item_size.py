"""How large a DynamoDB item is, and how many units its reads and writes take.

By Amazon's rules: "DynamoDB item sizes and formats" and "DynamoDB read and write operations" (Developer Guide). Of
numbers they say "approximately one byte per two significant digits, plus one"; pairs of digits are counted from the
decimal point here, and a sign as one more byte, which is never less than what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

WRITE_UNIT: Final = 1024
"""Bytes that one write unit takes."""
READ_UNIT: Final = 4096
"""Bytes that one read unit reads consistently, or half a unit otherwise."""
_CONTAINER: Final = 3
_ELEMENT: Final = 1


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of an item as the client takes it: names and values of its attributes."""
    return sum(len(name.encode("utf-8")) + value_size(value) for name, value in item.items())


def value_size(value: Mapping[str, Any]) -> int:
    """Bytes of one attribute's value. Raises :class:`ValueError` for a type that DynamoDB does not have."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode("utf-8"))
        case "B":
            return len(content)
        case "N":
            return _number_size(content)
        case "BOOL" | "NULL":
            return 1
        case "SS" | "BS" | "NS":
            return sum(value_size({kind[0]: member}) for member in content)
        case "L":
            return _CONTAINER + sum(_ELEMENT + value_size(member) for member in content)
        case "M":
            members = (len(name.encode("utf-8")) + value_size(member) for name, member in content.items())
            return _CONTAINER + sum(_ELEMENT + size for size in members)
    raise ValueError(f"DynamoDB has no type {kind}")


def write_units(size: int, *, transaction: bool = False) -> int:
    """Units of writing an item that is ``size`` bytes before or after, whichever is more."""
    units = max(1, -(-size // WRITE_UNIT))
    return 2 * units if transaction else units


def read_units(size: int, *, consistent: bool) -> float:
    """Units of reading an item of ``size`` bytes; one that is not there counts as the smallest."""
    units = max(1, -(-size // READ_UNIT))
    return float(units) if consistent else units / 2


def _number_size(text: str) -> int:
    sign, digits, exponent = Decimal(text).as_tuple()
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return 1
    aligned = len(significant) + (int(exponent) + len(written) - len(significant)) % 2
    return 1 + (aligned + 1) // 2 + sign
