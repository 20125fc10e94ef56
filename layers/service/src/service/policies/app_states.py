"""What the tables say at this moment of an app and of its key, in one read.

A renewal names a key and holds a challenge that was sealed for an app. A process that has met the app reads key,
registration and policies' head at once; the first time it reads the key, and then the others.

Registration and head are one row each, read by all renewals of an app: a partition gives 3,000 consistent reads a
second. So a process that is asked for the same app again and again remembers both for :data:`REMEMBERED` seconds, and a
process that is not reads them each time. What is remembered has the time from before it was read, and no token judged
by it may be dated later: that a policy with effect now leaves no token of the older one holds all the same
(:mod:`service.policies.publish`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from attestation.challenge import app_tag

from service.aws import DynamoDBClient
from service.items.batch_read import Place, read_rows
from service.policies.store import HEAD, DynamoDBPolicies, PolicyHead
from service.remembered import Moment
from service.tables.apps import DynamoDBApps, RegisteredApp
from service.tables.attested_keys import DynamoDBAttestedKeys, EnrolledKey

REMEMBERED: Final = 0.5
"""Seconds that a process under load goes by what it read. Publications with effect now wait as long before relying
parties hear of them."""

BUSY: Final = 5
"""Requests for one app within :data:`REMEMBERED` from which on a process is under load: ten a second."""

_MOST_APPS: Final = 64


def remembered_seconds(setting: int) -> float:
    """For how long, by the setting ``APP_MEMORY_SECONDS``: where thousands of processes renew, each reads less."""
    return max(REMEMBERED, float(setting))


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """An app as the tables have it: ``registered`` is ``None`` for one that is not.

    ``as_of`` (Unix seconds) is from before it was read.
    """

    registered: RegisteredApp | None
    head: PolicyHead
    as_of: float


class AppRows(NamedTuple):
    """What is read of an app."""

    registered: RegisteredApp | None
    head: PolicyHead


class KeyAndApp(NamedTuple):
    """What is read for a renewal: the key, and the app that was asked for with it, if one was and the key is there."""

    key: EnrolledKey | None
    app: AppRows | None


class StateReader(Protocol):
    """Reads both, consistently. Raises :class:`~service.errors.Unavailable`, also for rows that are damaged."""

    def app(self, app: str) -> AppRows:
        """One app."""
        ...

    def key(self, key_id: str, app: str | None) -> KeyAndApp:
        """One key, and ``app`` in the same read."""
        ...


@dataclass(frozen=True, slots=True)
class DynamoDBStateReader:
    """:class:`StateReader` by BatchGetItem, over the adapters of the three tables."""

    client: DynamoDBClient
    attested_keys: DynamoDBAttestedKeys
    apps: DynamoDBApps
    policies: DynamoDBPolicies

    def app(self, app: str) -> AppRows:
        registered, head = read_rows(self.client, self._rows_of(app))
        return AppRows(self.apps.read(registered), self.policies.read_head(app, head))

    def key(self, key_id: str, app: str | None) -> KeyAndApp:
        own = Place(self.attested_keys.table, {"key_id": key_id})
        row, *more = read_rows(self.client, [own, *(() if app is None else self._rows_of(app))])
        key = self.attested_keys.read(row)
        if key is None or app is None:
            return KeyAndApp(key, None)
        return KeyAndApp(key, AppRows(self.apps.read(more[0]), self.policies.read_head(app, more[1])))

    def _rows_of(self, app: str) -> tuple[Place, Place]:
        return Place(self.apps.table, {"app": app}), Place(self.policies.table, {"app": app, "version": HEAD})


@dataclass(slots=True)
class _Known:
    """What a process knows of one app: its newest state, when reading it began, and when it was asked for lately, by
    the steady clock."""

    state: AppState | None = None
    began: Moment = field(default=Moment(float("-inf"), float("-inf")))
    asked: deque[float] = field(default_factory=lambda: deque(maxlen=BUSY))


@dataclass(slots=True)
class AppStates:
    """Apps and keys as they are at this moment, or were ``remembered`` seconds ago at most. Safe to share between
    threads. Both methods take the request's time (Unix seconds), which must have been read before they are called, and
    raise :class:`~service.errors.Unavailable`."""

    reader: StateReader
    remembered: float = REMEMBERED
    _known: OrderedDict[str, _Known] = field(default_factory=OrderedDict, repr=False)
    _names: dict[bytes, str] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def of_app(self, app: str, now: float) -> AppState:
        """The state of an app."""
        began = Moment.at(now)
        return self._ask(app, began) or self._learn(app, self.reader.app(app), began)

    def of_key(self, key_id: str, tag: bytes, now: float) -> FoundKey:
        """The key, and the state of the app whose challenges have ``tag``, as far as that takes no further read."""
        began = Moment.at(now)
        with self._lock:
            app = self._names.get(tag)
        state = None if app is None else self._ask(app, began)
        rows = self.reader.key(key_id, app if state is None else None)
        if app is not None and rows.app is not None:
            state = self._learn(app, rows.app, began)
        return FoundKey(rows.key, app, state, self)

    def _ask(self, app: str, moment: Moment) -> AppState | None:
        """What is remembered of ``app``, if this process is under load for it and that is not too old."""
        with self._lock:
            known = self._known.get(app)
            if known is None:
                return None
            known.asked.append(moment.steady)
            busy = len(known.asked) == BUSY and moment.steady - known.asked[0] <= self.remembered
            return known.state if busy and known.began.age(moment.wall) < self.remembered else None

    def _learn(self, app: str, rows: AppRows, began: Moment) -> AppState:
        state = AppState(registered=rows.registered, head=rows.head, as_of=began.wall)
        if rows.registered is None:
            return state  # any text may be asked for; and an app that is registered a moment later is there at once
        with self._lock:
            known = self._known.setdefault(app, _Known())
            self._known.move_to_end(app)
            known.state, known.began = state, began
            self._names[app_tag(app)] = app
            while len(self._known) > _MOST_APPS:
                gone, _ = self._known.popitem(last=False)
                del self._names[app_tag(gone)]
        return state


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key as it is at this moment, ``None`` where there is none, and what was read with it."""

    key: EnrolledKey | None
    _app: str | None
    _state: AppState | None
    _states: AppStates

    def state_of(self, app: str, now: float) -> AppState:
        """The state of the key's app: it was read with the key, unless this process had not met the app."""
        return self._state if self._state is not None and self._app == app else self._states.of_app(app, now)
