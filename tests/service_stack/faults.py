"""Faults of AWS, injected where botocore sends: real error answers and broken connections, one operation at a time.

Not for moto: botocore lets every before-send handler run, so moto would carry out what the fault refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

Fault = Callable[[Any], AWSResponse | None]
"""Looks at a prepared request and answers it, raises, or returns ``None`` to let it go."""


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_more: object) -> Iterator[bytes]:
        yield self._content

    def read(self, *_more: object) -> bytes:
        return self._content


def error_answer(status: int, code: str, **more: object) -> AWSResponse:
    """AWS's JSON error."""
    content = json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected", **more}).encode("utf-8")
    headers = HTTPHeaders.from_dict({"x-amzn-RequestId": "injected", "Content-Type": "application/x-amz-json-1.0"})
    return AWSResponse("http://injected.test/", status, headers, _Body(content))


def answering(status: int, code: str, **more: object) -> Fault:
    """Every request gets this error."""
    return lambda _request: error_answer(status, code, **more)


def raising(kind: type[Exception]) -> Fault:
    """Every request breaks."""

    def fault(request: Any) -> AWSResponse | None:
        if kind is EndpointConnectionError or kind is ConnectTimeoutError or kind is ReadTimeoutError:
            raise kind(endpoint_url=request.url, error="injected")
        raise kind("injected")

    return fault


def losing_the_answer(times: int = 1) -> Fault:
    """The request arrives and is carried out; its answer is lost, the first ``times`` times."""
    session, left = URLLib3Session(), [times]

    def fault(request: Any) -> AWSResponse | None:
        if left[0] == 0:
            return None
        left[0] -= 1
        session.send(request)
        raise ReadTimeoutError(endpoint_url=request.url, error="injected")

    return fault


def first(times: int, fault: Fault) -> Fault:
    """The fault for the first ``times`` requests only."""
    left = [times]

    def limited(request: Any) -> AWSResponse | None:
        if left[0] == 0:
            return None
        left[0] -= 1
        return fault(request)

    return limited


@contextmanager
def injected(client: Any, operation: str, fault: Fault, *, table: str = "") -> Iterator[list[str]]:
    """While open, requests of one operation (and table, by a part of its name) meet the fault. Yields their bodies."""
    service = client.meta.service_model.service_name
    seen: list[str] = []

    def send(request: Any, **_more: object) -> AWSResponse | None:
        body = request.body.decode("utf-8") if isinstance(request.body, bytes) else str(request.body)
        if table not in body:
            return None
        seen.append(body)
        return fault(request)

    name = f"before-send.{service}.{operation}"
    client.meta.events.register_first(name, send)
    try:
        yield seen
    finally:
        client.meta.events.unregister(name, send)
