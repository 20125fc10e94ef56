"""ASGI middleware: Starlette, FastAPI, Quart, Litestar, Django under ASGI, or any other application.

``app = GuardedASGI(app, Guard.from_environment())``. The caller is in ``scope["bonafide"]``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from uuid import uuid4

from bonafide_tokens.backends.guard import MOST_BODY_BYTES, Answer, BackendRequest, Guard
from bonafide_tokens.backends.metadata import Metadata

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CALLER: Final = "bonafide"
"""The member of the scope that has the :class:`~bonafide_tokens.backends.guard.Caller`."""


class GuardedASGI:
    """A guarded application. WebSocket handshakes are checked as the GET that they are, and closed if refused
    (the server answers 403). ``metadata`` is served to all where it is given."""

    def __init__(self, app: Application, guard: Guard, *, metadata: Metadata | None = None) -> None:
        self._app, self._guard, self._metadata = app, guard, metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = request_of(scope)
        if self._metadata and scope["type"] == "http":
            public = self._metadata.answer(request.method, request.path)
            if public is not None:
                await _send_answer(scope, public, send)
                return
        # In a thread: a check costs a tenth of a millisecond, and now and then waits for a trust bundle.
        answer = await asyncio.to_thread(self._guard.check, request)
        if answer.body_needed and scope["type"] == "http":
            body = await _whole_body(receive)
            answer = self._guard.check_body(answer, body, request.request_id)
            receive = _again(body or b"", receive)
        if answer.caller is None:
            await _send_answer(scope, answer, send)
            return
        scope = {**scope, CALLER: answer.caller}
        await self._app(scope, receive, _adding(answer.headers, send) if answer.headers else send)


def request_of(scope: Scope) -> BackendRequest:
    """The request of a scope. What a proxy in front took for a prefix (``root_path``) belongs to EXTERNAL_ORIGIN."""
    prefix, path = scope.get("root_path") or "", scope["path"]
    raw = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    if prefix and path.startswith(prefix):
        path = path[len(prefix) :] or "/"
        raw = raw[len(prefix) :] or "/" if raw.startswith(prefix) else ""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = (scope.get("query_string") or b"").decode("latin-1")
    return BackendRequest(scope.get("method", "GET"), path, raw, headers, uuid4().hex, query)


async def _whole_body(receive: Receive) -> bytes | None:
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # it went away
            break
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MOST_BODY_BYTES:
            return None
        more = message.get("more_body", False)
    return b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _adding(headers: tuple[tuple[str, str], ...], send: Send) -> Send:
    added = [(name.lower().encode(), value.encode()) for name, value in headers]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


async def _send_answer(scope: Scope, answer: Answer, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
