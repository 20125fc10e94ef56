"""Bounded readers for DER and, for Apple's receipts, BER (ITU-T X.690).

Our own, because genuine devices deviate where ready-made decoders do not bend: Android certificates carry BOOLEAN
TRUE as ``01`` and unsorted SETs, receipts come with indefinite lengths and OCTET STRINGs in pieces. What is lenient
is lenient by name (``strict=False``, :class:`BerReader`); all else is refused. Nothing here recurses, every length
is checked against what encloses it, and only :class:`MalformedEvidence` escapes.

A tag is written as the integer of its identifier octets: ``0x30`` is SEQUENCE, ``0xBF8934`` is ``[1204]`` constructed.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from attestation.errors import MalformedEvidence, Reason

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

_CONSTRUCTED: Final = 0x20
_MAX_TAG_OCTETS: Final = 4  # tag numbers up to 2**28: Android's highest is 724, Apple's 1420
_MAX_BER_DEPTH: Final = 16  # a receipt nests indefinite lengths six deep
_MAX_OID_OCTETS: Final = 64


class Element(NamedTuple):
    """One element: its tag, its content octets, and all of its octets."""

    tag: int
    value: bytes
    raw: bytes


def context(number: int, *, constructed: bool = True) -> int:
    """The tag ``[number]`` of the context-specific class."""
    first = 0x80 | (_CONSTRUCTED if constructed else 0)
    if number < 31:
        return first | number
    octets = [first | 31]
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return int.from_bytes(bytes(octets + groups[::-1]))


def context_number(tag: int) -> int | None:
    """The number of a constructed context-specific tag, ``None`` for any other tag."""
    octets = tag.to_bytes((tag.bit_length() + 7) // 8 or 1)
    if octets[0] & 0xE0 != 0xA0:
        return None
    if len(octets) == 1:
        return octets[0] & 0x1F
    number = 0
    for octet in octets[1:]:
        number = number << 7 | octet & 0x7F
    return number


def _invalid(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.ENCODING_INVALID, detail)


def _tag(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Tag at ``position`` and the position behind it (X.690 §8.1.2)."""
    tag = data[position]
    position += 1
    if tag & 0x1F != 0x1F:
        if not tag & 0xDF:
            raise _invalid("end-of-contents where an element belongs")
        return tag, position
    limit = min(end, position + _MAX_TAG_OCTETS)
    first = position
    while position < limit:
        octet = data[position]
        position += 1
        tag = tag << 8 | octet
        if not octet & 0x80:
            # Minimal form: no leading zero group, and low numbers belong in one octet.
            if data[first] == 0x80 or (position - first == 1 and octet < 31):
                break
            return tag, position
    raise _invalid("tag number is not in minimal form or too large")


def _header(data: bytes, position: int, end: int, minimal: bool) -> tuple[int, int, int]:
    """Tag, content start and content end of the element at ``position``; end is -1 for an indefinite length."""
    if position + 2 > end:
        raise _invalid("element is cut off")
    tag, position = _tag(data, position, end)
    if position >= end:
        raise _invalid("element is cut off")
    length = data[position]
    position += 1
    if length >= 0x80:
        octets = length & 0x7F
        if not octets:
            return tag, position, -1
        if octets > 4 or position + octets > end:
            raise _invalid("length field is too long or cut off")
        length = int.from_bytes(data[position : position + octets])
        position += octets
        if minimal and (length < 0x80 or length >> (8 * octets - 8) == 0):
            raise _invalid("length is not in minimal form")
    stop = position + length
    if stop > end:
        raise _invalid("element overruns what encloses it")
    return tag, position, stop


def header(data: bytes, start: int, stop: int) -> tuple[int, int, int]:
    """Tag, content start and content stop of the one element that ``data[start:stop]`` begins with."""
    tag, content, end = _header(data, start, stop, True)
    if end < 0:
        raise _invalid("indefinite length in DER")
    return tag, content, end


def elements(data: bytes, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Every element of the run ``data[start:stop]`` as (tag, content start, content stop), without copies.

    For structures of many small elements, such as Android's KeyDescription. Same rules, same errors.
    """
    found = []
    while start < stop:
        tag, end = data[start], 0
        # The usual headers, one octet of tag and one or three of length, are read here; any other by _header.
        if tag & 0x1F != 0x1F and tag & 0xDF and (content := start + 2) <= stop:
            length = data[start + 1]
            if length < 0x80:
                end = content + length
            elif length == 0x82 and (content := start + 4) <= stop and data[start + 2]:
                end = content + (data[start + 2] << 8 | data[start + 3])
        if not start < end <= stop:
            tag, content, end = _header(data, start, stop, True)
            if end < 0:
                raise _invalid("indefinite length in DER")
        found.append((tag, content, end))
        start = end
    return found


def explicit_elements(
    data: bytes,
    start: int,
    stop: int,
    wanted: frozenset[int] | None = None,
    *,
    known: Container[int] | None = None,
) -> list[tuple[int, int, int, int]]:
    """A run of ``[number] EXPLICIT`` elements, each as (number, tag inside, content start, content stop).

    Same rules as :func:`elements`; beside them, each element is constructed, context-specific and holds exactly one.
    With ``wanted``, elements of other numbers are passed over without a look inside. With ``known``, elements of other
    numbers may hold anything at all: they are reported whole, as (number, 0, content start, content stop).
    """
    found = []
    while start < stop:
        first = data[start]
        # [0] to [30] and [128] to [16383], of less than 128 octets; any other header is read by _header.
        if 0xA0 <= first < 0xBF and start + 2 <= stop and (length := data[start + 1]) < 0x80:
            number, inner, end = first & 0x1F, start + 2, start + 2 + length
        elif (
            first == 0xBF
            and start + 4 <= stop
            and (high := data[start + 1]) > 0x80
            and (low := data[start + 2]) < 0x80
            and (length := data[start + 3]) < 0x80
        ):
            number, inner, end = (high & 0x7F) << 7 | low, start + 4, start + 4 + length
        else:
            outer, inner, end = _header(data, start, stop, True)
            numbered = context_number(outer)
            if numbered is None or end < 0:
                raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"expected an explicit tag, found {outer:#x}")
            number = numbered
        if end > stop:
            raise _invalid("element overruns what encloses it")
        if wanted is not None and number not in wanted:
            start = end
            continue
        start = end
        if known is not None and number not in known:
            found.append((number, 0, inner, end))
            continue
        content = inner + 2
        # What is inside usually fills it, behind one octet of tag and one of length.
        if (
            content <= end
            and (length := data[inner + 1]) < 0x80
            and content + length == end
            and (tag := data[inner]) & 0x1F != 0x1F
            and tag & 0xDF
        ):
            found.append((number, tag, content, end))
            continue
        held = elements(data, inner, end)
        if len(held) != 1:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"explicit tag [{number}] holds {len(held)} elements")
        found.append((number, *held[0]))
    return found


class Reader:
    """A cursor over a run of DER elements: minimal tags, definite minimal lengths."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)

    @property
    def at_end(self) -> bool:
        """Whether every element was read."""
        return self._position >= self._end

    def peek(self) -> int | None:
        """The first identifier octet of the next element, ``None`` at the end."""
        return self._data[self._position] if self._position < self._end else None

    def next(self) -> Element:
        """The next element. Raises :class:`MalformedEvidence` when there is none or it is not well formed."""
        data, position = self._data, self._position
        tag, start, stop = _header(data, position, self._end, True)
        if stop < 0:
            raise _invalid("indefinite length in DER")
        self._position = stop
        return Element(tag, data[start:stop], data[position:stop])

    def expect(self, tag: int) -> Element:
        """The next element, which must have ``tag``."""
        element = self.next()
        if element.tag != tag:
            raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"expected tag {tag:#x}, found {element.tag:#x}")
        return element

    def optional(self, tag: int) -> Element | None:
        """The next element if it has ``tag`` (of one octet), else ``None`` and nothing is read."""
        return self.next() if self.peek() == tag else None

    def finish(self) -> None:
        """Refuse octets behind the last element that was read."""
        if self._position < self._end:
            raise _invalid(f"{self._end - self._position} unexpected octet(s) behind the last element")

    def __iter__(self) -> Iterator[Element]:
        while not self.at_end:
            yield self.next()


class BerReader(Reader):
    """A cursor over a run of BER elements: lengths may be indefinite (X.690 §8.1.3.6) or longer than needed.

    Nesting of indefinite lengths is bounded, so reading costs at most that bound times the size.
    """

    __slots__ = ()

    def next(self) -> Element:
        """The next element; its ``value`` excludes the end-of-contents octets, its ``raw`` includes them."""
        data, position = self._data, self._position
        tag, start, stop = _header(data, position, self._end, False)
        if stop >= 0:
            self._position = stop
            return Element(tag, data[start:stop], data[position:stop])
        _must_be_constructed(data[position])
        stop = self._end_of_contents(start)
        self._position = stop + 2
        return Element(tag, data[start:stop], data[position : stop + 2])

    def _end_of_contents(self, position: int) -> int:
        """Where the end-of-contents octets of the indefinite element lie whose content starts at ``position``."""
        data, end, depth = self._data, self._end, 1
        while True:
            if position + 2 > end:
                raise _invalid("indefinite length without end")
            if data[position] == 0 and data[position + 1] == 0:
                depth -= 1
                if not depth:
                    return position
                position += 2
                continue
            first = data[position]
            _, start, stop = _header(data, position, end, False)
            if stop < 0:
                _must_be_constructed(first)
                depth += 1
                if depth > _MAX_BER_DEPTH:
                    raise _invalid("indefinite lengths nested too deep")
                position = start
            else:
                position = stop


def _must_be_constructed(identifier: int) -> None:
    if not identifier & _CONSTRUCTED:
        raise _invalid("indefinite length of a primitive element")


def single(data: bytes, tag: int) -> bytes:
    """The content of the one element that ``data`` must consist of."""
    reader = Reader(data)
    element = reader.expect(tag)
    reader.finish()
    return element.value


def ber_octet_string(element: Element) -> bytes:
    """The octets of an OCTET STRING in BER, in one piece or in several (X.690 §8.7). Pieces of pieces are refused."""
    if element.tag == OCTET_STRING:
        return element.value
    if element.tag != OCTET_STRING | _CONSTRUCTED:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"expected an OCTET STRING, found {element.tag:#x}")
    pieces = list(BerReader(element.value))
    if any(piece.tag != OCTET_STRING for piece in pieces):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "an OCTET STRING in pieces that are none")
    return b"".join(piece.value for piece in pieces)


def integer(value: bytes, *, max_octets: int = 8, strict: bool = True) -> int:
    """The content of an INTEGER or ENUMERATED. ``strict`` demands the minimal form (X.690 §8.3.2)."""
    if not value or len(value) > max_octets:
        raise _invalid(f"INTEGER of {len(value)} octets")
    if strict and len(value) > 1 and value[0] in (0, 0xFF) and (value[0] ^ value[1]) < 0x80:
        raise _invalid("INTEGER is not in minimal form")
    return int.from_bytes(value, signed=True)


def integer_at(data: bytes, start: int, stop: int, *, max_octets: int = 8) -> int:
    """:func:`integer` of ``data[start:stop]``, strictly; the many of one octet without a copy."""
    if stop - start == 1 and data[start] < 0x80:
        return data[start]
    return integer(data[start:stop], max_octets=max_octets)


def boolean(value: bytes, *, strict: bool = True) -> bool:
    """The content of a BOOLEAN. ``strict`` is DER: TRUE is ``FF`` (X.690 §11.1); else any non-zero octet is true."""
    if len(value) != 1 or (strict and value[0] not in (0, 0xFF)):
        raise _invalid("BOOLEAN is neither 00 nor FF")
    return value[0] != 0


def bit_string(value: bytes) -> bytes:
    """The octets of a BIT STRING whose length is a multiple of eight bits."""
    if not value or value[0]:
        raise _invalid("BIT STRING is not made of whole octets")
    return value[1:]


def named_bits(value: bytes) -> int:
    """The first sixteen bits of a BIT STRING as a number: bit 0 of the type is ``0x8000``."""
    if not value or len(value) > 4 or value[0] > 7 or (len(value) == 1 and value[0]):
        raise _invalid("not a BIT STRING of named bits")
    return int.from_bytes(value[1:3].ljust(2, b"\0"))


def text(value: bytes) -> str:
    """The content of a UTF8String."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid("text is not UTF-8") from error


@lru_cache(maxsize=512)
def object_identifier(value: bytes) -> str:
    """The content of an OBJECT IDENTIFIER, in dotted form (X.690 §8.19)."""
    if not value or len(value) > _MAX_OID_OCTETS or value[-1] & 0x80:
        raise _invalid("OBJECT IDENTIFIER is cut off or too long")
    arcs, arc, starts = [], 0, True
    for octet in value:
        if starts and octet == 0x80:
            raise _invalid("OBJECT IDENTIFIER is not in minimal form")
        arc = arc << 7 | octet & 0x7F
        starts = not octet & 0x80
        if starts:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))
