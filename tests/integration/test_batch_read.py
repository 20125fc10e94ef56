"""Places of several tables in one round trip: each known to be there or not, or nothing is known."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from service.deadline import within
from service.errors import Unavailable
from service.items.batch_read import ATTEMPTS, Place, read_rows

from tests.service_stack.faults import answering, first, injected
from tests.service_stack.worlds import AwsWorld

OPERATION = "BatchGetItem"


@pytest.fixture
def rows(moto: AwsWorld) -> list[Place]:
    """Two that are there, in two tables, and one that is not between them."""
    tables = moto.tables
    moto.dynamodb.put_item(TableName=tables["apps"], Item={"app": {"S": "demo"}, "n": {"N": "1"}})
    moto.dynamodb.put_item(TableName=tables["policies"], Item={"app": {"S": "demo"}, "version": {"N": "0"}})
    return [
        Place(tables["policies"], {"app": "demo", "version": 0}),
        Place(tables["policies"], {"app": "demo", "version": 1}),
        Place(tables["apps"], {"app": "demo"}),
    ]


def leaving_out(table: str, times: int) -> Any:
    """Answers that leave a table's rows out, as DynamoDB does under throttles; each request's tables are noted."""
    left, asked = [times], []

    def partly(params: dict[str, Any], **_more: object) -> None:
        asked.append(dict(params["RequestItems"]))
        if left[0]:
            params["RequestItems"] = {name: keys for name, keys in params["RequestItems"].items() if name != table}

    def told(parsed: dict[str, Any], **_more: object) -> None:
        if left[0]:
            left[0] -= 1
            parsed["UnprocessedKeys"] = {table: asked[-1][table]}

    return asked, partly, told


def test_each_row_is_in_its_place(moto: AwsWorld, rows: list[Place]) -> None:
    """Absent ones too; and each is read consistently."""
    with injected(moto.dynamodb, OPERATION, lambda _request: None) as sent:
        found = read_rows(moto.dynamodb, rows)
    assert [None if item is None else sorted(item) for item in found] == [["app", "version"], None, ["app", "n"]]
    assert len(sent) == 1
    assert sent[0].count('"ConsistentRead": true') == 2


@pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
def test_rows_that_were_left_out_are_asked_for_again(moto: AwsWorld, rows: list[Place], times: int) -> None:
    """Those alone."""
    table = moto.tables["apps"]
    waited: list[float] = []
    asked, partly, told = leaving_out(table, times)
    events = moto.dynamodb.meta.events
    events.register(f"before-parameter-build.dynamodb.{OPERATION}", partly)
    events.register(f"after-call.dynamodb.{OPERATION}", told)
    # The request that is left without any row is one that DynamoDB would refuse: it is answered here.
    events.register(f"before-call.dynamodb.{OPERATION}", _answer_nothing)
    found = read_rows(moto.dynamodb, rows, sleep=waited.append)
    assert found[2] is not None
    assert [set(each) for each in asked[1:]] == [{table}] * times
    assert len(waited) == times
    assert max(waited) <= 0.05 * 2**times


def _answer_nothing(params: dict[str, Any], **_more: object) -> Any:
    if '"RequestItems": {}' in str(params["body"].decode()):
        return AWSResponse("", 200, HTTPHeaders(), None), {"Responses": {}, "UnprocessedKeys": {}}
    return None


@pytest.mark.parametrize("seconds", [60.0, 0.2])
def test_rows_that_stay_left_out_are_unavailable(moto: AwsWorld, rows: list[Place], seconds: float) -> None:
    """Never "not there": a key that is not read is not unknown, and a head that is not read is not the default. The
    deadline ends it, too."""
    asked, partly, told = leaving_out(moto.tables["policies"], 1000)
    events = moto.dynamodb.meta.events
    events.register(f"before-parameter-build.dynamodb.{OPERATION}", partly)
    events.register(f"after-call.dynamodb.{OPERATION}", told)
    events.register(f"before-call.dynamodb.{OPERATION}", _answer_nothing)
    with within(seconds), pytest.raises(Unavailable, match="left out of moto-PoliciesTable"):
        read_rows(moto.dynamodb, rows, sleep=lambda _seconds: None)
    assert len(asked) <= ATTEMPTS


def test_failing_read_is_unavailable(moto: AwsWorld, rows: list[Place]) -> None:
    """With what failed, for the operator."""
    broken = first(1, answering(400, "AccessDeniedException"))
    with injected(moto.dynamodb, OPERATION, broken), pytest.raises(Unavailable, match="BatchGetItem: AccessDenied"):
        read_rows(moto.dynamodb, rows)
