"""DynamoDB transactions: tried again while they meet others, told apart from lost ones, and never carried out twice.

A cancelled transaction means one of three things, and callers must not mix them up: a condition failed, which is an
answer; it met another transaction or a throttle, which asks for another try and in the end for ``try-later``; or it
is wrong. A fourth case is no answer at all: whether it was carried out is then asked of the table.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, error_code
from service.errors import Unavailable

ATTEMPTS: Final = 8
"""How often a transaction is tried that met another one, or a throttle."""

_WAIT: Final = 0.03
_CHANCE: Final = random.SystemRandom()
_RETRIED: Final = frozenset({"TransactionCanceledException", "TransactionInProgressException"})
_FAILED_CONDITION: Final = "ConditionalCheckFailed"
_PASSING: Final = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
)

Parts = Mapping[str, "TransactWriteItemTypeDef"]
Failed = Mapping[str, Mapping[str, Any] | None]
"""The parts whose condition failed, by name, each with the item that stood in its place if the part asks for it."""


def transact(
    client: DynamoDBClient,
    parts: Parts,
    *,
    what: str,
    written: Callable[[], bool] | None = None,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> Failed:
    """Write all ``parts`` or nothing; the failed ones, empty when it is done.

    ``written`` says whether this very change stands; it is asked where no answer came, and before another try. Raises
    :class:`~service.errors.Unavailable`, with ``what`` for the operator.
    """
    # One token for all attempts, also the SDK's own: when the first succeeded and only its answer was lost, the second
    # is told "done" instead of tripping over itself. It must be random: a token made from a request would tell a
    # *replayed* request "done" as well, for ten minutes.
    token = str(uuid.uuid4())
    for attempt in range(attempts):
        try:
            client.transact_write_items(TransactItems=list(parts.values()), ClientRequestToken=token)
            return {}
        except ClientError as error:
            code = error_code(error)
            failed = _failed(parts, error) if code in _RETRIED else None
            if failed:
                return failed
            if failed is None:
                if _in_doubt(error) and written is not None and written():
                    return {}
                raise Unavailable(f"{what}: {code}") from error
            if attempt == attempts - 1:
                raise Unavailable(f"{what}: {', '.join(_codes(error)) or code}") from error
        except BotoCoreError as error:
            if written is not None and written():
                return {}
            raise Unavailable(f"{what}: {type(error).__name__}") from error
        # Full jitter, so that those who met do not meet again. From the system: processes restored from one SnapStart
        # snapshot would all draw the same numbers from Python's own generator.
        sleep(_CHANCE.uniform(0, _WAIT * 2**attempt))
        if written is not None and written():
            return {}
    raise AssertionError("unreachable")


def _failed(parts: Parts, error: ClientError) -> Failed | None:
    """The failed conditions; none for a transaction that may be tried again, ``None`` for one that is wrong."""
    reasons: Any = error.response.get("CancellationReasons", ())
    failed = {
        name: reason.get("Item")
        for name, reason in zip(parts, reasons, strict=False)
        if reason.get("Code") == _FAILED_CONDITION
    }
    if not failed and reasons and not _PASSING.intersection(_codes(error)):
        return None
    return failed


def _codes(error: ClientError) -> list[str]:
    reasons: Any = error.response.get("CancellationReasons", ())
    return [code for reason in reasons if (code := str(reason.get("Code", "None"))) != "None"]


def _in_doubt(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500
