"""What Apple may answer to one receipt, and what becomes of it: none is lost, and each is asked about again."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from attestation.reference_values import Environment
from service.errors import Unavailable
from service.receipts.run import FAULTS, Report
from service.receipts.stored_receipt import DAY, LONGEST_MISSING, Outcome, StoredReceipt
from service.vendors.outbound import Answer, Unreachable

from devkit.devices.fake_apple import AppleAnswer, SoftwareApple
from tests.receipts.simulated import PER_SECOND, START, Crash, World, authority, device_check_key

HOUR = 3600


def enrolled(count: int = 1) -> tuple[World, list[str]]:
    world = World()
    return world, [world.enrol(world.phone()) for _ in range(count)]


def answering(status: int, headers: dict[str, str] | None = None) -> Callable[[World, bytes], Answer | None]:
    return lambda _world, _receipt: Answer(status, headers or {}, b"")


def row_of(world: World, key_id: str) -> StoredReceipt:
    return world.receipts.rows[key_id]


def due_in(world: World, key_id: str) -> float:
    due = row_of(world, key_id).due_at
    assert due is not None
    return due - world.now


def test_first_exchange_notes_the_metric_on_the_key() -> None:
    """An enrolment is due at once; the new receipt takes the old one's place, and is due after a day, not before."""
    world, (key_id,) = enrolled()
    before = row_of(world, key_id).receipt
    report = world.run()
    row = row_of(world, key_id)
    assert row.receipt != before
    assert (row.risk_metric, row.outcome, world.keys.risks[key_id][0]) == (1, Outcome.READ, 1)
    assert [(reading.metric, reading.earlier) for reading in report.readings] == [(1, None)]
    assert DAY <= due_in(world, key_id) <= 1.1 * DAY + 2
    assert world.holds_every_receipt()


def test_second_key_of_a_device_raises_the_metric() -> None:
    """The receipt of the older key says so as well, with the value before."""
    world = World()
    phone = world.phone()
    key_id = world.enrol(phone)
    world.run()
    world.enrol(phone)
    world.minutes(26 * 60)
    row = row_of(world, key_id)
    assert (row.earlier_metric, row.risk_metric) == (1, 2)


@pytest.mark.parametrize("development", [False, True])
def test_each_environment_has_its_own_address(development: bool) -> None:
    """Apple takes no receipt of one in the other."""
    world = World()
    seen: list[Environment] = []

    class Listening(SoftwareApple):
        def answer(self, environment: Environment, body: bytes, authorization: str) -> AppleAnswer:
            seen.append(environment)
            return super().answer(environment, body, authorization)

    world.apple = Listening(authority=authority(), teams=world.apple.teams, clock=world.apple.clock)
    world.enrol(world.phone(development=development))
    report = world.run()
    assert seen == [Environment.DEVELOPMENT if development else Environment.PRODUCTION]
    assert len(report.readings) == 1


def test_no_data_keeps_the_last_value_and_asks_again_weekly_at_the_latest() -> None:
    """404 is what Apple says 30 days after the last attestation; the value goes on counting, so do the questions."""
    world, (key_id,) = enrolled()
    world.run()
    receipt = row_of(world, key_id).receipt
    world.network = answering(404)
    waits = []
    for _ in range(6):
        due = row_of(world, key_id).due_at
        assert due is not None
        world.now = float(due)
        world.run()
        waits.append(due_in(world, key_id) / DAY)
    assert [round(wait / 1.1) <= days <= round(wait + 1) for wait, days in zip(waits, (1, 2, 4, 7, 7, 7), strict=True)]
    assert all(wait <= 1.1 * LONGEST_MISSING / DAY + 1 for wait in waits)
    row = row_of(world, key_id)
    assert (row.receipt, row.risk_metric, row.outcome) == (receipt, 1, Outcome.NO_DATA)
    assert world.keys.risks[key_id][0] == 1


def test_device_without_data_comes_back_with_a_new_attestation() -> None:
    """A month later there is no data; the device attests another key, and the old key's receipt reads two."""
    world = World()
    phone = world.phone()
    key_id = world.enrol(phone)
    world.run()
    world.minutes(40 * 24 * 60)
    assert row_of(world, key_id).outcome is Outcome.NO_DATA
    world.enrol(phone)
    world.minutes(9 * 24 * 60)
    assert row_of(world, key_id).outcome is Outcome.READ
    assert world.holds_every_receipt()


def test_too_early_by_apples_clock_waits_a_day() -> None:
    """304 keeps the receipt."""
    world, (key_id,) = enrolled()
    receipt = row_of(world, key_id).receipt
    world.network = answering(304)
    world.run()
    row = row_of(world, key_id)
    assert (row.receipt, row.outcome) == (receipt, Outcome.NOT_YET)
    assert due_in(world, key_id) >= DAY


def test_not_before_is_respected_without_asking() -> None:
    """As after a crash between the answer's write and the schedule: the receipt itself says when."""
    world, (key_id,) = enrolled()
    world.run()
    asked = len(world.asked)
    world.receipts.rows[key_id] = replace(row_of(world, key_id), due_at=int(world.now))
    world.run()
    assert len(world.asked) == asked
    assert due_in(world, key_id) > DAY - 120


def test_wrong_token_stops_the_run_at_the_first_answer() -> None:
    """401: the key was revoked, or our clock is wrong. One question, a pause, another token; all stay due."""
    world, keys = enrolled(20)
    world.network = answering(401)
    report = world.run()
    assert report.outcomes == {Outcome.UNAUTHORIZED.value: 1}
    assert len(world.asked) == 1
    assert world.run().paused
    assert len(world.asked) == 1
    world.network = lambda _world, _receipt: None
    world.minutes(3 * 60, idle=False)
    assert all(row_of(world, key_id).outcome is Outcome.READ for key_id in keys)
    assert world.holds_every_receipt()


def test_receipt_of_another_team_stops_no_other() -> None:
    """401 is also what Apple says to a receipt that is not the token's: that one alone is put off."""
    world, keys = enrolled(20)
    first_due = sorted(keys, key=lambda key_id: row_of(world, key_id).due_at or 0)
    stray = row_of(world, first_due[7]).receipt
    world.network = lambda _world, receipt: Answer(401, {}, b"") if receipt == stray else None
    report = world.run()
    assert report.outcomes[Outcome.READ.value] >= 19
    assert world.holds_every_receipt()


@pytest.mark.parametrize(("headers", "least", "most"), [({"retry-after": "600"}, 600, 600), ({}, 15, 30)])
def test_throttling_stops_the_run_for_as_long_as_apple_says(headers: dict[str, str], least: float, most: float) -> None:
    """429: no question until then, and the receipts stay due as they are."""
    world, keys = enrolled(20)
    rows = dict(world.receipts.rows)
    world.network = answering(429, headers)
    world.run()
    assert len(world.asked) == 1
    assert world.receipts.rows == rows
    ((_, _, paused_until, _),) = [team for team in world.receipts.teams.values() if team[2]]
    assert least <= paused_until - world.now <= most
    world.network = lambda _world, _receipt: None
    world.now = paused_until + 1
    world.minutes(5)
    assert all(row_of(world, key_id).outcome is Outcome.READ for key_id in keys)


@pytest.mark.parametrize("status", [None, 500, 503, 302, 418, 204])
def test_outage_stops_the_run_after_three(status: int | None) -> None:
    """No answer, or none that Apple documents: three in a row are an outage."""

    def broken(_world: World, _receipt: bytes) -> Answer | None:
        if status is None:
            raise Unreachable("no whole answer within 6 s")
        return Answer(status, {}, b"?")

    world, keys = enrolled(20)
    world.network = broken
    report = world.run()
    assert (len(world.asked), report.outcomes[Outcome.FAILED.value]) == (FAULTS, FAULTS)
    assert report.paused
    assert world.holds_every_receipt()
    world.network = lambda _world, _receipt: None
    world.minutes(60, idle=False)
    assert all(row_of(world, key_id).outcome is Outcome.READ for key_id in keys)


def wrong_answers() -> dict[str, Callable[[World, bytes], bytes]]:
    def another_key(world: World, _receipt: bytes) -> bytes:
        phone = world.phone()
        other = world.receipts.rows.pop(key := world.enrol(phone)).receipt
        del world.keys.rows[key]
        return exchanged(world, other)

    def exchanged(world: World, receipt: bytes) -> bytes:
        return world.apple._sealed(world.apple._receipt(base64.b64encode(receipt), world.now), 1, world.now)  # type: ignore[arg-type]

    def old(world: World, receipt: bytes) -> bytes:
        told = world.apple._receipt(base64.b64encode(receipt), world.now)
        return world.apple._sealed(told, 1, world.now - HOUR)  # type: ignore[arg-type]

    def damaged(world: World, receipt: bytes) -> bytes:
        whole = bytearray(exchanged(world, receipt))
        whole[len(whole) // 2] ^= 1
        return bytes(whole)

    return {
        "about another key": another_key,
        "an hour old": old,
        "damaged": damaged,
        "the same again": lambda _world, receipt: receipt,
        "nothing": lambda _world, _receipt: b"",
        "no receipt": lambda _world, _receipt: b"<html>",
    }


@pytest.mark.parametrize("name", wrong_answers())
def test_wrong_receipt_is_refused_and_the_old_one_stays(name: str) -> None:
    """What answers in Apple's place changes nothing."""
    world, (key_id,) = enrolled()
    receipt = row_of(world, key_id).receipt
    world.network = lambda world, sent: Answer(200, {}, base64.b64encode(wrong_answers()[name](world, sent)))
    report = world.run()
    row = row_of(world, key_id)
    assert (row.receipt, row.risk_metric, row.outcome) == (receipt, None, Outcome.BAD_ANSWER)
    assert not world.keys.risks
    assert not report.readings
    assert world.holds_every_receipt()
    world.network = lambda _world, _receipt: None
    world.minutes(30)
    assert row_of(world, key_id).outcome is Outcome.READ


def test_receipt_of_another_device_is_never_sent() -> None:
    """The attack: a device with many keys enrols with the receipt of a clean one, which a relay may exchange. It is
    not about the attested key, and Apple is not asked about it."""
    world = World()
    clean = world.receipts.rows[world.enrol(world.phone())].receipt
    world.run()
    asked = len(world.asked)
    key_id = world.enrol(world.phone(), receipt=clean)
    report = world.run()
    assert len(world.asked) == asked
    assert row_of(world, key_id).outcome is Outcome.UNVERIFIED
    assert report.details["key-mismatch"] == 1


def test_key_that_is_forgotten_is_not_asked_about() -> None:
    """Its receipt stays until its time is over, out of every queue."""
    world, (key_id,) = enrolled()
    del world.keys.rows[key_id]
    world.run()
    assert not world.asked
    assert (row_of(world, key_id).due_at, row_of(world, key_id).outcome) == (None, Outcome.GONE)


def test_receipt_is_asked_about_a_day_before_it_expires_and_never_after() -> None:
    """An outage of three months is more than a receipt lives; the row says so, and keeps the last value."""
    world, (key_id,) = enrolled()
    world.run()
    world.network = answering(404)
    world.minutes(100 * 24 * 60)
    row = row_of(world, key_id)
    assert max(world.asked) <= row.usable_until
    assert max(world.asked) >= row.usable_until - DAY - HOUR
    assert (row.due_at, row.outcome, row.risk_metric) == (None, Outcome.EXPIRED, 1)


@pytest.mark.parametrize("moment", ["find", "key", "note", "noted", "replace", "replaced", "give_back"])
def test_crash_at_any_write_loses_nothing(moment: str) -> None:
    """The process ends there, with Apple's answer in its memory; the lease's time passes, and the next one asks."""

    def crash(call: str) -> None:
        if call == moment:
            raise Crash

    world, (key_id,) = enrolled()
    world.receipts.fail = world.keys.fail = crash
    with pytest.raises(Crash):
        world.run()
    world.receipts.fail = world.keys.fail = lambda _call: None
    world.now += 120
    world.minutes(60, idle=False)
    assert row_of(world, key_id).outcome is Outcome.READ
    assert world.keys.risks[key_id][0] == 1
    assert world.holds_every_receipt()


def test_value_that_could_not_be_noted_is_noted_a_minute_later_without_asking() -> None:
    """The write met a renewal of the key. Apple would answer 304 to a second question."""

    def conflict(call: str) -> None:
        if call == "note":
            raise Unavailable("dynamodb:UpdateItem attested_keys: TransactionConflictException")

    world, (key_id,) = enrolled()
    world.keys.fail = conflict
    world.run()
    assert (row_of(world, key_id).noted, row_of(world, key_id).risk_metric) == (False, 1)
    world.keys.fail = lambda _call: None
    world.minutes(3, idle=False)
    assert len(world.asked) == 1
    assert world.keys.risks[key_id][0] == 1
    assert row_of(world, key_id).noted
    assert due_in(world, key_id) > DAY - 200


def test_slower_of_two_workers_does_not_put_the_older_receipt_back() -> None:
    """A worker that was frozen past its lease comes back with an older answer."""
    world, (key_id,) = enrolled()
    slow: list[bytes] = []

    def freeze(world: World, receipt: bytes) -> Answer | None:
        world.network = lambda _world, _receipt: None
        answer = world.apple.answer(
            Environment.PRODUCTION, base64.b64encode(receipt), world.tokens.of(device_check_key()[0], world.now)
        )
        slow.append(base64.b64decode(answer.body))
        world.now += 100
        world.receipts.teams.clear()  # its lease is over
        world.run()
        return Answer(200, {}, answer.body)

    world.network = freeze
    report = world.run(seconds=300)
    assert row_of(world, key_id).receipt != slow[0]
    assert report.outcomes[Outcome.OVERTAKEN.value] == 1
    assert world.keys.risks[key_id][1] > START + 90


def test_two_workers_do_not_ask_at_once() -> None:
    """The second finds the lease taken."""
    world, _ = enrolled(3)
    second: list[Report] = []

    def meanwhile(world: World, _receipt: bytes) -> Answer | None:
        if not second:
            second.append(world.run())
        return None

    world.network = meanwhile
    world.run()
    assert second[0].paused
    assert len(world.asked) == 3


def test_pace_is_kept_over_many_runs() -> None:
    """Never more questions in a second than allowed, wherever the second begins."""
    world, _ = enrolled(60)
    world.minutes(5, idle=False)
    assert len(world.asked) == 60
    assert world.fastest_second() <= PER_SECOND
