"""Write units of enrolments and renewals, by the capacity that ministack says it consumed.

It counts writes by the sizes of items, as DynamoDB does (reads are all the same to it, and moto counts nothing).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from service.fallback_modes import KeyRows
from service.items.item_size import item_size, write_units
from service.receipts.new_receipts import NewReceipts
from service.redemption import DynamoDBRedemption
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey

from tests.integration.capacity import consumed_capacity
from tests.integration.enrolled_keys import NOW, challenge, enrolled_key, renewed
from tests.real_keys import real_keys
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack

RENEWAL = 4
"""A nonce and a key of one kilobyte, twice each for the transaction."""


def units(world: AwsWorld, key: EnrolledKey, rows: KeyRows = KeyRows.PACKED) -> tuple[float, float]:
    """Of the enrolment of ``key``, and of its first renewal."""
    keys = DynamoDBAttestedKeys(world.dynamodb, world.tables["attested_keys"], rows, lambda: bytes(32))
    redemption = DynamoDBRedemption(world.dynamodb, world.nonces, keys, receipts=NewReceipts(world.tables["receipts"]))
    with consumed_capacity(world.dynamodb) as consumed:
        redemption.enrol(challenge(), key)
        enrolment = consumed["TransactWriteItems"]
        redemption.renew(challenge(), renewed(key, 1) if key.counter is not None else replace(key))
    return enrolment, consumed["TransactWriteItems"] - enrolment


def alive(key: EnrolledKey) -> EnrolledKey:
    """Ahead of the real clock: ministack deletes rows that have expired by it."""
    return replace(key, enrolled_at=int(NOW), last_seen=int(NOW), expires_at=int(NOW) + 1000, home_country="DE")


@pytest.mark.parametrize("platform", ["apple", "android", "harmony"])
def test_renewal_of_every_real_key_takes_four_units(ministack: AwsWorld, platform: str) -> None:
    """Measured, not worked out."""
    measured = {name: units(ministack, alive(key)) for name, key in real_keys(platform).items()}
    assert {name: renewal for name, (_, renewal) in measured.items() if renewal != RENEWAL} == {}


def test_rows_as_text_took_more(ministack: AwsWorld) -> None:
    """Before: up to eighteen, and six for most Androids."""
    taken = [units(ministack, alive(key), KeyRows.TEXT)[1] for key in real_keys("android").values()]
    assert max(taken) == 18
    assert sorted(taken)[len(taken) // 2] == 6


def test_receipt_in_the_keys_row_took_more(ministack: AwsWorld) -> None:
    """Before: twelve for an iPhone. It is paid once now, by the enrolment."""
    key = enrolled_key(receipt=b"r" * 4000)
    assert units(ministack, key) == (4 + 10 + 1, RENEWAL)  # and the place in the index of what is due
    world, old = ministack, enrolled_key()
    keys = DynamoDBAttestedKeys(world.dynamodb, world.tables["attested_keys"])
    item: dict[str, Any] = {**keys.enrolling(old)["Put"]["Item"], "receipt": {"B": b"r" * 4000}}
    world.dynamodb.put_item(TableName=world.tables["attested_keys"], Item=item)
    with consumed_capacity(world.dynamodb) as consumed:
        world.redemption.renew(challenge(), renewed(old, 1))
        assert consumed["TransactWriteItems"] == 12
        world.redemption.renew(challenge(), renewed(old, 2))
    assert consumed["TransactWriteItems"] == 12 + RENEWAL


@pytest.mark.parametrize("more", range(-2, 3))
def test_sizes_are_those_that_are_charged(ministack: AwsWorld, more: int) -> None:
    """To the byte, at the border between two units: with every type that our rows have."""
    item: dict[str, Any] = {
        "key_id": {"S": "größe"},
        "number": {"N": "1780000001"},
        "round": {"N": "-1700"},
        "bytes": {"B": b"\x00\xff"},
        "true": {"BOOL": True},
        "list": {"L": [{"S": "a"}, {"N": "1"}, {"M": {"in": {"S": "x"}}}]},
        "map": {"M": {"until": {"N": "17"}, "by": {"S": "ann"}}},
    }
    item["filling"] = {"S": "x" * (1024 - item_size(item) - len("filling") + more)}
    assert item_size(item) == 1024 + more
    with consumed_capacity(ministack.dynamodb) as consumed:
        ministack.dynamodb.put_item(TableName=ministack.tables["attested_keys"], Item=item)
    assert consumed["PutItem"] == write_units(item_size(item)) == (1 if more <= 0 else 2)
