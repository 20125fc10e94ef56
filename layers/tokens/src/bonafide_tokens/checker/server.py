"""The server: heads, connections and waiting are bounded, and a check runs in a thread of its own.

A client that sends nothing, or its head byte by byte, costs a connection for some seconds and no thread. Whatever is
wrong with a request is refused; nothing is let pass because something failed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from time import monotonic, time
from typing import Final, TypeVar, cast
from uuid import uuid4

from bonafide_tokens.backends.guard import Answer, Guard, unavailable
from bonafide_tokens.checker.http_head import MOST_HEAD_BYTES, BadHead, Head, read_head
from bonafide_tokens.checker.metrics import Metrics, Unread
from bonafide_tokens.checker.proxies import NotTold, Reply, is_check, original_request, reply_of
from bonafide_tokens.checker.settings import CheckerSettings

IDLE_SECONDS: Final = 120.0
"""How long a connection may wait for its next request; proxies must give theirs up earlier."""
HEAD_SECONDS: Final = 5.0
"""How long a request may take to arrive from its first byte, and an answer to leave."""
THREADS: Final = 16
_LINGER_SECONDS: Final = 0.2
_SETTLE_SECONDS: Final = 0.05
T = TypeVar("T")
_END: Final = b"\r\n\r\n"
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"))
_EXPOSITION: Final = (("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("Cache-Control", "no-store"))


class CheckerServer:
    """Answers one proxy. ``say(message, **members)`` writes a line for the operator."""

    def __init__(self, settings: CheckerSettings, guard: Guard, say: Callable[..., None]) -> None:
        self.settings, self.metrics = settings, Metrics()
        self._guard, self._say = guard, say
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="check")
        self._connections: dict[asyncio.Task[None], bool] = {}  # whether a request is being answered
        self._stopping = False
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen; the port, which is another than the setting's only where that is 0. Raises :class:`OSError`."""
        host, port = self.settings.host, self.settings.port
        self._server = await asyncio.start_server(self._connected, host, port, limit=MOST_HEAD_BYTES, backlog=512)
        self._threads.submit(self._guard.prepare)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, end those that wait, let answers that are under way leave, up to a bound."""
        self._stopping = True
        if self._server is not None:
            for listener in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listener.fileno())
            await asyncio.sleep(_SETTLE_SECONDS)  # asyncio forgets connections that it is accepting while it closes
            self._server.close()
        for task, busy in list(self._connections.items()):
            if not busy:
                task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=self.settings.stop_seconds)
        for task in list(self._connections):
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        full = len(self._connections) >= self.settings.connections
        if not full:
            self._connections[task] = False
        try:
            if full:
                self.metrics.unread(Unread.OVERLOADED)
                await self._refuse(writer, retry_after=1)
                await self._let_go(reader)
                return
            while not self._stopping and await self._answer_one(task, reader, writer):
                self._connections[task] = False
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # it went away, or it was too slow, or the server stops
        finally:
            self._connections.pop(task, None)
            writer.close()

    async def _answer_one(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer the next request; whether there may be another one."""
        async with asyncio.timeout(IDLE_SECONDS):
            first = await reader.read(1)
        if not first:
            return False
        self._connections[task] = True
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = read_head((first + await reader.readuntil(_END))[: -len(_END)])
                await reader.readexactly(head.body_length)
        except TimeoutError:
            self.metrics.unread(Unread.SLOW)
            return False
        except (asyncio.LimitOverrunError, BadHead) as error:
            self.metrics.unread(Unread.MALFORMED if isinstance(error, BadHead) else Unread.TOO_LARGE)
            await self._refuse(writer)
            await self._let_go(reader)
            return False
        reply = await self._reply(head)
        keep = head.keeps_alive and not self._stopping
        await self._send(writer, reply, keep=keep, without_body=head.method == "HEAD")
        return keep

    async def _reply(self, head: Head) -> Reply:
        if is_check(self.settings.proxy, head.target):
            return reply_of(self.settings.proxy, await self._check(head))
        if head.method not in ("GET", "HEAD"):
            return Reply(405, _TEXT, b"GET only\n")
        if head.target == "/healthz":
            return Reply(200, _TEXT, b"alive\n")
        if head.target == "/readyz":
            ready = await self._in_thread(self._is_ready)
            return Reply(200, _TEXT, b"ready\n") if ready else Reply(503, _TEXT, b"no fresh trust bundle\n")
        if head.target == "/metrics":
            version, age, valid = self._guard.bundle(time())
            text = self.metrics.text(
                connections=len(self._connections), version=version, age=age, ready=self._fresh(age, valid)
            )
            return Reply(200, _EXPOSITION, text.encode())
        return Reply(404, _TEXT, b"nothing here\n")

    async def _check(self, head: Head) -> Answer:
        begun, request_id = monotonic(), uuid4().hex
        try:
            request = original_request(self.settings.proxy, head, request_id)
        except NotTold as error:
            self.metrics.unread(Unread.NOT_TOLD)
            self._say("the proxy is configured wrongly", detail=str(error), request_id=request_id)
            return unavailable(request_id)
        answer = await self._in_thread(lambda: self._guard.check_without_body(request))
        self.metrics.checked(answer.caller is not None, answer.reason, monotonic() - begun)
        return answer

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _is_ready(self) -> bool:
        self._guard.prepare()  # without requests, nothing else refreshes the bundle
        _version, age, valid = self._guard.bundle(time())
        return self._fresh(age, valid)

    def _fresh(self, age: float, valid: bool) -> bool:
        bound = self.settings.ready_age
        return valid and not self._stopping and (not bound or age <= bound)

    async def _refuse(self, writer: asyncio.StreamWriter, retry_after: int | None = None) -> None:
        answer = unavailable(uuid4().hex)
        if retry_after is not None:
            answer = answer._replace(headers=(*answer.headers, ("Retry-After", str(retry_after))))
        await self._send(writer, reply_of(self.settings.proxy, answer), keep=False, without_body=False)

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply, *, keep: bool, without_body: bool) -> None:
        status = HTTPStatus(reply.status)
        fields = (*reply.headers, ("Content-Length", str(len(reply.body))), ("Connection", "" if keep else "close"))
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            *(f"{n}: {v}" for n, v in fields if n != "Connection" or v),
        ]
        writer.write("\r\n".join((*lines, "", "")).encode("latin-1") + (b"" if without_body else reply.body))
        async with asyncio.timeout(HEAD_SECONDS):
            await writer.drain()

    async def _let_go(self, reader: asyncio.StreamReader) -> None:
        """Read a little of what still comes: closed at once, the client would see a reset and not the answer."""
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while await reader.read(MOST_HEAD_BYTES):
                    pass
        except TimeoutError:
            pass
