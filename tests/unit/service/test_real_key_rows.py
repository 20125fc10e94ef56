"""Rows of keys that real devices would enrol: a renewal writes a nonce and one kilobyte, four units in all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from attestation.claims import Claims, PlayClaims
from service.fallback_modes import KeyRows
from service.items.item_size import item_size
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey

from tests.minted_claims import changed_claims
from tests.real_keys import real_keys

PACKED = DynamoDBAttestedKeys(None, "keys", serials_key=lambda: bytes(32))  # type: ignore[arg-type]  # nothing is sent
TEXT = replace(PACKED, rows=KeyRows.TEXT)
VERDICT = PlayClaims(
    token="standard",
    requested_at=1_795_000_000.123,
    requested_by="com.example.a.package.of.some.length",
    app_recognition="UNRECOGNIZED_VERSION",
    package="com.example.a.package.of.some.length",
    version_code=2_100_000_000,
    signing_digests=("5f" * 31 + "17", "a3" * 31 + "c4"),
    device_labels=("MEETS_BASIC_INTEGRITY", "MEETS_DEVICE_INTEGRITY", "MEETS_STRONG_INTEGRITY",
                   "MEETS_VIRTUAL_INTEGRITY"),
    sdk_version=36,
    device_activity="LEVEL_4",
    licensing="UNLICENSED",
    play_protect="POSSIBLE_RISK",
    apps_detected=("KNOWN_INSTALLED", "UNKNOWN_INSTALLED", "KNOWN_CAPTURING", "UNKNOWN_CAPTURING", "KNOWN_OVERLAYS",
                   "UNKNOWN_OVERLAYS", "KNOWN_CONTROLLING", "UNKNOWN_CONTROLLING"),
    location_spoofing=("KNOWN_LOCATION_SPOOFING",),
)  # fmt: skip
"""A verdict with everything in it that Google documents."""


def row_size(keys: DynamoDBAttestedKeys, key: EnrolledKey) -> int:
    item: Any = keys.enrolling(key)["Put"]["Item"]
    return item_size(item)


def fullest(claims: Claims) -> Claims:
    """The same claims as they may become: with a verdict, and a counter that has grown."""
    if claims.android is not None:
        return changed_claims(claims, android=replace(claims.android, play=VERDICT))
    return changed_claims(claims, counter=None if claims.counter is None else 2**32 - 1)


@pytest.mark.parametrize(("platform", "least"), [("apple", 10), ("android", 70), ("harmony", 1)])
def test_every_real_key_takes_one_kilobyte(platform: str, least: int) -> None:
    """Also while it names the request that enrolled it, and with the fullest verdict of Google's beside it."""
    keys = real_keys(platform)
    assert len(keys) >= least
    sizes = {
        name: row_size(PACKED, replace(key, claims=fullest(key.claims), home_country="DE"))
        for name, key in keys.items()
    }
    assert {name: size for name, size in sizes.items() if size > 1024} == {}


def test_rows_as_text_took_more() -> None:
    """What packing is for; without it this file measures nothing."""
    keys = real_keys("android")
    assert max(row_size(TEXT, key) for key in keys.values()) > 7000
    assert sorted(row_size(TEXT, key) for key in keys.values())[len(keys) // 2] > 1024


def test_long_public_keys_lie_apart() -> None:
    """ML-DSA's take two kilobytes, and sign no renewal."""
    long = [key for key in real_keys("android").values() if len(key.claims.public_key) > 1000]
    assert long
    for key in long:
        part = PACKED.keeping_public_key(key)
        assert part is not None
        assert part["Put"]["Item"]["public_key"] == {"B": key.claims.public_key}
        assert "public_key" not in PACKED.enrolling(key)["Put"]["Item"]
