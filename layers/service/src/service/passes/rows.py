"""What is kept of test passes, in rows of the table of attested keys: a table of their own would be one in production.

``test-pass/<id>`` is a pass that was minted or a CI system's ID token that was used, ``test-issuers/<app>`` whom an app
trusts to have one. No id of a key has a slash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from attestation.claims import Platform
from attestation.passes.id_token import CiIssuer

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, from_item, get_row, to_item, unavailable_on_failure
from service.errors import Unreadable
from service.items.rows import from_row, to_row

PASS: Final = "test-pass/"
ISSUERS: Final = "test-issuers/"
ACTIVE: Final = "active"
REVOKED: Final = "revoked"

MOST_LISTED: Final = 500
_MOST_READ: Final = 20
_KEPT: Final = 7 * 86_400
"""Seconds for which a row stays after its pass has ended: an ID token is good once, and operators look back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRow:
    """One pass. ``holder`` is the key_id of its request key, ``by`` the operator who minted it or the subject of the
    ID token, ``source`` is ``operator`` or ``ci``. Times are Unix seconds; ``ends_at`` is when its key ends."""

    pass_id: str
    app: str
    holder: str
    platform: str
    source: str
    by: str
    minted_at: int
    ends_at: int
    least_build: str | None = None
    most_build: str | None = None
    note: str = ""
    pass_state: str = ACTIVE

    def to_record(self) -> dict[str, object]:
        """JSON-ready, for an operator."""
        return to_row(self)


@dataclass(frozen=True, slots=True)
class PassRows:
    """The rows. Every method that reads raises :class:`~service.errors.Unavailable`."""

    client: DynamoDBClient
    table: str

    def adding(self, row: PassRow) -> TransactWriteItemTypeDef:
        """The part of a transaction that adds a pass; it fails where there is one of this id, used up or not."""
        kept = {"key_id": PASS + row.pass_id, "expires_at": row.ends_at + _KEPT}
        return {
            "Put": {
                "TableName": self.table,
                "Item": to_item(to_row(row, **kept)),
                "ConditionExpression": "attribute_not_exists(key_id)",
            }
        }

    def holding(self, pass_id: str) -> TransactWriteItemTypeDef:
        """The part of a transaction that fails unless the pass stands: minted here, and not revoked."""
        return {
            "ConditionCheck": {
                "TableName": self.table,
                "Key": to_item({"key_id": PASS + pass_id}),
                "ConditionExpression": "pass_state = :active",
                "ExpressionAttributeValues": to_item({":active": ACTIVE}),
            }
        }

    def revoking(self, pass_id: str, app: str) -> TransactWriteItemTypeDef:
        """The part of a transaction that revokes a pass of ``app``, revoked or not; it fails where there is none."""
        return {
            "Update": {
                "TableName": self.table,
                "Key": to_item({"key_id": PASS + pass_id}),
                "UpdateExpression": "SET pass_state = :revoked",
                "ConditionExpression": "#app = :app",
                "ExpressionAttributeNames": {"#app": "app"},
                "ExpressionAttributeValues": to_item({":revoked": REVOKED, ":app": app}),
            }
        }

    def find(self, pass_id: str) -> PassRow | None:
        """One pass."""
        row = get_row(self.client, self.table, {"key_id": PASS + pass_id}, called="attested_keys")
        return None if row is None else _pass_of(row)

    def of_app(self, app: str) -> tuple[list[PassRow], bool]:
        """The passes of an app, the newest first, and whether that is all: a scan that ends after 20 MB."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "FilterExpression": "begins_with(key_id, :pass) AND #app = :app",
            "ExpressionAttributeNames": {"#app": "app"},
            "ExpressionAttributeValues": to_item({":pass": PASS, ":app": app}),
            "ConsistentRead": True,
        }
        found: list[PassRow] = []
        for _ in range(_MOST_READ):
            with unavailable_on_failure("dynamodb:Scan attested_keys"):
                answer = self.client.scan(**request)
            found += [_pass_of(from_item(item)) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        whole = "LastEvaluatedKey" not in answer and len(found) <= MOST_LISTED
        return sorted(found, key=lambda row: (-row.minted_at, row.pass_id))[:MOST_LISTED], whole

    def trusting(self, app: str, issuers: tuple[CiIssuer, ...]) -> TransactWriteItemTypeDef:
        """The part of a transaction that says whom an app trusts from now on."""
        text = json.dumps([asdict(issuer) for issuer in issuers], separators=(",", ":"))
        return {"Put": {"TableName": self.table, "Item": to_item({"key_id": ISSUERS + app, "app": app, "list": text})}}

    def issuers(self, app: str) -> tuple[CiIssuer, ...]:
        """Whom an app trusts."""
        row = get_row(self.client, self.table, {"key_id": ISSUERS + app}, called="attested_keys")
        try:
            return () if row is None else tuple(issuer_of(members) for members in json.loads(row["list"]))
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable("a row of test issuers cannot be read") from error


def issuer_of(members: Mapping[str, Any]) -> CiIssuer:
    """An issuer by its members. Raises :class:`ValueError` and :class:`TypeError`."""
    return CiIssuer(**{**members, "platform": Platform(members["platform"])})


def _pass_of(row: Mapping[str, Any]) -> PassRow:
    try:
        return replace(from_row(PassRow, row))
    except (KeyError, TypeError) as error:
        raise Unreadable("a row of a test pass cannot be read") from error
