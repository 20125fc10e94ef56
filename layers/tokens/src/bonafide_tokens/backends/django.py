"""Django: a middleware, by the environment's settings.

MIDDLEWARE = ["bonafide_tokens.backends.django.GuardedDjango", …]  # request.bonafide is the caller
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest, HttpResponse

from bonafide_tokens.backends.guard import MOST_BODY_BYTES, Guard
from bonafide_tokens.backends.wsgi import request_of


@cache
def guard() -> Guard:
    """The one guard of this process."""
    return Guard.from_environment()


class GuardedDjango:
    """Lets a request pass to the views when a genuine app made it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response, self._guard = get_response, guard()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked = request_of(request.META)
        answer = self._guard.check(asked)
        if answer.body_needed:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
            body = request.body if length <= MOST_BODY_BYTES else None  # Django has a limit of its own, too
            answer = self._guard.check_body(answer, body, asked.request_id)
        if answer.caller is None:
            refused = HttpResponse(answer.body, status=answer.status)
            for name, value in answer.headers:
                refused[name] = value
            return refused
        request.bonafide = answer.caller
        response = self._get_response(request)
        for name, value in answer.headers:
            response[name] = value
        return response
