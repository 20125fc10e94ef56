"""Decision lines in CloudWatch Logs, as many as the time of one request allows.

FilterLogEvents reads a span from its beginning to its end, a megabyte at a time, and may read all of it to find
nothing. So the span is cut: the last hour first, then the day, then the rest; a code on a screenshot is rarely old.
Within a part the groups take turns, so that a gate with a flood in it does not keep a verifier's few lines from being
found. The search ends with the part in which something was found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.aws import unavailable_on_failure
from service.deadline import seconds_left
from service.support.decision_of_code import Told, decision_of, newest

KEPT: Final = 4.0
"""Seconds of a request that stay for the policy, the answer, and one call that takes its time."""

_PARTS: Final = (3_600, 86_400)
_MOST_PAGES: Final = 400
"""Most calls of one search: 400 MB of logs, $2 in CloudWatch's terms."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was found, newest first, and in which time (Unix seconds). ``complete``: all of that time was read."""

    found: Sequence[Told]
    since: int
    until: int
    complete: bool


@dataclass(frozen=True, slots=True)
class DecisionLogs:
    """The log groups ``groups``, in the order in which they take turns."""

    client: Any
    groups: tuple[str, ...]

    def search(self, code: str, *, since: int, until: int) -> Search:
        """The decisions under ``code``. Raises :class:`~service.errors.Unavailable`, also for a group that is gone."""
        pages = 0
        for begin, end in _parts(since, until):
            found: list[Told] = []
            turns = deque((number, "") for number in range(len(self.groups)))
            while turns:
                if seconds_left() < KEPT or pages >= _MOST_PAGES:
                    return Search(newest(found), begin, until, complete=False)
                number, token = turns.popleft()
                told, following = self._page(number, code, begin, end, token)
                found += told
                pages += 1
                if following and following != token:
                    turns.append((number, following))
            if found or begin == since:
                return Search(newest(found), begin, until, complete=True)
        return Search((), since, until, complete=True)

    def _page(self, number: int, code: str, begin: int, end: int, token: str) -> tuple[list[Told], str]:
        more = {"nextToken": token} if token else {}
        group = self.groups[number]
        with unavailable_on_failure(f"logs:FilterLogEvents {group}"):
            answer = self.client.filter_log_events(
                logGroupName=self.groups[number],
                startTime=begin * 1_000,
                endTime=end * 1_000,
                filterPattern=f'{{ $.support_code = "{code}" }}',
                **more,
            )
        lines = (
            decision_of(
                str(event.get("message", "")), code, where=group, otherwise=event.get("timestamp", 0) / 1_000 or None
            )
            for event in answer.get("events", ())
        )
        return [told for told in lines if told is not None], str(answer.get("nextToken") or "")


def _parts(since: int, until: int) -> Iterator[tuple[int, int]]:
    """The newest first; together they are the whole span."""
    end = until
    for back in _PARTS:
        if since < until - back < end:
            yield until - back, end
            end = until - back
    yield since, end
