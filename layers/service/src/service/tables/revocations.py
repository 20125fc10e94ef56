"""The revocations table: what was revoked of each app, and must reach every relying party at once.

The times before which apps' tokens are refused (:mod:`service.tables.not_before`), and each key that was blocked lately
(:mod:`service.tables.blocked_keys`). (Two other kinds of rows are :mod:`service.keys.publish_debounce`'s and
:mod:`service.tables.paced.key_lists`'.) Renewals are refused by the key's own state in attested_keys, for as long as
the block lasts; relying parties only need to know of a key until the last token that it holds has expired. So these
rows, and with them the trust bundle, forget a block after :data:`~service.tables.blocked_keys.LISTED`, however long it
lasts, and one for a shorter time sooner. A token that was minted after a block ended is good, also while a bundle still
names the key: the row says until when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bonafide_tokens.pacing.paced import Paced
from bonafide_tokens.trust_bundle import AppStatus

from service.aws import DynamoDBClient, query_rows
from service.errors import Unavailable
from service.tables.blocked_keys import BY_RULE, KEY, LISTED, LONGEST_TOKEN_LIFE, BlockedKeys, listed_until
from service.tables.older_revocations import NOT_BEFORES, TOKENS, OlderRevocations, OlderRows
from service.tables.paced.key_lists import KeyLists
from service.tables.paced.stored import KeysOf, paced_in

__all__ = ["KEY", "LISTED", "LONGEST_TOKEN_LIFE", "NOT_BEFORES", "TOKENS", "listed_until"]

PUBLICATION: Final = "publication"

MAX_LISTED: Final = 12_000
"""Most blocked keys in one trust bundle, so that it stays within what authorizers read. Beyond, those that rules
blocked longest ago are left out: their tokens have expired first. An operator who blocks more than that within minutes
wants the app's not-before instead."""


class Revocations(Protocol):
    """Where the publisher looks revocations up."""

    def statuses(self, now: float, *, most: int = MAX_LISTED) -> Mapping[str, AppStatus]:
        """The status of every app that has any revocation, with the ``most`` important blocked keys. Raises
        :class:`~service.errors.Unavailable`."""


@dataclass(frozen=True, slots=True)
class DynamoDBRevocations:
    """:class:`Revocations` in DynamoDB. ``bonafide device-key block`` and ``bonafide token revoke`` write the rows;
    those of an older release are rewritten when they are read."""

    client: DynamoDBClient
    table: str

    def statuses(self, now: float, *, most: int = MAX_LISTED) -> Mapping[str, AppStatus]:
        try:
            stood = self._not_befores()
            moments, rows = self._older(now, {app: row["not_before"] for app, row in stood.items()})
            for app, moment in moments.items():
                paced = stood.get(app, {}).get("paced")  # of another not-before than its own it says nothing
                rows.append({"app": app, "revoked": TOKENS, "not_before": moment, "paced": paced})
            rows += BlockedKeys(self.client, self.table).newest(now, most)
            return statuses_of(rows, now, most=most, keys_of=KeyLists(self.client, self.table).find)
        except (KeyError, TypeError, ValueError) as error:
            raise Unavailable("a row of the revocations table cannot be read") from error

    def _older(self, now: float, moments: Mapping[str, int]) -> tuple[dict[str, int], list[Mapping[str, Any]]]:
        """The times before which apps' tokens are refused, and rows of keys in the older form."""
        return OlderRevocations(self.client, self.table).take_over(now, moments), []

    def _not_befores(self) -> dict[str, Mapping[str, Any]]:
        # Consistent: an index could be read before it knows of what is being published.
        rows = query_rows(self.client, self.table, "app = :all", {":all": NOT_BEFORES}, called="revocations")
        return {row["revoked"]: row for row in rows}


class ReadRevocations(DynamoDBRevocations):
    """The same for a function that may write none of the rows: those of an older release are read where they are."""

    def _older(self, now: float, moments: Mapping[str, int]) -> tuple[dict[str, int], list[Mapping[str, Any]]]:
        return OlderRows(self.client, self.table).read(now, moments)


def statuses_of(
    rows: Iterable[Mapping[str, Any]], now: float, *, most: int = MAX_LISTED, keys_of: KeysOf = lambda _: None
) -> dict[str, AppStatus]:
    """The statuses that rows of the table amount to at ``now``; TTL deletes late, so dates are judged here. ``keys_of``
    has the keys that paced publications name.

    Of more than ``most`` blocked keys, those that persons blocked come first, then those blocked last. The attack:
    a client enrols thousands of keys and has each blocked by a rule, to push one that an operator blocked off the list.
    """
    not_before: dict[str, float] = {}
    paced: dict[str, tuple[Paced, ...]] = {}
    keys = []
    for row in rows:
        if row["revoked"] == TOKENS:
            not_before[row["app"]] = float(row["not_before"])
            paced[row["app"]] = paced_in(row, now, keys_of)
        elif row["revoked"].startswith(KEY) and row["expires_at"] > now:
            by_rule = str(row.get("by", "")).startswith(BY_RULE)
            keys.append((by_rule, -row["at"], row["app"], row["revoked"].removeprefix(KEY), row.get("until") or 0))
    blocked: dict[str, set[str]] = {}
    ends: dict[str, dict[str, int]] = {}
    for *_, app, key_id, until in sorted(keys)[:most]:
        named, ended = blocked.setdefault(app, set()), ends.setdefault(app, {})
        if key_id in named:  # blocked again: the longer block counts
            other = ended.pop(key_id, 0)
            until = max(until, other) if until and other else 0
        named.add(key_id)
        if until:
            ended[key_id] = until
    return {
        app: AppStatus(not_before.get(app, 0.0), frozenset(blocked.get(app, ())), ends.get(app, {}), paced.get(app, ()))
        for app in sorted(not_before.keys() | blocked.keys())
    }
