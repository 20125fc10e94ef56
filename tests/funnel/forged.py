"""Forged reports by the hundred thousand: what they write, and that no verdict minds them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Final

from attestation.claims import Platform
from service.tallies.rows import STEPS
from service.telemetry.attestation_failures import codes_of

from tests.funnel.counting import kept, listening
from tests.service_stack.events import rest_event
from tests.service_stack.memory_stack import APP, MemoryStack

ROUTE: Final = "/v1/attestation-failures"
LINE: Final = 32_768
"""Octets of a tally line, at most."""
PROCESSES: Final = 1


@dataclass(frozen=True, slots=True)
class Flood:
    """What a flood of reports did: how many there were, over how many seconds, what was written about them, and the
    verdicts over the same device before and after."""

    reports: int
    seconds: float
    lines: int
    other_lines: int
    octets: int
    items: int
    writes: int
    before: object
    after: object
    counted: int

    @property
    def most_lines(self) -> int:
        """One for each two seconds, and one more for the first of a quiet process."""
        return int(self.seconds // STEPS[0]) + 3

    @property
    def most_items(self) -> int:
        """A row for each bucket of each length, of the app and of all that are not registered."""
        return 2 * sum(int(self.seconds // step) + 2 for step in STEPS)

    @property
    def bounded(self) -> bool:
        """Whether lines, octets and rows are within their bounds, and no verdict changed."""
        within = self.lines <= self.most_lines and self.octets <= self.most_lines * LINE + 1_000 * self.other_lines
        return within and self.items <= self.most_items and self.before == self.after and self.counted == self.reports


def flood(reports: int, *, rate: float = 1_000.0, seed: int = 1) -> Flood:
    """Send ``reports`` to the real function, ``rate`` a second, each with words of its own; most for an app that is
    not registered. The gateway would let 20 a second through."""
    dice = random.Random(seed)
    with listening():
        stack = MemoryStack()
        device = stack.installation()
        stack.enrol(device)
    before = _verdict(stack, device)
    since = stack.now
    event = rest_event("POST", ROUTE, {})
    handler = stack.handlers["POST", ROUTE]
    with listening() as written:
        for number in range(reports):
            stack.now = since + number / rate
            platform = dice.choice(list(Platform))
            said = {
                "app": APP if number % 4 == 0 else f"app-{dice.randrange(10**9)}",
                "code": dice.choice(codes_of(platform)).value,
                "platform": platform.value,
                "app_build": f"{dice.randrange(10**9)}",
                "os": chr(0x1F600 + dice.randrange(64)) * 256,
                "model": f"{dice.randrange(10**18)}" * 14,
            }
            answer = handler({**event, "body": json.dumps(said)}, None)
            assert answer["statusCode"] == 202, answer
    until = stack.now + STEPS[0]
    table = kept(written.lines, step=STEPS[0], since=since - STEPS[0], until=until)
    after = _verdict(stack, device)
    rows = (*table.rows, *table.unregistered)
    return Flood(
        reports=reports,
        seconds=reports / rate,
        lines=len(written.lines),
        other_lines=written.other_lines,
        octets=written.octets,
        items=table.items,
        writes=table.writes,
        before=before,
        after=after,
        counted=sum(row.by_outcome().get("reported", 0) for row in rows if row.source == "beacon"),
    )


def _verdict(stack: MemoryStack, device: Any) -> object:
    with listening() as written:
        stack.send("POST", "/v1/tokens", device.renewal_body(device.client_data(stack.challenge())))
    (line,) = written.decisions
    return [line[name] for name in ("outcome", "reason", "tier", "findings", "policy_version")]


def show_forged_reports(reports: int) -> bool:
    """Print what a flood wrote; whether it was bounded."""
    told = flood(reports)
    print(f"{told.reports:,} forged reports in {told.seconds:.0f} s, each with texts of its own")
    print(f"{'':28}{'':>12}{'at most':>14}")
    print(f"{'tally lines':28}{told.lines:12,}{told.most_lines:14,}")
    print(f"{'octets logged':28}{told.octets:12,}{told.most_lines * LINE:14,}")
    print(f"{'rows':28}{told.items:12,}{told.most_items:14,}")
    print(f"{'verdict of a renewal':28}{'the same' if told.before == told.after else 'CHANGED':>12}")
    return told.bounded
