"""The region document counts by every root that is accepted, not by the one alone that signs bundles here."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import publish_bundle
import pytest
import rotate_signing_key
from service.errors import Unavailable
from service.keys import publishing
from service.keys.rotation import Rotation
from service.regions.document import founded, losing, sign_regions
from service.regions.homes import TOKENS_OF_LOST, RegionView
from service.roots.accepted import root_text
from service.settings import PublishBundleSettings, variables

from tests.service_stack.fakes import SoftwareRootKey
from tests.service_stack.memory_stack import ISSUER, NOW, MemoryStack
from tests.unit.regions.two_regions import EU, URLS, US, TwoRegions, two_regions_document
from tests.unit.service.complete_settings import COMPLETE

LATER = NOW + TOKENS_OF_LOST + 60


def _moved(stack: MemoryStack, *, knows_old: bool = True) -> Rotation:
    """The rotation of a stack whose bundles another root signs from now on."""
    new = SoftwareRootKey()
    old = (stack.root_key.public_key(),) if knows_old else ()
    homes = replace(stack.homes, roots=(new.public_key(), *old))
    publisher = replace(stack.rotation.publisher, root_key=new, homes=homes)
    return replace(stack.rotation, publisher=publisher, homes=homes)


def _first_region_from_before() -> MemoryStack:
    """A stack whose keys have no name of a region, and which has one since."""
    before = MemoryStack()
    before.signing_keys.documents.append(
        sign_regions(founded(ISSUER, EU, URLS[EU], now=NOW), sign=before.root_key.sign)
    )
    parts = {"signing_keys": before.signing_keys, "wrapping": before.wrapping, "root_key": before.root_key}
    return MemoryStack(region=EU, **parts)  # type: ignore[arg-type]


def test_keys_of_a_lost_region_stay_out_while_the_root_changes() -> None:
    """The attack: a region that was captured, and is lost, mints again after the deployment that changes the root."""
    regions = TwoRegions()
    regions.lose(EU, US)
    rotation = _moved(regions.us)
    assert rotation.publisher.publish(now=LATER).keys.keys() == {"token-us-1"}
    assert rotation.run(now=LATER).keys.keys() == {"token-us-1"}


def test_keys_of_others_are_not_published_without_a_document_that_counts() -> None:
    regions = TwoRegions()
    regions.lose(EU, US)
    bundles = len(regions.us.trust_bundles.rows)
    publisher = _moved(regions.us, knows_old=False).publisher
    for work in (publisher.publish, publisher.has_changed):
        with pytest.raises(Unavailable, match="no region document"):
            work(now=LATER)
    assert len(regions.us.trust_bundles.rows) == bundles


def test_first_region_keeps_its_keys_while_the_root_changes() -> None:
    """They have no name of a region: taken for another's, new ones were made, and used without an announcement."""
    stack = _first_region_from_before()
    _moved(stack).run(now=NOW + 1)
    assert stack.signing_keys.rows.keys() == {"token-1", "challenge-1"}
    with pytest.raises(Unavailable, match="no region document"):
        _moved(stack, knows_old=False).run(now=NOW + 1)
    assert stack.signing_keys.rows.keys() == {"token-1", "challenge-1"}


def test_view_without_a_document_tells_of_its_own_region_alone() -> None:
    """A region makes its first keys before its first document; of other keys it cannot say whether they still count."""
    alone = RegionView(EU)
    assert (alone.owns(EU), alone.mints(EU, NOW), alone.owns(US)) == (True, True, False)
    with pytest.raises(Unavailable):
        alone.owns(None)
    for region in (None, US):
        with pytest.raises(Unavailable):
            alone.mints(region, NOW)
    lost = RegionView(US, losing(two_regions_document(), EU, US, now=NOW))
    assert (lost.owns(None), lost.mints(None, LATER)) == (False, False)


@pytest.fixture
def roots(monkeypatch: pytest.MonkeyPatch) -> dict[str, SoftwareRootKey]:
    """KMS keys by their ids."""
    found = {"root": SoftwareRootKey(), "other": SoftwareRootKey()}
    for module in (publishing, rotate_signing_key):
        monkeypatch.setattr(module, "KmsRootKey", lambda _kms, key_id: found[key_id])
        monkeypatch.setattr(module, "dynamodb", Mock())
        monkeypatch.setattr(module, "kms", Mock())
    monkeypatch.setattr(rotate_signing_key, "KmsRoot", lambda _kms, key_id: found[key_id])
    monkeypatch.setattr(publish_bundle, "dynamodb", Mock())
    return found


def test_functions_that_publish_know_every_accepted_root(roots: dict[str, SoftwareRootKey]) -> None:
    own, other, elsewhere = (key.public_key() for key in (*roots.values(), SoftwareRootKey()))
    told = {**COMPLETE, "OTHER_ROOT_KEY_ID": "other", "ADDITIONAL_ROOT_KEYS": root_text(elsewhere)}
    rotation = rotate_signing_key.wire({**told, "REGION_NAME": EU})[0]
    assert rotation.homes.roots == rotation.publisher.homes.roots == (own, other, elsewhere)
    rotating = roots["root"].calls
    assert rotate_signing_key.wire(told)[0].homes.roots == ()  # a stack of one region asks KMS nothing for it
    assert roots["root"].calls == rotating
    known = {**told, "REGION_NAME": EU, "ROOT_PUBLIC_KEY": ",".join(map(root_text, (own, elsewhere)))}
    assert publish_bundle.wire(known)[0].homes.roots == (own, elsewhere)
    assert "ROOT_PUBLIC_KEY" in variables(PublishBundleSettings)
