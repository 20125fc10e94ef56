"""HTTP as the reference client speaks it: one request, one answer, no redirects, bounded bodies."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from devkit.client_core.answers import MAX_ANSWER_BYTES
from devkit.kit.reference.device import KeyStoreFailed

TIME_OUT: Final = 5.0
_LARGEST_GUARDED: Final = 16 * 1024 * 1024


class Reply(NamedTuple):
    """What came: ``status`` is ``None`` where no whole answer did, 502 for one that cannot be used."""

    status: int | None
    headers: Mapping[str, str] = {}
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Mapping[str, Any]:
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Transport(Protocol):
    """Sends one request of a verifier (``bounded``) or of a guarded API."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, bounded: bool) -> Reply:
        """The answer, whatever it is; a :class:`Reply` without a status where there is none."""
        ...


class HttpTransport:
    """:class:`Transport` over the standard library."""

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, bounded: bool) -> Reply:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        most = MAX_ANSWER_BYTES if bounded else _LARGEST_GUARDED
        try:
            connection = kind(parts.hostname or "", parts.port, timeout=TIME_OUT)
            try:
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                said = {name.lower(): value for name, value in answer.getheaders()}
                content = answer.read(most + 1)
                if len(content) > most:
                    return Reply(502, said)
                announced = said.get("content-length", "")
                known = method != "HEAD" and answer.status != 304 and re.fullmatch("[0-9]{1,9}", announced)
                if known and int(announced) != len(content):
                    return Reply(None)
                return Reply(answer.status, said, content)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return Reply(None)


def hardware_over_http(transport: Transport, url: str, moment: Any) -> Any:
    """Asks the evidence service at ``url``; ``moment()`` is its Kit-Time."""

    def ask(path: str, members: Mapping[str, object]) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json", "Kit-Time": repr(moment())}
        reply = transport.send("POST", url + path, headers, json.dumps(members).encode(), bounded=False)
        if reply.status != 200:
            raise KeyStoreFailed("attestation-failed")
        return reply.json

    return ask
