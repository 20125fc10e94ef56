"""Rotation and publishing: announced, then used; nothing lost in races or half-way stops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from attestation.errors import RejectedEvidence
from attestation.route_requirement import Requirement, RouteRequirement
from attestation.trust_bundle import AppStanding, TrustBundle, open_trust_bundle, sign_trust_bundle
from service.errors import Unavailable
from service.rotation import ANNOUNCEMENT, KEPT_AFTER_RETIREMENT, SKEW
from service.signing_keys import Purpose
from service.trust_bundles import StoredBundle, TrustBundles

from tests.service_stack.memory_stack import AUDIENCE, ISSUER, LIFETIME, NOW, ROUTES, MemoryStack

DAY = 86_400
DUE = NOW + 30 * DAY


def bundle_of(stack: MemoryStack, now: float) -> TrustBundle:
    latest = stack.trust_bundles.latest(ISSUER)
    assert latest is not None
    return open_trust_bundle(latest.jws, root_key=stack.root_key.public_key(), issuer=ISSUER, now=now)


def test_first_run_makes_both_keys_and_bundle_one(stack: MemoryStack) -> None:
    """The first key is used at once: nobody waits for an announcement when there is nothing older."""
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
    """While a key is on its way, another would only push it back."""
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


@dataclass
class BusyBundles:
    """A table where somebody else publishes ``rivals`` times, each time just before us."""

    inner: TrustBundles
    rivals: int

    def latest(self, issuer: str) -> StoredBundle | None:
        return self.inner.latest(issuer)

    def add(self, bundle: TrustBundle, jws: str) -> bool:
        if self.rivals:
            self.rivals -= 1
            self.inner.add(bundle, jws)
        return self.inner.add(bundle, jws)


def test_publisher_yields_and_takes_the_next_version(stack: MemoryStack) -> None:
    """Versions have no gaps and no doubles."""
    publisher = replace(stack.rotation.publisher, trust_bundles=BusyBundles(stack.trust_bundles, 3))
    assert publisher.publish({AUDIENCE: ROUTES}, now=NOW).version == 5


def test_publisher_gives_up_after_a_few_rivals(stack: MemoryStack) -> None:
    """Something is wrong when everybody publishes all the time."""
    publisher = replace(stack.rotation.publisher, trust_bundles=BusyBundles(stack.trust_bundles, 99))
    with pytest.raises(Unavailable):
        publisher.publish({AUDIENCE: ROUTES}, now=NOW)


def published_by_hand(stack: MemoryStack, **changes: Any) -> None:
    """A bundle that somebody else published next, with revocations."""
    bundle = bundle_of(stack, NOW)._replace(version=2, **changes)
    stack.trust_bundles.add(bundle, sign_trust_bundle(bundle, sign=stack.root_key.sign))


def test_revocations_and_other_routes_survive_a_rotation(stack: MemoryStack) -> None:
    """The attack: wait for the hourly bundle and be unblocked by it."""
    standing = {"demo": AppStanding(NOW - 5, frozenset({"K" * 43}))}
    other = {"other-api": (RouteRequirement("*", "/*", Requirement.MONITOR),)}
    published_by_hand(stack, apps=standing, apis={**other, AUDIENCE: ()})
    bundle = stack.rotation.run(now=NOW + 3600)
    assert bundle.version == 3
    assert bundle.apps == standing
    assert bundle.apis == {**other, AUDIENCE: ROUTES}


def test_expired_bundle_still_hands_on_its_revocations(stack: MemoryStack) -> None:
    """A stack whose schedule slept for a week forgets nobody."""
    standing = {"demo": AppStanding(0, frozenset({"K" * 43}))}
    published_by_hand(stack, apps=standing)
    assert stack.rotation.run(now=NOW + 7 * DAY).apps == standing


def test_bundle_in_the_table_that_the_root_key_did_not_sign_stops_publishing(stack: MemoryStack) -> None:
    """The attack: write into the table and have the next bundle launder it."""
    bundle = bundle_of(stack, NOW)._replace(version=2, apps={})
    forger = MemoryStack().root_key
    stack.trust_bundles.add(bundle, sign_trust_bundle(bundle, sign=forger.sign))
    with pytest.raises(RejectedEvidence):
        stack.rotation.run(now=NOW + 3600)
