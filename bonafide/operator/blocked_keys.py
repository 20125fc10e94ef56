"""Blocked keys through the Admin API: listing them, and letting in again all that one rule blocked.

Both are pages. A stack that is busy (429, 503) is asked again, ever later and never all callers at once; what was done
stays done, and ``after`` says where to go on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from bonafide.operator.admin_api import AdminCalls, AdminProblem
from bonafide.operator.key_blocking import KeyStatus, status_of

_PAGE: Final = 500
_TRIES: Final = 8
_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 20.0
_BUSY: Final = frozenset({429, 503})
_CHANCE: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Listed:
    """Keys that are blocked now, and where to go on; ``after`` is ``None`` when these are all."""

    keys: tuple[KeyStatus, ...]
    after: str | None


@dataclass(slots=True)
class Progress:
    """How far unblocking a rule is. ``changing`` are keys that were written at the same moment and are as they were."""

    unblocked: int = 0
    changing: list[str] = field(default_factory=list)
    examined: int = 0
    after: str | None = None
    last: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockedKeys:
    """The blocked keys of one stack. Every method raises :class:`~bonafide.operator.errors.OperatorError`."""

    api: AdminCalls
    sleep: Callable[[float], None] = time.sleep

    def list(self, *, app: str | None = None, rule: str | None = None, after: str | None = None, limit: int) -> Listed:
        """Up to ``limit`` of them, in no order."""
        found: list[KeyStatus] = []
        while len(found) < limit:
            wanted = {"app": app, "rule": rule, "after": after, "limit": min(_PAGE, limit - len(found))}
            query = urlencode({name: value for name, value in wanted.items() if value is not None})
            answer = self._patiently("GET", f"/admin/blocked-keys?{query}")
            found.extend(status_of(record) for record in answer["keys"])
            after = answer["after"]
            if after is None:
                break
        return Listed(tuple(found), after)

    def unblock_rule(
        self, rule: str, *, app: str | None = None, after: str | None = None, reason: str = ""
    ) -> Iterator[Progress]:
        """Let in again every key that a rule blocked; tells after each call how far it is."""
        progress = Progress(after=after)
        while True:
            body = {"rule": rule, "app": app, "after": progress.after, "why": reason}
            answer = self._patiently("POST", "/admin/blocked-keys/unblock", body)
            progress.unblocked += len(answer["unblocked"])
            progress.changing.extend(answer["changing"])
            progress.examined += answer["examined"]
            progress.after = answer["after"]
            if "published" in answer:
                progress.last = answer
            yield progress
            if progress.after is None:
                return

    def _patiently(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        for attempt in range(_TRIES):
            try:
                return self.api.call(method, path, body)
            except AdminProblem as problem:
                if problem.status not in _BUSY or attempt == _TRIES - 1:
                    raise
            self.sleep(_CHANCE.uniform(0, min(_LONGEST_WAIT, _WAIT * 2**attempt)))
        raise AssertionError("the last attempt answers or raises")
