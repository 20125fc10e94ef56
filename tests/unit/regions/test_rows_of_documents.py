"""Rows of region documents beside signing keys: what may write the former plants none of the latter, and no row that is
made up stops anything but what reads it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from service.aws import to_item
from service.errors import Unavailable
from service.regions.document import sign_regions
from service.regions.homes import Homes
from service.regions.table import MOST_FOLLOWING, RegionDocuments
from service.tables.signing_keys import Contents, DynamoDBSigningKeys

from tests.service_stack.fakes import SoftwareRootKey
from tests.service_stack.memory_stack import ISSUER
from tests.unit.regions.two_regions import EU, two_regions_document

ROOT = SoftwareRootKey()
JWK = '{"crv":"P-256","kty":"EC","x":"x","y":"y"}'
TOKEN_KEY: dict[str, object] = {"purpose": "token", "wrapped": b"w", "created_at": 1, "public_jwk": JWK}


def _contents(*rows: dict[str, object]) -> Contents:
    client = Mock()
    client.get_paginator.return_value.paginate.return_value = [{"Items": [to_item(row) for row in rows]}]
    return DynamoDBSigningKeys(client, "keys").contents()


def _newest(*rows: dict[str, object]) -> tuple[str | None, int]:
    """The newest document, and how often the table was read for it."""
    items: dict[Any, Any] = {row["kid"]: to_item(row) for row in rows}
    client = Mock()
    client.get_item.side_effect = lambda Key, **_more: {"Item": items.get(Key["kid"]["S"])}
    found = RegionDocuments(client, "keys", Mock()).newest()
    return found, client.get_item.call_count


@pytest.mark.parametrize(
    "kid", ["regions-99", "regions", "regions-token-99", "regionstoken-99", "notes-1", "challenge-9"]
)
@pytest.mark.parametrize("document", [None, "text"])
def test_row_that_is_not_called_a_token_key_is_none(kid: str, document: str | None) -> None:
    """The attack: the Admin function is taken over, and writes a key of the attacker's under a document's name."""
    own: dict[str, object] = {"kid": "token-1", **TOKEN_KEY}
    named: dict[str, object] = {"kid": "challenge-eu-7", "purpose": "challenge", "wrapped": b"w", "created_at": 1}
    found = _contents(own, {"kid": kid, **TOKEN_KEY, "document": document}, named)
    assert [key.kid for key in found.keys] == ["token-1", "challenge-eu-7"]


def test_key_that_calls_itself_a_document_stays_a_key() -> None:
    found = _contents({"kid": "token-1", **TOKEN_KEY, "document": "text"})
    assert ([key.kid for key in found.keys], found.documents) == (["token-1"], ())


@pytest.mark.parametrize("made_up", [7, b"bytes", ["text"], {"a": "b"}, True, None])
def test_document_that_is_no_text_is_passed_over(made_up: object) -> None:
    """Else every function of the stack would answer 503 for one row."""
    good = sign_regions(two_regions_document(), sign=ROOT.sign)
    found = _contents({"kid": "regions", "document": good}, {"kid": "regions-9", "document": made_up})
    assert found.documents == (good,)
    view = Homes(region=EU, issuer=ISSUER, roots=(ROOT.public_key(),)).view(found.documents, None)
    assert view.document == two_regions_document()
    assert _newest({"kid": "regions", "document": "2", "epoch": 2}, {"kid": "regions-3", "document": made_up}) == (
        "2",
        3,
    )


def _row(number: int, **members: object) -> dict[str, object]:
    return {"kid": f"regions-{number}", "document": str(number), "epoch": number, **members}


@pytest.mark.parametrize("epoch", [None, "5", 0, -1, True, Decimal("1.5"), 4])
def test_epoch_of_a_row_is_not_trusted(epoch: object) -> None:
    rows = [_row(number) for number in range(1, 5)]
    fixed: dict[str, object] = {"kid": "regions", "document": "4", "epoch": epoch}
    assert _newest(fixed, *rows) == ("4", 2 if epoch == 4 else 6)
    assert _newest(fixed, *rows, _row(5, epoch=4)) == ("5", 3 if epoch == 4 else 7)
    assert _newest(fixed, *rows, _row(5, epoch=None)) == ("5", 3 if epoch == 4 else 7)


def test_documents_without_end_are_not_followed_for_ever() -> None:
    rows = [_row(number) for number in range(1, MOST_FOLLOWING + 2)]
    with pytest.raises(Unavailable):
        _newest({"kid": "regions", "document": "1", "epoch": 0}, *rows)
