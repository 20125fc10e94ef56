"""Reads a request's JSON body, strictly and within bounds.

The reader is stricter than :func:`json.loads` where leniency lets two readers see two documents: no repeated member,
no ``NaN``, no byte order mark, UTF-8 only (RFC 8259 §8.1, RFC 8725 §2.4).
"""

from __future__ import annotations

import json
from typing import Final

MAX_BODY_BYTES: Final = 64 * 1024
"""Largest request body, in bytes after base64."""

MAX_CONTAINERS: Final = 64
"""Most ``{`` and ``[`` in a body. An upper bound of its depth that costs two scans in C; binary values are base64url
and never contain one. A genuine request has fewer than ten."""


class MalformedRequest(Exception):
    """The body is not in the documented form. The message is for the operator and holds nothing of the body."""


class RequestTooLarge(Exception):
    """The body is over :data:`MAX_BODY_BYTES`."""


def read_json(body: bytes, *, max_bytes: int = MAX_BODY_BYTES, max_containers: int = MAX_CONTAINERS) -> object:
    """The JSON value in ``body``.

    Raises :class:`RequestTooLarge`, or :class:`MalformedRequest` for anything that is not exactly one JSON document.
    """
    if len(body) > max_bytes:
        raise RequestTooLarge
    if body.count(b"{") + body.count(b"[") > max_containers:
        raise MalformedRequest(f"more than {max_containers} JSON containers")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        # `from None`: the decoder's error carries the whole document.
        raise MalformedRequest("the body is not JSON in UTF-8") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedRequest("the body repeats a member")
    return members


def _no_constant(name: str) -> object:
    raise MalformedRequest(f"{name} is not JSON")
