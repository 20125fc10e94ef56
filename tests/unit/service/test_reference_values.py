"""Reading reference values from a row: all of it, or a sentence that says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.reference_values import (
    AndroidReferenceValues,
    AppleReferenceValues,
    Environment,
    HarmonyReferenceValues,
    ReferenceValues,
)
from service.errors import Unavailable
from service.reference_values import read_reference_values

DIGEST = "ab" * 32
GOOD: dict[str, Any] = {
    "apple": {"app_ids": ["ABCDE12345.org.example.demo"], "environments": ["production"]},
    "android": {"packages": ["org.example.demo"], "signing_digests": [DIGEST], "verified_boot_keys": ["cd" * 32]},
    "harmony": {
        "bundle_names": ["org.example.demo"],
        "app_ids": ["org.example.demo_BASE64=", "6917500000000000001"],
        "app_identifiers": ["5765880207850000001"],
        "signing_digests": [DIGEST],
    },
}


def changed(platform: str, **members: object) -> dict[str, Any]:
    """The good row with other members of one platform; ``None`` leaves one out."""
    merged = {name: value for name, value in {**GOOD[platform], **members}.items() if value is not None}
    return {**GOOD, platform: merged}


def test_whole_row_is_read() -> None:
    """The default that each case below changes in one place."""
    assert read_reference_values(GOOD, "app demo") == ReferenceValues(
        apple=AppleReferenceValues(
            app_ids=("ABCDE12345.org.example.demo",), environments=frozenset({Environment.PRODUCTION})
        ),
        android=AndroidReferenceValues(
            packages=("org.example.demo",),
            signing_digests=frozenset({bytes.fromhex(DIGEST)}),
            verified_boot_keys=frozenset({bytes.fromhex("cd" * 32)}),
        ),
        harmony=HarmonyReferenceValues(
            bundle_names=("org.example.demo",),
            app_ids=("org.example.demo_BASE64=", "6917500000000000001"),
            app_identifiers=("5765880207850000001",),
            signing_digests=frozenset({bytes.fromhex(DIGEST)}),
        ),
    )


def test_play_is_expected_where_the_row_says_so() -> None:
    """The owner's dial; off in rows of an older command."""
    for row, expected in ((changed("android", play_expected=True), True), (GOOD, False)):
        android = read_reference_values(row, "app demo").android
        assert android is not None
        assert android.play_expected is expected


@pytest.mark.parametrize("platform", GOOD)
def test_platform_that_is_not_there_is_none(platform: str) -> None:
    """Not registered for it; evidence of it is refused with that reason."""
    members = {name: value for name, value in GOOD.items() if name != platform}
    assert getattr(read_reference_values(members, "app demo"), platform) is None


def test_optional_members_may_be_missing() -> None:
    """Rows that another version of the command wrote."""
    android = read_reference_values(changed("android", verified_boot_keys=None), "app demo").android
    assert android is not None
    assert android.verified_boot_keys == frozenset()
    harmony = read_reference_values(changed("harmony", app_ids=None, signing_digests=None), "app demo").harmony
    assert harmony is not None
    assert (harmony.app_ids, harmony.signing_digests) == ((), frozenset())


def test_members_of_a_newer_stack_are_left_alone() -> None:
    """A roll-back must not take every app down."""
    assert read_reference_values({**changed("android", newer=["x"]), "fuchsia": {}}, "app demo").android is not None


@pytest.mark.parametrize(
    ("members", "place"),
    [
        (None, "reference_values is no object"),
        ([], "reference_values is no object"),
        ({"apple": []}, "reference_values.apple is no object"),
        (changed("apple", app_ids=[]), "apple.app_ids is empty"),
        (changed("apple", app_ids=None), "apple.app_ids is empty"),
        (changed("apple", app_ids=["org.example.demo"]), "apple.app_ids[0] is not <team id>.<bundle id>"),
        (changed("apple", environments=["staging"]), "apple.environments names an unknown one"),
        (changed("apple", environments=[]), "apple.environments is empty"),
        (changed("android", packages=[]), "android.packages is empty"),
        (changed("android", packages="org.example.demo"), "android.packages is no list"),
        (changed("android", packages=["demo"]), "android.packages[0] is not an application id"),
        (changed("android", packages=["org.example.demo", "org/../demo"]), "android.packages[1]"),
        (changed("android", packages=["org.example.demo:decode"]), "android.packages[0]"),
        (changed("android", packages=[7]), "android.packages[0]"),
        (changed("android", signing_digests=[]), "android.signing_digests is empty"),
        (changed("android", signing_digests=["AB" * 32]), "android.signing_digests[0] is not 64 lower-case"),
        (changed("android", signing_digests=["ab" * 31]), "android.signing_digests[0]"),
        (changed("android", signing_digests=[bytes(32)]), "android.signing_digests[0]"),
        (changed("android", verified_boot_keys=["ab"]), "android.verified_boot_keys[0]"),
        (changed("android", play_expected="yes"), "android.play_expected is neither true nor false"),
        (changed("harmony", bundle_names=None), "harmony.bundle_names is empty"),
        (changed("harmony", app_ids=None, app_identifiers=None), "harmony needs app_ids or app_identifiers"),
        (changed("harmony", app_ids=["two words"]), "harmony.app_ids[0] is not printable text"),
        (changed("harmony", signing_digests=["x" * 64]), "harmony.signing_digests[0]"),
    ],
)
def test_row_that_is_wrong_is_refused_by_its_place(members: object, place: str) -> None:
    """The attack surface of a typing error: an empty list of signers would let every repackaged copy in."""
    with pytest.raises(Unavailable) as refused:
        read_reference_values(members, "app demo")
    assert refused.value.what.startswith("app demo is registered wrongly: ")
    assert place in refused.value.what


def test_sentence_quotes_no_value() -> None:
    """It goes to the log."""
    with pytest.raises(Unavailable) as refused:
        read_reference_values(changed("android", signing_digests=["secret-looking"]), "app demo")
    assert "secret-looking" not in refused.value.what
