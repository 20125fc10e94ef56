"""Rotation and publishing: announced, then used; nothing lost in races or half-way stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle, open_trust_bundle
from service.errors import Unavailable
from service.keys.rotation import ANNOUNCEMENT, KEPT_AFTER_RETIREMENT, SKEW
from service.tables.revocations import MAX_LISTED
from service.tables.signing_keys import Purpose
from service.tables.trust_bundles import StoredBundle, TrustBundles

from tests.service_stack.memory_stack import AUDIENCE, ISSUER, LIFETIME, NOW, ROUTES, MemoryStack

DAY = 86_400
DUE = NOW + 30 * DAY


def bundle_of(stack: MemoryStack, now: float) -> TrustBundle:
    latest = stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    return open_trust_bundle(latest.jws, root_key=stack.root_key.public_key(), issuer=ISSUER, now=now)


def test_first_run_makes_both_keys_and_bundle_one(stack: MemoryStack) -> None:
    """The first key is used at once: there is no need to wait for an announcement when there is nothing older."""
    rows = stack.signing_keys.rows
    assert sorted(rows) == ["challenge-1", "token-1"]
    assert all(row.active_from == NOW and row.retired_at is None for row in rows.values())
    bundle = bundle_of(stack, NOW)
    assert (bundle.version, bundle.expires_at, sorted(bundle.keys)) == (1, NOW + 21_600, ["token-1"])
    assert bundle.apis == {AUDIENCE: ROUTES}


def test_bundle_carries_no_sealing_key(stack: MemoryStack) -> None:
    """Sealing keys are symmetric secrets."""
    latest = stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    assert "challenge" not in latest.jwks


def test_tick_before_the_date_only_republishes(stack: MemoryStack) -> None:
    """The hourly bundle has a new version and date, and the same keys."""
    stack.rotation.run(now=NOW + 3600)
    assert sorted(stack.signing_keys.rows) == ["challenge-1", "token-1"]
    assert (bundle_of(stack, NOW + 3600).version, bundle_of(stack, NOW + 3600).issued_at) == (2, NOW + 3600)


@pytest.mark.parametrize(("moment", "rotate"), [(DUE, False), (NOW + 600, True)], ids=["due", "operator"])
def test_rotation_announces_first_and_retires_late(stack: MemoryStack, moment: float, rotate: bool) -> None:
    """The new key waits for relying parties; the old one stays until its last token has expired."""
    bundle = stack.rotation.run(now=moment, rotate=rotate)
    assert sorted(bundle.keys) == ["token-1", "token-2"]
    rows, active = stack.signing_keys.rows, moment + ANNOUNCEMENT
    assert rows["token-2"].active_from == rows["challenge-2"].active_from == active
    assert rows["token-1"].retired_at == rows["challenge-1"].retired_at == active + LIFETIME + SKEW


def test_retired_key_leaves_the_bundle_and_later_the_table(stack: MemoryStack) -> None:
    """A retired key verifies nothing, and is not kept."""
    stack.rotation.run(now=DUE)
    gone = DUE + ANNOUNCEMENT + LIFETIME + SKEW
    assert sorted(stack.rotation.run(now=gone - 1).keys) == ["token-1", "token-2"]
    assert sorted(stack.rotation.run(now=gone).keys) == ["token-2"]
    assert "token-1" in stack.signing_keys.rows
    stack.rotation.run(now=gone + KEPT_AFTER_RETIREMENT)
    assert sorted(stack.signing_keys.rows) == ["challenge-2", "token-2"]


def test_operator_who_asks_twice_gets_one_new_key(stack: MemoryStack) -> None:
    """While a new key waits to sign, another would only push it back."""
    stack.rotation.run(now=NOW + 600, rotate=True)
    stack.rotation.run(now=NOW + 601, rotate=True)
    assert sorted(stack.signing_keys.rows) == ["challenge-1", "challenge-2", "token-1", "token-2"]


@pytest.mark.parametrize("part", ["root_key", "trust_bundles"])
def test_key_that_was_not_published_is_never_used(stack: MemoryStack, part: str) -> None:
    """The failure: a key signs that no relying party knows. It waits until a bundle with it exists."""
    getattr(stack, part).down = True
    with pytest.raises(Unavailable):
        stack.rotation.run(now=DUE)
    waiting = stack.signing_keys.rows["token-2"]
    assert waiting.active_from is None
    assert not waiting.is_active(DUE + 10 * DAY)
    getattr(stack, part).down = False
    stack.rotation.run(now=DUE + 3600)
    assert stack.signing_keys.rows["token-2"].active_from == DUE + 3600 + ANNOUNCEMENT
    assert "token-3" not in stack.signing_keys.rows


def test_kms_down_while_wrapping_changes_nothing(stack: MemoryStack) -> None:
    """A key that cannot be wrapped is not stored."""
    before = dict(stack.signing_keys.rows)
    stack.wrapping.down = True
    with pytest.raises(Unavailable):
        stack.rotation.run(now=DUE)
    assert stack.signing_keys.rows == before


def test_rotation_survives_a_faster_rival(stack: MemoryStack) -> None:
    """The kid was taken between reading and writing: there is one new key, and both runs succeed."""
    add = stack.signing_keys.add
    stolen: list[str] = []

    def rivalled(key, *, retiring=None):  # type: ignore[no-untyped-def]
        if key.purpose is Purpose.TOKEN and not stolen:
            stolen.append(key.kid)
            stack.signing_keys.rows[key.kid] = replace(key, created_at=int(DUE) - 1)
        return add(key, retiring=retiring)

    stack.signing_keys.add = rivalled  # type: ignore[method-assign]
    stack.rotation.run(now=DUE)
    assert stolen == ["token-2"]
    assert sorted(stack.signing_keys.rows) == ["challenge-1", "challenge-2", "token-1", "token-2"]
    assert stack.signing_keys.rows["token-2"].active_from == DUE + ANNOUNCEMENT


@pytest.mark.parametrize(
    ("runs", "broken", "overdue"),
    [
        ([29 * DAY], False, [0]),
        ([30 * DAY + 600], False, [600]),
        ([30 * DAY, 31 * DAY], False, [0, 0]),
        ([30 * DAY, 31 * DAY], True, [0, DAY]),
    ],
)
def test_how_late_keys_are_is_told_for_an_alarm(
    stack: MemoryStack,
    log_lines: Callable[[], list[dict[str, Any]]],
    runs: list[int],
    broken: bool,
    overdue: list[int],
) -> None:
    """A new key is used a minute after it was announced, so the old one is late by what lies between two runs. The
    failure: runs go on and publish, and never get to use a new key."""
    if broken:
        stack.signing_keys.activate = lambda *_arguments, **_named: False  # type: ignore[method-assign]
    log_lines()
    for after in runs:
        stack.rotation.run(now=NOW + after)
    told = [line["SigningKeyOverdue"] for line in log_lines() if "SigningKeyOverdue" in line]
    assert told == [[float(seconds)] for seconds in overdue]


@dataclass
class BusyBundles:
    """A table where another process publishes ``rivals`` times, each time just before us."""

    inner: TrustBundles
    rivals: int

    def latest(self, issuer: str, *, above: int = 0) -> StoredBundle | None:
        return self.inner.latest(issuer, above=above)

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        if self.rivals:
            self.rivals -= 1
            self.inner.add(bundle, jws)
        return self.inner.add(bundle, jws)


def test_publisher_yields_and_takes_the_next_version(stack: MemoryStack) -> None:
    """Versions have no gaps and no doubles."""
    publisher = replace(stack.rotation.publisher, trust_bundles=BusyBundles(stack.trust_bundles, 3))
    assert publisher.publish(now=NOW).version == 5


def test_publisher_gives_up_after_a_few_rivals(stack: MemoryStack) -> None:
    """Something is wrong when other processes publish all the time."""
    publisher = replace(stack.rotation.publisher, trust_bundles=BusyBundles(stack.trust_bundles, 99))
    with pytest.raises(Unavailable):
        publisher.publish(now=NOW)


def test_revocations_and_routes_are_in_every_bundle(stack: MemoryStack) -> None:
    """The attack: wait for the hourly bundle and be unblocked by it."""
    key = {"app": "demo", "revoked": "key:" + "K" * 43, "at": NOW, "expires_at": NOW + DAY}
    stack.revocations.rows = [{"app": "demo", "revoked": "tokens", "not_before": int(NOW) - 5}, key]
    other = {"other-api": (RouteRequirement("*", "/*", Requirement.MONITOR),)}
    stack.apis.rows = dict(other)
    for bundle in (stack.rotation.run(now=NOW + 3600), stack.rotation.publisher.publish(now=NOW + 3601)):
        assert bundle.apps == {"demo": AppStatus(int(NOW) - 5, frozenset({"K" * 43}))}
        assert bundle.apis == {**other, AUDIENCE: ROUTES}


def test_routes_of_the_table_replace_the_defaults_of_the_own_audience(stack: MemoryStack) -> None:
    """Also an empty list: every route then asks for what the authorizer's default is."""
    stack.apis.rows = {AUDIENCE: ()}
    assert stack.rotation.publisher.publish(now=NOW + 1).apis == {AUDIENCE: ()}


@pytest.mark.parametrize("part", ["apis", "revocations", "root_key", "trust_bundles"])
def test_publishing_without_a_part_publishes_nothing(stack: MemoryStack, part: str) -> None:
    """The failure: a bundle without revocations, because their table was throttled for a moment."""
    getattr(stack, part).down = True
    with pytest.raises(Unavailable):
        stack.rotation.publisher.publish(now=NOW + 1)
    assert len(stack.trust_bundles.rows) == 1


def test_publishing_alone_touches_no_key(stack: MemoryStack) -> None:
    """An operator who blocks a key does not rotate, not even when rotation is due."""
    before = dict(stack.signing_keys.rows)
    assert stack.rotation.publisher.publish(now=DUE).version == 2
    assert stack.signing_keys.rows == before


def test_publishing_before_there_is_a_key_is_put_off(stack: MemoryStack) -> None:
    """A bundle without keys would cut off every app."""
    stack.signing_keys.rows.clear()
    with pytest.raises(Unavailable):
        stack.rotation.publisher.publish(now=NOW + 1)


def blocked(number: int, at: float) -> dict[str, object]:
    return {"app": "demo", "revoked": f"key:{number:043d}", "at": at, "until": int(at) + DAY, "expires_at": at + DAY}


def test_bundle_with_the_most_keys_is_one_that_authorizers_read(stack: MemoryStack) -> None:
    """Twelve thousand fit, each with the end of its block; of more, those blocked last, whose tokens live longest."""
    stack.revocations.rows = [blocked(number, NOW + number) for number in range(MAX_LISTED + 5)]
    bundle = stack.rotation.publisher.publish(now=NOW + MAX_LISTED)
    (status,) = bundle.apps.values()
    assert len(status.blocked_keys) == MAX_LISTED
    assert f"{MAX_LISTED + 4:043d}" in status.blocked_keys
    assert f"{4:043d}" not in status.blocked_keys
    stored = stack.trust_bundles.latest(ISSUER)
    assert stored is not None
    assert (
        open_trust_bundle(stored.jws, root_key=stack.root_key.public_key(), issuer=ISSUER, now=NOW + MAX_LISTED)
        == bundle
    )


def test_bundle_that_no_authorizer_would_read_is_not_published(stack: MemoryStack) -> None:
    """The failure: one row too many, and every relying party is stuck with what it has."""
    stack.apis.rows = {"huge": tuple(RouteRequirement("GET", "/" + "x" * 1000, Requirement.OFF) for _ in range(1000))}
    with pytest.raises(Unavailable):
        stack.rotation.publisher.publish(now=NOW + 1)
    assert len(stack.trust_bundles.rows) == 1


def test_routes_make_room_by_leaving_out_the_oldest_blocks(stack: MemoryStack) -> None:
    """The attack: thousands of keys, blocked by rules, keep every later change of routes and revocations back."""
    routes = tuple(RouteRequirement("GET", f"/{number:0100d}", Requirement.PROOF) for number in range(200))
    stack.apis.rows = {f"api-{number}": routes for number in range(10)}
    stack.revocations.rows = [blocked(number, NOW + number) for number in range(MAX_LISTED)]
    bundle = stack.rotation.publisher.publish(now=NOW + MAX_LISTED)
    (status,) = bundle.apps.values()
    assert len(bundle.apis) == 11
    assert len(status.blocked_keys) == MAX_LISTED // 2
    assert f"{MAX_LISTED - 1:043d}" in status.blocked_keys


def test_blocks_by_rules_push_no_block_by_a_person_off_the_list(stack: MemoryStack) -> None:
    """The attack: enrol thousands of keys and say of each that it is hooked, until an operator's block is forgotten."""
    person = blocked(0, NOW) | {"by": "arn:aws:iam::111122223333:user/anna"}
    rules = [blocked(number, NOW + number) | {"by": "policy 3: hooked"} for number in range(1, MAX_LISTED + 5)]
    stack.revocations.rows = [*rules, person]
    (status,) = stack.rotation.publisher.publish(now=NOW + MAX_LISTED).apps.values()
    assert f"{0:043d}" in status.blocked_keys
    assert len(status.blocked_keys) == MAX_LISTED


def test_block_is_no_longer_listed_when_every_token_of_the_key_has_expired(stack: MemoryStack) -> None:
    """TTL deletes late: the date is judged in code."""
    stack.revocations.rows = [blocked(1, NOW)]
    assert stack.rotation.publisher.publish(now=NOW + DAY - 1).apps
    assert not stack.rotation.publisher.publish(now=NOW + DAY).apps
