"""Budgets in their table: exactly as many calls as they allow, however many race."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from service.relay.budget_windows import Allowance, Window
from service.relay.budgets import DynamoDBBudgets, Reservation
from service.relay.reasons import RelayReason, RelayRefused

from bonafide.operator.local_account import client_arguments
from devkit.local.provision import create_table
from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT

pytestmark = pytest.mark.ministack
MONTH = Window.MONTH
RACERS = 200


@pytest.fixture
def budgets(ministack_url: str) -> DynamoDBBudgets:
    """The template's own table, empty."""
    client = boto3.client("dynamodb", **client_arguments(ministack_url), config=Config(max_pool_connections=RACERS))
    properties = read_template(ROOT / "stacks/proxy.yaml")["Resources"]["BudgetsTable"]["Properties"]
    name = f"budgets-{uuid4()}"
    create_table(client, name, {key: value for key, value in properties.items() if key not in ("SSESpecification",)})
    return DynamoDBBudgets(client, name)


def reserve(
    budgets: DynamoDBBudgets, *, key_id: str = "key", units: int = 0, now: float | None = None, **allowed: Any
) -> Reservation | RelayReason:
    """One call's reservation, or why there is none. Budgets that are not given have room for anything."""
    wide = Allowance(MONTH, 10**9)
    try:
        return budgets.reserve(
            upstream="assistant",
            app="app",
            key_id=key_id,
            per_key=allowed.get("per_key", wide),
            per_app=allowed.get("per_app", wide),
            units=units,
            most_units=allowed.get("most_units", 10),
            now=time.time() if now is None else now,
        )
    except RelayRefused as error:
        return error.reason if error.retry_after else RelayReason.OUT_OF_TIME


def race(budgets: DynamoDBBudgets, racers: int, one_key: bool = False, **named: Any) -> Counter[str]:
    """So many calls at once; how many passed, and why the others did not."""
    line, now = threading.Barrier(racers), time.time()

    def racer(number: int) -> str:
        line.wait(timeout=60)
        found = reserve(budgets, key_id="key" if one_key else f"key-{number}", now=now, **named)
        return "passed" if isinstance(found, Reservation) else str(found)

    with ThreadPoolExecutor(racers) as pool:
        return Counter(pool.map(racer, range(racers)))


def rows(budgets: DynamoDBBudgets) -> dict[str, tuple[int, int]]:
    """Requests and units of each row."""
    found = budgets.client.scan(TableName=budgets.table)["Items"]
    return {row["budget"]["S"]: (int(row["requests"]["N"]), int(row["units"]["N"])) for row in found}


def test_exactly_as_many_racing_calls_pass_as_the_app_may_make(budgets: DynamoDBBudgets) -> None:
    """Of two hundred devices, 57: over all shards together. What the others took of their own budget, they got back."""
    assert race(budgets, RACERS, per_app=Allowance(MONTH, 57)) == {"passed": 57, "budget-of-app": RACERS - 57}
    counted = rows(budgets)
    assert sum(requests for row, (requests, _) in counted.items() if row.startswith("app#")) == 57
    assert sum(requests for row, (requests, _) in counted.items() if row.startswith("key#")) == 57


def test_exactly_as_many_racing_calls_pass_as_a_device_may_make(budgets: DynamoDBBudgets) -> None:
    """One key, forty calls at once."""
    found = race(budgets, 40, one_key=True, per_key=Allowance(MONTH, 23))
    assert found == {"passed": 23, "budget-of-key": 17}


def test_units_of_racing_calls_never_pass_the_budget(budgets: DynamoDBBudgets) -> None:
    """Calls of ten units, a budget of 240 in eight shards of thirty."""
    assert race(budgets, 40, units=10, per_app=Allowance(MONTH, 10**6, 240))["passed"] == 24


def test_what_was_used_is_settled_in_both_budgets(budgets: DynamoDBBudgets) -> None:
    """Less than was reserved comes back; more is taken, also beyond the budget, and then nothing passes."""
    allowance = Allowance(MONTH, 100, 100)
    first = reserve(budgets, units=60, per_key=allowance)
    assert reserve(budgets, units=60, per_key=allowance) is RelayReason.BUDGET_OF_KEY
    assert isinstance(first, Reservation)
    budgets.settle(first, 30)
    second = reserve(budgets, units=60, per_key=allowance)
    assert isinstance(second, Reservation)
    budgets.settle(second, 5000)
    assert reserve(budgets, units=1, per_key=allowance) is RelayReason.BUDGET_OF_KEY
    assert [counted for row, counted in rows(budgets).items() if row.startswith("key")] == [(2, 5030)]


def test_correction_whose_answer_was_lost_counts_once(budgets: DynamoDBBudgets) -> None:
    """The SDK sends it again, and DynamoDB knows it by its token. An update sent twice would give back twice."""
    first = reserve(budgets, units=60)
    assert isinstance(first, Reservation)
    sent: list[int] = []

    def lose_first_answer(attempts: int, **_told: object) -> Any:
        sent.append(attempts)
        return 0 if attempts == 1 else None  # seconds until it is sent again

    events = budgets.client.meta.events
    for operation in ("TransactWriteItems", "UpdateItem"):  # the latter for a settlement by plain updates
        events.register(f"needs-retry.dynamodb.{operation}", lose_first_answer, unique_id=f"lost-{operation}")
    budgets.settle(first, 20)
    for operation in ("TransactWriteItems", "UpdateItem"):
        events.unregister(f"needs-retry.dynamodb.{operation}", unique_id=f"lost-{operation}")
    assert sent[:2] == [1, 2]
    assert set(rows(budgets).values()) == {(1, 20)}


def test_an_abort_keeps_what_was_reserved(budgets: DynamoDBBudgets) -> None:
    """A function that died settles nothing."""
    allowance = Allowance(MONTH, 100, 100)
    assert isinstance(reserve(budgets, units=100, per_key=allowance), Reservation)
    assert reserve(budgets, units=1, per_key=allowance) is RelayReason.BUDGET_OF_KEY


def test_enrolling_again_resets_no_app_budget(budgets: DynamoDBBudgets) -> None:
    """The attack: a new key for each call."""
    three, one = Allowance(MONTH, 3), Allowance(MONTH, 1)
    found = [reserve(budgets, key_id=f"new-{number}", per_app=three, per_key=one) for number in range(5)]
    assert [isinstance(one, Reservation) for one in found] == [True, True, True, False, False]
    assert found[-1] is RelayReason.BUDGET_OF_APP


def test_a_large_ask_that_found_no_room_keeps_no_small_one_out(budgets: DynamoDBBudgets) -> None:
    """The attack: one device asks for more than an app has left, again and again, and pays for none of it."""
    allowance = Allowance(MONTH, 100, 15)
    assert isinstance(reserve(budgets, units=10, per_app=allowance), Reservation)
    assert reserve(budgets, units=10, per_app=allowance) is RelayReason.BUDGET_OF_APP
    assert isinstance(reserve(budgets, units=5, per_app=allowance), Reservation)


def test_the_next_window_begins_anew(budgets: DynamoDBBudgets) -> None:
    """And is another row."""
    allowance = Allowance(Window.MINUTE, 1)
    now = 1_800_000_000.0
    assert isinstance(reserve(budgets, per_key=allowance, now=now), Reservation)
    assert reserve(budgets, per_key=allowance, now=now + 59) is RelayReason.BUDGET_OF_KEY
    assert isinstance(reserve(budgets, per_key=allowance, now=now + 60), Reservation)
