"""CBOR (RFC 8949), read strictly: one item, definite lengths, no duplicate keys, no tags, nothing behind it.

The decoder is ``cbor2`` with its tolerance switched off. Semantic tags are never followed: no evidence format uses one,
and they make a decoder compile regular expressions, parse mail or build endless numbers and circular references. They
are refused, or, where a vendor may add what it likes, passed over (:data:`TAGGED`).

Strict is not the same as one spelling: heads may be longer than needed and maps in any order. A relay of an item
can respell it, so its bytes are never an identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, Final, NoReturn

import cbor2

from attestation.errors import MalformedEvidence, Reason

MAX_DEPTH: Final = 4
"""Deepest nesting of arrays and maps. An attestation object needs three."""
MAX_LOOSE_DEPTH: Final = 16
"""The same, tags included, where a vendor may add what it likes."""

TAGGED: Final = object()
"""What an item with a semantic tag is read as where ``pass_tags`` is on: a value that equals nothing else."""


class _EveryTag(Mapping[int, Any]):
    """A table of tag decoders in which every tag is known, and decoded in one way."""

    def __init__(self, decode_tag: Callable[..., object]) -> None:
        self._decode_tag = decode_tag

    def __getitem__(self, tag: int) -> Any:
        return self._decode_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("semantic tag")


def _pass_tag(*_: object) -> object:
    return TAGGED


_NO_TAGS: Final = _EveryTag(_refuse_tag)
_PASSED_TAGS: Final = _EveryTag(_pass_tag)


def decode_prefix(data: bytes, *, text_keys: bool = True, pass_tags: bool = False) -> tuple[object, int]:
    """Decode the item that ``data`` begins with; returns it and how many octets it took.

    With ``text_keys`` map keys must be text or byte strings; COSE keys, whose labels are integers, turn it off.
    ``pass_tags`` reads a tagged item as :data:`TAGGED` instead of refusing it, and allows deeper nesting. Raises
    :class:`MalformedEvidence`.
    """
    stream = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=_PASSED_TAGS if pass_tags else _NO_TAGS,
        max_depth=MAX_LOOSE_DEPTH if pass_tags else MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        strict_hashable_types=text_keys,
    )
    try:
        item = decoder.decode()
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, MemoryError, RecursionError) as error:
        raise MalformedEvidence(Reason.ENCODING_INVALID, "not CBOR of the strict kind") from error
    return item, stream.tell()


def decode(data: bytes, *, text_keys: bool = True, pass_tags: bool = False) -> object:
    """Decode the one item that ``data`` consists of. Raises :class:`MalformedEvidence`, also for octets behind it."""
    item, length = decode_prefix(data, text_keys=text_keys, pass_tags=pass_tags)
    if length != len(data):
        raise MalformedEvidence(Reason.ENCODING_INVALID, f"{len(data) - length} octet(s) behind a CBOR item")
    return item


def exact_map(item: object, **types: type) -> list[Any]:
    """The values of a map that has exactly the text keys ``types``, each of exactly its type, in that order.

    Raises :class:`MalformedEvidence` (``structure-invalid``) for anything else.
    """
    if type(item) is not dict or len(item) != len(types):
        raise _not_exact(types)
    values = []
    for name, kind in types.items():
        value = item.get(name)
        if type(value) is not kind:
            raise _not_exact(types)
        values.append(value)
    return values


def _not_exact(types: Mapping[str, type]) -> MalformedEvidence:
    return MalformedEvidence(Reason.STRUCTURE_INVALID, f"not a CBOR map of exactly {', '.join(types)}")
