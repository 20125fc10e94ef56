"""Support codes: stable for an operator, opaque to everyone else."""

from __future__ import annotations

import pytest
from attestation.errors import Reason
from service.telemetry.support_code import support_code, support_key

KEY = support_key(b"sealing key of the tests, 32 b..")
NOON = 1_780_012_800.0


def code(**changes: object) -> str:
    arguments: dict[str, object] = {"reason": "chain-signature", "key_id": "K" * 43, "now": NOON, **changes}
    key = arguments.pop("key", KEY)
    return support_code(key, **arguments)  # type: ignore[arg-type]


def test_code_is_eight_characters_of_crockford_base32() -> None:
    """It can be read out over the telephone: no I, L, O or U."""
    assert all(
        len(code(reason=r.value)) == 8 and set(code(reason=r.value)) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
        for r in Reason
    )


def test_code_is_known() -> None:
    """A changed derivation would cut operators off from older log lines unnoticed."""
    assert code() == "CGFXVG1E"


def test_code_is_stable_all_day() -> None:
    """The same refusal of the same key has the same code until midnight UTC."""
    midnight = NOON - NOON % 86_400
    assert {code(now=midnight), code(now=NOON), code(now=midnight + 86_399.9)} == {code()}


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "app-mismatch"},
        {"key_id": "L" * 43},
        {"key_id": ""},
        {"now": NOON + 86_400},
        {"key": support_key(b"other")},
    ],
    ids=["reason", "key", "no-key", "day", "stack"],
)
def test_code_changes_with_what_it_stands_for(change: dict[str, object]) -> None:
    """Each ingredient counts, the stack's secret included: without it a client could compute its own codes."""
    assert code(**change) != code()


def test_codes_of_all_reasons_differ_for_one_key() -> None:
    """An operator can tell reasons apart by code."""
    assert len({code(reason=reason.value) for reason in Reason}) == len(Reason)


def test_support_key_is_not_the_sealing_key() -> None:
    """A code must say nothing about the key that seals challenges."""
    sealing = b"sealing key of the tests, 32 b.."
    assert support_key(sealing) != sealing
