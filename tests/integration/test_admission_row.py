"""The row of admissions, in DynamoDB."""

from __future__ import annotations

import pytest
from service.admission.accounts import Accounts, DynamoDBAccountRow
from service.admission.queue import Seen, move_on
from service.errors import Unreadable

from tests.service_stack.worlds import AwsWorld


def _accounts(window: int = 100) -> Accounts:
    queues = move_on({}, {"shop": Seen(9_000, 3_000, 4_000, 7), "bank": Seen(40, 0, 38, 2)}, pace=100.0)
    return Accounts(window, move_on(queues, {"shop": Seen(9_000, 3_000, 4_000, 7)}, pace=100.0))


def _row(world: AwsWorld) -> DynamoDBAccountRow:
    return DynamoDBAccountRow(world.dynamodb, world.tables["tallies"])


def test_accounts_come_back_as_they_were(moto: AwsWorld) -> None:
    row = _row(moto)
    assert row.find_accounts() is None
    assert row.replace_accounts(_accounts())
    found = row.find_accounts()
    assert found is not None
    assert (found.window, found.queues) == (100, _accounts().queues)


def test_accounts_that_were_replaced_are_not_written_over(moto: AwsWorld) -> None:
    row = _row(moto)
    row.replace_accounts(_accounts())
    assert not row.replace_accounts(_accounts(101)), "as if there were none"
    first = row.find_accounts()
    assert first is not None
    newer = Accounts(101, first.queues, first.revision)
    assert row.replace_accounts(newer)
    assert not row.replace_accounts(newer)


def test_sixty_four_apps_in_a_storm_fit_into_a_row(moto: AwsWorld) -> None:
    """And into eight read units."""
    queues = dict(_accounts().queues)
    for _ in range(40):
        queues = move_on(queues, {f"app-{n}": Seen(9_000 + n, 8_000, 500 + n, 7) for n in range(64)}, pace=100.0)
    assert _row(moto).replace_accounts(Accounts(100, queues))
    found = _row(moto).find_accounts()
    assert found is not None
    assert found.queues.keys() == queues.keys()


@pytest.mark.parametrize("damage", [{"queues": b"x"}, {"window": "soon"}, {"queues": None}])
def test_a_damaged_row_is_said_to_be(moto: AwsWorld, damage: dict[str, object]) -> None:
    row = _row(moto)
    row.replace_accounts(_accounts())
    table = moto.tables["tallies"]
    key = {"bucket": {"S": "admission"}, "place": {"S": "accounts"}}
    (name, value), *_ = damage.items()
    told = {"NULL": True} if value is None else {"B": value} if isinstance(value, bytes) else {"S": str(value)}
    moto.dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": told},
    )
    with pytest.raises(Unreadable):
        row.find_accounts()
