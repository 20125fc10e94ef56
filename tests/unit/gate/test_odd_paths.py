"""Paths that software may resolve to other paths, and what the gateway's own route says of them."""

from __future__ import annotations

import pytest
from bonafide_tokens.routes import Demand, Requirement, RouteRequirement, demand_for, is_ambiguous

from tests.unit.gate.route_requirements import requirement_for

OFF, MONITOR, TOKEN, PROOF, PROOF_ONCE, *_ = Requirement


@pytest.mark.parametrize(
    "path",
    [
        "/open/../guarded",
        "/open/%2e%2e/guarded",
        "/open/%2E./guarded",
        "/open/..%2Fguarded",
        "/open/..%5Cguarded",
        "/open/%252e%252e%252fguarded",
        "/open/..;a=b/guarded",
        "//open/..//guarded",
        "/guarded/../open",
        "/guarded/%2e%2e/open",
        "/./guarded",
        "/guarded;x",
        "/guarded%3Bx",
        "/%67uarded",
        "/guarded%00",
        "/guarded\n",
        "/open/%ff",
        "/open/%c0%af..%c0%afguarded",
        "/open/\ud800",
        "/open/%25252525252e",
    ],
)
def test_path_with_two_readings_gets_the_stricter_requirement(path: str) -> None:
    """The gate must not be the one that is fooled."""
    routes = (RouteRequirement("*", "/open/*", OFF), RouteRequirement("*", "/guarded/*", PROOF))
    assert requirement_for(routes, "GET", path, TOKEN) is PROOF


@pytest.mark.parametrize(
    "path",
    [
        "/open/",
        "/open/a%20b",
        "/open/caf%c3%a9",
        "/open/café",
        "/open/日本",
        "/open/...",
        "/open/.well-known",
        "/open/a..b",
        "/open/$metadata",
        "/open/a*b",
        "/open/a|b^c",
        "/open/%7Eana",
        "/open/{id}",
    ],
)
def test_ordinary_path_keeps_its_requirement(path: str) -> None:
    """Strict is not paranoid: escapes and dots are no crime."""
    assert not is_ambiguous(path)
    assert requirement_for((RouteRequirement("*", "/open/*", OFF),), "GET", path) is OFF


@pytest.mark.parametrize(
    "path",
    [
        "//x/admin/users",
        "/v1//../payments/1",
        "/x/../admin//users",
        "/admin%23",
        "/admin%3f",
        "/./admin/..;//",
        "/open;\\..\\admin",
        "/open/%252e%252e",
        "/open/%2525",
        "/open/100%25",
        "/open/100%",
        "/open/%zz",
        "/open/a;b",
        "/open/a%3Bb",
        "/open//b",
        "/open/b//",
        "/open/a%2fb",
        "/open/a/%2f",
        "/open/a\\b",
        "/open/a%5cb",
        "/open/a?b",
        "/open/a#b",
        "/open/.",
        "/open/..",
        "/open/%2e",
        "/open/a%09",
        "/open/a\tb",
        "/open/%7f",
        "/open/ ",
        "/open/.. /admin",
        "/open%20",
        "/open/a%c2%a0",
        "/open/．．/admin",
        "/open／admin",
        "/open/%ef%bc%8fadmin",
        "/open/‥/admin",
        "/open/％2e",
        "/open/%e9",
        "/open/\ud800",
    ],
)
def test_path_that_software_may_resolve_to_another_gets_the_strictest_demand_of_all(path: str) -> None:
    """Which one cannot be predicted: the requirement and the tier may stand on routes that have nothing to do with the
    path."""
    routes = (
        RouteRequirement("DELETE", "/far/away", PROOF),
        RouteRequirement("*", "/open/*", TOKEN, "affirming"),
        RouteRequirement("*", "/*", MONITOR),
    )
    assert is_ambiguous(path)
    assert demand_for(routes, "GET", path, PROOF_ONCE) == Demand(PROOF, "affirming", "DELETE /far/away")


def test_api_that_refuses_no_request_refuses_no_odd_path_either() -> None:
    """What no path can reach, the default behind a route for everything, does not count."""
    routes = (
        RouteRequirement("GET", "/a", OFF),
        RouteRequirement("*", "/*", MONITOR),
        RouteRequirement("*", "/b", PROOF),
    )
    assert requirement_for(routes, "GET", "//x/b", PROOF) is MONITOR


@pytest.mark.parametrize(
    ("routes", "path", "expected"),
    [
        ([("GET", "/admin/*", PROOF)], "/admin/users", PROOF),
        ([("HEAD", "/admin/*", OFF), ("GET", "/admin/*", PROOF)], "/admin/users", PROOF),
        ([("HEAD", "/admin/*", PROOF), ("GET", "/admin/*", OFF)], "/admin/users", PROOF),
        ([("POST", "/admin/*", PROOF)], "/admin/users", MONITOR),
    ],
)
def test_head_is_asked_for_what_get_is(
    routes: list[tuple[str, str, Requirement]], path: str, expected: Requirement
) -> None:
    """Frameworks answer HEAD by what they have for GET, and it runs just the same."""
    made = (*(RouteRequirement(*route) for route in routes), RouteRequirement("*", "/*", MONITOR))
    assert requirement_for(made, "HEAD", path) is expected


KEYED = (
    RouteRequirement("GET", "/orders/special", PROOF),
    RouteRequirement("GET", "/orders/*", TOKEN),
    RouteRequirement("*", "/admin/*", PROOF_ONCE),
    RouteRequirement("*", "/*", MONITOR),
)


@pytest.mark.parametrize(
    ("path", "gateway_route", "expected"),
    [
        # The gateway has resolved an odd path to a route of its own: that route counts.
        ("/docs/a;b", "/docs/{page}", MONITOR),
        ("/docs/a%2Fb", "/docs/{page}", MONITOR),
        ("/docs/100%25", "/docs/{page}", MONITOR),
        ("/docs//intro", "/docs/{page}", MONITOR),
        ("/orders/a;b", "/orders/{order}", PROOF),  # a variable may have any value, "special" also
        ("/orders/caf%C3%A9", "/orders/{order}", TOKEN),
        ("/orders/7", "/orders/{order}", TOKEN),
        ("/orders/special", "/orders/{order}", PROOF),
        ("/x/admin", "/admin/users", PROOF_ONCE),
        ("//x/admin/users", "/admin/users", PROOF_ONCE),
        ("/docs/;x/users", "/admin/users", PROOF_ONCE),
        ("/x;y/users", "/{area}/users", PROOF_ONCE),  # "admin" also, below which everything is guarded
        # It is a route that an ordinary path cannot have come by: neither of the two may open the other.
        ("/admin/users", "/docs/{page}", PROOF_ONCE),
        ("/docs/intro", "/admin/{page}", PROOF_ONCE),
        # It says nothing of the path.
        ("/docs/a;b", "/{proxy+}", PROOF_ONCE),
        ("/docs/a;b", "/docs/{page+}", PROOF_ONCE),
        ("/docs/a;b", "$default", PROOF_ONCE),
        ("/docs/a;b", "", PROOF_ONCE),
        # It is the client's own path, as an emulator may show it.
        ("/admin;x/users", "/admin;x/users", PROOF_ONCE),
        ("/docs/a%2Fb", "/docs/a%2Fb", PROOF_ONCE),
        ("/docs//x", "/docs//x", PROOF_ONCE),
        ("/docs/100%", "/docs/100%", PROOF_ONCE),
        # A backend that resolves the path once more ends in another route than the gateway's.
        ("/docs/../admin", "/docs/{a}/{b}", PROOF_ONCE),
        ("/docs/%2e%2e/admin", "/docs/{a}/{b}", PROOF_ONCE),
        ("/docs/..;/admin", "/docs/{a}/{b}", PROOF_ONCE),
        ("/docs/..%2Fadmin", "/docs/{page}", PROOF_ONCE),
        ("/docs/..%5Cadmin", "/docs/{page}", PROOF_ONCE),
        ("/docs/%252e%252e%252fadmin", "/docs/{page}", PROOF_ONCE),
        ("/docs/．．/admin", "/docs/{a}/{b}", PROOF_ONCE),
        ("/docs/.%09./admin", "/docs/{a}/{b}", PROOF_ONCE),
        ("//admin/users", "/{a}/{b}/{c}", PROOF_ONCE),
        ("/\\admin/users", "/{a}/{b}", PROOF_ONCE),
    ],
)
def test_gateways_own_route_outranks_our_reading(path: str, gateway_route: str, expected: Requirement) -> None:
    """It says which integration runs, unless it is greedy and leaves that to the backend."""
    assert demand_for(KEYED, "GET", path, PROOF, gateway_route).requirement is expected


def test_odd_path_gets_the_highest_tier_of_its_readings_too() -> None:
    """The strictest requirement and the highest tier may stand on different routes."""
    routes = (
        RouteRequirement("*", "/open/*", TOKEN, "affirming"),
        RouteRequirement("*", "/guarded/*", PROOF, "warning"),
    )
    assert demand_for(routes, "GET", "/open/%2e%2e/guarded") == Demand(PROOF, "affirming", "* /guarded/*")
    assert demand_for(routes, "GET", "/open/%ff") == Demand(PROOF, "affirming", "* /guarded/*")
