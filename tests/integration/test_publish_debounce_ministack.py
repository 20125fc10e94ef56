"""A hundred blocks at once: every key is in the newest bundle in the end, and bundles are far fewer than blocks."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import publish_bundle
import pytest
from bonafide_tokens.trust_bundle import open_trust_bundle
from service.keys.publish_debounce import STALE, DynamoDBPublishDebounce, InvokedRequests
from service.keys.publishing import Publisher
from service.keys.rotation import Rotation
from service.tables.blocking import DynamoDBBlocking
from service.tables.revocations import DynamoDBRevocations
from service.tables.routes import DynamoDBApis

from tests.integration.enrolled_keys import challenge, enrolled_key
from tests.service_stack.faults import injected, losing_the_answer
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
BLOCKS = 100


def marker_of(world: AwsWorld) -> DynamoDBPublishDebounce:
    return DynamoDBPublishDebounce(world.dynamodb, world.tables["revocations"])


def rotation_of(world: AwsWorld) -> Rotation:
    return Rotation(
        signing_keys=world.signing_keys,
        wrapping=world.wrapping,
        publisher=Publisher(
            issuer=ISSUER,
            lifetime=3600,
            signing_keys=world.signing_keys,
            trust_bundles=world.trust_bundles,
            apis=DynamoDBApis(world.dynamodb, world.tables["apis"]),
            revocations=DynamoDBRevocations(world.dynamodb, world.tables["revocations"]),
            root_key=world.root_key,
        ),
        token_lifetime=300,
        challenge_lifetime=300,
        key_days=30,
    )


@dataclass
class Publishers:
    """PublishBundleFunction, invoked asynchronously: each event in a thread of its own."""

    world: AwsWorld
    threads: list[threading.Thread] = field(default_factory=list)

    def invoke(self, **_event: Any) -> None:
        thread = threading.Thread(target=self._publish)
        self.threads.append(thread)
        thread.start()

    def _publish(self) -> None:
        time.sleep(0.1)  # gathering, shortened
        publish_bundle.publish_bundle(
            gathering=True,
            publisher=rotation_of(self.world).publisher,
            debounce=marker_of(self.world),
            now=time.time(),
        )


def test_hundred_blocks_at_once_are_all_published_in_few_bundles(ministack: AwsWorld) -> None:
    """Each blocks its own key and asks; the last bundle names them all."""
    now = int(time.time())
    keys = [
        replace(enrolled_key(enrolled_at=now, last_seen=now, expires_at=now + 86_400), key_id=f"{number:043d}")
        for number in range(BLOCKS)
    ]
    with ThreadPoolExecutor(max_workers=16) as pool:
        fresh = replace(challenge(), expires_at=now + 300)
        enrolling = [
            pool.submit(ministack.redemption.enrol, replace(fresh, nonce=f"nonce-{key.key_id}"), key) for key in keys
        ]
        for done in enrolling:
            done.result()
    rotation_of(ministack).run(now=now)
    publishers = Publishers(ministack)
    blocking = DynamoDBBlocking(ministack.dynamodb, ministack.tables["attested_keys"], ministack.tables["revocations"])

    def report(key_id: str) -> None:
        blocking.block_automatically(key_id, by="policy 1: hooking", now=now, reason="hooking", seconds=3_600)
        InvokedRequests(marker_of(ministack), publishers, "rotate").ask(time.time())

    with ThreadPoolExecutor(max_workers=16) as pool:
        for reported in [pool.submit(report, key.key_id) for key in keys]:
            reported.result()
    for thread in publishers.threads:
        thread.join(30)
    stored = ministack.trust_bundles.latest(ISSUER)
    assert stored is not None
    bundle = open_trust_bundle(stored.jws, root_key=ministack.root_key.public_key(), issuer=ISSUER, now=time.time())
    assert bundle.apps["demo"].blocked_keys == {key.key_id for key in keys}
    assert 1 <= len(publishers.threads) <= BLOCKS / 5


def test_marker_is_placed_by_one_of_many(ministack: AwsWorld) -> None:
    """Sixteen at the same moment, one winner; it is no revocation; a stale one is placed anew by one."""
    now = time.time()
    for moment in (now, now + STALE + 0.1):
        with ThreadPoolExecutor(max_workers=16) as pool:
            placed = list(pool.map(marker_of(ministack).place, [moment] * 16))
        assert placed.count(True) == 1
    assert not DynamoDBRevocations(ministack.dynamodb, ministack.tables["revocations"]).statuses(now)


def test_marker_is_withdrawn_by_the_process_that_placed_it(ministack: AwsWorld) -> None:
    """Not by a process that is late."""
    marker, now = marker_of(ministack), time.time()
    marker.place(now)
    marker.withdraw(now - 1)
    assert not marker.place(now)
    marker.withdraw(now)
    assert marker.place(now)
    marker.remove()
    marker.remove()
    assert marker.place(now)


def test_marker_whose_answer_was_lost_is_ones_own(ministack: AwsWorld) -> None:
    """The failure: placed, the answer lost, sent again by the SDK, "another process has asked", and no bundle is
    published."""
    marker, now = marker_of(ministack), time.time()
    with injected(ministack.dynamodb, "PutItem", losing_the_answer()) as sent:
        assert marker.place(now)
    assert len(sent) == 2
    assert not marker.place(now)


def test_question_to_google_whose_answer_was_lost_is_ones_own(ministack: AwsWorld) -> None:
    """The failure: the challenge is claimed, the answer lost, and the honest request hears that it asked before."""
    asked = replace(challenge(), nonce="lost")
    with injected(ministack.dynamodb, "PutItem", losing_the_answer()) as sent:
        assert ministack.play_requests.claim(asked)
    assert len(sent) == 2
    assert not ministack.play_requests.claim(asked)
