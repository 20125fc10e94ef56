"""Decisions of a running stack, and of the one beside it, are counted in the tallies table."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
from service.tallies.reader import DynamoDBTallies
from service.tallies.rows import UNKNOWN_APP, Cell

from bonafide.operator.local_account import client_arguments
from devkit.devices.client import ApiClient
from devkit.stack.stack import LocalStack

_PATIENCE = 60.0


def counted(stack: LocalStack, source: str, since: float) -> Counter[Cell]:
    """What readers see of requests without an app."""
    client: Any = boto3.client("dynamodb", **client_arguments(stack.aws_endpoint_url))
    tallies = DynamoDBTallies(client, stack.facts["tables"]["tallies"])
    found = Counter[Cell]()
    for row in tallies.rows(UNKNOWN_APP, [source], step=2, since=since - 2, until=time.time() + 2):
        found.update(row.cells)
    return found


def until(found: Callable[[], int], wanted: int) -> int:
    """What ``found`` says, as soon as it is as much as is wanted."""
    end = time.monotonic() + _PATIENCE
    while (number := found()) < wanted and time.monotonic() < end:
        time.sleep(0.2)
    return number


def test_refused_requests_of_both_gates_are_counted(stack: LocalStack) -> None:
    """One by one and at once; by route, as each gate names it."""
    (example,) = stack.facts["examples"].values()
    client = ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.guarded_url)
    since = time.time()
    urls = {
        f"{stack.facts['audience']} GET /v1/whoami": f"{stack.guarded_url}/v1/whoami",
        "orders GET /orders": f"{example['OrdersRestApi']}/orders",
    }
    for url in urls.values():
        for _ in range(3):
            assert client.send("GET", url).status == 401
    for route in urls:
        wanted = ("refused", "token-missing", route)

        def found(wanted: tuple[str, str, str] = wanted) -> int:
            cells = counted(stack, "authorize", since)
            return sum(n for cell, n in cells.items() if (cell.outcome, cell.why, cell.facts[0]) == wanted)

        assert until(found, 3) >= 3, route  # more, where another test asked in the same two seconds


def test_challenges_are_counted(stack: LocalStack) -> None:
    client = ApiClient(verifier_url=stack.verifier_url, guarded_url=stack.guarded_url)
    since = time.time()
    body, headers = b'{"app": "never-registered"}', {"Content-Type": "application/json"}
    answer = client.send("POST", f"{stack.verifier_url}/v1/challenges", body=body, headers=headers)
    assert answer.status == 201
    wanted = Cell("issued", "", ())
    assert until(lambda: counted(stack, "challenge", since)[wanted], 1) >= 1
