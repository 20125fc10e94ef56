"""Reads a request's JSON body, strictly and within bounds.

The reader is stricter than :func:`json.loads` where leniency lets two readers see two documents: no repeated member,
no ``NaN``, no byte order mark, UTF-8 only (RFC 8259 §8.1, RFC 8725 §2.4).
"""

from __future__ import annotations

from typing import Final

from bonafide_tokens.errors import Malformed
from bonafide_tokens.jose import read_json_object

MAX_BODY_BYTES: Final = 64 * 1024
"""Largest request body, in bytes after base64."""

MAX_CONTAINERS: Final = 64
"""Most ``{`` and ``[`` in a body. An upper bound of its depth that costs two scans in C; binary values are base64url
and never contain one. A genuine request has fewer than ten."""


class MalformedRequest(Exception):
    """The body is not in the documented form. The message is for the operator and holds nothing of the body."""


class RequestTooLarge(Exception):
    """The body is over :data:`MAX_BODY_BYTES`."""


def read_json(
    body: bytes, *, max_bytes: int = MAX_BODY_BYTES, max_containers: int = MAX_CONTAINERS
) -> dict[str, object]:
    """The JSON object that ``body`` is.

    Raises :class:`RequestTooLarge`, or :class:`MalformedRequest` for anything that is not exactly one JSON object.
    """
    if len(body) > max_bytes:
        raise RequestTooLarge
    if body.count(b"{") + body.count(b"[") > max_containers:
        raise MalformedRequest(f"more than {max_containers} JSON containers")
    try:
        return read_json_object(body)
    except Malformed as error:
        # `from None`: the decoder's error carries the whole document.
        raise MalformedRequest(f"the body is {error.detail}") from None
