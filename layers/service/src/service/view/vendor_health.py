"""How the vendors do, from what the stack knows of them already: no call goes to a vendor for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Final, Protocol

from service.remembered import Remembered
from service.tables.apps import RegisteredApp
from service.vendors.play_requests import AskedToday
from service.vendors.status_lists import StatusLists, StoredStatusList

_FRESH: Final = 10.0
_FIRST: Final = 30.0
"""Seconds after which a process reads the list's row again: it holds the whole list."""

_MOST_PACKAGES: Final = 5

_UNPROBED: Final = 300
"""Seconds after which a breaker that may be tried, and was not, says no more how Google does now: the first request
tries it."""


@unique
class State(StrEnum):
    """``late``: still good, and something to look at."""

    OK = "ok"
    LATE = "late"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor. ``age``: seconds since it last answered, ``None`` where nothing is asked of it or known."""

    name: str
    state: State
    age: int | None
    detail: str

    def to_record(self) -> dict[str, object]:
        """JSON-ready."""
        return {"name": self.name, "state": self.state.value, "age": self.age, "detail": self.detail}


class AsksOfGoogle(Protocol):
    """Where it says how packages stand with Google."""

    def asked_today(self, package: str, now: float) -> AskedToday | None:
        """See :meth:`service.vendors.play_requests.DynamoDBPlayRequests.asked_today`."""


@dataclass(slots=True)
class VendorHealth:
    """The vendors of apps. ``max_age`` (seconds) is how old Google's list may be."""

    status_lists: StatusLists
    play_requests: AsksOfGoogle
    max_age: float
    _list: Remembered[StoredStatusList | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._list = Remembered(
            read=lambda _known, _now: self.status_lists.find(),
            fresh=_FRESH,
            first=_FIRST,
            whole=lambda row: row is not None,
        )

    def of(self, app: RegisteredApp, now: float) -> tuple[Vendor, ...]:
        """The vendors that vouch for an app's devices, as of ``now``. Raises :class:`~service.errors.Unavailable`."""
        return tuple(self._of(app, now))

    def _of(self, app: RegisteredApp, now: float) -> Iterator[Vendor]:
        expected = app.reference_values
        if expected.apple is not None:
            yield _nothing_asked("apple", "Apple")
        if expected.android is not None:
            yield self._status_list(now)
            yield self._play(sorted(expected.android.packages), now)
        if expected.harmony is not None:
            yield _nothing_asked("huawei", "Huawei")

    def _status_list(self, now: float) -> Vendor:
        name = "google-status-list"
        row = self._list.current(now)
        if row is None:
            return Vendor(name, State.FAILING, None, "Google's list of revoked keys was never fetched.")
        age = max(0, int(now) - row.fetched_at)
        state = State.OK if age <= self.max_age / 2 else State.LATE if age <= self.max_age else State.FAILING
        limit = f"; it may be {self.max_age / 3600:.0f} h old" if state is not State.OK else ""
        return Vendor(name, state, age, f"{row.entries:,} revoked keys{limit}.")

    def _play(self, packages: list[str], now: float) -> Vendor:
        worst, details = State.UNKNOWN, []
        for package in packages[:_MOST_PACKAGES]:
            today = self.play_requests.asked_today(package, now)
            if today is not None:
                state, detail = _judged(package, today, now)
                worst = max(worst, state, key=_BADNESS.index)
                details.append(detail)
        return Vendor("play-decode", worst, None, " ".join(details) or "Nothing was asked of Google today.")


_BADNESS: Final = (State.UNKNOWN, State.OK, State.LATE, State.FAILING)


def _judged(package: str, today: AskedToday, now: float) -> tuple[State, str]:
    asked = f"{package}: {today.spent:,} asked today"
    if today.breaker.until:
        opened = f"the breaker opened {today.breaker.times}x in a row, last until {_clock(today.breaker.until)}"
        if now - today.breaker.until > _UNPROBED:
            return State.LATE, f"{asked}; Google failed when it was last asked: {opened}."
        return State.FAILING, f"{asked}; Google fails: {opened}."
    if today.paused_until > now:
        return State.FAILING, f"{asked}; Google has had enough until {_clock(today.paused_until)}."
    if today.failures:
        return State.LATE, f"{asked}; the last {today.failures} failed."
    return State.OK, f"{asked}."


def _clock(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S} UTC"


def _nothing_asked(name: str, called: str) -> Vendor:
    detail = f"Evidence is verified by pinned roots: nothing is asked of {called}."
    return Vendor(name, State.UNKNOWN, None, detail)
