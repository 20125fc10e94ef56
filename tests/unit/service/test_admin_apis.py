"""Setting routes through the Admin API: what would never match as it was meant is refused where it comes from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from service.admin.guarded_apis import GuardedApi, check_routes
from service.admin.http import AdminCall
from service.admin.problems import AdminRefusal
from service.admin.routes import SetRoutes, set_routes

from tests.unit.command.route_texts import routes


class Apis:
    """The table, with one API in it."""

    def __init__(self, *stood: str) -> None:
        self.stood = routes(*stood)
        self.stored: list[GuardedApi] = []

    def find(self, audience: str) -> GuardedApi | None:
        return GuardedApi(audience=audience, routes=self.stood) if self.stood else None

    def put(self, api: GuardedApi, *, seen: int, entry: object) -> bool:
        del seen, entry
        self.stored.append(api)
        return True


def change(apis: Apis, *rows: list[str], gateway: Any = None) -> dict[str, object]:
    publication = SimpleNamespace(now=lambda: SimpleNamespace(to_record=dict))
    stack: Any = SimpleNamespace(apis=apis, publication=publication)
    request = SetRoutes(audience="orders", routes=list(rows), revision=0, gateway=gateway)
    return set_routes(request, AdminCall("ann", 1.0, stack))


@pytest.mark.parametrize(
    "row",
    [["GETT", "/a", "proof"], ["ANY", "/a", "proof"], ["GET", "/a/{b", "proof"], ["GET", "/{a+}/b", "proof"]],
)
def test_route_that_would_never_match_as_meant_is_refused(row: list[str]) -> None:
    """The command is not the only client."""
    apis = Apis()
    with pytest.raises(AdminRefusal, match="cannot be"):
        change(apis, ["GET", "/fine", "token"], row)
    assert apis.stored == []


def test_route_that_stands_is_no_reason_to_refuse_a_change() -> None:
    """Or an operator who cleans up two bad routes could remove neither."""
    apis = Apis("GETT /a proof", "GET /b/{c proof")
    change(apis, ["GET", "/b/{c", "proof"], ["GET", "/orders/{order}", "proof"])
    assert [route.path for route in apis.stored[0].routes] == ["/b/{c", "/orders/{order}"]


def test_two_spellings_of_one_place_are_one_route() -> None:
    """Only the first would ever count."""
    check_routes(routes("GET /a/{b} proof", "GET /a/* proof", "GET /a/{b+} proof"))
    with pytest.raises(ValueError, match="more than once"):
        check_routes(routes("GET /a/{b}/c proof", "GET /a/*/c token"))


@pytest.mark.parametrize("component", ["@query", "@target-uri"])
def test_component_that_the_gateway_cannot_rebuild_is_refused_at_configuration(component: str) -> None:
    """Every request of such a route would be refused. What an API is behind counts until another is said."""
    row = ["POST", "/pay", "signed-request", "", f"content-digest {component}"]
    apis = Apis()
    for gateway in (None, "rest", "websocket"):
        with pytest.raises(AdminRefusal, match="cannot be rebuilt"):
            change(apis, row, gateway=gateway)
    assert apis.stored == []
    for gateway in ("http", "backend"):
        assert change(apis, row, gateway=gateway)["gateway"] == gateway
    assert apis.stored[0].routes[0].components == (component, "content-digest")


@pytest.mark.parametrize(
    "row",
    [
        ["POST", "/pay", "signed-request", "", "@method"],
        ["POST", "/pay", "proof", "", "@query-param"],
        ["POST", "/pay", "off", "", "@query-param"],
        ["POST", "/pay", "signed-request", ""],
        ["POST", "/pay", "signed", ""],
    ],
)
def test_route_that_asks_signatures_for_what_they_cannot_do_is_refused(row: list[str]) -> None:
    with pytest.raises(AdminRefusal):
        change(Apis(), row, gateway="backend")


def test_gateway_that_was_said_stays() -> None:
    class Known(Apis):
        def find(self, audience: str) -> GuardedApi | None:
            return GuardedApi(audience=audience, routes=(), revision=1, gateway="http")

    apis = Known()
    change(apis, ["POST", "/pay", "signed-request", "", "@query"])
    assert apis.stored[0].gateway == "http"
    assert GuardedApi.from_record(apis.stored[0].to_record()) == apis.stored[0]
