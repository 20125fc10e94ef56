"""What a deployment onto the local AWS stand-in leaves out, because the stand-in cannot take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

LEFT_OUT: Final[Mapping[str, str]] = {
    "EnableMonitoring": "false",  # ministack refuses alarms with metric math
}
"""Parameters of the template, and the values that leave their part out."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def left_out(environment: Mapping[str, str]) -> Mapping[str, str]:
    """:data:`LEFT_OUT` where AWS's address is one of this machine, nothing elsewhere."""
    host = urlsplit(environment.get("AWS_ENDPOINT_URL", "")).hostname
    return LEFT_OUT if host in _LOOPBACK else {}
