"""WSGI middleware: Flask, Django, Bottle, Pyramid, or any other application.

``app = GuardedWSGI(app, Guard.from_environment())``. The caller is in ``environ["bonafide"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from bonafide_tokens.backends.guard import MOST_BODY_BYTES, Answer, BackendRequest, Guard
from bonafide_tokens.backends.metadata import Metadata

Environ = MutableMapping[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]

CALLER: Final = "bonafide"
"""The member of the environment that has the :class:`~bonafide_tokens.backends.guard.Caller`."""

_RAW: Final = ("REQUEST_URI", "RAW_URI")  # as mod_wsgi, uWSGI and gunicorn tell what the client sent

_OWN_NAMES: Final = (("content-type", "CONTENT_TYPE"), ("content-length", "CONTENT_LENGTH"))


class GuardedWSGI:
    """A guarded application. ``metadata`` is served to all where it is given."""

    def __init__(self, app: Application, guard: Guard, *, metadata: Metadata | None = None) -> None:
        self._app, self._guard, self._metadata = app, guard, metadata

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        asked = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        public = self._metadata.answer(*asked) if self._metadata else None
        answer = public or checked(self._guard, environ)
        if answer.caller is None:
            status, length = HTTPStatus(answer.status), ("Content-Length", str(len(answer.body)))
            start_response(f"{status.value} {status.phrase}", [*answer.headers, length])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]
        environ[CALLER] = answer.caller
        return self._app(environ, _adding(answer, start_response))


def checked(guard: Guard, environ: Environ) -> Answer:
    """What the guard says of a request, its body included; the body can be read again afterwards."""
    request = request_of(environ)
    answer = guard.check(request)
    if answer.body_needed:
        body = _whole_body(environ)
        answer = guard.check_body(answer, body, request.request_id)
        environ["wsgi.input"] = BytesIO(body or b"")
    return answer


def request_of(environ: Environ) -> BackendRequest:
    """The request of an environment.

    Servers decode the path before an application sees it, and route by what is left: so does the check. What a proof
    names is the path as it was sent; where the server does not tell, it is the decoded one with usual escapes.
    """
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace") or "/"
    script = environ.get("SCRIPT_NAME", "")
    raw = next((str(environ[name]).partition("?")[0] for name in _RAW if environ.get(name)), "")
    if not raw.startswith("/"):  # absolute form, or not told
        raw = ""
    if script and raw.startswith(script):
        raw = raw[len(script) :] or "/"
    if not raw:
        raw = quote(path, safe="/~!$&'()*+,;=:@")
    names = [(name[5:].replace("_", "-"), str(value)) for name, value in environ.items() if name.startswith("HTTP_")]
    # Two headers that signatures may cover come under names of their own.
    names += [(name, environ[own]) for name, own in _OWN_NAMES if environ.get(own)]
    query = environ.get("QUERY_STRING", "")
    return BackendRequest(environ["REQUEST_METHOD"], path, raw, names, uuid4().hex, query)


def _whole_body(environ: Environ) -> bytes | None:
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isascii() and length.isdecimal():
        wanted = int(length)
        return None if wanted > MOST_BODY_BYTES else environ["wsgi.input"].read(wanted)
    if not environ.get("wsgi.input_terminated"):
        return b""  # PEP 3333: without a length there is no body that an application could read
    body: bytes = environ["wsgi.input"].read(MOST_BODY_BYTES + 1)
    return None if len(body) > MOST_BODY_BYTES else body


def _adding(answer: Answer, start_response: Start) -> Start:
    if not answer.headers:
        return start_response

    def starting(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        return start_response(status, [*headers, *answer.headers], *more)

    return starting
