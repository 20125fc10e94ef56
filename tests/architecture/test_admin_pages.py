"""What is written about the Admin API is about all of its routes: the page's table, the samples of IAM, the events."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

import administer
import pytest

from tests.architecture.source_tree import ROOT

GETS = [route for route in administer.ROUTES if route.method == "GET"]
_CELL = re.compile(r"`([^`]+)`")
_METHOD = re.compile(r"(GET|PUT|POST)\b")


def routes_of_the_page() -> set[tuple[str, str]]:
    """Method and path of each route in docs/admin-api.md. A cell names several: methods with the path that follows, and
    paths that go on from the one before, with ``…`` for what they share, under the method before."""
    table = (ROOT / "docs/admin-api.md").read_text("utf-8").split("| route | does |")[1].split("\n\n")[0]
    found: set[tuple[str, str]] = set()
    methods: list[str] = []
    base = ""
    for line in table.splitlines():
        if not line.startswith("| `"):
            continue
        waiting: list[str] = []
        for text in _CELL.findall(line.split(" | ")[0]):
            named = _METHOD.match(text)
            path = text.removeprefix(named[0] if named else "").strip().split("?")[0]
            if named:
                waiting.append(named[0])
            if not path:
                continue
            if path.startswith("…"):
                path = base + path.removeprefix("…").replace("{n}", "{" + path.split("/")[1].removesuffix("s") + "}")
            else:
                base = path
            methods = waiting or methods
            found |= {(method, path) for method in methods}
            waiting = []
    return found


def test_page_names_exactly_the_routes_that_there_are() -> None:
    """A route that no operator reads of is not used; one that is not there is not found."""
    assert routes_of_the_page() == {(route.method, route.path) for route in administer.ROUTES}


def policies_of_the_page() -> dict[str, list[dict[str, Any]]]:
    """The statements of each sample in docs/admin-access.md, by who it is for."""
    text = (ROOT / "docs/admin-access.md").read_text("utf-8")
    samples = re.findall(r"^\*\*([A-Za-z ]+)\*\*[^\n]*\n\n```json\n(.*?)```", text, re.M | re.S)
    return {name: json.loads(sample)["Statement"] for name, sample in samples}


def allows(statements: list[dict[str, Any]], method: str, path: str) -> bool:
    """What IAM would say to an identity with these statements alone; in its patterns ``*`` takes slashes, too."""
    arn = f"arn:aws:execute-api:eu-central-1:123456789012:API/STAGE/{method}{path}"
    effects = set()
    for statement in statements:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        if statement["Action"] == "execute-api:Invoke" and any(fnmatchcase(arn, one) for one in resources):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def sample_of(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda member: {"app": "shop", "version": "3"}.get(member[1], "x"), path)


def test_reader_reads_everything_and_changes_nothing() -> None:
    """The role for the view: every GET there is, and no other route."""
    reader = policies_of_the_page()["Reader"]
    for route in administer.ROUTES:
        assert allows(reader, route.method, sample_of(route.path)) == (route.method == "GET"), route.path
    for path in ("/v1/challenges", "/v1/tokens"):
        assert not allows(reader, "POST", path)


def test_reader_of_one_app_reads_that_app() -> None:
    """Its view, timeline, policies; nothing of another app, and nothing is changed."""
    reader = policies_of_the_page()["Reader of one app"]
    for route in administer.ROUTES:
        of_app = route.method == "GET" and "{app}" in route.path
        assert allows(reader, route.method, sample_of(route.path)) == of_app, route.path
        other = sample_of(route.path).replace("shop", "other")
        assert not allows(reader, route.method, other) or "{app}" not in route.path, route.path
    assert not allows(reader, "GET", "/admin/apps/shop2/view")


@pytest.mark.parametrize("name", ["Publisher", "Approver", "On call"])
def test_others_name_routes_that_there_are(name: str) -> None:
    """A statement for a route that is gone, or misspelt, allows nothing."""
    known = {(route.method, sample_of(route.path)) for route in administer.ROUTES}
    for statement in policies_of_the_page()[name]:
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        for resource in resources:
            assert any(allows([{**statement, "Effect": "Allow", "Resource": resource}], *one) for one in known), (
                resource
            )


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.use_case.__name__)
def test_every_look_has_an_event(route: Any) -> None:
    """For `sam local invoke`: ``200_<use case>.json``, signed, on the route's path."""
    event = json.loads((ROOT / f"events/administer/200_{route.use_case.__name__}.json").read_text("utf-8"))
    assert (event["httpMethod"], event["path"]) == ("GET", f"/admin/{event['pathParameters']['proxy']}")
    assert route.pattern.fullmatch(event["path"])
    assert event["requestContext"]["identity"]["userArn"]
    members = {**route.pattern.fullmatch(event["path"]).groupdict(), **(event["queryStringParameters"] or {})}
    route.model.model_validate(members)
