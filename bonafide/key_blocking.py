"""Taking back what was granted: blocking one attested key, or every token of an app.

A block is one transaction over two tables: the key's own row, which refuses its renewals from that moment, and the
revocations table, which the next trust bundle is made from. Publishing is the caller's next step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from service.attested_keys import KeyState
from service.aws import from_item, to_item
from service.revocations import KEY, LISTED, TOKENS

from .deployment import Deployment
from .operator_error import OperatorError

NEVER: Final = 253_402_300_799
"""The end of the year 9999, in Unix seconds: when the row of a key that is blocked for good expires. TTL must not
delete it: the key, forgotten, could enrol again."""

MAX_REASON: Final = 200
_ATTEMPTS: Final = 5
_SHOWN: Final = ("key_id", "app", "state", "blocked", "counter", "enrolled_at", "last_seen", "expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStanding:
    """What an operator sees of one key. Times are Unix seconds; ``blocked_until`` is ``None`` for a block for good."""

    key_id: str
    app: str
    state: str
    enrolled_at: int
    last_seen: int
    expires_at: int
    blocked_at: int | None = None
    blocked_until: int | None = None
    reason: str = ""
    blocked_by: str = ""

    def to_record(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class KeyBlocking:
    """Both tables, through a boto3 DynamoDB client. ``clock`` is only asked where AWS says no time itself: an
    operator's clock that is ahead would refuse tokens that are yet to be minted. Every method raises
    :class:`OperatorError`."""

    dynamodb: Any
    attested_keys: str
    revocations: str
    operator: Callable[[], str]
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, deployment: Deployment) -> KeyBlocking:
        """The keys of a stack."""
        tables = deployment.tables
        return cls(deployment.aws("dynamodb"), tables["attested_keys"], tables["revocations"], deployment.operator)

    def show(self, key_id: str) -> KeyStanding:
        """One key."""
        return _standing(self._row(key_id)[0])

    def block(self, key_id: str, *, reason: str = "", seconds: int | None = None) -> KeyStanding:
        """Block a key, for ``seconds`` or for good; a block that stands is replaced."""
        if len(reason) > MAX_REASON:
            raise OperatorError(f"A reason of more than {MAX_REASON} characters is too long.")
        row, now = self._row(key_id)
        until = None if seconds is None else now + seconds
        idle = _idle(row)
        who = self.operator()
        blocked = {"at": now, "until": until, "reason": reason, "by": who, "idle": idle}
        values = {
            ":state": KeyState.BLOCKED.value,
            ":blocked": {name: value for name, value in blocked.items() if value is not None},
            ":expires": NEVER if until is None else max(row["expires_at"], until + idle),
            ":app": row["app"],
        }
        listed = {"app": row["app"], "revoked": KEY + key_id, "at": now, "reason": reason, "by": who}
        self._transact(
            self._update(key_id, "SET #state = :state, #blocked = :blocked, #expires = :expires", values),
            {"Put": {"TableName": self.revocations, "Item": to_item({**listed, "expires_at": now + LISTED})}},
        )
        return self.show(key_id)

    def unblock(self, key_id: str) -> KeyStanding:
        """Let a key renew again; it has a whole idle period to do so."""
        row, now = self._row(key_id)
        values = {":state": KeyState.ACTIVE.value, ":expires": now + _idle(row), ":app": row["app"]}
        place = to_item({"app": row["app"], "revoked": KEY + key_id})
        self._transact(
            self._update(key_id, "SET #state = :state, #expires = :expires REMOVE #blocked", values),
            {"Delete": {"TableName": self.revocations, "Key": place}},
        )
        return self.show(key_id)

    def not_before(self, app: str) -> int | None:
        """The time (Unix seconds) before which tokens of an app are refused; ``None`` when there is none."""
        return self._not_before(app)[0]

    def refuse_older_tokens(self, app: str) -> int:
        """Refuse every token of an app that was minted up to now; its not-before."""
        stood, now = self._not_before(app)
        moment = now + 1  # a token's time is whole seconds: those of this second are older, too
        if stood is not None and stood >= moment:
            return stood
        row = {"app": app, "revoked": TOKENS, "not_before": moment, "at": now, "by": self.operator()}
        try:
            self.dynamodb.put_item(
                TableName=self.revocations,
                Item=to_item(row),
                ConditionExpression="attribute_not_exists(app) OR not_before <= :moment",  # it never goes back
                ExpressionAttributeValues=to_item({":moment": moment}),
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return self.not_before(app) or moment
        return moment

    def _not_before(self, app: str) -> tuple[int | None, int]:
        key = to_item({"app": app, "revoked": TOKENS})
        answer = self.dynamodb.get_item(TableName=self.revocations, Key=key, ConsistentRead=True)
        row = from_item(answer.get("Item", {}))
        return row.get("not_before"), self._moment(answer)

    def _row(self, key_id: str) -> tuple[dict[str, Any], int]:
        answer = self.dynamodb.get_item(
            TableName=self.attested_keys,
            Key={"key_id": {"S": key_id}},
            ConsistentRead=True,
            # Neither claims nor receipt: an operator's terminal has no need of them.
            ProjectionExpression=", ".join(f"#{name}" for name in _SHOWN),
            ExpressionAttributeNames={f"#{name}": name for name in _SHOWN},
        )
        if not answer.get("Item"):
            raise OperatorError(f"No key {key_id[:64]} is known: it was never enrolled, or it was idle and forgotten.")
        return from_item(answer["Item"]), self._moment(answer)

    def _moment(self, answer: Mapping[str, Any]) -> int:
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
        try:
            return int(parsedate_to_datetime(date).timestamp())
        except (TypeError, ValueError):
            return int(self.clock())

    def _update(self, key_id: str, expression: str, values: Mapping[str, object]) -> dict[str, Any]:
        return {
            "Update": {
                "TableName": self.attested_keys,
                "Key": {"key_id": {"S": key_id}},
                "UpdateExpression": expression,
                "ConditionExpression": "app = :app",  # still there, and still that app's
                "ExpressionAttributeNames": {"#state": "state", "#blocked": "blocked", "#expires": "expires_at"},
                "ExpressionAttributeValues": to_item(values),
            }
        }

    def _transact(self, *parts: dict[str, Any]) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self.dynamodb.transact_write_items(TransactItems=list(parts))
                return
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", ())}
                if "ConditionalCheckFailed" in codes or attempt == _ATTEMPTS - 1:
                    raise OperatorError("The key changed at this moment: try again.") from error
                time.sleep(0.05 * 2**attempt)  # it is renewing just now


def _idle(row: Mapping[str, Any]) -> int:
    """Seconds that the key may idle, as its last renewal was granted; kept in the row while it is blocked."""
    return int(row.get("blocked", {}).get("idle", row["expires_at"] - row["last_seen"]))


def _standing(row: Mapping[str, Any]) -> KeyStanding:
    blocked = row.get("blocked", {})
    return KeyStanding(
        key_id=row["key_id"],
        app=row["app"],
        state=row["state"],
        enrolled_at=row["enrolled_at"],
        last_seen=row["last_seen"],
        expires_at=row["expires_at"],
        blocked_at=blocked.get("at"),
        blocked_until=blocked.get("until"),
        reason=blocked.get("reason", ""),
        blocked_by=blocked.get("by", ""),
    )
