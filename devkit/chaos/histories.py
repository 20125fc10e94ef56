"""What is known of a run when it is over: what clients and operators sent and got, what observers saw, what the wire
carried, what functions logged, and what stands in the tables. Judges read this and nothing else.

Times are Unix seconds of the machine that ran everything; the workers' clocks may have been others.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

SITE: Final = "local"
"""The name of a run's only stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request of a device, and its answer: ``status`` is 0 where none came, or not all of it.

    ``nonce`` names the challenge that it redeems, ``digest`` its bytes. ``issued`` is the nonce of the challenge that
    came with the answer. ``token`` are the claims of the token that came with it, or that it presents. ``genuine`` is
    False for what no gate may let in whatever its claims say.
    """

    number: int
    site: str = SITE
    device: str
    action: str
    sent: float
    ended: float
    status: int
    problem: str = ""
    request_id: str = ""
    key_id: str = ""
    nonce: str = ""
    digest: str = ""
    token: Mapping[str, Any] | None = None
    genuine: bool = True

    @property
    def accepted(self) -> bool:
        """Whether it was answered well."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that an operator asked for. ``why`` is this change's own text, by which it is found in the tables.

    ``status`` is 0 where no answer came. ``kind`` is ``publish-policy``, ``block-key`` or ``register-app``, ``subject``
    what is changed; ``version`` what the answer says it became; ``bundle`` the trust bundle that makes it known.
    """

    number: int
    site: str = SITE
    kind: str
    subject: str
    why: str
    sent: float
    ended: float
    status: int
    problem: str = ""
    version: int | None = None
    bundle: int | None = None

    @property
    def acknowledged(self) -> bool:
        """Whether the operator was told that it is done."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What an observer saw or holds: ``version`` of a ``thing``, with the ``digest`` of what it is, if it knows. One
    observer looks again only when its last look is over."""

    observer: str
    thing: str
    version: int
    digest: str = ""
    sent: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A transaction or write that AWS carried out: ``token`` is the client request token, the same when it was asked
    for again; ``at`` when its answer was there. Where AWS went away before it answered it is not ``sure``."""

    site: str = SITE
    table: str
    name: str
    token: str
    at: float
    key_id: str = ""
    sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """What a scheduled fault did: which calls in flight it ``touched``, and from when to when it stood."""

    number: int
    kind: str
    target: str = ""
    began: float
    ended: float
    amount: float = 0.0
    touched: tuple[str, ...] = ()
    skipped: str = ""
    """Why it could not be tried on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What stands in one stack's tables after the run: plain rows."""

    site: str = SITE
    rows: Mapping[str, list[dict[str, Any]]]

    def of(self, table: str) -> list[dict[str, Any]]:
        """A table's rows."""
        return self.rows.get(table, [])


@dataclass(slots=True, kw_only=True)
class History:
    """Everything of one run. Adding is thread-safe."""

    seed: int = 0
    seconds: float = 0.0
    exchanges: list[Exchange] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    """Decision and tally lines of the functions, as logged; ``function`` and ``site`` are added."""
    tables: list[Tables] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _numbers: int = 0

    def number(self) -> int:
        """A number of its own for an exchange or a change."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def rows(self, table: str) -> list[tuple[str, dict[str, Any]]]:
        """The rows of a table of all stacks, each with its stack."""
        return [(one.site, row) for one in self.tables for row in one.of(table)]

    def save(self, folder: Path) -> None:
        """Write it down, one file of JSON lines for each part: what broke can then be looked at again."""
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, Iterable[Any]] = {
            "exchanges": map(asdict, self.exchanges),
            "changes": map(asdict, self.changes),
            "sights": map(asdict, self.sights),
            "commits": map(asdict, self.commits),
            "faults": map(asdict, self.struck),
            "decisions": self.decisions,
            "tables": map(asdict, self.tables),
        }
        for name, lines in parts.items():
            with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(line, default=str) + "\n" for line in lines)
