"""Staged rollouts: stable, nested, fair, and of each app its own."""

from __future__ import annotations

from hashlib import sha256

import pytest
from attestation.appraisal.cohort import in_rollout
from bonafide_tokens.jose import b64url_encode
from hypothesis import given
from hypothesis import strategies as st

INSTALLS = [b64url_encode(sha256(str(number).encode()).digest()) for number in range(4_000)]


@given(st.text(), st.text(), st.integers(0, 100), st.integers(0, 100))
def test_smaller_rollout_is_part_of_the_larger(app: str, install: str, one: int, other: int) -> None:
    """Raising the percentage never takes a version away from an install."""
    lower, higher = sorted((one, other))
    assert in_rollout(app, install, higher) >= in_rollout(app, install, lower)


@given(st.text(), st.text())
def test_ends_are_none_and_all(app: str, install: str) -> None:
    """0 % reaches no install, 100 % every one."""
    assert not in_rollout(app, install, 0)
    assert in_rollout(app, install, 100)


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_rollout_reaches_its_share(percent: int) -> None:
    """Of 4,000 installs a share that is no further off than four standard deviations."""
    reached = sum(in_rollout("demo", install, percent) for install in INSTALLS)
    share = percent / 100
    assert abs(reached - 4_000 * share) <= 4 * (4_000 * share * (1 - share)) ** 0.5


def test_cohort_is_the_documented_arithmetic() -> None:
    """Every stack of every version reaches the same installs."""
    digest = sha256(b"4:demo:" + INSTALLS[0].encode()).digest()
    place = int.from_bytes(digest[:8], "big") * 100 // 2**64
    assert [in_rollout("demo", INSTALLS[0], percent) for percent in (place, place + 1)] == [False, True]


def test_apps_have_cohorts_of_their_own() -> None:
    """An install that is early for one app is not early for all."""
    first = [in_rollout("demo", install, 50) for install in INSTALLS]
    assert first != [in_rollout("shop", install, 50) for install in INSTALLS]


@pytest.mark.parametrize("percent", [-1, 101])
def test_percentage_that_is_none_is_a_mistake(percent: int) -> None:
    """Ours, never a client's."""
    with pytest.raises(ValueError, match="percentage"):
        in_rollout("demo", "install", percent)
