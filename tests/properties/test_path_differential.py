"""No path that real URL parsers resolve to a guarded route gets less than that route asks for.

Ten thousand paths in every run, half a million by ``make paths``; each round has a seed of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Final

import pytest
from bonafide_tokens.routes import Requirement, RouteRequirement, demand_for
from gateway_event import read_event

from tests.properties.odd_paths import hostile, ordinary
from tests.properties.url_parsers import PARSERS, Node, Resolved, werkzeug
from tests.unit.gate.other_kinds import http_1, http_2, rest
from tests.unit.gate.stand import AUDIENCE, NOW, Call, Stand, bundle

RANK: Final = {requirement: rank for rank, requirement in enumerate(Requirement)}
GUARDS: Final[Mapping[tuple[str, str], Requirement]] = {
    ("*", "/admin/*"): Requirement.PROOF_ONCE,
    ("*", "/payments/{payment}"): Requirement.PROOF,
    ("GET", "/v1/accounts/{account}/close"): Requirement.PROOF,
    ("GET", "/orders/*"): Requirement.TOKEN,
}
CATCH_ALLS: Final = (
    (RouteRequirement("*", "/*", Requirement.MONITOR),),
    (RouteRequirement("GET", "/open/*", Requirement.OFF), RouteRequirement("*", "/*", Requirement.OFF)),
    (),
)
ROUTES: Final = tuple(RouteRequirement(method, path, asked) for (method, path), asked in GUARDS.items())
FLASK: Final = werkzeug(
    ("/admin", "/admin/<path:rest>", "/payments/<one>", "/v1/accounts/<one>/close", "/orders", "/orders/<path:rest>")
)
BATCH: Final = 1_000
PER_ROUND: Final = 50_000
SAMPLE: Final = 10_000


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node() as running:
        yield running


def asked(path: str, method: str) -> int:
    """What the guarded route that a *resolved* path names asks for, as a rank; 0 for none. Written without a look at
    the gate's own matching: segments compared one by one, empty ones left out."""
    segments = [segment for segment in path.split("/") if segment]
    best = 0
    for (guarded_method, pattern), requirement in GUARDS.items():
        if guarded_method not in ("*", "GET" if method == "HEAD" else method):
            continue
        names = pattern[1:].split("/")
        if names[-1] == "*":
            names = names[:-1]
            tried = segments[: len(names)]
        else:
            tried = segments
        if len(tried) == len(names) and all(a == b or b.startswith("{") for a, b in zip(tried, names, strict=True)):
            best = max(best, RANK[requirement])
    return best


def findings(seed: int, number: int, node: Node, resolved: Counter[str], tricked: Counter[str]) -> Iterator[str]:
    """Every path of ``number`` that the gate asks less for than what some parser makes of it needs.

    ``resolved`` counts, by parser, what ends at a guarded route; ``tricked`` those of them that do not show it.
    """
    random = Random(seed)
    for _ in range(number // BATCH):
        paths = [hostile(random) if one % 5 < 3 else ordinary(random) for one in range(BATCH)]
        for path, by_node in zip(paths, node.resolve(paths), strict=True):
            method = random.choice(("GET", "GET", "HEAD", "POST"))
            readings: dict[str, Resolved] = {name: parser(path) for name, parser in PARSERS.items()}
            readings |= {"node": by_node, "werkzeug": FLASK(path)}
            needs = {name: max((asked(one, method) for one in found), default=0) for name, found in readings.items()}
            shown = asked(path, method)
            for name, need in needs.items():
                resolved[name] += need > 0
                tricked[name] += need > shown
            most = max(needs.values())
            for others in CATCH_ALLS:
                given = demand_for((*ROUTES, *others), method, path, Requirement.MONITOR)
                if RANK[given.requirement] < most:
                    yield f"{method} {path!r} gets {given.requirement}: {needs}"


def check(seed: int, node: Node, number: int = PER_ROUND) -> None:
    resolved: Counter[str] = Counter()
    tricked: Counter[str] = Counter()
    assert list(findings(seed, number, node, resolved, tricked)) == []
    for name in (*PARSERS, "node", "werkzeug"):
        assert resolved[name] >= number / 10, (name, resolved)  # guards against a parser that is never fooled
        assert tricked[name] >= number / 50, (name, tricked)  # and against tricks that are none


def test_ten_thousand_paths_get_no_less_than_any_parser_resolves_them_to(node: Node) -> None:
    """Node's URL, ada-url, urllib, werkzeug's routing, and servlet containers' path parameters."""
    check(1, node, SAMPLE)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(2, 12))
def test_half_a_million_paths_get_no_less_than_any_parser_resolves_them_to(node: Node, seed: int) -> None:
    """The same, ten rounds more."""
    check(seed, node)


@pytest.mark.parametrize("make", [rest, http_1, http_2], ids=lambda make: make.__name__)
def test_gate_asks_no_less_of_any_kind_of_event(node: Node, make: Callable[[Call], dict[str, Any]]) -> None:
    """The same through the gate: an event may show more than one form of its path; its route is greedy."""
    random, stand = Random(5), Stand(bundle(apis={AUDIENCE: (*ROUTES, *CATCH_ALLS[0])}))
    paths = [hostile(random) for _ in range(2 * BATCH)]
    found = 0
    for path, by_node in zip(paths, node.resolve(paths), strict=True):
        method = random.choice(("GET", "HEAD", "POST"))
        readings = [by_node, FLASK(path), *(parser(path) for parser in PARSERS.values())]
        need = max((asked(one, method) for reading in readings for one in reading), default=0)
        event = make(Call(method=method, path=path, token=None, proof=None))
        decision = stand.gate.decide(read_event(event, settings=stand.settings, invocation_id=""), NOW)
        assert decision.requirement is not None
        assert RANK[decision.requirement] >= need, (method, path)
        found += need > 0
    assert found > BATCH


def test_ordinary_paths_keep_their_requirement() -> None:
    """Strictness costs no client that calls the API as it is meant."""
    random, routes = Random(0), (*ROUTES, *CATCH_ALLS[0])
    kept: Counter[Requirement] = Counter()
    for _ in range(20_000):
        path, method = ordinary(random), random.choice(("GET", "POST", "HEAD"))
        given = demand_for(routes, method, path, Requirement.PROOF).requirement
        assert RANK[given] == (asked(path, method) or RANK[Requirement.MONITOR]), (method, path, given)
        kept[given] += 1
    asked_for = (Requirement.MONITOR, Requirement.TOKEN, Requirement.PROOF, Requirement.PROOF_ONCE)
    assert all(kept[requirement] > 1_000 for requirement in asked_for), kept
