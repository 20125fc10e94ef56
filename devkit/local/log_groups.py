"""The local stack's CloudWatch Logs, as far as a function of it asks: FilterLogEvents over the files that the functions
log to. The AWS stand-in has no logs of them, and takes no notice of a filter's pattern.

Events of a file have no time of their own, so a span leaves none out but by the time in a line (``at``, as decision
lines have it); a page is a megabyte of a file.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from bonafide.operator.layout import LOOPBACK
from devkit.local.template import Template

_FILTER: Final = re.compile(r'\{ \$\.([a-z_]{1,40}) = "([^"\\]{1,100})" \}\Z')
_OPERATION: Final = "Logs_20140328.FilterLogEvents"
_PAGE: Final = 1 << 20
_LARGEST_BODY: Final = 64 * 1024


class LogsRefusal(Exception):
    """What CloudWatch Logs would answer with; ``kind`` is its exception's name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@contextmanager
def served_logs(files: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """The address of an endpoint of CloudWatch Logs, on a free port of the loopback, while the context lasts. `files`
    are those of each log group, by its name."""
    handler = type("Handler", (_Handler,), {"groups": LogGroups(files)})
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), name="logs", daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_address[1]}"
        finally:
            server.shutdown()


@dataclass(frozen=True, slots=True)
class LogGroups:
    """Log groups, each the lines of its files."""

    files: Mapping[str, Sequence[Path]]

    def answer(self, operation: str | None, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to an operation, which FilterLogEvents has to be. Raises :class:`LogsRefusal`."""
        if operation != _OPERATION:
            raise LogsRefusal("UnknownOperationException", "The local logs are there to be searched.")
        files = self.files.get(str(asked.get("logGroupName")))
        if files is None:
            raise LogsRefusal("ResourceNotFoundException", "The specified log group does not exist.")
        pattern = _FILTER.match(str(asked.get("filterPattern")))
        if pattern is None:
            raise LogsRefusal("InvalidParameterException", 'Here patterns are { $.member = "text" }.')
        try:
            number, place = map(int, str(asked.get("nextToken") or "0-0").split("-"))
            begin, end = int(asked.get("startTime", 0)), int(asked.get("endTime", 1 << 50))
        except (TypeError, ValueError):
            raise LogsRefusal("InvalidParameterException", "This is no token, or no time.") from None
        if number >= len(files):
            return {"events": [], "searchedLogStreams": []}
        lines, following = _page(files[number], place)
        token = f"{number}-{following}" if following else f"{number + 1}-0" if number + 1 < len(files) else None
        events = [event for line in lines if (event := _event(line, pattern[1], pattern[2])) is not None]
        kept = [event for event in events if begin <= event.get("timestamp", begin) < end]
        return {"events": kept, "searchedLogStreams": [], **({"nextToken": token} if token else {})}


def files_of(template: Template, logs: Path) -> dict[str, list[Path]]:
    """The files of each log group that functions of a template log to."""
    found: dict[str, list[Path]] = {}
    for function, resource in template.resources("AWS::Serverless::Function").items():
        group = template.resolve(resource["Properties"].get("LoggingConfig", {})).get("LogGroup")
        if group is not None:
            found.setdefault(str(group), []).append(logs / f"{function}.log")
    return found


def _page(file: Path, place: int) -> tuple[list[bytes], int]:
    """Whole lines from a place on, and where the next page begins; 0 at the end."""
    try:
        with file.open("rb") as stream:
            stream.seek(place)
            piece = stream.read(_PAGE)
    except OSError:
        return [], 0
    whole = piece.rfind(b"\n") + 1
    if not whole and len(piece) == _PAGE:
        whole = len(piece)  # one line of a megabyte is nothing that a function of ours wrote
    return piece[:whole].splitlines(), place + whole if len(piece) == _PAGE else 0


def _event(line: bytes, member: str, text: str) -> dict[str, Any] | None:
    if text.encode() not in line:
        return None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.get(member) != text:
        return None
    event: dict[str, Any] = {"message": line.decode("utf-8", "replace")}
    at = fields.get("at")
    return event | ({"timestamp": int(at * 1_000)} if isinstance(at, int | float) and 0 < at < 1 << 40 else {})


class _Handler(BaseHTTPRequestHandler):
    groups: LogGroups
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _LARGEST_BODY))
        try:
            status, answer = 200, self.groups.answer(self.headers.get("X-Amz-Target"), json.loads(body))
        except LogsRefusal as refusal:
            status, answer = 400, {"__type": refusal.kind, "message": refusal.message}
        except (ValueError, AttributeError):
            status, answer = 400, {"__type": "SerializationException", "message": "The request is no JSON object."}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""
