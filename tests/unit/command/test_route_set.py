"""``bonafide route set``: what looks enforced and is not is refused, or warned of, at the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bonafide.operator.admin_api import AdminApi, AdminProblem
from bonafide.operator.deployment import _TABLE_OUTPUTS, GateSettings, from_outputs
from bonafide.routes.gate_limits import cache_warnings
from bonafide.routes.request_report import RouteReport
from bonafide.routes.route_coverage import covered
from bonafide.routes.route_list import Routes, meets, placed, read_route, removed
from tests.unit.command.route_texts import routes

Run = Callable[..., Result]
OWN = "bonafide-api"
LINES = [
    ("GET", "/orders/{order}", "no-token"),
    ("GET", "/orders/{order}", "verified"),
    ("GET", "ANY /{proxy+}", "verified"),
    ("HEAD", "/orders/{order}", "verified"),
    ("POST", "/payments", "verified"),
    ("GET", "$default", "verified"),
]


class Stack:
    """The Admin API in memory, and the facts of a local stack beside it."""

    def __init__(self, folder: Path) -> None:
        self.apis: dict[str, list[list[str]]] = {}
        self.changes = 0
        self.gate = {"EnableProofOnce": "false", "AuthorizerCacheSeconds": "0", "TokenLifetimeSeconds": "300"}
        self._folder = folder
        (folder / "logs").mkdir()
        text = "".join(json.dumps(_line(*line)) + "\n" for line in LINES)
        (folder / "logs" / "authorize.log").write_text(text)
        self.write()

    def write(self) -> None:
        facts = {
            **dict.fromkeys(
                ("verifier_url", "guarded_url", "aws_endpoint_url", "lambda_endpoint_url"), "http://127.0.0.1:9"
            ),
            **dict.fromkeys(("stack_name", "issuer", "wrapping_key_id", "root_public_key"), "bonafide"),
            "audience": OWN,
            "region": "eu-central-1",
            "tables": {},
            "functions": {},
            "gate": self.gate,
        }
        (self._folder / "stack.json").write_text(json.dumps(facts))

    def call(self, method: str, path: str, body: Any = None) -> Mapping[str, Any]:
        if path == "/admin/apps":
            return {"apps": [{"app": "shop", "audiences": ["orders"], "apple_app_ids": ["TEAM123456.a.b"]}]}
        if path == "/admin/apis":
            return {"apis": [{"audience": name, "routes": kept} for name, kept in self.apis.items()]}
        audience = path.rpartition("/")[2]
        if method == "PUT":
            self.apis[audience] = body["routes"]
            self.changes += 1
        elif audience not in self.apis:
            raise AdminProblem("none", slug="unknown-api", status=404)
        published = {"published": True, "bundle_version": 2}
        return {"audience": audience, "routes": self.apis[audience], "revision": 1, **published}


def _line(method: str, route: str, request_class: str) -> dict[str, object]:
    return {
        "message": "decision",
        "action": "authorize",
        "outcome": "accepted",
        "request_class": request_class,
        "requirement": "monitor",
        "audience": "orders",
        "method": method,
        "route": route,
        "route_pattern": "* /*",
    }


@pytest.fixture
def stack(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    found = Stack(run_folder)
    monkeypatch.setattr("bonafide.operator.publication.served_version", lambda _deployment: 2)
    monkeypatch.setattr(AdminApi, "call", lambda _api, method, path, body=None: found.call(method, path, body))
    return found


def set_mode(bonafide: Run, *arguments: str) -> dict[str, Any]:
    result = bonafide("route", "set", *arguments, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /orders/{order}", ("GET", "/orders/{order}")),
        ("ANY /{proxy+}", ("*", "/{proxy+}")),
        ("any /a", ("*", "/a")),
        ("/a/{b}", ("*", "/a/{b}")),
        ("GET $default", ("GET", "/*")),
        ("$default", ("*", "/*")),
        ("$connect", ("GET", "/$connect")),
    ],
)
def test_gateways_own_notation_is_read(text: str, expected: tuple[str, str]) -> None:
    """As a person copies it from the gateway, or from the report."""
    assert read_route(text) == expected


@pytest.mark.parametrize("text", ["GETT /a", "GET /a/{b", "GET /a/{b+}/c", "GET /a/x{b}", "TRACE /a", "GET $nothing"])
def test_route_that_would_never_match_as_meant_is_refused(bonafide: Run, stack: Stack, text: str) -> None:
    """It would be listed as enforced, and every request would pass as the catch-all says."""
    result = bonafide("route", "set", "orders", text, "proof")
    assert (result.exit_code, result.stdout, stack.changes) == (1, "", 0)
    assert text in result.stderr


def test_route_that_was_stored_before_can_be_removed(bonafide: Run, stack: Stack) -> None:
    """What is refused today may stand since yesterday."""
    stack.apis["orders"] = [["GETT", "/a", "proof"], ["GET", "/a/{b", "proof"]]
    assert set_mode(bonafide, "orders", "GETT /a", "--remove")["routes"] == [["GET", "/a/{b", "proof"]]
    assert set_mode(bonafide, "orders", "GET /a/{b", "--remove")["routes"] == []


def test_route_in_another_spelling_is_the_same_route() -> None:
    """`/orders/{id}` after `/orders/{order}` changes it, and adds none that is never reached."""
    stood = routes("GET /orders/{order} token", "* /* proof")
    changed = placed(stood, routes("GET /orders/{id} proof")[0])
    assert [(one.path, one.requirement.value) for one in changed] == [("/orders/{id}", "proof"), ("/*", "proof")]
    assert len(removed(stood, "GET", "/orders/{id}")) == 1


def test_unknown_audience_is_refused_unless_said_to_be_new(bonafide: Run, stack: Stack) -> None:
    """`bnak` for `bank` guards nothing."""
    result = bonafide("route", "set", "bnak", "/*", "proof")
    assert (result.exit_code, stack.changes) == (1, 0)
    assert "orders" in result.stderr
    assert "--new" in result.stderr
    assert set_mode(bonafide, "bnak", "/*", "proof", "--new")["routes"] == [["*", "/*", "proof"]]
    for known in ("orders", OWN, "bnak"):
        set_mode(bonafide, known, "/*", "proof")


@pytest.mark.parametrize(
    ("audience", "enabled", "flags", "code", "said"),
    [
        (OWN, "true", (), 0, ""),
        (OWN, "false", (), 1, "EnableProofOnce=true"),
        (OWN, "false", ("--gate-has-table",), 1, "EnableProofOnce=true"),
        ("orders", "true", (), 1, "--gate-has-table"),
        ("orders", "false", ("--gate-has-table",), 0, ""),
        (OWN, None, (), 1, "--gate-has-table"),
        (OWN, None, ("--gate-has-table",), 0, ""),
    ],
)
def test_proof_once_needs_a_gate_that_can_spend(
    bonafide: Run, stack: Stack, audience: str, enabled: str | None, flags: tuple[str, ...], code: int, said: str
) -> None:
    """A gate without a table would answer 401 to everyone; where it is another stack's, the operator has to say so."""
    stack.gate = {} if enabled is None else {**stack.gate, "EnableProofOnce": enabled}
    stack.write()
    result = bonafide("route", "set", audience, "POST /pay", "proof-once", *flags)
    assert (result.exit_code, stack.changes) == (code, 1 - code)
    assert said in result.stderr
    assert bonafide("route", "set", audience, "POST /pay", "proof").exit_code == 0


def test_recorded_requests_that_a_route_covers_are_shown(bonafide: Run, stack: Stack) -> None:
    """As the report has them: by the gateway's route, all of it or some."""
    answer = set_mode(bonafide, "orders", "GET /orders/{order}", "proof")
    members = ("method", "route", "total", "would_be_refused", "all")
    assert [tuple(one[member] for member in members) for one in answer["covers"]] == [
        ("GET", "$default", 1, 0, False),
        ("GET", "/orders/{order}", 2, 1, True),
        ("HEAD", "/orders/{order}", 1, 0, True),
        ("GET", "/{proxy+}", 1, 0, False),
    ]
    assert answer["warnings"] == []
    text = bonafide("route", "set", "orders", "GET /orders/{order}", "proof")
    assert "would be refused" in text.stdout


def test_route_that_covers_no_recorded_request_is_warned_of(bonafide: Run, stack: Stack) -> None:
    """`/ordres` for `/orders` looks enforced, and is not. The change is made all the same: it may come first."""
    stack.apis["orders"] = [["*", "/*", "monitor"]]
    answer = set_mode(bonafide, "orders", "DELETE /ordres", "proof")
    assert answer["covers"] == []
    assert "covers no request that was recorded" in answer["warnings"][0]
    assert stack.changes == 1
    result = bonafide("route", "set", "orders", "DELETE /ordres", "proof")
    assert (result.exit_code, "Warning: DELETE /ordres covers no" in result.stderr) == (0, True)


def test_preview_shows_and_changes_nothing(bonafide: Run, stack: Stack) -> None:
    """What a change would be, before it is one."""
    answer = set_mode(bonafide, "orders", "POST /payments", "proof", "--preview")
    assert (answer["preview"], answer["routes"], stack.changes) == (True, [["POST", "/payments", "proof"]], 0)
    assert [one["route"] for one in answer["covers"]] == [
        "/payments",
    ]


def test_logs_that_cannot_be_read_stop_no_change(bonafide: Run, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator at three in the morning may lack that one permission."""

    def denied(*_: object, **__: object) -> Any:
        raise OSError(13, "Permission denied", "authorize.log")

    monkeypatch.setattr("bonafide.cli.route.local_decisions", denied)
    answer = set_mode(bonafide, "orders", "POST /payments", "proof")
    assert (stack.changes, answer["covers"]) == (1, [])
    assert "could not be read. authorize.log: Permission denied." in answer["warnings"][0]


def _recorded(*texts: str) -> list[RouteReport]:
    parts = (text.split(" ", 1) for text in texts)
    return [RouteReport("orders", method, route) for method, route in parts]


@pytest.mark.parametrize(
    ("listed", "changed", "recorded", "expected"),
    [
        ("GET /a proof|* /* monitor", "GET /a", "GET /a", True),
        ("GET /a proof|* /* monitor", "* /*", "GET /a", None),
        ("GET /a proof|* /* monitor", "* /*", "GET /{proxy+}", False),
        ("GET /{x} proof", "GET /{x}", "GET /{proxy+}", False),
        ("GET /a/* proof", "GET /a/*", "GET /a/{b}", True),
        ("GET /a/{b} proof", "GET /a/{b}", "GET /a", None),
        ("POST /a proof", "POST /a", "GET /a", None),
        ("GET /a proof", "GET /a", "HEAD /a", True),
        ("* /* proof", "* /*", "GET $default", True),
        ("GET /{x}/b proof", "GET /{x}/b", "GET /a/{y}", False),
        ("GET /$connect proof", "GET /$connect", "GET $connect", True),
    ],
)
def test_coverage_is_by_first_match(listed: str, changed: str, recorded: str, expected: bool | None) -> None:
    """A route above takes its requests first; a greedy gateway route may hold any path."""
    made: Routes = routes(*listed.split("|"))
    method, path = changed.split(" ")
    found = covered(made, method, path, _recorded(recorded))
    assert [one.all for one in found] == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("GET /a/*", "GET /a", True),
        ("GET /a/{b+}", "GET /a", False),
        ("GET /a/{b}", "* /a/c", True),
        ("GET /a/{b}", "GET /a/c/d", False),
        ("GET /a", "POST /a", False),
        ("GET /*", "GET /a/b/c", True),
        ("GET /a/*", "GET /b/*", False),
    ],
)
def test_meeting_is_covering_some_request_together(one: str, other: str, expected: bool) -> None:
    """Whichever comes first."""
    first, second = routes(f"{one} proof", f"{other} proof")
    assert meets(first, second) is meets(second, first) is expected


def test_cache_that_makes_routes_impossible_is_warned_of(bonafide: Run, stack: Stack) -> None:
    """Where the stack says that answers are cached: tokens that it outlives, and routes that ask for proofs."""
    stack.gate |= {"AuthorizerCacheSeconds": "300"}
    stack.write()
    both = set_mode(bonafide, OWN, "POST /pay", "proof")["warnings"]
    assert any("tokens live 300 s: every token is refused" in warning for warning in both)
    assert any("refused: POST /pay" in warning for warning in both)
    stack.gate |= {"AuthorizerCacheSeconds": "60"}
    stack.write()
    assert not any("tokens live" in warning for warning in set_mode(bonafide, OWN, "POST /pay", "token")["warnings"])
    assert set_mode(bonafide, "orders", "POST /payments", "proof")["warnings"] == []
    stack.gate |= {"AuthorizerCacheSeconds": "400"}
    stack.write()
    assert "every token is refused" in bonafide("route", "show", OWN).stderr


def test_gate_of_a_deployed_stack_is_known_by_its_parameters() -> None:
    """No output is needed for it; a stack that lacks one says nothing."""
    names = ("VerifierApiUrl", "Issuer", "Audience", "WrappingKeyId", "RootPublicKey")
    outputs = dict.fromkeys((*names, *_TABLE_OUTPUTS.values()), OWN)
    parameters = {"EnableProofOnce": "true", "AuthorizerCacheSeconds": "0", "TokenLifetimeSeconds": "300"}
    known = from_outputs("s", None, outputs, parameters)
    assert known.gate == GateSettings(proof_once=True, cache_seconds=0, token_lifetime=300)
    assert from_outputs("s", None, outputs, {"EnableProofOnce": "true"}).gate is None
    assert cache_warnings(from_outputs("s", None, outputs), OWN, ()) == []
