"""The tallies table on moto and ministack, and deliveries to it from several threads at once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from count_decisions import count_decisions
from service.aws_attempts import keep_deadline
from service.errors import Unavailable
from service.tallies.known_apps import KnownApps
from service.tallies.reader import DynamoDBTallies
from service.tallies.rows import TallyRow
from service.tallies.table import TalliesTable

from bonafide.operator.local_account import client_arguments
from bonafide.operator.registration import Registration
from tests.service_stack.tally_lines import AT
from tests.service_stack.worlds import AwsWorld

NOW = AT + 5.0


class Counting:
    """count_decisions over a world's tables, and what readers see of them."""

    def __init__(self, world: AwsWorld) -> None:
        self.world = world
        self.apps = KnownApps(world.dynamodb, world.tables["apps"])
        self.reader = DynamoDBTallies(world.dynamodb, world.tables["tallies"])
        world.register(Registration(app="demo", apple_app_ids=("TEAM123456.org.example.demo",)))

    def writer(self, client: Any = None) -> TalliesTable:
        return TalliesTable(client or self.world.dynamodb, self.world.tables["tallies"], 400)

    def deliver(self, event: object, *, client: Any = None, now: float = NOW) -> dict[str, int]:
        return count_decisions(event, table=self.writer(client), apps=self.apps, now=now)

    def deliver_together(self, events: Sequence[object], threads: int) -> None:
        """All events, in a random order, ``threads`` at once, each thread with a client of its own."""
        order = list(events)
        random.Random(threads).shuffle(order)
        clients = [boto3.client("dynamodb", **client_arguments(str(self.world.endpoint_url))) for _ in range(threads)]
        for client in clients:
            keep_deadline(client)

        def carry_out(place: int) -> None:
            for event in order[place::threads]:
                until_counted(lambda event=event: self.deliver(event, client=clients[place]))  # type: ignore[misc]

        with ThreadPoolExecutor(max_workers=threads) as pool:
            list(pool.map(carry_out, range(threads)))

    def rows(self, app: str = "demo", source: str = "authorize", step: int = 2) -> Sequence[TallyRow]:
        return self.reader.rows(app, [source], step=step, since=AT - 7_200, until=AT + 7_200)


def until_counted(deliver: Callable[[], object], attempts: int = 20) -> None:
    """As Lambda does, but for the waiting: the same delivery again while it fails."""
    for _ in range(attempts - 1):
        try:
            deliver()
        except Unavailable:
            continue
        return
    deliver()


def totals(rows: Sequence[TallyRow]) -> Counter[str]:
    found = Counter[str]()
    for row in rows:
        found.update(row.by_outcome())
    return found
