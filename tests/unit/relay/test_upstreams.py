"""The configuration of upstreams: what it may say, and what it never may."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from service.relay.upstreams import ConfigurationError, Upstream, read_upstreams
from service.relay.usage import Tokens

from tests.architecture.source_tree import ROOT
from tests.unit.relay.upstream_documents import DOCUMENT


def changed(**members: Any) -> str:
    """The document with other members of its one upstream; ``...`` leaves one out."""
    document = copy.deepcopy(DOCUMENT)
    for name, value in members.items():
        if value is ...:
            del document["assistant"][name]
        else:
            document["assistant"][name] = value
    return json.dumps(document)


def upstream(**members: Any) -> Upstream:
    """That upstream, read."""
    return read_upstreams(changed(**members))["assistant"]


def test_a_whole_upstream() -> None:
    """Every member arrives where it belongs."""
    read = upstream()
    assert (read.scheme, read.host, read.port, read.base_path) == ("https", "api.example.com", 443, "/base")
    assert read.apps == {"com.example.app"}
    assert (read.credential_header, read.credential_prefix, read.credential_query) == ("authorization", "Bearer ", "")
    assert read.per_app.requests == 1000
    assert read.per_key.units == 5000
    assert read.seconds == 30


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/messages", "/v1/messages"),
        ("GET", "/v1/models/gpt-4.1", "/v1/models/{model}"),
        ("GET", "/v1/messages", None),
        ("POST", "/v1/messages/", None),
        ("POST", "/v1/messages/x", None),
        ("POST", "//v1/messages", None),
        ("POST", "/v1/../v1/messages", None),
        ("POST", "/v1/%6dessages", None),
        ("GET", "/v1/models/..", None),
        ("GET", "/v1/models/.", None),
        ("GET", "/v1/models/", None),
        ("GET", "/v1/models/a/b", None),
        ("GET", "/v1/models/a%2fb", None),
        ("GET", "/v1/models/a;b", None),
        ("GET", "/v1/models/a\\b", None),
        ("GET", "/v1/models/a\n", None),
        ("GET", "/v1/models/a?b", None),
        ("GET", "/v1/models/a#b", None),
        ("GET", "/v1/models/é", None),
    ],
)
def test_routes_match_as_they_are_written(method: str, path: str, expected: str | None) -> None:
    """The attack: another spelling of a path that the upstream resolves elsewhere."""
    assert upstream().route(method, path) == expected


@pytest.mark.parametrize(
    "base",
    [
        "http://api.example.com",
        "https://api.example.com:8443",
        "https://user@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://api.example.com?",
        "https://127.0.0.1",
        "https://[::1]",
        "https://169.254.169.254",
        "https://2130706433",
        "https://localhost",
        "https://api.example.com.",
        "https://api.example.com/a//b",
        "https://api.example.com/../x",
        "https://api.example.com/a%20b",
        "https://api.example.com/{x}",
        "https://api.example.com:0",
        "https://api.example.com:x",
        "https://bücher.example",
        "ftp://api.example.com",
        "//api.example.com",
        "",
        "http://127.0.0.1:8080",
        5,
    ],
)
def test_bases_are_https_hosts_by_name(base: object) -> None:
    """An address, a port or a plain connection is a mistake, or an attempt at one."""
    with pytest.raises(ConfigurationError, match=r"assistant\.base"):
        upstream(base=base)


def test_loopback_needs_the_laptops_stage_and_is_nothing_else() -> None:
    """The fake upstream of the example; no other plain address even there."""
    assert read_upstreams(changed(base="http://127.0.0.1:8080"), loopback=True)["assistant"].port == 8080
    for base in ("http://127.0.0.2:8080", "http://localhost:8080", "http://10.0.0.1:80", "http://127.0.0.1"):
        with pytest.raises(ConfigurationError):
            read_upstreams(changed(base=base), loopback=True)


@pytest.mark.parametrize(
    "members",
    [
        {"apps": []},
        {"apps": "com.example.app"},
        {"routes": []},
        {"routes": [["GET"]]},
        {"routes": [["TRACE", "/x"]]},
        {"routes": [["GET", "x"]]},
        {"routes": [["GET", "/x*"]]},
        {"credential": {}},
        {"credential": {"header": "x-api-key", "query": "key"}},
        {"credential": {"header": "host"}},
        {"credential": {"header": "x-api-key", "prefix": "a\nb"}},
        {"credential": {"query": "key"}, "query": ["key"]},
        {"credential": {"header": "X-Api-Key"}, "request_headers": ["x-api-key"]},
        {"request_headers": ["authorization"]},
        {"request_headers": ["dpop"]},
        {"request_headers": ["transfer-encoding"]},
        {"request_headers": ["x-forwarded-for"]},
        {"answer_headers": ["set-cookie"]},
        {"fixed_headers": {"x": "a\r\nb: c"}},
        {"minimum_tier": "none"},
        {"seconds": 0},
        {"seconds": 601},
        {"seconds": True},
        {"most_answer_bytes": 1 << 40},
        {"budget": ...},
        {"budget": {"per_key": {"window": "day", "requests": 1}}},
        {"unknown": 1},
    ],
)
def test_mistakes_are_named(members: dict[str, Any]) -> None:
    """Nothing is guessed, ignored or sent as it is."""
    with pytest.raises(ConfigurationError, match="assistant"):
        upstream(**members)


@pytest.mark.parametrize(
    "budget",
    [
        {"most_units": ...},
        {"most_units": 10**9},
        {"per_key": {"window": "week", "requests": 1}},
        {"per_key": {"window": "day", "requests": 0}},
        {"per_key": {"window": "day", "requests": 1.5}},
        {"per_app": {"window": "day", "requests": 1, "units": -1}},
        {"prices": {"m": {"input": 1}}},
        {"prices": {"m": {"input": -1, "output": 1}}},
        {"prices": {"m": {"input": "1", "output": 1}}},
        {"other": 1},
    ],
)
def test_budgets_are_read_strictly(budget: dict[str, Any]) -> None:
    """A budget that is misspelt would be no budget."""
    whole = {**DOCUMENT["assistant"]["budget"], **budget}
    with pytest.raises(ConfigurationError, match="budget"):
        upstream(budget={name: value for name, value in whole.items() if value is not ...})


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"a": {}, "a": {}}', "[" * 5000, '{"A": {}}'])
def test_documents_are_objects_of_upstreams(text: str) -> None:
    """Anything else is refused in a sentence."""
    with pytest.raises(ConfigurationError):
        read_upstreams(text)


def test_prices_are_exact_and_rounded_up() -> None:
    """Dollars per million tokens are millionths of a dollar per token."""
    budget = {**DOCUMENT["assistant"]["budget"], "prices": {"m": {"input": 0.15, "output": 3}}}
    price = upstream(budget=budget).prices["m"]
    assert price.input == Decimal("0.15")
    assert price.of(Tokens(1, 0)) == 1
    assert price.of(Tokens(100, 10)) == 45


def test_the_examples_upstream_is_one() -> None:
    """As it stands, and small enough for a function's environment."""
    text = (ROOT / "examples/assistant/upstreams.json").read_text("utf-8")
    assert read_upstreams(text)["assistant"].routes[0][2] == "/v1/messages"
    assert len(json.dumps(json.loads(text), separators=(",", ":"))) < 3000
