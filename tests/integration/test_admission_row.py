"""The row of admissions, in DynamoDB."""

from __future__ import annotations

import pytest
from service.admission import accounts
from service.admission.accounts import Accounts, DynamoDBAccountRow
from service.admission.learning import SETTLED, Learning
from service.admission.queue import WINDOW, Queue, Seen, move_on
from service.errors import Unreadable

from tests.service_stack.worlds import AwsWorld
from tests.unit.service.tallies_in_memory import TalliesInMemory


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
    assert (found.window, found.queues.keys()) == (100, _accounts().queues.keys())
    for app, queue in _accounts().queues.items():
        read = found.queues[app]
        assert (read.status, read.newcomers, read.worth) == (queue.status, queue.newcomers, queue.worth)
        assert read.returning == pytest.approx(queue.returning, abs=0.05)
        assert [one.refused for one in read.told] == pytest.approx([one.refused for one in queue.told], abs=0.05)
        assert [one[1:] for one in read.told] == [one[1:] for one in queue.told]


def test_accounts_that_were_replaced_are_not_written_over(moto: AwsWorld) -> None:
    row = _row(moto)
    row.replace_accounts(_accounts())
    assert not row.replace_accounts(_accounts(101)), "as if there were none"
    first = row.find_accounts()
    assert first is not None
    newer = Accounts(101, first.queues, first.revision)
    assert row.replace_accounts(newer)
    assert not row.replace_accounts(newer)


def _flooded(apps: int) -> dict[str, Queue]:
    """The queues of apps of each of which 2,000 installs a second have been asking for an hour."""
    one: dict[str, Queue] = {}
    for window in range(360):
        one = move_on(one, {"app": Seen(20_000 + window * 7 % 97, 19_960, 37, 7)}, pace=4.0)
    queues = {f"app-{n}": one["app"] for n in range(apps)}
    for _ in range(2):
        queues = move_on(queues, {app: Seen(20_000 + n, 19_900, 40, 7) for n, app in enumerate(queues)}, pace=400.0)
    return queues


def test_accounts_of_a_hundred_flooded_apps_move_on(moto: AwsWorld) -> None:
    """In the form in which they are kept: a row that cannot be read would be none for all apps."""
    row, queues = _row(moto), _flooded(100)
    for window in (100, 101):
        kept = row.find_accounts()
        assert row.replace_accounts(Accounts(window, queues, kept.revision if kept else ""))
        found = row.find_accounts()
        assert found is not None
        assert found.queues.keys() == queues.keys()
        queues = move_on(found.queues, {app: Seen(20_000, 19_900, 40, 7) for app in queues}, pace=400.0)


def test_smallest_queues_are_left_out_where_there_is_no_room(moto: AwsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than writing what cannot be read."""
    monkeypatch.setattr(accounts, "_LARGEST", 60_000)
    queues = {**_flooded(40), **_accounts().queues}
    assert _row(moto).replace_accounts(Accounts(100, queues))
    found = _row(moto).find_accounts()
    assert found is not None
    assert 0 < len(found.queues) < 40
    assert "bank" not in found.queues
    assert min(queue.waiting for queue in found.queues.values()) >= 10_000


@pytest.mark.parametrize("damage", [{"queues": b"x"}, {"window": "soon"}, {"queues": None}, {"revision": b"x"}])
def test_a_damaged_row_is_said_to_be_and_replaced(moto: AwsWorld, damage: dict[str, object]) -> None:
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
    Learning(TalliesInMemory(), row, 100.0).learn([], 200 * WINDOW + SETTLED)
    found = row.find_accounts()
    assert found is not None
    assert (found.window, found.queues) == (199, {})
