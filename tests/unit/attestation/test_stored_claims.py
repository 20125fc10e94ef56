"""Claims in a key's row: what was proved comes back whole, and what a newer release wrote is left out."""

from __future__ import annotations

import json

import pytest
from attestation.claims import Claims, Platform

from tests.unit.cedar.every_member import ANDROID, APPLE, HARMONY, claims_of

EVERY = {
    "apple": claims_of(Platform.IOS, apple=APPLE),
    "android": claims_of(Platform.ANDROID, android=ANDROID),
    "harmony": claims_of(Platform.HARMONY, harmony=HARMONY),
}


@pytest.mark.parametrize("platform", EVERY)
def test_claims_come_back_from_their_row(platform: str) -> None:
    """Through JSON, each member with its own type."""
    claims = EVERY[platform]
    record = json.loads(json.dumps(claims.to_record()))
    back = Claims.of_stored_key(record)
    assert back == claims
    assert getattr(back, platform) is not None
    assert json.loads(json.dumps(back.to_record())) == record
    assert {"apple", "android", "harmony"} & record.keys() == {platform}


@pytest.mark.parametrize("platform", EVERY)
def test_members_of_a_newer_release_are_left_out(platform: str) -> None:
    """After a rollback to this one; at every depth."""
    claims = EVERY[platform]
    record = json.loads(json.dumps(claims.to_record()))
    newer = {**record, "of-tomorrow": 1, platform: {**record[platform], "of-tomorrow": {"a": 1}}}
    assert Claims.of_stored_key(newer).to_record() == claims.to_record()


def test_absent_members_are_not_written() -> None:
    """``None`` is no value."""
    record = claims_of(Platform.ANDROID).to_record()
    assert not {"apple", "android", "harmony", "receipt"} & record.keys()
    assert None not in record.values()
