"""What happens to a stack: an ordinary day, and seven days that are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from devkit.simulation.region.stack import Condition

HOUR: Final = 3_600.0
_QUIET: Final = Condition()
_NONE: Final[Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Times are seconds from the beginning of what is shown, before which a stack warms up for ``warm`` seconds.

    ``step`` is how fine the simulation is. ``installs`` is the share of phones that are new within the first hour;
    ``strangers`` requests a second of people without an app, by route; ``publishes_at`` when a policy with effect now
    is published; ``adopted_at`` when the other region takes over; ``clocks`` the share of phones whose clock is set
    wrong at once.
    """

    about: str
    seconds: float
    step: float = 4.0
    start: float = 19.5 * HOUR
    warm: float = 600.0
    installs: float = 0.0
    strangers: Callable[[float], Mapping[str, float]] = field(default=lambda _at: _NONE)
    condition: Callable[[float], Condition] = field(default=lambda _at: _QUIET)
    publishes_at: float | None = None
    adopted_at: float | None = None
    clocks: float = 0.0
    clocks_at: float | None = None
    assumes: str = ""

    @property
    def regions(self) -> int:
        """How many regions the phones are at home in, equally many in each."""
        return 1 if self.adopted_at is None else 2


def _flood(at: float) -> Mapping[str, float]:
    return {"challenges": 20_000.0, "enrolments": 20_000.0} if 120.0 <= at < 720.0 else _NONE


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "ordinary-day": Scenario(
        about="A day of ordinary use, all phones in one time zone.",
        seconds=24 * HOUR,
        step=20.0,
        start=0.0,
        warm=2 * HOUR,
    ),
    "app-release": Scenario(
        about="A new app: one phone in a hundred installs it within an hour, most of them early.",
        seconds=2 * HOUR,
        installs=0.01,
        assumes="Installs come with a time constant of 20 minutes. A phone that was only updated keeps its key.",
    ),
    "now-publication": Scenario(
        about="bonafide policy publish --now, in the busiest hour.",
        seconds=1_200.0,
        step=2.0,
        publishes_at=120.0,
    ),
    "region-lost": Scenario(
        about="One of two regions stops answering; the other adopts its keys two minutes later.",
        seconds=1_800.0,
        condition=lambda at: Condition(is_down=at >= 120.0),
        adopted_at=240.0,
        assumes="Operators sign the epoch two minutes after the loss; both regions have the same limits.",
    ),
    "kms-slow": Scenario(
        about="Each Decrypt of KMS takes 2 s for ten minutes.",
        seconds=1_200.0,
        condition=lambda at: Condition(kms_seconds=2.0) if 120.0 <= at < 720.0 else _QUIET,
    ),
    "vendor-down": Scenario(
        about="Google's Play Integrity API answers nothing for ten minutes, while OnPlayUnavailable is refuse.",
        seconds=1_800.0,
        installs=0.001,
        condition=lambda at: Condition(vendor_down=True) if 120.0 <= at < 720.0 else _QUIET,
    ),
    "flood": Scenario(
        about="Strangers send 20,000 challenges and 20,000 enrolments a second for ten minutes.",
        seconds=1_200.0,
        strangers=_flood,
        installs=0.001,
        assumes="No filter at the edge, and no stranger waits as asked.",
    ),
    "clock-change": Scenario(
        about="A network sets the clocks of three phones in ten an hour ahead within a minute.",
        seconds=1_200.0,
        clocks=0.3,
        clocks_at=120.0,
        assumes="Daylight saving changes no Unix time, so nothing of ours sees it. The life of a token is counted by a "
        "clock that is never set; only proofs carry the wrong time, until the gate's answer has told the phone.",
    ),
}
