"""Use cases of the Admin API: what each route of an API asks for."""

from __future__ import annotations

from typing import Annotated, Literal

from bonafide_tokens.new_routes import check_new_route, check_rebuilt
from bonafide_tokens.routes import Requirement, RouteRequirement
from pydantic import Field

from service.admin.guarded_apis import AUDIENCE_PATTERN, MAX_ROUTES, GuardedApi, Routes, check_routes
from service.admin.problems import CHANGE_REFUSED, CONFLICT, UNKNOWN_API, AdminRefusal
from service.admin.publication import published_in_doubt
from service.admin.stack import StackCall, entry_of
from service.edge.gateway import RequestModel
from service.tables.audit import api_subject

Audience = Annotated[str, Field(pattern=AUDIENCE_PATTERN)]
RouteRow = Annotated[list[Annotated[str, Field(max_length=512)]], Field(min_length=3, max_length=5)]
Gateway = Literal["rest", "http", "websocket", "backend"]


class EveryApi(RequestModel):
    """GET /admin/apis."""


class OneApi(RequestModel):
    """GET /admin/apis/{audience}."""

    audience: Audience


class SetRoutes(RequestModel):
    """PUT /admin/apis/{audience}. ``routes`` replace all routes; ``revision`` is the one that they were made from, 0
    for an API that was never changed. ``gateway`` is what the API is behind, ``None`` for what was said before."""

    audience: Audience
    routes: Annotated[list[RouteRow], Field(max_length=MAX_ROUTES)]
    revision: Annotated[int, Field(ge=0, le=10**9)]
    why: Annotated[str, Field(max_length=1000)] = ""
    gateway: Gateway | None = None


def list_apis(_request: EveryApi, call: StackCall) -> dict[str, object]:
    """Every API that the trust bundle has routes for."""
    return {"apis": [api.to_record() for api in call.stack.apis.list()]}


def show_api(request: OneApi, call: StackCall) -> dict[str, object]:
    """One API's routes in order."""
    api = call.stack.apis.find(request.audience)
    if api is None:
        raise AdminRefusal(
            UNKNOWN_API,
            f"No routes are set for {request.audience}: its authorizer's own default counts for all of them.",
        )
    return api.to_record()


def set_routes(request: SetRoutes, call: StackCall) -> dict[str, object]:
    """Replace an API's routes, unless they have changed since they were read, and have them published."""
    routes = _routes(request.routes)
    stood = call.stack.apis.find(request.audience)
    gateway = request.gateway or ("rest" if stood is None else stood.gateway)
    _check_new(routes, stood)
    _check_rebuilt(routes, gateway)
    api = GuardedApi(
        audience=request.audience,
        routes=routes,
        revision=request.revision + 1,
        updated_at=int(call.now),
        updated_by=call.who,
        gateway=gateway,
    )
    details: dict[str, str | int] = {
        "revision": api.revision,
        "routes": "\n".join(" ".join(row) for row in request.routes),
        **({} if request.gateway is None else {"gateway": request.gateway}),
    }
    entry = entry_of(call, api_subject(request.audience), "set-routes", request.why, details)
    with published_in_doubt(call.stack.publication, f"bonafide route show {request.audience}"):
        stored = call.stack.apis.put(api, seen=request.revision, entry=entry)
        if not stored:
            current = call.stack.apis.find(request.audience)
            # The same call again, whose first answer was lost, is no conflict: what it asks for stands.
            if current is None or _claim(current) != _claim(api):
                raise AdminRefusal(
                    CONFLICT, f"{request.audience} is not at revision {request.revision} any more: look again."
                )
            api = current
    return {**api.to_record(), **call.stack.publication.now().to_record()}


def _check_new(routes: Routes, stood: GuardedApi | None) -> None:
    """Refuse routes that would never match as they were meant. Those that stand already are left alone: an operator who
    takes one of two away must not be refused for the other."""
    known = {(route.method, route.path) for route in stood.routes} if stood is not None else set()
    for route in routes:
        if (route.method, route.path) not in known:
            try:
                check_new_route(route.method, route.path)
            except ValueError as error:
                raise AdminRefusal(CHANGE_REFUSED, f"That route cannot be: {error}.") from None


def _check_rebuilt(routes: Routes, gateway: str) -> None:
    for route in routes:
        try:
            check_rebuilt(route, gateway)
        except ValueError as error:
            raise AdminRefusal(CHANGE_REFUSED, f"That route cannot be: {error}.") from None


def _claim(api: GuardedApi) -> tuple[int, Routes, str, str]:
    return api.revision, api.routes, api.updated_by, api.gateway


def _routes(rows: list[list[str]]) -> Routes:
    """Read strictly, unlike in a trust bundle: what is misspelt is said, and not taken for the strictest."""
    routes = []
    for method, path, need, *more in rows:
        if need not in list(Requirement):
            raise AdminRefusal(CHANGE_REFUSED, f"{need!r} is no mode: {', '.join(Requirement)}.")
        try:
            routes.append(RouteRequirement(method, path, Requirement(need), *more))
        except ValueError as error:
            raise AdminRefusal(CHANGE_REFUSED, f"That route cannot be: {error}.") from None
    try:
        check_routes(tuple(routes))
    except ValueError as error:
        raise AdminRefusal(CHANGE_REFUSED, str(error)) from None
    return tuple(routes)
