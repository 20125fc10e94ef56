"""What CloudWatch Logs hands to a function: log lines in an envelope, gzipped, in base64."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from service.tallies.tally_line import Reason, UnreadableTally

MAX_PAYLOAD: Final = 16 << 20
"""Bytes that a payload unpacks to, at most. CloudWatch Logs makes one of up to a megabyte of lines."""

_GZIP: Final = zlib.MAX_WBITS | 16


def messages_of(event: object) -> Sequence[object]:
    """The messages of an event of CloudWatch Logs; none of its control messages, by which it tries whether the function
    can be reached. Raises :class:`UnreadableTally` and nothing else."""
    try:
        data = base64.b64decode(_member(_member(event, "awslogs"), "data"), validate=True)
        unpacker = zlib.decompressobj(_GZIP)
        text = unpacker.decompress(data, MAX_PAYLOAD)
        whole = unpacker.eof and not unpacker.unused_data
        envelope = json.loads(text) if whole else None
        if _member(envelope, "messageType") == "CONTROL_MESSAGE":
            return []
        return [_member(each, "message") for each in _member(envelope, "logEvents")]
    except (KeyError, TypeError, ValueError, RecursionError, zlib.error) as error:
        raise UnreadableTally(Reason.DAMAGED, "no payload of CloudWatch Logs") from error


def _member(value: object, name: str) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value[name]
