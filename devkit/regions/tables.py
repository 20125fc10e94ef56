"""A region's tables on its AWS stand-in, as replication reaches them: the change stream, and writes that give way.

All tables tell their changes to one Kinesis stream. The write time is in the change's sequence number, which this
stand-in begins with milliseconds; on AWS it would be `ApproximateCreationDateTime`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bonafide.operator.local_account import client_arguments
from devkit.regions.rows import Change, Item, RowKey, WrittenAt

STREAM: Final = "bonafide-changes"
_COUNTER_DIGITS: Final = 10
_CONFIG: Final = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})


class RegionGone(Exception):
    """The region's stand-in does not answer."""


@dataclass(slots=True)
class RegionTables:
    """The tables of region `name` that are replicated: `tables` has their names by their short ones."""

    name: str
    endpoint_url: str
    tables: Mapping[str, str]
    _keys: dict[str, tuple[str, ...]] = field(init=False, default_factory=dict)
    _dynamodb: Any = field(init=False, repr=False)
    _kinesis: Any = field(init=False, repr=False)
    _iterator: str = field(init=False, default="", repr=False)

    def __post_init__(self) -> None:
        arguments = {**client_arguments(self.endpoint_url), "config": _CONFIG}
        self._dynamodb = boto3.client("dynamodb", **arguments)
        self._kinesis = boto3.client("kinesis", **arguments)

    def follow(self) -> None:
        """Have every table tell its changes from now on."""
        self._kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        self._kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
        described = self._kinesis.describe_stream(StreamName=STREAM)["StreamDescription"]
        for table in self.tables.values():
            found = self._dynamodb.describe_table(TableName=table)["Table"]
            # The partition key before the sort key, as every copy must name a row alike.
            self._keys[table] = tuple(
                part["AttributeName"] for part in sorted(found["KeySchema"], key=lambda part: part["KeyType"])
            )
            self._dynamodb.enable_kinesis_streaming_destination(TableName=table, StreamArn=described["StreamARN"])
        self._iterator = self._kinesis.get_shard_iterator(
            StreamName=STREAM, ShardId=described["Shards"][0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]

    def changes(self) -> list[Change]:
        """What was written since the last call, in its order. Raises :class:`RegionGone`."""
        found: list[Change] = []
        while True:
            try:
                page = self._kinesis.get_records(ShardIterator=self._iterator, Limit=1000)
            except (BotoCoreError, ClientError) as error:
                raise RegionGone(f"region {self.name}: {type(error).__name__}") from error
            self._iterator = page["NextShardIterator"]
            found += [self._change(json.loads(record["Data"])) for record in page["Records"]]
            if len(page["Records"]) < 1000:
                return found

    def write(self, change: Change, known: Item | None) -> bool | None:
        """Write another region's change here, if the row still is what is `known` of it.

        `None` when it is not: a function wrote it meanwhile. Otherwise whether anything was written that the change
        stream tells; deleting what is not there is nothing. Raises :class:`RegionGone`.
        """
        condition = unchanged(known, change)
        try:
            if change.item is not None:
                self._dynamodb.put_item(TableName=change.row.table, Item=change.item, **condition)
                return True
            deleted = self._dynamodb.delete_item(
                TableName=change.row.table, Key=change.key, ReturnValues="ALL_OLD", **condition
            )
            return "Attributes" in deleted
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return None
            raise RegionGone(f"region {self.name}: {error.response['Error']['Code']}") from error
        except BotoCoreError as error:
            raise RegionGone(f"region {self.name}: {type(error).__name__}") from error

    def _change(self, record: Mapping[str, Any]) -> Change:
        told = {part: _with_bytes(record["dynamodb"].get(part)) for part in ("Keys", "NewImage")}
        table = str(record["eventSourceARN"]).split(":table/", 1)[1].split("/", 1)[0]
        sequence = str(record["dynamodb"]["SequenceNumber"])
        written = WrittenAt(int(sequence[:-_COUNTER_DIGITS]), self.name, int(sequence[-_COUNTER_DIGITS:]))
        key = {name: told["Keys"][name] for name in self._keys[table]}
        row = RowKey(table, tuple(repr(value) for value in key.values()))
        return Change(row, key, told["NewImage"], written)


def _with_bytes(item: Any) -> Any:
    """A row from JSON, where bytes are base64, as boto3 has it."""
    if item is None:
        return None
    return {name: _value(*value.items()) for name, value in item.items()}


def _value(typed: tuple[str, Any]) -> Any:
    kind, value = typed
    if kind == "B":
        return {kind: base64.b64decode(value)}
    if kind == "BS":
        return {kind: [base64.b64decode(one) for one in value]}
    if kind == "M":
        return {kind: _with_bytes(value)}
    return {kind: [_value(*one.items()) for one in value]} if kind == "L" else {kind: value}


def unchanged(known: Item | None, change: Change) -> dict[str, Any]:
    """A condition that holds while a row is what is known of it, as far as a condition can say that: each attribute
    that is known has its value, and those that only the change has are not there. A row to which a function just added
    another attribute passes; :meth:`~devkit.regions.rows.RegionRows.misplaced` finds that afterwards."""
    names = sorted({*(known or {}), *(change.item or {}), *change.key})
    parts, values = [], {}
    for number, name in enumerate(names):
        if known is not None and name in known:
            parts.append(f"#n{number} = :v{number}")
            values[f":v{number}"] = known[name]
        else:
            parts.append(f"attribute_not_exists(#n{number})")
    condition: dict[str, Any] = {
        "ConditionExpression": " AND ".join(parts),
        "ExpressionAttributeNames": {f"#n{number}": name for number, name in enumerate(names)},
    }
    return {**condition, "ExpressionAttributeValues": values} if values else condition
