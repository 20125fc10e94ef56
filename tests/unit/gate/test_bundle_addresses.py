"""Several addresses of one bundle: the next is asked when one fails, and none can bring back an older bundle."""

from __future__ import annotations

import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_client import BundleUnreachable

from tests.unit.gate.bundle_server import Keeping, Server
from tests.unit.gate.stand import NOW, bundle, signed

DOWN = BundleUnreachable("no whole answer in time")


def two_addresses(first: Server, second: Server) -> Keeping:
    """A keeper of two addresses that waits for 5 s."""
    return Keeping(first, 5.0, None, second)


def test_second_address_is_asked_when_the_first_fails() -> None:
    """In the same refresh, within the same wait: each gets its share of it."""
    first, second = Server(), Server()
    first.says = DOWN
    keeping = two_addresses(first, second)
    assert keeping.version(NOW) == 7
    assert (first.fetches, second.fetches) == (1, 1)
    assert first.seconds + second.seconds < 5.0
    assert keeping.notes == [(None, "trust bundle 7"), (None, "1: no whole answer in time")]


def test_second_address_rests_while_the_first_works() -> None:
    keeping = two_addresses(Server(), second := Server())
    keeping.current(NOW)
    keeping.current(NOW + 31)
    assert (keeping.server.fetches, second.fetches) == (2, 0)


def test_address_that_worked_is_asked_first_from_then_on() -> None:
    """An edge that is down must not cost every refresh the time to notice."""
    first, second = Server(), Server()
    first.says = DOWN
    keeping = two_addresses(first, second)
    keeping.current(NOW)
    keeping.current(NOW + 31)
    assert (first.fetches, second.fetches) == (1, 2)
    first.says, second.says = signed(bundle(version=8)), DOWN
    assert keeping.version(NOW + 62) == 8
    assert (first.fetches, second.fetches) == (2, 3)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (signed(bundle(version=6)), "version 6 offered where 7 is known"),
        (signed(bundle(version=9), by="another root"), "not signed by a root key"),
        (RuntimeError("odd"), "unexpected RuntimeError"),
    ],
)
def test_bundle_that_is_refused_has_the_next_address_asked(says: str | Exception, told: str) -> None:
    """A copy at the edge that lags, or an attacker in front of it, keeps no block from an authorizer."""
    first, second = Server(), Server()
    keeping = two_addresses(first, second)
    keeping.current(NOW)
    first.says, second.says = says, signed(bundle(version=8))
    assert keeping.version(NOW + 31) == 8
    assert keeping.notes[-1] == (None, f"1: {told}")


def test_older_bundle_of_the_second_address_is_refused() -> None:
    first, second = Server(), Server()
    first.says, second.says = signed(bundle(version=8)), signed(bundle(version=7))
    keeping = two_addresses(first, second)
    assert keeping.version(NOW) == 8
    first.says = DOWN
    assert keeping.version(NOW + 31) == 8
    assert keeping.notes[-1][0] is Reason.BUNDLE_ROLLBACK


def test_pause_after_both_addresses_failed_is_that_of_one_failure() -> None:
    first, second = Server(), Server()
    first.says = second.says = DOWN
    keeping = two_addresses(first, second)
    keeping.current(NOW)
    keeping.current(NOW + 1.9)
    assert (first.fetches, second.fetches) == (1, 1)
    keeping.current(NOW + 2.1)
    assert (first.fetches, second.fetches) == (2, 2)
