"""Flask: a decorator for views.

@app.get("/orders")
@guarded(guard)
def orders(): ...  # flask.g.bonafide is the caller
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g, make_response, request

from bonafide_tokens.backends.guard import Guard
from bonafide_tokens.backends.wsgi import checked

View = Callable[..., Any]


def guarded(guard: Guard) -> Callable[[View], View]:
    """Decorates a view: it is called only for requests that pass."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checking(*arguments: Any, **named: Any) -> Any:
            answer = checked(guard, request.environ)
            if answer.caller is None:
                return Response(answer.body, answer.status, answer.headers)
            g.bonafide = answer.caller
            response = make_response(view(*arguments, **named))
            response.headers.extend(answer.headers)
            return response

        return checking

    return decorate
