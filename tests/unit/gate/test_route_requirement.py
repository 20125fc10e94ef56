"""Which route a request is for, and what it asks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attestation.route_requirement import (
    Demand,
    Requirement,
    RouteRequirement,
    demand_for,
    routes_from_json,
    routes_to_json,
    tier_reaches,
)

OFF, MONITOR, TOKEN, PROOF, PROOF_ONCE = Requirement


def requirement_for(
    routes: Sequence[RouteRequirement], method: str, path: str, default: Requirement = PROOF
) -> Requirement:
    """The requirement alone."""
    return demand_for(routes, method, path, default).requirement


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
    "path", ["/open/%2525", "/open/a%20b", "/open/caf%c3%a9", "/open/a;b", "/open//b", "/open/..."]
)
def test_odd_path_with_one_requirement_in_every_reading_keeps_it(path: str) -> None:
    """Strict is not paranoid."""
    assert requirement_for((RouteRequirement("*", "/open/*", OFF),), "GET", path) is OFF


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


def test_odd_path_gets_the_highest_tier_of_its_readings_too() -> None:
    """The strictest requirement and the highest tier may stand on different routes."""
    routes = (
        RouteRequirement("*", "/open/*", TOKEN, "affirming"),
        RouteRequirement("*", "/guarded/*", PROOF, "warning"),
    )
    assert demand_for(routes, "GET", "/open/%2e%2e/guarded") == Demand(PROOF, "affirming", "* /guarded/*")
    assert demand_for(routes, "GET", "/open/%ff") == Demand(PROOF, "affirming", "")


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
