"""Keeping the bundle fresh: fetches in number and time, whatever the server does. The clock is a variable."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_client import BundleUnreachable

from tests.unit.gate.bundle_server import Keeping, Server
from tests.unit.gate.stand import NOW, bundle, signed


@pytest.fixture
def keeping() -> Keeping:
    return Keeping(Server(), wait=5.0)


def test_first_request_fetches_and_later_ones_do_not(keeping: Keeping) -> None:
    """Up to five seconds, what we know is good enough."""
    assert keeping.version(NOW) == 7
    assert keeping.version(NOW + 5) == 7
    assert keeping.server.fetches == 1


def test_bundle_older_than_five_seconds_is_refreshed_beside_the_request(keeping: Keeping) -> None:
    """The request is decided by the bundle at hand; the next one sees the new bundle."""
    keeping.current(NOW)
    keeping.server.says = signed(bundle(version=8))
    keeping.server.held = threading.Event()
    assert keeping.version(NOW + 6) == 7
    assert keeping.version(NOW + 6.1) == 7
    keeping.server.held.set()
    keeping.settle()
    assert keeping.version(NOW + 6.2) == 8
    assert keeping.server.fetches == 2


def test_bundle_older_than_thirty_seconds_is_refreshed_first(keeping: Keeping) -> None:
    """Thirty seconds from publication to effect is a guarantee."""
    keeping.current(NOW)
    keeping.server.says = signed(bundle(version=8))
    assert keeping.version(NOW + 30.1) == 8


def test_unchanged_bundle_counts_as_refreshed(keeping: Keeping) -> None:
    """304 says: still true at the time of asking."""
    keeping.current(NOW)
    keeping.server.says = None
    assert keeping.version(NOW + 31) == 7
    assert keeping.server.etags == [None, '"1"']
    assert keeping.version(NOW + 36) == 7
    assert keeping.server.fetches == 2


def test_age_counts_from_the_beginning_of_a_fetch(keeping: Keeping) -> None:
    """Frozen mid-fetch, a process wakes up to an answer as old as its sleep."""
    keeping.current(NOW)
    keeping.server.held = frozen = threading.Event()
    keeping.current(NOW + 6)
    keeping.server.held = None
    keeping.server.says = signed(bundle(version=8))
    frozen.set()  # thawed ten minutes later: the old answer arrives, and counts as ten minutes old
    keeping.settle()
    assert keeping.version(NOW + 606) == 8
    assert keeping.server.fetches == 3


def test_no_request_waits_for_a_fetch_that_was_frozen(keeping: Keeping) -> None:
    """A fetch that began long ago counts as lost, and a new one is made."""
    keeping.current(NOW)
    keeping.server.held = frozen = threading.Event()
    keeping.current(NOW + 6)
    keeping.server.held = None
    keeping.server.says = signed(bundle(version=8))
    assert keeping.version(NOW + 606) == 8
    frozen.set()
    keeping.settle()
    assert keeping.version(NOW + 606.1) == 8
    assert keeping.notes[-1] == (None, "trust bundle 8")


def test_late_answer_of_a_lost_fetch_takes_nothing_back(keeping: Keeping) -> None:
    """Neither the bundle, nor an alarm about a rollback that is none."""
    keeping.server.held = frozen = threading.Event()
    slow = Keeping(keeping.server, wait=0.01)
    assert slow.current(NOW) is None
    keeping.server.held = None
    keeping.server.says = signed(bundle(version=9))
    assert any(slow.version(NOW + 60 + attempt) == 9 for attempt in range(100))
    frozen.set()
    slow.settle()
    assert slow.version(NOW + 161) == 9
    assert Reason.BUNDLE_ROLLBACK not in [reason for reason, _ in slow.notes]


def test_last_good_bundle_serves_until_it_expires_when_the_server_is_down(keeping: Keeping) -> None:
    """Then there is none: the stack's own choice decides."""
    keeping.current(NOW)
    keeping.server.says = BundleUnreachable("connection failed")
    assert keeping.version(NOW + 21_600) == 7
    assert keeping.version(NOW + 21_604.9) == 7
    assert keeping.version(NOW + 21_605) is None


def test_server_that_is_down_is_asked_less_and_less(keeping: Keeping) -> None:
    """An outage of the verifier must not become one of every API behind it."""
    keeping.current(NOW)
    keeping.server.says = BundleUnreachable("connection failed")
    for second in range(31, 331):
        keeping.current(NOW + second)
    assert keeping.server.fetches < 20
    keeping.server.says = signed(bundle(version=8))
    assert any(keeping.version(NOW + 331 + second) == 8 for second in range(31))


def test_without_any_bundle_attempts_stay_frequent_but_bounded(keeping: Keeping) -> None:
    """Everything is refused meanwhile, so recovery is worth more; still not a fetch for every request."""
    keeping.server.says = BundleUnreachable("connection failed")
    for tenth in range(600):
        assert keeping.current(NOW + tenth / 10) is None
    assert 10 <= keeping.server.fetches <= 16


def test_request_waits_no_longer_than_told_for_a_slow_server() -> None:
    """The wait is bounded although the fetch is not."""
    server = Server()
    server.held = threading.Event()
    slow = Keeping(server, wait=0.05)
    assert slow.current(NOW) is None
    assert slow.current(NOW + 0.01) is None
    assert server.fetches == 1
    server.held.set()
    slow.settle()
    assert slow.version(NOW + 1) == 7


def test_stuck_fetches_do_not_pile_up() -> None:
    """Name resolution cannot be interrupted: a handful of threads may hang, not one for each request."""
    server = Server()
    server.held = threading.Event()
    stuck = Keeping(server, wait=0.001)
    for minute in range(20):
        stuck.current(NOW + 60 * minute)
    assert server.fetches == 4
    server.held.set()
    stuck.settle()


@pytest.mark.parametrize(
    ("jws", "reason"),
    [
        (signed(bundle(version=6)), Reason.BUNDLE_ROLLBACK),
        (signed(bundle(version=7, issued_at=NOW - 61)), Reason.BUNDLE_ROLLBACK),
        (signed(bundle(version=8), by="thief"), Reason.BUNDLE_INVALID),
        (signed(bundle(version=8, issuer="bonafide-dev")), Reason.BUNDLE_INVALID),
        (signed(bundle(version=8, expires_at=NOW)), Reason.BUNDLE_INVALID),
        ("<html>", Reason.BUNDLE_INVALID),
        (RuntimeError("a bug"), Reason.BUNDLE_UNAVAILABLE),
    ],
)
def test_bundle_that_is_no_step_forward_is_noted_and_left(
    keeping: Keeping, jws: str | Exception, reason: Reason
) -> None:
    """A lying or rolled-back server changes nothing but the log."""
    keeping.current(NOW)
    keeping.server.says = jws
    assert keeping.version(NOW + 31) == 7
    assert keeping.notes[-1][0] is reason


def test_unknown_key_fetches_once_in_ten_seconds(keeping: Keeping) -> None:
    """Anyone can invent a kid; no one can make us hammer the server."""
    keeping.current(NOW)
    for tenth in range(400):
        keeping.keeper.after_unknown_key(NOW + tenth / 100)
    assert keeping.server.fetches == 2
    assert keeping.keeper.after_unknown_key(NOW + 10) is None
    assert keeping.server.fetches == 3


def test_unknown_key_finds_the_newer_bundle(keeping: Keeping) -> None:
    """A token by a key that was announced a second ago passes on its first use."""
    keeping.current(NOW)
    keeping.server.says = signed(bundle(version=8))
    newer = keeping.keeper.after_unknown_key(NOW + 1)
    assert newer is not None
    assert newer.version == 8


def test_clock_set_back_does_not_hold_the_bundle_fresh_for_ever(keeping: Keeping) -> None:
    """After a clock that ran ahead is corrected, one refresh sets things right."""
    keeping.current(NOW + 3600)
    assert keeping.version(NOW) == 7
    assert keeping.version(NOW + 1) == 7
    assert keeping.server.fetches == 2


class Clocks(Keeping):
    """A keeping whose monotonic clock is a variable of its own."""

    def __init__(self) -> None:
        self.elapsed = 100.0
        super().__init__(Server(), wait=5.0, elapsed=lambda: self.elapsed)


def test_wall_clock_that_jumps_ahead_and_back_keeps_no_bundle_young() -> None:
    """Fetched while the clock was an hour ahead, it would otherwise count as fresh for that hour."""
    clocks = Clocks()
    clocks.current(NOW + 3600)
    clocks.server.says = signed(bundle(version=8))
    clocks.elapsed += 30
    assert clocks.version(NOW + 30) == 8


def test_wall_clock_that_jumps_ahead_and_back_costs_no_refresh() -> None:
    """What is a second old is a second old."""
    clocks = Clocks()
    clocks.current(NOW)
    clocks.current(NOW + 3)
    clocks.elapsed += 1
    assert clocks.version(NOW - 3600) == 7
    assert clocks.server.fetches == 1


def test_wall_clock_that_jumps_ahead_and_back_does_not_hammer_a_server_that_is_down() -> None:
    """The pause after a failure is one of real seconds."""
    clocks = Clocks()
    clocks.current(NOW)
    clocks.server.says = BundleUnreachable("connection failed")
    clocks.elapsed += 31
    for _ in range(50):
        clocks.current(NOW + 3600)
        clocks.elapsed += 0.01
        clocks.current(NOW - 3600)
    assert clocks.server.fetches <= 4


def test_unknown_keys_fetch_no_more_often_for_a_clock_that_jumps() -> None:
    """Nor less: the pause does not last as long as the clock had been ahead."""
    clocks = Clocks()
    clocks.current(NOW)
    for _ in range(20):
        clocks.keeper.after_unknown_key(NOW + 9)
        clocks.keeper.after_unknown_key(NOW - 3600)
    assert clocks.server.fetches == 2
    clocks.elapsed += 10
    clocks.keeper.after_unknown_key(NOW - 3600)
    assert clocks.server.fetches == 3


def test_monotonic_clock_that_stood_still_while_frozen_keeps_no_bundle_young() -> None:
    """Lambda freezes the process, and with it perhaps that clock: the wall clock says how long."""
    clocks = Clocks()
    clocks.current(NOW)
    clocks.server.says = signed(bundle(version=8))
    assert clocks.version(NOW + 600) == 8


def test_process_out_of_threads_keeps_its_bundle(keeping: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we have still serves."""
    keeping.current(NOW)

    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    assert keeping.version(NOW + 31) == 7
    assert keeping.notes[-1][0] is Reason.BUNDLE_UNAVAILABLE


def test_refresh_for_an_unknown_key_makes_the_bundle_young_again(keeping: Keeping) -> None:
    """Even half a second after another refresh: age counts from the last fetch that began."""
    keeping.current(NOW)
    keeping.now = NOW + 0.5
    keeping.keeper.after_unknown_key(NOW + 0.5)
    keeping.current(NOW + 5.4)
    keeping.settle()
    assert keeping.server.fetches == 2


def test_server_that_says_unchanged_to_one_who_has_nothing_is_no_server(keeping: Keeping) -> None:
    """A failure like others: noted, and asked again after a pause."""
    keeping.server.says = None
    for tenth in range(10):
        assert keeping.current(NOW + tenth / 10) is None
    assert keeping.server.fetches == 1
    assert keeping.notes == [
        (Reason.BUNDLE_UNAVAILABLE, "1: answered that nothing has changed, but we have nothing"),
    ]


def test_pauses_after_failures_double_up_to_half_a_minute(keeping: Keeping) -> None:
    """Seconds from one attempt to the next."""
    keeping.current(NOW)
    keeping.server.says = BundleUnreachable("connection failed")
    attempts: list[int] = []
    for second in range(31, 200):
        before = keeping.server.fetches
        keeping.current(NOW + second)
        keeping.settle()
        if keeping.server.fetches > before:
            attempts.append(second)
    assert [after - before for before, after in pairwise(attempts)][:7] == [2, 4, 8, 16, 30, 30, 30]


def test_clock_set_back_between_two_refreshes_makes_no_bundle_older() -> None:
    """No time has passed for the other clock, so the first moment counts on."""
    clocks = Clocks()
    clocks.current(NOW)
    clocks.keeper.after_unknown_key(NOW - 10)
    clocks.elapsed += 1
    clocks.current(NOW - 4)
    assert clocks.server.fetches == 2
