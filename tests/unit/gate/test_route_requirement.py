"""Which route a request is for, and what it asks."""

from __future__ import annotations

import pytest
from bonafide_tokens.new_routes import check_new_route, is_same_place, routes_to_json
from bonafide_tokens.routes import Demand, Requirement, RouteRequirement, demand_for, routes_from_json, tier_reaches

from tests.unit.gate.route_requirements import MONITOR, OFF, PROOF, PROOF_ONCE, TOKEN, requirement_for


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("/v1/orders", "/v1/orders", True),
        ("/v1/orders", "/v1/orders/", True),
        ("/v1/orders", "/v1/orders/7", False),
        ("/v1/orders", "/v1/order", False),
        ("/v1/orders", "/V1/orders", False),
        ("/v1/orders", "/", False),
        ("/v1/*/lines", "/v1/7/lines", True),
        ("/v1/*/lines", "/v1/lines", False),
        ("/v1/*/lines", "/v1/7/8/lines", False),
        ("/v1/*", "/v1", True),
        ("/v1/*", "/v1/a", True),
        ("/v1/*", "/v1/a/b/c", True),
        ("/v1/*", "/v10", False),
        ("/v1/*/*", "/v1", False),
        ("/v1/*/*", "/v1/a", True),
        ("/*", "/", True),
        ("/*", "/anything/at/all", True),
        ("/", "/", True),
        ("/", "/a", False),
        ("/a.b", "/aXb", False),
        ("/v1/orders", "/v1/%6Frders", True),
        ("/v1/orders", "/v1/./orders", True),
    ],
)
def test_pattern_covers_what_it_says(pattern: str, path: str, covered: bool) -> None:
    """Exact segments, one segment, or the rest."""
    routes = (RouteRequirement("GET", pattern, PROOF),)
    assert requirement_for(routes, "GET", path, OFF) is (PROOF if covered else OFF)


def test_first_route_that_covers_decides() -> None:
    """Order is the team's to choose."""
    routes = (
        RouteRequirement("GET", "/v1/whoami", TOKEN),
        RouteRequirement("POST", "/v1/whoami", MONITOR),
        RouteRequirement("*", "/v1/*", OFF),
    )
    assert requirement_for(routes, "GET", "/v1/whoami") is TOKEN
    assert requirement_for(routes, "POST", "/v1/whoami") is MONITOR
    assert requirement_for(routes, "DELETE", "/v1/whoami") is OFF


def test_no_route_means_proof_unless_told_otherwise() -> None:
    """Forgetting a route must not open it."""
    assert requirement_for((), "GET", "/") is PROOF
    assert requirement_for((), "GET", "/", MONITOR) is MONITOR


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("/orders/{order}", "/orders/7", True),
        ("/orders/{order}", "/orders/7/", True),
        ("/orders/{order}", "/orders", False),
        ("/orders/{order}", "/orders/7/lines", False),
        ("/orders/{order}/lines", "/orders/7/lines", True),
        ("/orders/{order}/*", "/orders/7", True),
        ("/files/{path+}", "/files/a", True),
        ("/files/{path+}", "/files/a/b/c", True),
        ("/files/{path+}", "/files", False),
        ("/{proxy+}", "/", False),
        ("/{proxy+}", "/a", True),
        ("/{a}/{b}", "/x/y", True),
    ],
)
def test_gateways_own_notation_covers_what_the_gateway_does(pattern: str, path: str, covered: bool) -> None:
    """One segment for a variable, one or more for a greedy one."""
    routes = (RouteRequirement("GET", pattern, PROOF),)
    assert requirement_for(routes, "GET", path, OFF) is (PROOF if covered else OFF)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GETT", "/a"),
        ("ANY", "/a"),
        ("CONNECT", "/a"),
        ("GET", "/a/{b"),
        ("GET", "/a/b}"),
        ("GET", "/a/{}"),
        ("GET", "/a/{+}"),
        ("GET", "/a/{b+}/c"),
        ("GET", "/a/x{b}"),
        ("GET", "/a/{b}x"),
        ("GET", "/a/{{b}}"),
        ("GET", "/a/{b c}"),
    ],
)
def test_new_route_that_could_never_match_as_meant_is_refused(method: str, path: str) -> None:
    """It can be read, since it may be stored; it is not stored any more."""
    RouteRequirement(method, path, PROOF)
    with pytest.raises(ValueError, match=r"route|method|neither"):
        check_new_route(method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/orders/{order_id}"), ("*", "/{proxy+}"), ("HEAD", "/a/*"), ("GET", "/$connect"), ("GET", "/")],
)
def test_new_route_in_either_notation_is_taken(method: str, path: str) -> None:
    """The gateway's or ours."""
    check_new_route(method, path)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/a/{b}/c", "/a/*/c", True),
        ("/a/{b}", "/a/{c}", True),
        ("/a/{b}", "/a/*", False),
        ("/a/{b+}", "/a/*/*", True),
        ("/a/{b+}", "/a/*", False),
        ("/a", "/a", True),
        ("/a", "/b", False),
    ],
)
def test_two_spellings_of_one_place_are_one_place(one: str, other: str, same: bool) -> None:
    """Or a route would stand twice in a list, and only the first would ever count."""
    assert is_same_place(RouteRequirement("GET", one, PROOF), "GET", other) is same
    assert not is_same_place(RouteRequirement("POST", one, PROOF), "GET", other)


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/"), ("", "/"), ("GET ", "/"), ("GET", ""), ("GET", "v1"), ("GET", "/v1/"), ("GET", "/a*"), ("*", "//")],
)
def test_route_that_could_never_match_as_meant_is_refused(method: str, path: str) -> None:
    """A typo in a pattern must not silently leave a route to the default."""
    with pytest.raises(ValueError, match="route"):
        RouteRequirement(method, path, PROOF)


def test_routes_round_trip_through_json() -> None:
    """The same spelling in settings and bundle."""
    items = [["GET", "/v1/whoami", "token"], ["POST", "/pay", "proof-once", "affirming"], ["*", "/*", "proof"]]
    assert routes_to_json(routes_from_json(items)) == items


@pytest.mark.parametrize(
    ("item", "requirement", "tier"),
    [
        (["POST", "/pay", "proof-and-blood"], PROOF, None),
        (["POST", "/pay", "token", {"weekdays": True}], PROOF, "affirming"),
        (["POST", "/pay", "off", "solid-gold"], PROOF, "affirming"),
        (["POST", "/pay", "token", "solid-gold"], PROOF, "affirming"),
        (["POST", "/pay", "token", ["warning"]], PROOF, "affirming"),
        (["POST", "/pay", "token", None], PROOF, "affirming"),
        (["POST", "/pay", "token", "warning", "on-weekdays"], PROOF, "warning"),
        (["POST", "/pay", "proof-once", "warning", "on-weekdays"], PROOF_ONCE, "warning"),
    ],
)
def test_condition_of_a_later_version_is_read_on_the_strict_side(
    item: list[object], requirement: Requirement, tier: str | None
) -> None:
    """An authorizer older than its bundle must neither fail nor open a route."""
    (route,) = routes_from_json([item])
    assert (route.requirement, route.minimum_tier) == (requirement, tier)


def test_demand_names_the_route_it_comes_from() -> None:
    """Reports count by it; the default has no name."""
    routes = (RouteRequirement("POST", "/payments/*", PROOF_ONCE, "affirming"),)
    assert demand_for(routes, "POST", "/payments/7") == Demand(PROOF_ONCE, "affirming", "POST /payments/*")
    assert demand_for(routes, "GET", "/payments/7") == Demand(PROOF)


@pytest.mark.parametrize(
    ("requirement", "tier"), [(PROOF, "none"), (PROOF, "Affirming"), (PROOF, ""), (OFF, "warning")]
)
def test_tier_that_no_route_can_ask_for_is_refused(requirement: Requirement, tier: str) -> None:
    """A typo in a tier must not silently ask for nothing."""
    with pytest.raises(ValueError, match="tier"):
        RouteRequirement("GET", "/", requirement, tier)


@pytest.mark.parametrize(
    ("tier", "minimum", "reaches"),
    [
        ("affirming", "affirming", True),
        ("affirming", "warning", True),
        ("warning", "warning", True),
        ("warning", "affirming", False),
        ("contraindicated", "warning", False),
        ("none", "warning", False),
        ("AFFIRMING", "warning", False),
        ("anything", None, True),
    ],
)
def test_tier_reaches_the_minimum_it_is_not_below(tier: str, minimum: str | None, reaches: bool) -> None:
    """A tier of a later version reaches nothing."""
    assert tier_reaches(tier, minimum) is reaches


@pytest.mark.parametrize("items", [None, {}, "x", [1], [["GET", "/"]], [["GET", "/", 1]], [["GET", "x", "off"]]])
def test_routes_of_another_shape_are_refused(items: object) -> None:
    """One error for all that is wrong with them."""
    with pytest.raises(ValueError, match="route"):
        routes_from_json(items)
