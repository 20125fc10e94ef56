"""The play_requests table: what was asked of Google's decode endpoint today, and what it answered a moment ago.

Google counts 10,000 requests a day and app. The governor spends them on enrolments first: renewals, which come every
few minutes, may take all but a reserve, and when even that is gone an enrolment goes by its key attestation alone, with
a finding. Nothing is refused for want of quota, or a competitor with one phone could shut an app's users out.

Each challenge buys one question, whatever comes of it: a refused enrolment spends no challenge, and one phone could
otherwise ask about as many invented tokens as it likes with a single one. A key asks :data:`KEY_SHARE` times a day.

An answer is kept for a quarter of an hour. Google blanks the verdicts of a token that is decoded twice, so a request
that is sent again after a 503 would be refused; and a recorded request that is replayed costs no quota.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Protocol

from attestation.challenge import OpenedChallenge
from botocore.exceptions import ClientError

from .aws import error_code, from_item, to_item, unavailable_on_failure

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT: Final = 900
"""Seconds that an answer is of use: longer than a verdict is taken."""

KEY_SHARE: Final = 24
"""Questions a day about one key. The attack: one enrolled phone renews all day, and nobody else's verdicts are read."""

_DAY: Final = 86_400
_PACIFIC: Final = 8 * 3600
"""Google's quotas are counted by Pacific days. Without daylight saving: an hour early in summer, never late."""


class PlayRequests(Protocol):
    """Counts and remembers requests. Every method raises :class:`~service.errors.Unavailable`."""

    def claim(self, challenge: OpenedChallenge) -> bool:
        """Take the one question that ``challenge`` buys. False when it was taken before."""
        ...

    def admit(self, subject: str, *, limit: int, now: float) -> bool:
        """Count one request for ``subject``, a package or :func:`key_subject`, today, if fewer than ``limit`` were
        counted and nothing pauses them."""
        ...

    def pause(self, package: str, *, until: float, now: float) -> None:
        """Admit nothing for ``package`` until then, at most until the day ends: Google said it had enough."""
        ...

    def answer(self, digest: str, now: float) -> bytes | None:
        """What Google answered to the token with this SHA-256 (hex), if it was asked within :data:`KEPT` seconds."""
        ...

    def keep(self, digest: str, answer: bytes, now: float) -> None:
        """Remember an answer."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBPlayRequests:
    """:class:`PlayRequests` in DynamoDB: ``asked/<nonce>``, counters ``quota/<subject>/<day>``, ``answer/<digest>``."""

    client: DynamoDBClient
    table: str

    def claim(self, challenge: OpenedChallenge) -> bool:
        # Kept for longer than the challenge is good, so that no clock of ours makes room for a second question.
        row = {"request": f"asked/{challenge.nonce}", "expires_at": int(challenge.expires_at) + KEPT}
        with unavailable_on_failure("dynamodb:PutItem play_requests"):
            try:
                self.client.put_item(
                    TableName=self.table,
                    Item=to_item(row),
                    ConditionExpression="attribute_not_exists(#request)",
                    ExpressionAttributeNames={"#request": "request"},
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def admit(self, subject: str, *, limit: int, now: float) -> bool:
        if limit <= 0:
            return False
        with unavailable_on_failure("dynamodb:UpdateItem play_requests"):
            try:
                self.client.update_item(
                    TableName=self.table,
                    Key=_quota_key(subject, now),
                    UpdateExpression="SET spent = if_not_exists(spent, :none) + :one, expires_at = :expires",
                    ConditionExpression="(attribute_not_exists(spent) OR spent < :limit) AND "
                    "(attribute_not_exists(paused_until) OR paused_until <= :now)",
                    ExpressionAttributeValues=to_item(
                        {
                            ":none": 0,
                            ":one": 1,
                            ":limit": limit,
                            ":now": int(now),
                            ":expires": int(now) + 3 * _DAY,
                        }
                    ),
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def pause(self, package: str, *, until: float, now: float) -> None:
        with unavailable_on_failure("dynamodb:UpdateItem play_requests"):
            self.client.update_item(
                TableName=self.table,
                Key=_quota_key(package, now),
                UpdateExpression="SET paused_until = :until, expires_at = :expires",
                ExpressionAttributeValues=to_item({":until": ceil(until), ":expires": int(now) + 3 * _DAY}),
            )

    def answer(self, digest: str, now: float) -> bytes | None:
        with unavailable_on_failure("dynamodb:GetItem play_requests"):
            found = self.client.get_item(TableName=self.table, Key=_answer_key(digest), ConsistentRead=True)
        row = from_item(found.get("Item", {}))
        return row["answer"] if row and row["expires_at"] > now else None

    def keep(self, digest: str, answer: bytes, now: float) -> None:
        item = {**_answer_key(digest), **to_item({"answer": answer, "expires_at": int(now) + KEPT})}
        with unavailable_on_failure("dynamodb:PutItem play_requests"):
            self.client.put_item(TableName=self.table, Item=item)


def day_of(now: float) -> int:
    """The number of Google's day that ``now`` falls into."""
    return int(now - _PACIFIC) // _DAY


def key_subject(key_id: str) -> str:
    """What a key's own share is counted under; no package has a slash in its name."""
    return f"key/{key_id}"


def _quota_key(subject: str, now: float) -> dict[str, Any]:
    return to_item({"request": f"quota/{subject}/{day_of(now)}"})


def _answer_key(digest: str) -> dict[str, Any]:
    return to_item({"request": f"answer/{digest}"})
