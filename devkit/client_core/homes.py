"""Which region an install is at home in, and where it turns when that one is lost.

Answers carry names and never URLs: a server that lies can send an app to another of its own regions, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

LOST_AFTER: Final = 60.0
LOST_ATTEMPTS: Final = 3
"""Seconds without an answer, and attempts in that time, after which another region is asked."""

ENROL_ELSEWHERE_AFTER: Final = 600.0
"""Seconds without an answer of home after which ``unknown-key`` of another region counts: until then the key may only
not have reached it."""


@dataclass(slots=True, kw_only=True)
class Homes:
    """The regions of an app: ``built_in`` by name, ``home`` one of the names or what was remembered.

    ``from_policy`` are those that the client policy adds. Times are in seconds of a clock that is never set.
    """

    built_in: Mapping[str, str]
    home: str
    from_policy: Mapping[str, str] = field(default_factory=dict)
    _first_failure: float | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if not self.built_in:
            raise ValueError("an app has at least one region")
        if self.url(self.home) is None:  # remembered from a policy that is gone
            self.home = next(iter(self.built_in))

    def url(self, name: str) -> str | None:
        """The verifier of a region; a name that is built in cannot be given another one."""
        return self.built_in.get(name) or self.from_policy.get(name)

    def moved_to(self, name: str) -> bool:
        """Home is ``name`` from now on, if it is known; whether it is. Unknown: fetch the client policy."""
        if self.url(name) is None:
            return False
        self.home = name
        self.answered()
        return True

    def answered(self) -> None:
        """Home gave an answer, and no fault of its own."""
        self._first_failure, self._failures = None, 0

    def failed(self, now: float) -> None:
        """Home gave no answer, or a 5xx."""
        self._failures += 1
        if self._first_failure is None:
            self._first_failure = now

    def elsewhere(self, now: float) -> str | None:
        """The region to ask instead, while home counts as lost; ``None`` while it does not, or is the only one."""
        if self._first_failure is None or self._failures < LOST_ATTEMPTS or now - self._first_failure < LOST_AFTER:
            return None
        names = list(dict.fromkeys((*self.built_in, *self.from_policy)))
        at = names.index(self.home) if self.home in names else -1
        after = (*names[at + 1 :], *names[:at]) if at >= 0 else tuple(names)
        return next((name for name in after if name != self.home), None)

    def unknown_key_counts(self, now: float) -> bool:
        """Whether ``404 unknown-key`` of another region means to enrol there."""
        return self._first_failure is not None and now - self._first_failure >= ENROL_ELSEWHERE_AFTER
