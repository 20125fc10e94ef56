"""Every cache of the service over its real collaborator: none freezes when a clock jumps, none reads what it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from service import remembered
from service.keys.key_ring import KeyRing
from service.policies.client_policy import ServedClientPolicies
from service.tables.signing_keys import Purpose
from service.tables.trust_bundles import RememberedTrustBundles, StoredBundle
from service.vendors.app_secrets import SecretKind
from service.vendors.endorsements import VendorEndorsements
from service.vendors.play_integrity import PlaySecrets

from tests.service_stack.google import service_account
from tests.service_stack.memory_stack import APP, ENDORSEMENTS, ISSUER, LIFETIME, NOW, MemoryStack

HOUR = 3600.0


def _key_ring(stack: MemoryStack) -> Callable[[float], object]:
    ring = KeyRing(stack.signing_keys, stack.wrapping, frozenset(Purpose))
    return lambda now: ring.token_key(now, lifetime=LIFETIME)


def _bundles(stack: MemoryStack) -> Callable[[float], object]:
    bundles = RememberedTrustBundles(stack.trust_bundles)
    return lambda now: bundles.latest(ISSUER, now)


def _client_policies(stack: MemoryStack) -> Callable[[float], object]:
    served = ServedClientPolicies(stack.policies)
    return lambda now: served.served(APP, "install", now)


def _status_list(stack: MemoryStack) -> Callable[[float], object]:
    endorsements = VendorEndorsements(roots=ENDORSEMENTS, table=stack.status_lists, max_age=86_400)
    return endorsements._with_list


def _play_secrets(stack: MemoryStack) -> Callable[[float], object]:
    secrets = PlaySecrets(stack.app_secrets, stack.wrapping)
    return lambda now: secrets.of(APP, now)


@dataclass(frozen=True)
class Cache:
    """A cache: how it is asked, and whose calls it saves."""

    make: Callable[[MemoryStack], Callable[[float], object]]
    part: str


CACHES = [
    Cache(_key_ring, "signing_keys"),
    Cache(_bundles, "trust_bundles"),
    Cache(_client_policies, "policies"),
    Cache(_status_list, "status_lists"),
    Cache(_play_secrets, "app_secrets"),
]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The steady clock, in a test's hand."""
    clock = [1000.0]
    monkeypatch.setattr(remembered, "monotonic", lambda: clock[0])
    return clock


def settled(part: Any) -> int:
    """The calls of a part, once no thread beside us makes another."""
    calls = -1
    while calls != part.calls:
        calls = part.calls
        time.sleep(0.05)
    return calls


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: cache.part)
def test_clock_that_jumps_ahead_and_back_freezes_no_cache(
    stack: MemoryStack, steady: list[float], cache: Cache
) -> None:
    """A host whose clock was an hour ahead when the cache was filled: minutes later the table is asked again."""
    ask, part = cache.make(stack), getattr(stack, cache.part)
    ask(NOW + HOUR)
    before = settled(part)
    steady[0] += 600
    ask(NOW + 600)
    assert settled(part) > before


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: cache.part)
def test_cache_serves_what_it_has_while_its_table_is_down(stack: MemoryStack, cache: Cache) -> None:
    """Ten minutes later, too, and again."""
    ask, part = cache.make(stack), getattr(stack, cache.part)
    first = ask(NOW)
    part.down = True
    assert [ask(NOW + 600 + second) for second in range(5)] == [first] * 5


def test_bundle_that_has_not_changed_is_not_read_again(stack: MemoryStack) -> None:
    """Only what is above the known version is asked for; a newer one is found."""
    asked: list[int] = []

    class Spied:
        def latest(self, issuer: str, *, above: int = 0) -> StoredBundle | None:
            asked.append(above)
            return stack.trust_bundles.latest(issuer, above=above)

    bundles = RememberedTrustBundles(Spied())  # type: ignore[arg-type]
    for second in range(3):
        found = bundles.latest(ISSUER, NOW + 2 * second)
    assert found is not None
    assert asked == [0, found.version, found.version]
    stack.rotation.run(now=NOW + 7)
    newer = bundles.latest(ISSUER, NOW + 8)
    assert newer is not None
    assert newer.version == found.version + 1


def test_play_account_that_is_replaced_is_known_in_time(stack: MemoryStack) -> None:
    """Nothing is remembered for good."""
    secrets = PlaySecrets(stack.app_secrets, stack.wrapping)
    assert secrets.of(APP, NOW).account is None
    stack.app_secrets.seal(APP, "play-account", SecretKind.PLAY_SERVICE_ACCOUNT, service_account(), stack.wrapping, NOW)
    assert secrets.of(APP, NOW + HOUR).account is not None
