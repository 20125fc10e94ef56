"""The origin secret at the verifier API: nothing of a call around the edge is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import pytest
from service.edge.gateway import RequestModel
from service.edge.http import Wiring, endpoint
from service.telemetry.decisions import DecisionRecord

from tests.service_stack.events import rest_event, slug_of

Lines = Callable[[], list[dict[str, Any]]]


class Greeting(RequestModel):
    """A request of the tests."""

    name: str


SECRET, NEXT_SECRET = "c2VjcmV0LW9uZQ", "c2VjcmV0LXR3bw"
EDGE = Wiring(
    collaborators={},
    country_header="CloudFront-Viewer-Country",
    origin_secret_hashes=(sha256(SECRET.encode()).digest(), sha256(NEXT_SECRET.encode()).digest()),
)


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
def test_call_through_the_edge_is_answered(secret: str) -> None:
    """By either secret, while one replaces the other, and however the header is spelt."""
    event = rest_event("POST", "/greetings", {"name": "Ada"}, headers={"BONAFIDE-Origin-Secret": secret})
    handler = endpoint(Greeting, lambda _request, now: {"now": now}, lambda _env: EDGE)
    assert handler(event, None)["statusCode"] == 200


@pytest.mark.parametrize("values", [[], [""], [SECRET + "x"], [SECRET, SECRET], [SECRET, "x"], [None]])
@pytest.mark.parametrize("body", [{"name": "Ada"}, "no JSON"])
def test_call_around_the_edge_is_refused(values: list[object], body: object, log_lines: Lines) -> None:
    """Before anything else of it is believed, its country above all: one answer, whatever the body."""
    told: list[DecisionRecord] = []

    def use_case(_request: Greeting, *, now: float, record: DecisionRecord) -> Mapping[str, object]:
        told.append(record)
        return {}

    event = rest_event("POST", "/greetings", body, headers={"CloudFront-Viewer-Country": "CH"})
    event["multiValueHeaders"] = {"CloudFront-Viewer-Country": ["CH"], "bonafide-origin-secret": values}
    answer = endpoint(Greeting, use_case, lambda _env: EDGE, action="enrol")(event, None)
    assert (answer["statusCode"], slug_of(answer), told) == (403, "refused", [])
    (line,) = [line for line in log_lines() if line.get("message") == "decision"]
    assert (line["reason"], line["country"]) == ("origin-secret", "")
