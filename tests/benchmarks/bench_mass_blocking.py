"""A publication while hundreds of thousands of keys are blocked: ``python -m tests.benchmarks.bench_mass_blocking``.

Prints rows read, time and memory of a publication by the number of blocked keys: those of the arguments, such as
``0 40000 400000``, which takes some minutes to fill. Tables are those of the stand-in for AWS, which searches all of a
table for each query: of the times, that of our own process counts.
"""

from __future__ import annotations

import resource
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bonafide_tokens.trust_bundle import open_trust_bundle
from service.aws import to_item
from service.keys.publishing import Publisher
from service.keys.rotation import Rotation
from service.tables.blocked_keys import LISTED, listed_row, place_of
from service.tables.blocking import DynamoDBBlocking
from service.tables.revocations import DynamoDBRevocations
from service.tables.routes import DynamoDBApis

from devkit.local.aws import running_ministack
from tests.benchmarks import extent  # noqa: F401 - makes the functions importable
from tests.integration.enrolled_keys import challenge, enrolled_key
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld, ministack_world

SIZES = (0, 4_000, 40_000)
BY = "policy 12: hooking-tool"


def fill(world: AwsWorld, begin: int, end: int, now: int) -> None:
    """Rows ``begin`` to ``end`` of keys that a rule blocked within the last hours, as the table has them."""
    table = world.tables["revocations"]
    for start in range(begin, end, 25):
        requests: list[Any] = []
        for number in range(start, min(start + 25, end)):
            key_id, at = f"{number:043d}", now - number % (3 * 3_600) - 1
            row = listed_row(place_of(key_id, at=at, by=BY), app="demo", at=at, until=None)
            requests.append({"PutRequest": {"Item": to_item(row)}})
        world.dynamodb.batch_write_item(RequestItems={table: requests})


class Reads:
    """Counts requests and rows of reading the revocations table."""

    def __init__(self, world: AwsWorld) -> None:
        self.requests = self.rows = 0
        for operation in ("Scan", "Query"):
            world.dynamodb.meta.events.register(f"after-call.dynamodb.{operation}", self._count)

    def _count(self, parsed: dict[str, Any], **_more: object) -> None:
        self.requests += 1
        self.rows += parsed.get("ScannedCount", 0)

    def restart(self) -> None:
        """From nought."""
        self.requests = self.rows = 0


def rotation_of(world: AwsWorld) -> Rotation:
    """RotateSigningKeyFunction's."""
    publisher = Publisher(
        issuer=ISSUER,
        lifetime=3600,
        signing_keys=world.signing_keys,
        trust_bundles=world.trust_bundles,
        apis=DynamoDBApis(world.dynamodb, world.tables["apis"]),
        revocations=DynamoDBRevocations(world.dynamodb, world.tables["revocations"]),
        root_key=world.root_key,
    )
    return Rotation(
        signing_keys=world.signing_keys,
        wrapping=world.wrapping,
        publisher=publisher,
        token_lifetime=300,
        challenge_lifetime=300,
        key_days=30,
    )


def measure(world: AwsWorld, reads: Reads) -> tuple[float, float, int, int, float, int]:
    """Seconds, seconds of CPU of this process, requests, rows, peak megabytes and keys named of a publication that has
    to name a new block."""
    now = int(time.time())
    key = enrolled_key(enrolled_at=now, last_seen=now, expires_at=now + 86_400)
    world.redemption.enrol(replace(challenge(), expires_at=now + 300), key)
    tables = world.tables
    blocking = DynamoDBBlocking(world.dynamodb, tables["attested_keys"], tables["revocations"])
    blocking.block_automatically(key.key_id, by=BY, now=now, reason="hooking-tool", seconds=3_600)
    rotation = rotation_of(world)
    reads.restart()
    began, busy = time.perf_counter(), time.process_time()
    rotation.publisher.publish(now=now)
    seconds, own = time.perf_counter() - began, time.process_time() - busy
    requests, rows = reads.requests, reads.rows
    tracemalloc.start()
    rotation.publisher.publish(now=now)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    stored = world.trust_bundles.latest(ISSUER)
    assert stored is not None
    bundle = open_trust_bundle(stored.jws, root_key=world.root_key.public_key(), issuer=ISSUER, now=now)
    named = bundle.apps["demo"].blocked_keys
    assert key.key_id in named, "the newest block is missing"
    return seconds, own, requests, rows, peak, len(named)


def main(sizes: Sequence[int] = SIZES) -> None:
    """Fill and measure."""
    print(f"{'blocked':>9} {'seconds':>8} {'own CPU':>8} {'requests':>9} {'rows read':>10} {'peak MB':>8} {'named':>7}")
    with running_ministack() as endpoint_url:
        world, filled, now = ministack_world(endpoint_url), 0, int(time.time())
        rotation = rotation_of(world)
        rotation.run(now=now - LISTED - 7_200)  # the release was deployed days ago: nothing is left to take over
        rotation.run(now=now)
        reads = Reads(world)
        for size in sizes:
            fill(world, filled, size, now)
            filled = max(filled, size)
            seconds, own, requests, rows, peak, named = measure(world, reads)
            print(
                f"{size:>9,} {seconds:>8.2f} {own:>8.2f} {requests:>9} {rows:>10,} {peak:>8.1f} {named:>7,}", flush=True
            )
    print(f"largest resident size of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or SIZES)
