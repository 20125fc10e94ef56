"""Structured fields (RFC 9651), as far as ``Signature-Input``, ``Signature`` and ``Content-Digest`` need them.

Strict: one spelling of each value, the one that RFC 9651 §4.1 writes, because the signature base repeats it. Refused
beyond the grammar: a key or parameter that stands twice (the last would count, and readers differ), more than one space
between items, decimals, dates and display strings, which no signature has.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bonafide_tokens.errors import Malformed, Reason

MAX_FIELD_CHARACTERS: Final = 4096
"""Longest field that is looked at, all of its lines together."""
MAX_COMPONENTS: Final = 64

_KEY: Final = r"[a-z*][a-z0-9_.*-]*+"
_TEXT: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*+"'
_BYTES: Final = r":[A-Za-z0-9+/]*+={0,2}:"
_BARE: Final = rf"{_TEXT}|{_BYTES}|-?[0-9]{{1,15}}|[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]*+|\?[01]"
_PARAMETERS: Final = rf"(?:;{_KEY}(?:=(?:{_BARE}))?)*+"
_ITEM: Final = rf"{_TEXT}{_PARAMETERS}"
_INNER_LIST: Final = re.compile(rf"({_KEY})=(\(((?:{_ITEM}(?: {_ITEM})*+)?)\)({_PARAMETERS}))")
_BYTE_SEQUENCE: Final = re.compile(rf"({_KEY})=({_BYTES})")
_COMMA: Final = re.compile(r"[ \t]*+,[ \t]*+")
_EACH_ITEM: Final = re.compile(rf"({_TEXT})({_PARAMETERS})")
_EACH_PARAMETER: Final = re.compile(rf";({_KEY})(?:=({_BARE}))?")
_ESCAPED: Final = re.compile(r"\\(.)")

Value = str | int | bool | None
"""A parameter: a text, a whole number or ``True``; ``None`` for a value of another type, which no rule takes."""


class Component(NamedTuple):
    """One covered component: ``text`` as it stands, as in ``"@query-param";name="page"``, and taken apart."""

    text: str
    name: str
    parameters: Mapping[str, Value]


class CoveredComponents(NamedTuple):
    """One member of ``Signature-Input``: what is covered, the signature's parameters, and its text as it stands."""

    components: Sequence[Component]
    parameters: Mapping[str, Value]
    text: str


def read_signature_inputs(lines: Sequence[object]) -> dict[str, CoveredComponents]:
    """``Signature-Input`` by label (RFC 9421 §4.1). Raises :class:`Malformed` (``proof-malformed``)."""
    read = {}
    for match in _members(lines, _INNER_LIST):
        items = [_component(item) for item in _EACH_ITEM.finditer(match[3])]
        different = {(one.name, frozenset(one.parameters.items())) for one in items}
        if len(items) > MAX_COMPONENTS or len(different) < len(items):
            raise _malformed("a component stands twice, or there are too many")
        read[match[1]] = CoveredComponents(items, _parameters(match[4]), match[2])
    return read


def read_byte_sequences(lines: Sequence[object]) -> dict[str, bytes]:
    """A dictionary of byte sequences, as ``Signature`` (RFC 9421 §4.2) and ``Content-Digest`` (RFC 9530 §2) are. Raises
    :class:`Malformed` (``proof-malformed``)."""
    try:
        return {match[1]: a2b_base64(match[2][1:-1], strict_mode=True) for match in _members(lines, _BYTE_SEQUENCE)}
    except BinasciiError:
        raise _malformed("a byte sequence is no base64") from None


def _members(lines: Sequence[object], member: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """The members of a dictionary. Several lines are one, joined by commas (RFC 9651 §4.2)."""
    text = ", ".join(line.strip(" \t") if type(line) is str else "\0" for line in lines)
    if len(text) > MAX_FIELD_CHARACTERS:
        raise _malformed(f"a field of more than {MAX_FIELD_CHARACTERS} characters")
    position, keys = 0, set[str]()
    while True:
        match = member.match(text, position)
        if match is None or match[1] in keys:
            raise _malformed("a field that is no dictionary of its kind, or has a key twice")
        keys.add(match[1])
        yield match
        position = match.end()
        if position == len(text):
            return
        comma = _COMMA.match(text, position)
        if comma is None:
            raise _malformed("a field with something after a member")
        position = comma.end()


def _component(item: re.Match[str]) -> Component:
    return Component(item[0], _text(item[1]), _parameters(item[2]))


def _parameters(text: str) -> dict[str, Value]:
    pairs = [(match[1], _value(match[2])) for match in _EACH_PARAMETER.finditer(text)]
    read = dict(pairs)
    if len(read) != len(pairs):
        raise _malformed("a parameter stands twice")
    return read


def _value(text: str | None) -> Value:
    if text is None:
        return True
    if text[0] == '"':
        return _text(text)
    return int(text) if text.lstrip("-").isdigit() else None


def _text(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted[1:-1])


def _malformed(detail: str) -> Malformed:
    return Malformed(Reason.PROOF_MALFORMED, detail)
