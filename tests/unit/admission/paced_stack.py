"""A stack that issues challenges at a pace: the real handler in several processes, and what it counts, in memory."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import issue_challenge
from service.admission.accounts import Accounts
from service.admission.learning import Learning
from service.admission.pacing import Pacing
from service.edge.gateway import Handler
from service.edge.http import Wiring, endpoint
from service.regions.homes import RegionView
from service.tallies.rows import Cell, TallyRow

from tests.service_stack.events import rest_event
from tests.unit.service.tallies_in_memory import TalliesInMemory

APP = "demo"


class FixedRing:
    """A sealing key that is always there."""

    def sealing_key(self, _now: float) -> bytes:
        return b"s" * 32

    def region(self, _now: float) -> RegionView:
        return RegionView("", None)


@dataclass
class MemoryRow:
    """The row of accounts. ``reads`` counts how often it was read."""

    accounts: Accounts | None = None
    reads: int = 0

    def find_accounts(self) -> Accounts | None:
        self.reads += 1
        return self.accounts

    def replace_accounts(self, accounts: Accounts) -> bool:
        stands = "" if self.accounts is None else self.accounts.revision
        if accounts.revision != stands:
            return False
        self.accounts = Accounts(accounts.window, accounts.queues, str(int(stands or "0") + 1))
        return True


@dataclass
class PacedStack:
    """``processes`` of the function, over one clock. Nothing is counted until :meth:`count`."""

    pace: float
    processes: int = 3
    seed: int = 1
    now: float = 1_800_000_000.0
    row: MemoryRow = field(default_factory=MemoryRow)
    tallies: TalliesInMemory = field(default_factory=TalliesInMemory)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.handlers = [self._handler() for _ in range(self.processes)]
        self.learning = Learning(self.tallies, self.row, self.pace)
        self._read_at, self._read = float("-inf"), self.row.accounts
        self._cells: dict[tuple[str, int], Counter[Cell]] = {}

    def ask(self, headers: dict[str, str] | None = None, app: str = APP) -> dict[str, Any]:
        """The answer of one of the processes."""
        event = rest_event("POST", "/v1/challenges", {"app": app}, headers=headers)
        answer = self.chance.choice(self.handlers)(event, None)
        if headers:
            cell = Cell("issued", "renewal", ())
        else:
            cell = Cell("issued", "", ()) if answer["statusCode"] == 201 else Cell("refused", "enrolment-paced", ())
        self._note("challenge", cell)
        return answer

    def enrolled(self) -> None:
        """An enrolment was accepted."""
        self._note("enrol", Cell("accepted", "", ("", "", "", "", "")))

    def count(self) -> None:
        """What was noted so far is counted, and learnt from."""
        for (source, at), cells in self._cells.items():
            self.tallies.kept.append(TallyRow(APP, source, 2, at, cells=cells, processes=self.processes))
        self._cells = {}
        self.learning.learn([APP], self.now)

    def _known(self, now: float) -> Accounts | None:
        """What processes have at hand: as it was five seconds ago at most."""
        if now - self._read_at >= 5:
            self._read_at, self._read = now, self.row.find_accounts()
        return self._read

    def _note(self, source: str, cell: Cell) -> None:
        self._cells.setdefault((source, int(self.now) // 2 * 2), Counter())[cell] += 1

    def _handler(self) -> Handler:
        pacing = Pacing(self._known, self.pace, self.chance.random, steady=lambda: self.now)
        parts = {"key_ring": FixedRing(), "lifetime": 300, "random": self.chance.randbytes, "pacing": pacing}
        return endpoint(
            issue_challenge.ChallengeCall,
            issue_challenge.issue,
            lambda _env: Wiring(collaborators=parts),
            success=201,
            members=issue_challenge._members,
            clock=lambda: self.now,
        )


def problem_of(answer: dict[str, Any]) -> str:
    """The slug of a refusal."""
    return str(json.loads(answer["body"])["type"]).rpartition("/")[2]
