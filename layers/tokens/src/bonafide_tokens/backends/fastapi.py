"""FastAPI: a dependency that gives the route its caller.

caller = guarded(app)

@app.get("/orders")
def orders(who: Annotated[Caller, Depends(caller)]) -> ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from bonafide_tokens.backends.asgi import request_of
from bonafide_tokens.backends.guard import MOST_BODY_BYTES, Answer, Caller, Guard


class _RefusedAtGuard(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def guarded(app: FastAPI, guard: Guard | None = None) -> Callable[[Request, Response], Awaitable[Caller]]:
    """The dependency for routes of ``app``, whose refusals ``app`` then answers. Without ``guard``, one by the
    environment's settings. Raises :class:`~bonafide_tokens.gate.settings.SettingsError`."""
    checking = guard or Guard.from_environment()

    async def caller(request: Request, response: Response) -> Caller:
        asked = request_of(request.scope)
        answer = await asyncio.to_thread(checking.check, asked)
        if answer.body_needed:
            body = await request.body()  # FastAPI has it at hand, for the route
            answer = checking.check_body(answer, body if len(body) <= MOST_BODY_BYTES else None, asked.request_id)
        if answer.caller is None:
            raise _RefusedAtGuard(answer)
        response.headers.update(dict(answer.headers))
        return answer.caller

    async def refused(_request: Request, error: Exception) -> Response:
        if not isinstance(error, _RefusedAtGuard):
            raise error
        answer = error.answer
        return Response(answer.body, answer.status, dict(answer.headers))

    app.add_exception_handler(_RefusedAtGuard, refused)
    return caller
