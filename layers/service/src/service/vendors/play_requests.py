"""The play_requests table: what was asked of Google's decode endpoint today, and what it answered a moment ago.

Google counts 10,000 requests a day and app. The governor spends them on enrolments first: renewals, which come every
few minutes, may take all but a reserve, and when even that is gone an enrolment goes by its key attestation alone, with
a finding. Nothing is refused for lack of quota, or a competitor with one phone could shut an app's users out.

Each challenge buys one question, whatever comes of it: a refused enrolment spends no challenge, and one phone could
otherwise ask about as many invented tokens as it likes with a single one. A key asks :data:`KEY_SHARE` times a day.

A question that Google did not answer costs no quota: it is given back. While Google fails, a breaker opens, and no
request asks: after :data:`FAILURES` in a row for :data:`OPEN` seconds, twice as long each time, :data:`LONGEST_OPEN` at
most. Then one request is let through to find out (half open); the others go on as if it were open. All of it is in the
table, by conditional writes, because one of a thousand processes knows little of what the others met.

An answer is kept for a quarter of an hour. Google blanks the verdicts of a token that is decoded twice, so a request
that is sent again after a 503 would be refused; and a recorded request that is replayed costs no quota.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Protocol

from attestation.challenge import OpenedChallenge

from service.aws import DynamoDBClient, get_row, put_row_if, to_item, unavailable_on_failure, write_conditionally

KEPT: Final = 900
"""Seconds that an answer is of use: longer than a verdict is taken."""

KEY_SHARE: Final = 24
"""Questions a day about one key. The attack: one enrolled phone renews all day, and no other phone's verdicts are
read."""

FAILURES: Final = 3
OPEN: Final = 10
LONGEST_OPEN: Final = 160

PROBING: Final = 20
"""Seconds that the one request that finds out has for it, before the next one may."""

_DAY: Final = 86_400
_PACIFIC: Final = 8 * 3600
"""Google's quotas are counted by Pacific days. Without daylight saving: an hour early in summer, never late."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker of a package where Google failed lately. Open, no request asks before ``until`` (Unix seconds), then
    one; 0 while it is closed. ``times`` is how often it opened since Google last answered."""

    until: int = 0
    times: int = 0

    def is_open(self, now: float) -> bool:
        """Whether it is too early even for the request that finds out."""
        return now < self.until


def open_seconds(times: int) -> int:
    """How long a breaker opens that was open so many times before."""
    return min(LONGEST_OPEN, OPEN << min(times, 16))


@dataclass(frozen=True, slots=True)
class AskedToday:
    """How a package stands with Google today: questions counted, failures in a row, and the breaker; ``paused_until``
    (Unix seconds) while Google has had enough, else 0."""

    spent: int
    failures: int
    breaker: Breaker
    paused_until: int


class PlayRequests(Protocol):
    """Counts and remembers requests. Every method raises :class:`~service.errors.Unavailable`."""

    def claim(self, challenge: OpenedChallenge) -> bool:
        """Take the one question that ``challenge`` buys. False when it was taken before."""

    def release(self, challenge: OpenedChallenge) -> None:
        """Give the question back that :meth:`claim` took: nothing was asked."""

    def breaker(self, package: str, now: float) -> Breaker | None:
        """The breaker of a package; ``None`` when Google answered last."""

    def admit(self, subject: str, *, limit: int, now: float, breaker: Breaker | None = None) -> bool:
        """Count one request for ``subject``, a package or :func:`key_subject`, today, if fewer than ``limit`` were
        counted, nothing pauses them, and the subject's breaker is still as it was read. With a breaker that was open
        long enough, one request is admitted to find out."""

    def give_back(self, subject: str, now: float) -> None:
        """Uncount a request that was not answered."""

    def failed(self, package: str, *, now: float, breaker: Breaker | None) -> None:
        """Note that Google failed a request that was admitted with ``breaker``."""

    def answered(self, package: str, now: float) -> None:
        """Note that Google answers again: the breaker closes."""

    def pause(self, package: str, *, until: float, now: float) -> None:
        """Admit nothing for ``package`` until then, at most until the day ends: Google said it had enough."""

    def answer(self, digest: str, now: float) -> bytes | None:
        """What Google answered to the token with this SHA-256 (hex), if it was asked within :data:`KEPT` seconds."""

    def keep(self, digest: str, answer: bytes, now: float) -> None:
        """Remember an answer."""


@dataclass(frozen=True, slots=True)
class DynamoDBPlayRequests:
    """:class:`PlayRequests` in DynamoDB: ``asked/<nonce>``, counters ``quota/<subject>/<day>``, ``answer/<digest>``."""

    client: DynamoDBClient
    table: str

    def claim(self, challenge: OpenedChallenge) -> bool:
        # Kept for longer than the challenge is good, so that no clock of ours makes room for a second question.
        attempt = uuid.uuid4().hex  # names this call: sent again by the SDK, it finds its own row
        expires_at = int(challenge.expires_at) + KEPT
        row = {"request": f"asked/{challenge.nonce}", "expires_at": expires_at, "asked_by": attempt}
        return put_row_if(
            self.client,
            self.table,
            row,
            "attribute_not_exists(#request) OR released = :yes OR asked_by = :attempt",
            {":yes": True, ":attempt": attempt},
            called="play_requests",
            ExpressionAttributeNames={"#request": "request"},
        )

    def release(self, challenge: OpenedChallenge) -> None:
        self._update(
            {"request": f"asked/{challenge.nonce}"},
            "SET released = :yes",
            "attribute_exists(expires_at)",
            {":yes": True},
        )

    def breaker(self, package: str, now: float) -> Breaker | None:
        row = self._find(_quota_key(package, now))
        if "failures" not in row:
            return None
        return Breaker(until=row.get("broken_until", 0), times=row.get("broken_times", 0))

    def asked_today(self, package: str, now: float) -> AskedToday | None:
        """How a package stands; ``None`` when nothing was asked today. Raises :class:`~service.errors.Unavailable`."""
        row = self._find(_quota_key(package, now))
        if not row:
            return None
        breaker = Breaker(until=row.get("broken_until", 0), times=row.get("broken_times", 0))
        return AskedToday(row.get("spent", 0), row.get("failures", 0), breaker, row.get("paused_until", 0))

    def admit(self, subject: str, *, limit: int, now: float, breaker: Breaker | None = None) -> bool:
        if limit <= 0:
            return False
        setting = "SET spent = if_not_exists(spent, :none) + :one, expires_at = :expires"
        condition = (
            "(attribute_not_exists(spent) OR spent < :limit) AND "
            "(attribute_not_exists(paused_until) OR paused_until <= :now) AND "
        )
        values = {":none": 0, ":one": 1, ":limit": limit, ":now": int(now), ":expires": int(now) + 3 * _DAY}
        if breaker is None or not breaker.until:
            condition += "attribute_not_exists(broken_until)"
        else:
            # Compared and set: of all who saw that it was open long enough, one finds out.
            setting += ", broken_until = :probing"
            condition += "broken_until = :until AND broken_until <= :now"
            values |= {":until": breaker.until, ":probing": int(now) + PROBING}
        return self._update(_quota_key(subject, now), setting, condition, values)

    def give_back(self, subject: str, now: float) -> None:
        self._update(_quota_key(subject, now), "SET spent = spent - :one", "spent > :none", {":one": 1, ":none": 0})

    def failed(self, package: str, *, now: float, breaker: Breaker | None) -> None:
        key = _quota_key(package, now)
        if breaker is not None and breaker.until:
            values = {":until": int(now) + open_seconds(breaker.times), ":times": breaker.times + 1}
            self._update(key, _OPENING, "attribute_exists(broken_until)", values)
            return
        # Those who were under way when it opened say nothing new.
        counting = "SET failures = if_not_exists(failures, :none) + :one"
        if not self._update(key, counting, "attribute_not_exists(broken_until)", {":none": 0, ":one": 1}):
            return
        values = {":until": int(now) + open_seconds(0), ":times": 1, ":enough": FAILURES}
        self._update(key, _OPENING, "failures >= :enough AND attribute_not_exists(broken_until)", values)

    def answered(self, package: str, now: float) -> None:
        removing = "REMOVE failures, broken_until, broken_times"
        self._update(_quota_key(package, now), removing, "attribute_exists(failures)", {})

    def _update(self, key: Mapping[str, str], expression: str, condition: str, values: Mapping[str, object]) -> bool:
        """Whether the condition held, and the row was changed."""
        given: Any = {"ExpressionAttributeValues": to_item(values)} if values else {}
        return write_conditionally(
            "dynamodb:UpdateItem play_requests",
            self.client.update_item,
            TableName=self.table,
            Key=to_item(key),
            UpdateExpression=expression,
            ConditionExpression=condition,
            **given,
        )

    def pause(self, package: str, *, until: float, now: float) -> None:
        with unavailable_on_failure("dynamodb:UpdateItem play_requests"):
            self.client.update_item(
                TableName=self.table,
                Key=to_item(_quota_key(package, now)),
                UpdateExpression="SET paused_until = :until, expires_at = :expires",
                ExpressionAttributeValues=to_item({":until": ceil(until), ":expires": int(now) + 3 * _DAY}),
            )

    def answer(self, digest: str, now: float) -> bytes | None:
        row = self._find(_answer_key(digest))
        return row["answer"] if row and row["expires_at"] > now else None

    def keep(self, digest: str, answer: bytes, now: float) -> None:
        row = {**_answer_key(digest), "answer": answer, "expires_at": int(now) + KEPT}
        with unavailable_on_failure("dynamodb:PutItem play_requests"):
            self.client.put_item(TableName=self.table, Item=to_item(row))

    def _find(self, key: Mapping[str, str]) -> dict[str, Any]:
        return get_row(self.client, self.table, key, called="play_requests") or {}


_OPENING: Final = "SET broken_until = :until, broken_times = :times"


def day_of(now: float) -> int:
    """The number of Google's day that ``now`` falls into."""
    return int(now - _PACIFIC) // _DAY


def key_subject(key_id: str) -> str:
    """What a key's own share is counted under; no package has a slash in its name."""
    return f"key/{key_id}"


def _quota_key(subject: str, now: float) -> dict[str, str]:
    return {"request": f"quota/{subject}/{day_of(now)}"}


def _answer_key(digest: str) -> dict[str, str]:
    return {"request": f"answer/{digest}"}
