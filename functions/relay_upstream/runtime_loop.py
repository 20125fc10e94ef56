"""A Runtime API loop that streams, which the managed Python runtime's own does not.

Run by the wrapper script ``stream`` (AWS_LAMBDA_EXEC_WRAPPER) in place of the runtime's loop, with the runtime's own
Python. "Using the Lambda runtime API for custom runtimes" and "Custom runtimes … response streaming" say how: the
answer is posted in chunks as it comes, and what breaks midway is told in trailers. An HTTP answer begins with a JSON
object of status and headers and eight zero bytes (API Gateway, "Set up a Lambda proxy integration with payload response
streaming").
"""

from __future__ import annotations

import base64
import http.client
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

API: Final = "/2018-06-01/runtime"
MEDIA_TYPE: Final = "application/vnd.awslambda.http-integration-response"
END_OF_HEAD: Final = bytes(8)
_LAYERS: Final = ("/opt/python", "/opt/python/lib/python{}.{}/site-packages", "/var/runtime")


class StreamedAnswer(NamedTuple):
    """Status and headers, and the body as it comes; ``pieces`` may raise."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class Context:
    """What a handler is told beside the event."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.aws_request_id = headers.get("Lambda-Runtime-Aws-Request-Id") or ""
        self._deadline = float(headers.get("Lambda-Runtime-Deadline-Ms") or 0)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the call."""
        return max(0, int(self._deadline - time.time() * 1000))


Handler = Callable[[Any, Context], StreamedAnswer]


def run(handler: Handler, address: str) -> None:
    """Take one event after the other from the Runtime API at ``address``, until the process is ended."""
    while True:
        serve_one(handler, address)


def serve_one(handler: Handler, address: str) -> None:
    """Wait for one event and answer it."""
    waiting = http.client.HTTPConnection(address)  # without a timeout: the process is frozen meanwhile
    waiting.request("GET", f"{API}/invocation/next")
    answer = waiting.getresponse()
    event, context = json.loads(answer.read()), Context(dict(answer.headers.items()))
    waiting.close()
    _post(address, context.aws_request_id, handler(event, context))


def _post(address: str, request_id: str, answer: StreamedAnswer) -> None:
    connection = http.client.HTTPConnection(address)
    try:
        connection.putrequest("POST", f"{API}/invocation/{request_id}/response", skip_accept_encoding=True)
        for name, value in (
            ("Lambda-Runtime-Function-Response-Mode", "streaming"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Type", MEDIA_TYPE),
            ("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"),
        ):
            connection.putheader(name, value)
        connection.endheaders()
        head = json.dumps({"statusCode": answer.status, "headers": dict(answer.headers)}).encode()
        connection.send(_chunk(head + END_OF_HEAD))
        trailers = b""
        try:
            for piece in answer.pieces:
                connection.send(_chunk(piece))
        except OSError:
            raise
        except Exception as error:  # its type alone: a text may quote what was sent
            kind = type(error).__name__
            body = base64.b64encode(json.dumps({"errorType": kind, "errorMessage": "the answer broke off"}).encode())
            trailers = b"Lambda-Runtime-Function-Error-Type: %s\r\nLambda-Runtime-Function-Error-Body: %s\r\n" % (
                kind.encode(),
                body,
            )
        connection.send(b"0\r\n" + trailers + b"\r\n")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):  # the caller is gone; the body's end still has to be accounted for
        with suppress(Exception):  # it may break off as well, and has its own line in the log
            for _ in answer.pieces:
                pass
    finally:
        connection.close()


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""


def main() -> None:
    """What the wrapper script runs."""
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    layers = [path.format(*sys.version_info) for path in _LAYERS]
    sys.path[:0] = [path for path in (os.environ.get("LAMBDA_TASK_ROOT", ""), *layers) if path and path not in sys.path]
    module, _, name = os.environ["_HANDLER"].partition(".")
    try:
        handler: Handler = getattr(importlib.import_module(module), name)
    except BaseException as error:
        connection = http.client.HTTPConnection(address)
        said = {"errorType": type(error).__name__, "errorMessage": "the function did not start", "stackTrace": []}
        connection.request("POST", f"{API}/init/error", json.dumps(said))
        connection.getresponse().read()
        raise
    run(handler, address)


if __name__ == "__main__":
    # As the module that the handler's own import finds: else there would be two StreamedAnswers.
    sys.modules["runtime_loop"] = sys.modules["__main__"]
    main()
