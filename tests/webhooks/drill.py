"""Three hours of incidents for two receivers: down for an hour, answers lost, deliveries twice, a clock that is off.

Every event has to arrive, once by the receiver's own check, each attempt signed anew.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

from service.telling.incident_event import Change, event_of

from tests.service_stack.told_incidents import AT, MemoryWebhooks, incident, webhook
from tests.webhooks.judges import Judge
from tests.webhooks.receiver import Attempt, Receiver
from tests.webhooks.world import MISSED, World

HOUR: Final = 3_600.0
_TOLERATED: Final = 900.0


@dataclass(frozen=True)
class Shown:
    """What a drill showed, for one receiver."""

    receiver: str
    events: int
    arrived: int
    taken_twice: int
    attempts: int
    refused_connections: int
    lost_answers: int
    copies: int
    refused_for_time: int
    other_refusals: int
    signed_alike: int
    missed: int
    last_after: float

    @property
    def holds(self) -> bool:
        """Whether it is as it must be; and whether each trouble took place, without which nothing is shown."""
        troubles = (self.refused_connections, self.lost_answers, self.copies, self.refused_for_time)
        faults = (self.taken_twice, self.other_refusals, self.signed_alike, self.missed)
        return self.arrived == self.events > 0 and all(troubles) and not any(faults)


def drill(judge: Judge, *, events: int, seed: int) -> list[Shown]:
    """Run it. Half way, one receiver's secret is rotated; it goes on checking with the old one for a while."""
    world = World(MemoryWebhooks(), twice=0.15, forgets=0.1, seed=seed)
    clock = lambda: world.now  # noqa: E731 - the receivers' clock is right
    down = lambda: HOUR <= world.now - AT < 2 * HOUR  # noqa: E731
    loses = lambda: world.chance.random() < 0.15  # noqa: E731
    with (
        Receiver(judge, clock, is_down=down, loses=loses) as one,
        Receiver(judge, clock, is_down=down, loses=loses) as two,
    ):
        for receiver, name, secret in ((one, "pager", bytes(range(32))), (two, "chat", bytes(range(32, 64)))):
            receiver.secret = _written(secret)
            world.add(webhook(name, address=receiver.url.encode(), secret=secret))
        expected = {}
        for number in range(events):
            at = AT + 3 * HOUR * number / events
            change = (Change.OPENED, Change.GREW, Change.ENDED)[number % 3]
            told = event_of(
                change, incident(id=f"key-farm-{number}", opened_at=at), stack="drill", at=at, name=str(number)
            )
            expected[told.id] = at
            world.tell(told, at=at)
        world.offset = 600.0  # the sender's clock is ten minutes fast for the first half an hour
        world.run(AT + HOUR / 2)
        world.offset = 0.0
        world.run(AT + 1.5 * HOUR)
        former, new = world.webhooks.rows["pager"], bytes(range(64, 96))
        rotated = replace(former, secret=new, former=former.secret, former_until=int(world.now) + 86_400, revision=2)
        world.add(rotated)
        world.run(AT + 2.5 * HOUR)
        one.secret = _written(new)
        world.run(AT + 72 * HOUR)
        return [_shown(name, receiver, expected, world) for name, receiver in (("pager", one), ("chat", two))]


def _shown(name: str, receiver: Receiver, expected: dict[str, float], world: World) -> Shown:
    refused = [one.verdict for one in receiver.attempts if one.verdict != "ok"]
    for_time = [verdict for verdict in refused if "time" in verdict]
    uid = world.webhooks.rows[name].uid
    rows = [row for (place, _), row in world.deliveries.rows.items() if place == uid]
    return Shown(
        receiver=name,
        events=len(expected),
        arrived=len(receiver.taken.keys() & expected.keys()),
        taken_twice=sum(times > 1 for times in receiver.taken.values()) + len(receiver.taken.keys() - expected.keys()),
        attempts=len(receiver.attempts) + receiver.refused_connections,
        refused_connections=receiver.refused_connections,
        lost_answers=receiver.lost_answers,
        copies=receiver.copies,
        refused_for_time=len(for_time),
        other_refusals=len(refused) - len(for_time),
        signed_alike=_signed_alike(receiver.attempts),
        missed=sum(row.state != "delivered" for row in rows) + len(world.queues.bodies(MISSED)),
        last_after=max(row.due - expected[row.event] for row in rows) / 60,
    )


def _signed_alike(attempts: list[Attempt]) -> int:
    """Attempts of another second than an earlier one of their event's, with the same signature."""
    seen: dict[str, dict[str, str]] = defaultdict(dict)
    alike = 0
    for attempt in attempts:
        known = seen[attempt.event]
        alike += known.get(attempt.signature, attempt.timestamp) != attempt.timestamp
        known[attempt.signature] = attempt.timestamp
    return alike


def _written(secret: bytes) -> str:
    return "whsec_" + base64.b64encode(secret).decode()
