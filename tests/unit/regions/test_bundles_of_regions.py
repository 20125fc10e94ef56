"""Each region publishes bundles of its own, by which tokens of all pass; what others change is followed."""

from __future__ import annotations

import publish_bundle
import pytest
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.bundle_client import BundleAnswer
from bonafide_tokens.gate.bundle_keeper import BundleKeeper
from bonafide_tokens.jose import b64url_decode
from bonafide_tokens.signing import sign_trust_bundle
from bonafide_tokens.trust_bundle import TrustBundle, open_trust_bundle
from service.keys.publish_debounce import DynamoDBPublishDebounce
from service.regions.homes import TOKENS_OF_LOST

from tests.service_stack.memory_stack import ISSUER, NOW, MemoryStack
from tests.unit.regions.two_regions import EU, US, TwoRegions


@pytest.fixture
def regions() -> TwoRegions:
    return TwoRegions()


def _opened(stack: MemoryStack, bundle: TrustBundle) -> TrustBundle:
    text = sign_trust_bundle(bundle, sign=stack.root_key.sign)
    return open_trust_bundle(text, root_keys=[stack.root_key.public_key()], issuer=ISSUER, now=NOW)


def test_bundle_names_its_region_where_there_are_several(regions: TwoRegions) -> None:
    assert _opened(regions.eu, regions.us.rotation.publisher.publish(now=NOW)).region == US
    alone = MemoryStack()
    bundle = alone.rotation.publisher.publish(now=NOW)
    assert bundle.region == ""
    text = sign_trust_bundle(bundle, sign=alone.root_key.sign)
    assert b"region" not in b64url_decode(text.split(".")[1])


def _bundle(region: str, version: int, issued_at: float) -> TrustBundle:
    return TrustBundle(ISSUER, version, issued_at, NOW + 9_000, {}, {}, {}, region=region)


@pytest.mark.parametrize(
    ("held", "fresh", "older"),
    [
        (("", 7, NOW), ("", 8, NOW), False),
        (("", 7, NOW), ("", 6, NOW + 5), True),
        (("eu", 7, NOW), ("eu", 6, NOW + 5), True),
        (("eu", 700, NOW), ("us", 6, NOW), False),  # each counts versions of its own
        (("eu", 7, NOW), ("us", 900, NOW - 1), True),
        (("", 7, NOW), ("eu", 8, NOW + 1), False),  # a stack that becomes a region
        (("", 7, NOW), ("eu", 8, NOW - 1), True),
    ],
)
def test_bundle_goes_back_by_version_in_a_region_and_by_time_between_them(
    held: tuple[str, int, float], fresh: tuple[str, int, float], older: bool
) -> None:
    assert _bundle(*fresh).is_older_than(_bundle(*held)) is older


def test_gate_moves_to_another_region_and_never_back_in_time() -> None:
    """The attack: an old bundle of the other region, from before a block, in front of its address."""
    served = {"eu": _bundle("eu", 50, NOW), "us": _bundle("us", 3, NOW + 10)}
    asked, told = ["eu"], list[Reason | None]()

    def fetch(_etag: str | None, _timeout: float) -> BundleAnswer:
        return BundleAnswer(asked[0], None)

    moment = [NOW + 20.0]
    keeper = BundleKeeper(
        fetches=[("any", fetch)],
        open_bundle=lambda text, **_more: served[text],
        skew=5.0,
        clock=lambda: moment[0],
        note=lambda reason, _detail: told.append(reason),
    )
    assert keeper.current(moment[0]) == served["eu"]
    asked[0], moment[0] = "us", moment[0] + 30
    assert keeper.current(moment[0]) == served["us"]
    asked[0], moment[0] = "eu", moment[0] + 30
    assert keeper.current(moment[0]) == served["us"]
    assert told == [None, None, Reason.BUNDLE_ROLLBACK]


def test_what_another_region_changes_is_followed(regions: TwoRegions) -> None:
    publisher = regions.us.rotation.publisher
    publisher.publish(now=NOW)
    assert not publisher.has_changed(now=NOW + 60)
    regions.eu.rotation.run(now=NOW + 31 * 86_400)  # a new token key, announced
    assert publisher.has_changed(now=NOW + 120)
    publisher.publish(now=NOW + 120)
    assert not publisher.has_changed(now=NOW + 180)
    regions.us.revocations.rows.append({"app": "demo", "revoked": "tokens", "not_before": int(NOW)})
    assert publisher.has_changed(now=NOW + 180)


def test_keys_of_a_lost_region_leave_the_bundles_when_its_tokens_have_ended(regions: TwoRegions) -> None:
    """A region that was cut off, and does not know that it is lost, mints on: not beyond that."""
    regions.lose(EU, US)
    publisher = regions.us.rotation.publisher
    assert {"token-eu-1", "token-us-1"} == publisher.publish(now=NOW + TOKENS_OF_LOST - 1).keys.keys()
    assert publisher.has_changed(now=NOW + TOKENS_OF_LOST)
    assert {"token-us-1"} == publisher.publish(now=NOW + TOKENS_OF_LOST).keys.keys()
    regions.restore(EU)
    assert {"token-eu-1", "token-us-1"} == publisher.publish(now=NOW + TOKENS_OF_LOST + 1).keys.keys()


def test_markers_of_publications_are_each_regions_own() -> None:
    """The table is shared: a marker of another region is no promise of a bundle here."""
    places = {str(DynamoDBPublishDebounce(None, "t", name)._place) for name in ("", EU, US)}  # type: ignore[arg-type]
    assert len(places) == 3
    assert DynamoDBPublishDebounce(None, "t")._place == {"app": "*", "revoked": "publication"}  # type: ignore[arg-type]


def test_function_follows_what_another_region_changed(regions: TwoRegions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every minute; where nothing changed, nothing is signed."""
    us = regions.us
    monkeypatch.setattr(publish_bundle, "wire", lambda _env: (us.rotation.publisher, us.marker, None))
    monkeypatch.setattr("publish_bundle.time.time", lambda: NOW + 60)
    first = publish_bundle.handler({"action": "follow"}, None)  # of when us was alone: the document came since
    signed = us.root_key.calls
    assert publish_bundle.handler({"action": "follow"}, None) == {}
    assert us.root_key.calls <= signed + 1  # its public half, and no signature
    us.revocations.rows.append({"app": "demo", "revoked": "tokens", "not_before": int(NOW)})
    answer = publish_bundle.handler({"action": "follow"}, None)
    assert answer["BundleVersion"] == len(us.trust_bundles.rows)
    assert answer["BundleVersion"] == int(str(first.get("BundleVersion", 1))) + 1
