"""Receipts of real devices, exchanged: what Apple gave for them is taken, by the rules for answers."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime

import pytest
from attestation.endorsements import pinned_endorsements
from attestation.reference_values import AppleReferenceValues, Environment
from bonafide_tokens.jose import b64url_decode
from service.receipts.exchange_one import Exchange
from service.receipts.stored_receipt import DAY, Outcome
from service.vendors.outbound import Answer

from tests.minted_claims import changed_claims
from tests.real_cases import real_case
from tests.receipts.simulated import World, device_check_key

DEVICE = "veehaitch/ios-14.4-beta-1"


def test_receipt_that_apple_gave_a_real_device_is_taken() -> None:
    """The attestation's receipt is what is kept, the first exchanged one the answer, judged when it came."""
    kept, given = real_case("apple", f"{DEVICE}/receipt_attest"), real_case("apple", f"{DEVICE}/receipt_1")
    world, told = _world(kept, at=given["at"]), given["expect"]["claims"]
    (key_id,) = world.receipts.rows
    done = _exchange(world, given).one(key_id, _expected(kept), device_check_key()[0])
    row = world.receipts.rows[key_id]
    assert (done.outcome, row.risk_metric) == (Outcome.READ, told["risk_metric"])
    assert row.due_at is not None
    assert row.due_at >= _seconds(told["not_before"])
    assert row.usable_until == int(_seconds(told["expiration_time"]))


@pytest.mark.parametrize("late", [301.0, -120.0])
def test_the_same_receipt_at_another_time_is_refused(late: float) -> None:
    """Apple advises five minutes, against replays."""
    kept, given = real_case("apple", f"{DEVICE}/receipt_attest"), real_case("apple", f"{DEVICE}/receipt_1")
    world = _world(kept, at=given["at"])
    world.now += late
    (key_id,) = world.receipts.rows
    before = world.receipts.rows[key_id].receipt
    done = _exchange(world, given).one(key_id, _expected(kept), device_check_key()[0])
    assert (done.outcome, world.receipts.rows[key_id].receipt) == (Outcome.BAD_ANSWER, before)


def _world(kept: dict[str, object], *, at: str) -> World:
    world = World(now=_seconds(at) + 0.5)
    key_id = world.enrol(world.phone(development=True))
    point, app_id = bytes.fromhex(kept["attested_key"]["public_key"]), _expected(kept).app_ids[0]  # type: ignore[index]
    key, row = world.keys.rows[key_id], world.receipts.rows[key_id]
    world.keys.rows[key_id] = replace(key, claims=changed_claims(key.claims, public_key=point, app_id=app_id))
    receipt = b64url_decode(kept["evidence"]["receipt"])  # type: ignore[index]
    world.receipts.rows[key_id] = replace(row, receipt=receipt, usable_until=int(world.now) + 90 * DAY, due_at=0)
    return world


def _exchange(world: World, given: dict[str, object]) -> Exchange:
    answer = base64.b64encode(b64url_decode(given["evidence"]["receipt"]))  # type: ignore[index]
    exchange = world.exchange()
    return replace(
        exchange, endorsements=pinned_endorsements(), ask=lambda _environment, _receipt, _token: Answer(200, {}, answer)
    )


def _expected(case: dict[str, object]) -> AppleReferenceValues:
    app_ids = case["reference_values"]["apple"]["app_ids"]  # type: ignore[index]
    return AppleReferenceValues(app_ids=tuple(app_ids), environments=frozenset(Environment))


def _seconds(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()
