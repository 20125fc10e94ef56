"""Decisions of many processes over a time, as they are counted, and what should be read of them in the end."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from bonafide_tokens.counting.tally import Cell as ToCount
from bonafide_tokens.counting.tally import Tally
from service.tallies.rows import FACTS, Cell

from tests.service_stack.tally_lines import AT

STEP = 2
_ROUTES = ("orders GET /orders", "orders GET /orders/{order}", "orders POST /payments")
_REASONS = ("token-expired", "token-missing", "proof-replayed", "token-revoked")
_MODELS = tuple(f"{brand}{number}" for brand in ("iPhone", "SM-S9", "Pixel ") for number in range(30))
_COUNTRIES = ("NL", "DE", "US", "FR", "IT", "ES", "GB", "PL", "BR", "IN")


@dataclass(slots=True)
class Sent:
    """What was decided, exactly, by source and two seconds."""

    cells: dict[tuple[str, int], Counter[Cell]] = field(default_factory=lambda: defaultdict(Counter))
    keys: dict[tuple[str, int, str], set[str]] = field(default_factory=lambda: defaultdict(set))


def _gate(draw: random.Random) -> Cell:
    """Few cells: three routes, two platforms, two builds; five ways to end."""
    platform, build = draw.choice((("ios", "9F2C"), ("ios", "9F2D"), ("android", "41")))
    if draw.random() < 0.8:
        return Cell("accepted", "", (draw.choice(_ROUTES), "verified", platform, build))
    return Cell("refused", draw.choice(_REASONS), (draw.choice(_ROUTES), "invalid", platform, build))


def _phones(draw: random.Random) -> Cell:
    """More cells than a row holds: models, systems and countries of all the world, some invented."""
    facts = ("android", str(draw.randint(1, 9)), f"Android {draw.randint(9, 16)}")
    if draw.random() < 0.7:
        return Cell("accepted", "", (*facts, draw.choice(_MODELS), draw.choice(_COUNTRIES)))
    why = draw.choice(("challenge-spent", "rule:rooted", "rule:hooked", "signature-invalid"))
    return Cell("refused", why, (*facts, f"<b>{draw.getrandbits(64):x}</b>", draw.choice(_COUNTRIES)))


_KINDS = {"authorize": _gate, "enrol": _phones}


@dataclass(slots=True)
class Processes:
    """``number`` processes that decide, for ``seconds``, ``decisions`` in all; nine of ten at the gate. A run of the
    same ``seed`` is the same."""

    number: int
    seconds: int
    decisions: int
    seed: int = 1
    sent: Sent = field(default_factory=Sent)

    def lines(self) -> Iterator[str]:
        """Their tally lines, in the order in which they were written."""
        draw = random.Random(self.seed)
        written: list[str] = []
        tallies = [
            (source, Tally(source, written.append, _head(f"{draw.getrandbits(64):016x}")))
            for number in range(self.number)
            for source in (("enrol",) if number % 10 == 9 else ("authorize",))
        ]
        each = self.decisions // (self.seconds // STEP) // len(tallies)
        for at in range(AT, AT + self.seconds, STEP):
            for source, tally in tallies:
                for _ in range(each):
                    cell, key = _KINDS[source](draw), f"key-{draw.getrandbits(13)}"
                    tally.count(at + draw.random() * STEP, ToCount("demo", *cell), key)
                    self.sent.cells[source, at][cell] += 1
                    self.sent.keys[source, at, cell.outcome].add(key)
            yield from written
            written.clear()
        for _, tally in tallies:
            tally.flush()
        yield from written


def _head(process: str) -> Callable[[int], Mapping[str, object]]:
    numbers = count(1)
    return lambda _at: {"level": "INFO", "message": "tally", "id": f"{process}-{next(numbers)}"}


def without_facts(source: str, cell: Cell) -> bool:
    """Whether a cell tells nothing but outcome and reason: of what went beyond a process's own bounds."""
    return cell.facts == ("",) * len(FACTS[source])
