"""Minimum tiers, and what the decision line says of each request class and route, enforced or monitored."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.appraisal.result import AttestationResult, Tier
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.trust_bundle import AppStatus

from tests.unit.gate.conftest import Lines
from tests.unit.gate.stand import APP, AUDIENCE, KEY_ID, NOW, Call, Stand, blocked, bundle, effect, token

LOW = token(
    result=AttestationResult(tier=Tier.WARNING, findings=(), trustworthiness={"hardware": 32}, policy_version=17),
    jti="low",
)
ROUTES = (
    RouteRequirement("GET", "/high", Requirement.TOKEN, "affirming"),
    RouteRequirement("GET", "/low", Requirement.TOKEN, "warning"),
    RouteRequirement("GET", "/monitored", Requirement.MONITOR, "affirming"),
    RouteRequirement("*", "/beta/*", Requirement.MONITOR),
    RouteRequirement("*", "/*", Requirement.TOKEN),
)


def stand(**changes: Any) -> Stand:
    return Stand(bundle(apis={AUDIENCE: ROUTES}, **changes))


def read(path: str, **changes: Any) -> Call:
    return Call(method="GET", path=path, proof=None).change(**changes)


@pytest.mark.parametrize(
    ("path", "holder", "passes"),
    [
        ("/high", token(), True),
        ("/high", LOW, False),
        ("/low", token(), True),
        ("/low", LOW, True),
        ("/elsewhere", LOW, True),
    ],
)
def test_route_with_a_minimum_tier_refuses_tokens_below_it(path: str, holder: str, passes: bool) -> None:
    """A device that was barely accepted may look, and not pay."""
    assert effect(stand().call(read(path, token=holder))) == ("Allow" if passes else "Deny")


def test_token_below_the_tier_hears_what_to_do_and_the_log_why(log_lines: Lines) -> None:
    """Renewing helps once the device is in order; the tier itself is the log's."""
    answer = stand().call(read("/high", token=LOW))
    assert (answer["context"]["error"], answer["context"]["action"]) == ("invalid_client_attestation", "reattest")
    line = log_lines()[-1]
    assert (line["reason"], line["tier"]) == ("token-tier", "warning")
    assert "warning" not in str(answer)


def test_token_below_the_tier_spends_no_proof() -> None:
    """The tier is looked at first: the same proof is good once the token is."""
    gate = stand()
    call = Call(method="GET", path="/high", token=LOW)
    assert effect(gate.call(call)) == "Deny"
    assert effect(gate.call(call.change(path="/low", signed_url=Call(path="/low").url))) == "Allow"


def test_tier_of_a_seen_token_is_looked_at_again() -> None:
    """The memory of tokens knows nothing of routes."""
    gate = stand()
    assert [effect(gate.call(read(path, token=LOW))) for path in ("/low", "/high", "/low")] == [
        "Allow",
        "Deny",
        "Allow",
    ]


def test_monitored_tier_lets_pass_and_records(log_lines: Lines) -> None:
    """So that a team sees whom a tier would cost it."""
    assert effect(stand().call(read("/monitored", token=LOW))) == "Allow"
    line = log_lines()[-1]
    assert (line["outcome"], line["reason"], line["request_class"]) == ("accepted", "token-tier", "invalid")


REPLAYED = "replayed"
CLASSES = [
    ("verified", {}, {}),
    ("no-token", {"token": None, "proof": None}, {}),
    ("expired", {"token": token(now=NOW - 1000)}, {}),
    ("invalid", {"token": "garbage"}, {}),
    ("invalid", {"signer": "thief"}, {}),
    (REPLAYED, {}, {}),
    ("revoked", {}, {"apps": blocked(KEY_ID)}),
    ("revoked", {}, {"apps": {APP: AppStatus(tokens_not_before=NOW)}}),
    ("wrong-audience", {"token": token(audience=("https://other.example",))}, {}),
]


@pytest.mark.parametrize("path", ["/beta/feed", "/orders"])
@pytest.mark.parametrize(("request_class", "change", "situation"), CLASSES)
def test_decision_line_has_what_a_report_counts_by(
    path: str, request_class: str, change: dict[str, Any], situation: dict[str, Any], log_lines: Lines
) -> None:
    """Class, audience, method and route pattern: the same whether the route enforces or only monitors."""
    gate = stand(**situation)
    call = Call(path=path).change(**change)
    if request_class == REPLAYED:
        gate.call(call)
    answer = gate.call(call)
    line = log_lines()[-1]
    monitored = path == "/beta/feed"
    assert effect(answer) == ("Allow" if monitored or request_class == "verified" else "Deny")
    assert line["request_class"] == request_class == answer["context"]["request_class"]
    assert (line["audience"], line["method"]) == (AUDIENCE, "POST")
    assert line["route_pattern"] == ("* /beta/*" if monitored else "* /*")
    assert line["requirement"] == ("monitor" if monitored else "token")


def test_request_that_no_route_covers_has_an_empty_pattern(log_lines: Lines) -> None:
    """A report shows it as the default."""
    Stand(bundle(apis={})).call(Call())
    assert log_lines()[-1]["route_pattern"] == ""
