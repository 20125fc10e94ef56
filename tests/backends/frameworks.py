"""One call at each framework, guarded as its documentation shows; import inside, as they are not always here."""

from __future__ import annotations

import sys
from typing import Any

from bonafide_tokens.backends.guard import Guard

from tests.backends.drivers import Answered, through_asgi, through_wsgi
from tests.unit.gate.stand import Call


def _fastapi(guard: Guard) -> Any:
    from bonafide_tokens.backends.fastapi import guarded
    from bonafide_tokens.backends.guard import Caller
    from fastapi import Depends, FastAPI

    app = FastAPI()
    caller = guarded(app, guard)

    @app.api_route("/{rest:path}", methods=["GET", "POST", "HEAD"])  # type: ignore[untyped-decorator]
    def all_routes(who: Caller = Depends(caller)) -> dict[str, str]:  # noqa: B008 - as FastAPI's users write it
        return {"key_id": who.key_id}

    return app


def at_fastapi(guard: Guard, call: Call, body: bytes = b"") -> Answered:
    return through_asgi(_fastapi(guard), call, body)


def at_flask(guard: Guard, call: Call, body: bytes = b"") -> Answered:
    from bonafide_tokens.backends.flask import guarded
    from flask import Flask, g
    from flask import request as asked

    app = Flask("tested", static_folder=None)
    app.url_map.merge_slashes = False

    @app.route("/", defaults={"rest": ""}, methods=["GET", "POST"])  # type: ignore[untyped-decorator]
    @app.route("/<path:rest>", methods=["GET", "POST"])  # type: ignore[untyped-decorator]
    @guarded(guard)
    def all_routes(rest: str) -> dict[str, str]:
        assert rest is not None
        return {"key_id": g.bonafide.key_id, "body": asked.get_data(as_text=True)}

    return through_wsgi(app, call, body)


def at_django(guard: Guard, call: Call, body: bytes = b"") -> Answered:
    from django.core.handlers.wsgi import WSGIHandler

    _configure_django()
    from bonafide_tokens.backends import django as middleware

    middleware.guard.cache_clear()
    made = middleware.guard
    middleware.guard = lambda: guard  # type: ignore[assignment]
    try:
        return through_wsgi(WSGIHandler(), call, body)
    finally:
        middleware.guard = made


def _configure_django() -> None:
    import django
    from django.conf import settings
    from django.http import JsonResponse
    from django.urls import re_path

    if settings.configured:
        return

    def all_routes(request: Any) -> Any:
        return JsonResponse({"key_id": request.bonafide.key_id})

    urls = type(sys)("tests_backends_urls")
    urls.urlpatterns = [re_path("", all_routes)]  # type: ignore[attr-defined]
    sys.modules["tests_backends_urls"] = urls
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=["bonafide_tokens.backends.django.GuardedDjango"],
        ROOT_URLCONF="tests_backends_urls",
        SECRET_KEY="none that guards anything",
        APPEND_SLASH=False,
        LOGGING_CONFIG=None,
    )
    django.setup()
