"""The revocations table: what was taken back of each app, and must reach every relying party at once.

Two kinds of rows, under the app: ``tokens`` with the app's not-before, and ``key:<key_id>`` for each key that was
blocked lately. (A third, of no app, is :mod:`service.publication_marker`'s.) Renewals are refused by the key's own
state in attested_keys, for as long as the block lasts; relying parties only need to hear of a key until the last token
that it holds has expired. So these rows, and with them the trust bundle, forget a block after :data:`LISTED`, however
long it lasts, and one for a shorter time sooner. A token that was minted after a block ended is good, also while a
bundle still names the key: the row says until when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from attestation.trust_bundle import AppStanding

from .aws import from_item, unavailable_on_failure
from .errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TOKENS: Final = "tokens"
KEY: Final = "key:"
PUBLICATION: Final = "publication"

LISTED: Final = 86_400
"""Seconds that a blocked key is named in trust bundles: many times the longest life of a token, one hour."""

LONGEST_TOKEN_LIFE: Final = 4_200
"""Seconds after which no token is accepted any more: one hour, the most that template.yaml allows, and ten minutes."""

BY_RULE: Final = "policy "
"""How ``by`` begins where a rule blocked a key, and never where a person did: that is an ARN."""

MAX_LISTED: Final = 12_000
"""Most blocked keys in one trust bundle, so that it stays within what authorizers read. Beyond, those that rules
blocked longest ago are left out: their tokens have expired first. Whoever blocks more than that within minutes wants
the app's not-before instead."""


class Revocations(Protocol):
    """Where the publisher looks revocations up."""

    def standings(self, now: float, *, most: int = MAX_LISTED) -> Mapping[str, AppStanding]:
        """The standing of every app that has any revocation, with the ``most`` important blocked keys. Raises
        :class:`~service.errors.Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBRevocations:
    """:class:`Revocations` in DynamoDB. ``bonafide key block`` and ``bonafide app not-before`` write the rows."""

    client: DynamoDBClient
    table: str

    def standings(self, now: float, *, most: int = MAX_LISTED) -> Mapping[str, AppStanding]:
        # Consistent, like the apis table: an index could be read before it knows of the block that is being published.
        with unavailable_on_failure("dynamodb:Scan revocations"):
            pages = self.client.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True)
            rows = [from_item(item) for page in pages for item in page["Items"]]
        try:
            return standings_of(rows, now, most=most)
        except (KeyError, TypeError) as error:
            raise Unavailable("a row of the revocations table cannot be read") from error


def standings_of(rows: Iterable[Mapping[str, Any]], now: float, *, most: int = MAX_LISTED) -> dict[str, AppStanding]:
    """The standings that rows of the table amount to at ``now``; TTL deletes late, so dates are judged here.

    Of more than ``most`` blocked keys, those that persons blocked come first, then those blocked last. The attack:
    somebody enrols thousands of keys and has each blocked by a rule, to push one that an operator blocked off the list.
    """
    not_before: dict[str, float] = {}
    keys = []
    for row in rows:
        if row["revoked"] == TOKENS:
            not_before[row["app"]] = float(row["not_before"])
        elif row["revoked"].startswith(KEY) and row["expires_at"] > now:
            by_rule = str(row.get("by", "")).startswith(BY_RULE)
            keys.append((by_rule, -row["at"], row["app"], row["revoked"].removeprefix(KEY), row.get("until", 0)))
    blocked: dict[str, set[str]] = {}
    ends: dict[str, dict[str, int]] = {}
    for *_, app, key_id, until in sorted(keys)[:most]:
        blocked.setdefault(app, set()).add(key_id)
        if until:
            ends.setdefault(app, {})[key_id] = until
    return {
        app: AppStanding(not_before.get(app, 0.0), frozenset(blocked.get(app, ())), ends.get(app, {}))
        for app in sorted(not_before.keys() | blocked.keys())
    }


def listed_until(*, at: int, until: int | None) -> int:
    """When bundles may forget a key that was blocked ``at`` and is so ``until`` (Unix seconds; ``None`` for good): its
    last token has expired by then, or the block has ended and no token from before it is left."""
    return at + LISTED if until is None else min(at + LISTED, max(until, at + LONGEST_TOKEN_LIFE))
