"""Rows of keys in both forms: what each release writes is read by the ones that run beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from attestation.appraisal.signal_history import SignalHistory
from attestation.claims import Claims
from service import wiring
from service.errors import Unreadable
from service.fallback_modes import KeyRows
from service.items.item_size import item_size
from service.redemption import DynamoDBRedemption
from service.settings import AppraiseEvidenceSettings, RenewTokenSettings, read_settings
from service.tables.attested_keys import PUBLIC_KEY_OF, DynamoDBAttestedKeys, EnrolledKey

from tests.integration.enrolled_keys import NOW, challenge, enrolled_key, renewed
from tests.minted_claims import changed_claims
from tests.service_stack.worlds import AwsWorld


class Release:
    """A release that writes one form, over one world's tables."""

    def __init__(self, world: AwsWorld, rows: KeyRows) -> None:
        self.keys = DynamoDBAttestedKeys(world.dynamodb, world.tables["attested_keys"], rows)
        self.redemption = DynamoDBRedemption(world.dynamodb, world.nonces, self.keys)


def item(world: AwsWorld, key_id: str) -> dict[str, Any]:
    table = world.tables["attested_keys"]
    found: dict[str, Any] = world.dynamodb.get_item(TableName=table, Key={"key_id": {"S": key_id}}).get("Item", {})
    return found


def as_before_packed_rows(row: dict[str, Any]) -> Claims:
    """What code from before packed rows reads."""
    return Claims.of_stored_key(json.loads(row["claims"]["S"]))


def stored(key: EnrolledKey) -> EnrolledKey:
    return replace(key, claims=changed_claims(key.claims, receipt=None), receipt=None)


@pytest.fixture
def key() -> EnrolledKey:
    return enrolled_key()


@pytest.mark.parametrize("first", KeyRows)
@pytest.mark.parametrize("then", KeyRows)
def test_two_releases_side_by_side_renew_each_others_keys(
    moto: AwsWorld, key: EnrolledKey, first: KeyRows, then: KeyRows
) -> None:
    """A canary sends one device's requests to both; the form is that of the last writer."""
    one, other = Release(moto, first), Release(moto, then)
    one.redemption.enrol(challenge(), key)
    assert other.keys.find(key.key_id) == stored(key)
    other.redemption.renew(challenge(), renewed(key, 1))
    assert one.keys.find(key.key_id) == stored(renewed(key, 1))
    assert item(moto, key.key_id)["claims"].keys() == ({"S"} if then is KeyRows.TEXT else {"B"})
    one.redemption.renew(challenge(), renewed(key, 2))
    assert other.keys.find(key.key_id) == stored(renewed(key, 2))


def test_rows_as_text_are_what_older_code_reads(moto: AwsWorld, key: EnrolledKey) -> None:
    """The update that brings packed rows, while it may be rolled back."""
    release = Release(moto, KeyRows.TEXT)
    release.redemption.enrol(challenge(), key)
    assert as_before_packed_rows(item(moto, key.key_id)) == stored(key).claims
    release.redemption.renew(challenge(), renewed(key, 1))
    assert as_before_packed_rows(item(moto, key.key_id)) == stored(renewed(key, 1)).claims


def test_row_of_older_code_is_renewed_into_a_small_one(moto: AwsWorld, key: EnrolledKey) -> None:
    """With everything that older code kept in it."""
    Release(moto, KeyRows.TEXT).redemption.enrol(challenge(), key)
    old = item(moto, key.key_id) | {"apple_app_id": {"S": key.claims.app_id}, "receipt": {"B": b"r" * 3000}}
    moto.dynamodb.put_item(TableName=moto.tables["attested_keys"], Item=old)
    release = Release(moto, KeyRows.PACKED)
    release.redemption.renew(challenge(), renewed(key, 1))
    new = item(moto, key.key_id)
    assert new.keys() == old.keys() - {"apple_app_id", "receipt", "enrolment"}
    assert item_size(new) < 512 < item_size(old)


@pytest.mark.parametrize("writes", KeyRows)
@pytest.mark.parametrize("reads", KeyRows)
def test_notes_are_read_in_both_forms(moto: AwsWorld, key: EnrolledKey, writes: KeyRows, reads: KeyRows) -> None:
    """A note that is lost makes a bad device sound again."""
    Release(moto, KeyRows.TEXT).redemption.enrol(challenge(), key)
    noted = SignalHistory(at=int(NOW), findings=("hooking",), claims=key.claims, signals={"hooking": int(NOW)})
    assert Release(moto, writes).keys.note(stored(key), noted)
    found = Release(moto, reads).keys.find(key.key_id)
    assert found is not None
    assert found.noted == noted
    again = replace(noted, revision=noted.revision + 1)
    assert Release(moto, reads).keys.note(found, again)
    assert not Release(moto, writes).keys.note(found, again)


@pytest.fixture
def long(key: EnrolledKey) -> EnrolledKey:
    claims = changed_claims(key.claims, public_key=bytes(range(256)) * 8)
    return replace(key, claims=claims, key_id=claims.key_id)


def test_long_public_key_is_found_in_its_own_row(moto: AwsWorld, long: EnrolledKey) -> None:
    """And kept no longer than phones live."""
    release = Release(moto, KeyRows.PACKED)
    release.redemption.enrol(challenge(), long)
    assert "public_key" not in item(moto, long.key_id)
    apart = item(moto, PUBLIC_KEY_OF + long.key_id)
    assert int(apart["expires_at"]["N"]) > long.expires_at
    assert release.keys.find(long.key_id) == stored(long)
    assert Release(moto, KeyRows.TEXT).keys.find(long.key_id) == stored(long)


def test_key_whose_public_key_is_gone_is_not_known(moto: AwsWorld, long: EnrolledKey) -> None:
    """Never a key without one."""
    release = Release(moto, KeyRows.PACKED)
    release.redemption.enrol(challenge(), long)
    plain = {"key_id": {"S": PUBLIC_KEY_OF + long.key_id}}
    moto.dynamodb.delete_item(TableName=moto.tables["attested_keys"], Key=plain)
    assert release.keys.find(long.key_id) is None


@pytest.mark.parametrize("name", ["claims", "app", "state", "expires_at"])
def test_damaged_row_says_so(moto: AwsWorld, key: EnrolledKey, name: str) -> None:
    """503 with a reason for the operator, until it is repaired."""
    release = Release(moto, KeyRows.PACKED)
    release.redemption.enrol(challenge(), key)
    moto.dynamodb.update_item(
        TableName=moto.tables["attested_keys"],
        Key={"key_id": {"S": key.key_id}},
        UpdateExpression="REMOVE #name",
        ExpressionAttributeNames={"#name": name},
    )
    with pytest.raises(Unreadable, match="attested_keys"):
        release.keys.find(key.key_id)


@pytest.mark.parametrize("kind", [AppraiseEvidenceSettings, RenewTokenSettings])
@pytest.mark.parametrize("rows", KeyRows)
def test_rows_are_written_as_the_stack_says(
    moto: AwsWorld,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[AppraiseEvidenceSettings | RenewTokenSettings],
    rows: KeyRows,
) -> None:
    """KEY_ROWS reaches everything that writes them: code that runs beside must be able to read it."""
    monkeypatch.setattr(wiring, "dynamodb", lambda: moto.dynamodb)
    monkeypatch.setattr(wiring, "kms", lambda: moto.kms)
    settings = read_settings(kind, {**moto.environment, "KEY_ROWS": rows.value})
    judging = wiring.judging(settings, None, wiring.fact_keys(settings))  # type: ignore[arg-type]
    assert judging["attested_keys"].rows is rows
    assert judging["redemption"].attested_keys is judging["attested_keys"]
    assert judging["states"].reader.attested_keys is judging["attested_keys"]
