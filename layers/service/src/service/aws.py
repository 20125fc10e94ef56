"""AWS clients that keep a request's deadline, one exception for their failures, and DynamoDB items.

A function answers within seconds or says ``try-later``: waiting out botocore's default minute would only pile up
requests behind a table that is down.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, ParamSpec, cast

import boto3
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from service.aws_attempts import ATTEMPTS, keep_deadline
from service.errors import Unavailable
from service.telemetry.decisions import count

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient as DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef as TransactWriteItemTypeDef
    from mypy_boto3_kms import KMSClient as KMSClient
else:  # for annotations alone: a function's package has no stubs
    DynamoDBClient = KMSClient = TransactWriteItemTypeDef = Any

_CONFIG: Final = Config(
    connect_timeout=1.0,
    read_timeout=1.5,
    retries={"mode": "standard", "total_max_attempts": 1},  # botocore's; ours are those of aws_attempts
    tcp_keepalive=True,
    max_pool_connections=32,
)

_P = ParamSpec("_P")
_KEY_UNUSABLE: Final = frozenset({"DisabledException", "KMSInvalidStateException", "NotFoundException"})
_SDK_LOGGERS: Final = ("boto3", "botocore", "s3transfer", "urllib3")


@cache
def dynamodb() -> DynamoDBClient:
    """The DynamoDB client of this process; region, credentials and endpoint from the environment."""
    return cast("DynamoDBClient", _client("dynamodb", _CONFIG))


@cache
def kms() -> KMSClient:
    """The KMS client of this process; region, credentials and endpoint from the environment."""
    return cast("KMSClient", _client("kms", _CONFIG))


@cache
def s3() -> Any:
    """The S3 client of this process, with more patience than a request has: no caller waits for a replay."""
    return _client("s3", _CONFIG.merge(Config(read_timeout=30.0)))


@cache
def parameters() -> Any:
    """The Systems Manager client of this process."""
    return _client("ssm", _CONFIG)


@cache
def functions(read_timeout: float) -> Any:
    """The Lambda client of this process. An answer is waited for ``read_timeout`` seconds, and nothing is repeated: the
    first invocation may still be at work."""
    return _client("lambda", _CONFIG.merge(Config(read_timeout=read_timeout)), attempts=1)


@cache
def logs() -> Any:
    """The CloudWatch Logs client of this process. A page of a search may take its time, and is not asked for twice:
    the request's deadline ends the search."""
    return _client("logs", _CONFIG.merge(Config(read_timeout=12.0)), attempts=1)


@cache
def code_deploy() -> Any:
    """The CodeDeploy client of this process."""
    return _client("codedeploy", _CONFIG.merge(Config(read_timeout=10.0)))


@cache
def secrets_manager() -> Any:
    """The Secrets Manager client of this process; region, credentials and endpoint from the environment."""
    return _client("secretsmanager", _CONFIG)


@cache
def queues() -> Any:
    """The SQS client of this process; region, credentials and endpoint from the environment, as for the two below."""
    return _client("sqs", _CONFIG)


@cache
def events() -> Any:
    """The EventBridge client of this process."""
    return _client("events", _CONFIG)


@cache
def topics() -> Any:
    """The SNS client of this process."""
    return _client("sns", _CONFIG)


def _client(service: Any, config: Config, attempts: int = ATTEMPTS) -> Any:
    _keep_sdk_quiet()
    client = boto3.client(service, config=config)
    keep_deadline(client, attempts=attempts)
    return client


def _keep_sdk_quiet() -> None:
    """Hold the SDK's own loggers at WARNING, whatever the root logger's level is or becomes.

    The attack: a person who may set a log level and read logs reads private keys. At DEBUG botocore logs whole requests
    and answers, and the answer of KMS Decrypt is an unwrapped key.
    """
    for name in _SDK_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def error_code(error: ClientError) -> str:
    """AWS's code for an error, such as ``ConditionalCheckFailedException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def unavailable_on_failure(what: str) -> Iterator[None]:
    """Turn any failure of an AWS call into :class:`Unavailable`: throttling, timeouts, and wrong permissions alike.

    ``what`` names the operation. Conditional failures mean something and are for the caller to catch inside. A key of
    KMS that is disabled, will be deleted or is gone is counted (``KeyUnusable``): waiting does not mend it.
    """
    try:
        yield
    except ClientError as error:
        if what.startswith("kms:") and error_code(error) in _KEY_UNUSABLE:
            count("KeyUnusable")
        raise Unavailable(f"{what}: {error_code(error)}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{what}: {type(error).__name__}") from error


def write_conditionally(what: str, write: Callable[_P, object], *arguments: _P.args, **named: _P.kwargs) -> bool:
    """Make one conditional write; ``what`` names it. False when its condition does not hold, and nothing was written.
    Raises :class:`Unavailable`."""
    with unavailable_on_failure(what):
        try:
            write(*arguments, **named)
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
    return True


def put_row_if(
    client: DynamoDBClient,
    table: str,
    row: Mapping[str, object],
    condition: str,
    values: Mapping[str, object] | None = None,
    *,
    called: str,
    **more: Any,
) -> bool:
    """Put a row where ``condition`` holds, which may use the values; false where it does not. ``called`` names the
    table for the operator, ``more`` are further members of PutItem. Raises :class:`Unavailable`."""
    if values:
        more["ExpressionAttributeValues"] = to_item(values)
    put, what = client.put_item, f"dynamodb:PutItem {called}"
    return write_conditionally(what, put, TableName=table, Item=to_item(row), ConditionExpression=condition, **more)


def get_row(
    client: DynamoDBClient, table: str, key: Mapping[str, object], *, called: str, consistent: bool = True, **more: Any
) -> dict[str, Any] | None:
    """The row of a primary key, or ``None``. ``called`` names the table for the operator, ``more`` are further members
    of GetItem. Raises :class:`Unavailable`, as do the two below."""
    with unavailable_on_failure(f"dynamodb:GetItem {called}"):
        item = client.get_item(TableName=table, Key=to_item(key), ConsistentRead=consistent, **more).get("Item")
    return None if item is None else from_item(item)


def query_rows(
    client: DynamoDBClient, table: str, condition: str, values: Mapping[str, object], *, called: str, **more: Any
) -> list[dict[str, Any]]:
    """The rows that meet a condition on the key, of all pages; a consistent read."""
    more |= {"KeyConditionExpression": condition, "ExpressionAttributeValues": to_item(values)}
    with unavailable_on_failure(f"dynamodb:Query {called}"):
        pages = client.get_paginator("query").paginate(TableName=table, ConsistentRead=True, **more)
        return [from_item(item) for page in pages for item in page["Items"]]


def scan_rows(client: DynamoDBClient, table: str, *, called: str, **more: Any) -> list[dict[str, Any]]:
    """All rows of a small table; a consistent read."""
    with unavailable_on_failure(f"dynamodb:Scan {called}"):
        pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True, **more)
        return [from_item(item) for page in pages for item in page["Items"]]


def to_item(members: Mapping[str, object]) -> dict[str, Any]:
    """A DynamoDB item: str, int, bytes, bool, lists and maps; members that are ``None`` are left out."""
    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in members.items() if value is not None}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a DynamoDB item, with ``int``, ``float`` and ``bytes`` for boto3's own types."""
    deserialize = TypeDeserializer().deserialize
    return {name: _plain(deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Binary():
            return bytes(value.value)  # type: ignore[attr-defined]  # boto3-stubs forgot it
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list():
            return [_plain(member) for member in value]
        case set():
            return {_plain(member) for member in value}
        case _:
            return value
