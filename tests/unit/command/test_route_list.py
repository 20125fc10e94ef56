"""Changing a list of routes where the first match decides."""

from __future__ import annotations

import pytest
from bonafide_tokens.routes import Requirement, RouteRequirement, demand_for
from service.admin.guarded_apis import MAX_ROUTES

from bonafide.operator.errors import OperatorError
from bonafide.routes.route_list import Place, hidden, hides, new_route, placed, read_route, removed
from tests.unit.command.route_texts import routes, texts

STOOD = routes("GET /orders token", "POST /payments/* proof", "* /* proof")


@pytest.mark.parametrize(
    ("change", "place", "expected"),
    [
        ("POST /payments/refunds proof-once", Place.FITTING, 1),
        ("GET /orders/* token", Place.FITTING, 2),
        ("GET /orders monitor", Place.FITTING, 0),
        ("* /* monitor", Place.FITTING, 2),
        ("GET /orders monitor", Place.LAST, 2),
        ("GET /status off", Place.LAST, 3),
        ("GET /status off", Place.FIRST, 0),
        ("* /* off", Place.FIRST, 0),
    ],
)
def test_route_goes_where_it_decides_or_where_it_is_told_to(change: str, place: Place, expected: int) -> None:
    """A new route after a catch-all would never decide anything; a known one keeps its place."""
    (route,) = routes(change)
    made = placed(STOOD, route, place)
    assert made.index(route) == expected
    assert sum((old.method, old.path) == (route.method, route.path) for old in made) == 1
    assert {(old.method, old.path) for old in STOOD} <= {(new.method, new.path) for new in made}


def test_new_route_is_the_one_that_decides() -> None:
    """What an operator typed is what a request meets."""
    made = placed(STOOD, routes("POST /payments/refunds monitor")[0])
    assert demand_for(made, "POST", "/payments/refunds").requirement is Requirement.MONITOR
    assert demand_for(made, "POST", "/payments/1").requirement is Requirement.PROOF


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        ("* /*", "GET /a/b", True),
        ("GET /a/*", "GET /a", True),
        ("GET /a/*", "GET /a/*", True),
        ("GET /a/*", "GET /a/b/*", True),
        ("GET /*/b", "GET /a/b", True),
        ("GET /a/b", "GET /*/b", False),
        ("GET /a", "* /a", False),
        ("GET /a", "POST /a", False),
        ("GET /a", "GET /a/*", False),
        ("GET /a/b/*", "GET /a/*", False),
        ("GET /*/c", "GET /a/b", False),
    ],
)
def test_hiding_is_covering_everything(above: str, below: str, expected: bool) -> None:
    """Also between patterns."""
    one, other = routes(f"{above} proof", f"{below} proof")
    assert hides(one, other) is expected


def test_route_that_is_never_reached_is_named_with_its_reason() -> None:
    """An operator who ordered wrongly learns of it from the table."""
    made = routes("* /* proof", "GET /orders token")
    assert hidden(made) == {made[1]: made[0]}
    assert hidden(STOOD) == {}


def test_removed_route_is_gone_and_a_missing_one_is_said() -> None:
    """A typing mistake must not pass for success."""
    assert texts(removed(STOOD, "POST", "/payments/*")) == ["GET /orders token", "* /* proof"]
    with pytest.raises(OperatorError):
        removed(STOOD, "POST", "/payment/*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("POST /payments/*", ("POST", "/payments/*")), ("get  /a", ("GET", "/a")), ("/a/*", ("*", "/a/*"))],
)
def test_route_is_read_as_people_write_it(text: str, expected: tuple[str, str]) -> None:
    """Method and path; a path alone is any method."""
    assert read_route(text) == expected


@pytest.mark.parametrize("text", ["POST payments", "POST /a*", "", "P0ST /a", "POST /a//b", "POST"])
def test_what_is_no_route_is_said(text: str) -> None:
    """One sentence, not a stack trace."""
    with pytest.raises(OperatorError):
        read_route(text)


@pytest.mark.parametrize(("mode", "tier"), [("prof", None), ("proof", "gold"), ("off", "affirming")])
def test_mode_or_tier_that_does_not_exist_is_said(mode: str, tier: str | None) -> None:
    """Nothing unknown reaches a trust bundle, where authorizers would take it for the strictest."""
    with pytest.raises(OperatorError):
        new_route("GET", "/a", mode, tier)


def test_list_of_routes_is_bounded() -> None:
    """Every authorizer walks through it for every request."""
    many = tuple(RouteRequirement("GET", f"/{number}", Requirement.PROOF) for number in range(MAX_ROUTES))
    with pytest.raises(OperatorError):
        placed(many, routes("GET /one-more proof")[0])
    assert len(placed(many, routes("GET /0 off")[0])) == MAX_ROUTES
