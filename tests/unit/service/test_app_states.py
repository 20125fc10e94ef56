"""Apps and keys in one read, and for how long a process under load goes by what it read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from attestation.challenge import app_tag
from attestation.reference_values import ReferenceValues
from service.errors import Unavailable
from service.policies import app_states
from service.policies.app_states import BUSY, REMEMBERED, AppRows, AppStates, KeyAndApp
from service.policies.store import PolicyHead
from service.tables.apps import RegisteredApp

from tests.integration.enrolled_keys import enrolled_key
from tests.service_stack.memory_stack import ANDROID, APP

KEY = enrolled_key(app=APP)
REGISTERED = RegisteredApp(app=APP, reference_values=ReferenceValues(android=ANDROID))


@dataclass
class Table:
    """A :class:`~service.policies.app_states.StateReader` that notes what it is asked for."""

    heads: dict[str, PolicyHead] = field(default_factory=lambda: {APP: PolicyHead(app=APP)})
    reads: list[tuple[str | None, str | None]] = field(default_factory=list)
    down: bool = False

    def app(self, app: str) -> AppRows:
        self._touch(None, app)
        return self._rows(app)

    def key(self, key_id: str, app: str | None) -> KeyAndApp:
        self._touch(key_id, app)
        if key_id != KEY.key_id:
            return KeyAndApp(None, None)
        return KeyAndApp(KEY, None if app is None else self._rows(app))

    def _rows(self, app: str) -> AppRows:
        head = self.heads.get(app)
        registered = None if head is None else replace(REGISTERED, app=app)
        return AppRows(registered, head or PolicyHead(app=app))

    def _touch(self, key_id: str | None, app: str | None) -> None:
        self.reads.append((key_id, app))
        if self.down:
            raise Unavailable("table")


class Clock:
    """The steady clock, and the request's, which begins at 1,000."""

    def __init__(self) -> None:
        self.steady = 50.0
        self.wall = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("service.remembered.monotonic", lambda: made.steady)
    return made


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def states(table: Table) -> AppStates:
    return AppStates(table)


def renew(states: AppStates, clock: Clock, *, app: str = APP, every: float = 0.04) -> int:
    """What a renewal asks; the revision of the head that it goes by."""
    clock.pass_by(every)
    found = states.of_key(KEY.key_id, app_tag(app), clock.wall)
    assert found.key == KEY
    return found.state_of(app, clock.wall).head.revision


def test_key_and_app_are_read_at_once(states: AppStates, table: Table, clock: Clock) -> None:
    """From the second request on: then the process knows which app a challenge was sealed for."""
    renew(states, clock, every=1)
    renew(states, clock, every=1)
    assert table.reads == [(KEY.key_id, None), (None, APP), (KEY.key_id, APP)]


def test_enrolment_makes_the_app_known(states: AppStates, table: Table, clock: Clock) -> None:
    """Either function may be the first."""
    assert states.of_app(APP, clock.wall).registered is not None
    renew(states, clock, every=1)
    assert table.reads == [(None, APP), (KEY.key_id, APP)]


def test_key_of_another_app_than_the_challenges(states: AppStates, table: Table, clock: Clock) -> None:
    """Nothing of the challenge's app passes for the key's."""
    table.heads["other"] = PolicyHead(app="other", revision=7)
    states.of_app("other", clock.wall)
    found = states.of_key(KEY.key_id, app_tag("other"), clock.wall)
    assert found.state_of(APP, clock.wall).head.app == APP
    assert table.reads[1:] == [(KEY.key_id, "other"), (None, APP)]


def test_process_that_is_not_under_load_reads_every_time(states: AppStates, table: Table, clock: Clock) -> None:
    """Nine requests a second: each is judged by what holds at this moment."""
    for revision in range(30):
        table.heads[APP] = PolicyHead(app=APP, revision=revision)
        assert renew(states, clock, every=REMEMBERED / (BUSY - 1) + 0.001) == revision


def test_process_under_load_reads_the_app_twice_a_second(states: AppStates, table: Table, clock: Clock) -> None:
    """Twenty-five requests a second for ten seconds, and each of them reads its key."""
    for _ in range(250):
        renew(states, clock, every=0.04)
    assert sum(key_id is not None for key_id, _ in table.reads) == 250
    assert 20 <= sum(app is not None for _, app in table.reads) <= 20 + BUSY + 1


def test_change_is_seen_when_it_is_half_a_second_old(states: AppStates, table: Table, clock: Clock) -> None:
    """At the latest, however many requests there are."""
    for _ in range(50):
        renew(states, clock, every=0.01)
    table.heads[APP] = PolicyHead(app=APP, revision=1)
    changed, seen = clock.wall, 0.0
    while renew(states, clock, every=0.01) == 0:
        seen = clock.wall
    assert seen - changed <= REMEMBERED


def test_what_is_remembered_has_the_time_from_before_it_was_read(states: AppStates, table: Table, clock: Clock) -> None:
    """A token that is judged by it is dated no later: a not-before that comes with a newer head refuses it."""
    for _ in range(40):
        renew(states, clock, every=0.01)
        state = states.of_app(APP, clock.wall)
        last = max(index for index, (_, app) in enumerate(table.reads) if app is not None)
        assert state.as_of <= clock.wall
        assert clock.wall - state.as_of < REMEMBERED
        table.reads = table.reads[last:]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_clock_that_jumps_freezes_nothing(states: AppStates, table: Table, clock: Clock, jump: float) -> None:
    """Neither clock alone is believed: Lambda freezes the steady one, and the other may be set."""
    for _ in range(20):
        renew(states, clock, every=0.01)
    table.heads[APP] = PolicyHead(app=APP, revision=1)
    clock.wall += jump
    clock.pass_by(REMEMBERED)
    assert renew(states, clock, every=0.01) == 1


def test_frozen_process_reads_when_it_thaws(states: AppStates, table: Table, clock: Clock) -> None:
    """The steady clock stood still; by it, the process is under load and has just read."""
    for _ in range(20):
        renew(states, clock, every=0.01)
    table.heads[APP] = PolicyHead(app=APP, revision=1)
    clock.wall += 600
    assert renew(states, clock, every=0.0) == 1


def test_app_that_is_not_registered_is_not_remembered(states: AppStates, table: Table, clock: Clock) -> None:
    """It is there as soon as it is registered, and names that strangers invent fill no memory."""
    for number in range(200):
        assert states.of_app(f"invented-{number}", clock.wall).registered is None
    del table.heads[APP]
    for _ in range(20):
        assert states.of_app(APP, clock.wall).registered is None
    table.heads[APP] = PolicyHead(app=APP)
    assert states.of_app(APP, clock.wall).registered is not None
    assert states._known.keys() == {APP}


def test_memory_is_bounded(states: AppStates, table: Table, clock: Clock) -> None:
    """A stack of many apps."""
    for number in range(app_states._MOST_APPS + 10):
        table.heads[f"app-{number}"] = PolicyHead(app=f"app-{number}")
        states.of_app(f"app-{number}", clock.wall)
    assert len(states._known) == len(states._names) == app_states._MOST_APPS


def test_read_that_fails_is_not_covered_up(states: AppStates, table: Table, clock: Clock) -> None:
    """What cannot be known is no reason to go on by what was."""
    for _ in range(20):
        renew(states, clock, every=0.01)
    table.down = True
    with pytest.raises(Unavailable):
        renew(states, clock, every=REMEMBERED)


def test_unknown_key_says_so(states: AppStates, clock: Clock) -> None:
    """Whatever is read beside it."""
    assert states.of_key("another", app_tag(APP), clock.wall).key is None
