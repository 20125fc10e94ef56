"""Clients by the wire contract at a stack with a pace: the real handler, its counts, and what is learnt of them."""

from __future__ import annotations

import heapq
import json

import pytest
from service.admission.accounts import Accounts
from service.admission.learning import LOOKED_FOR, SETTLED, Learning
from service.admission.pacing import OLDEST, Pacing
from service.admission.queue import WINDOW
from service.admission.status import unknown
from service.errors import Unavailable
from service.tallies.rows import UNKNOWN_APP, Cell, TallyRow

from devkit.client_core.answers import Call, Does, Refusal, next_step
from tests.service_stack.events import rest_event
from tests.unit.admission.paced_stack import APP, MemoryRow, PacedStack, problem_of
from tests.unit.service.tallies_in_memory import TalliesInMemory

RENEWS = {"Bonafide-Challenge-For": "renewal"}
PACE = 6.0


def _release(stack: PacedStack, installs: int, seconds: float) -> tuple[list[float], list[float]]:
    """As many ``installs`` in so many ``seconds``, each with the client's own rules for what it is answered: their
    waits, and when each was admitted."""
    began = stack.now
    events = [(began + stack.chance.random() * seconds, number, 0) for number in range(installs)]
    first = {number: at for at, number, _ in events}
    heapq.heapify(events)
    waits, admitted, count_at = [], [], began
    while events:
        at, number, refusals = heapq.heappop(events)
        while at >= count_at:
            stack.now = count_at
            stack.count()
            count_at += 2
        stack.now = at
        answer = stack.ask()
        if answer["statusCode"] == 201:
            waits.append(at - first[number])
            admitted.append(at)
            stack.enrolled()
            continue
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        refusal = Refusal(answer["statusCode"], headers, answer["body"])
        step = next_step(Call.CHALLENGE, "POST", refusal, refusals_in_a_row=refusals + 1)
        assert step.does is Does.SAME_BYTES
        assert step.wait is not None
        least, most = step.wait
        heapq.heappush(events, (at + least + stack.chance.random() * (most - least), number, refusals + 1))
    return waits, admitted


def test_clients_of_a_release_are_spread_below_the_pace_and_all_enrol() -> None:
    """Three times as many as the pace in the first five minutes."""
    stack = PacedStack(PACE)
    began = stack.now
    waits, admitted = _release(stack, 4_500, 300)
    assert len(waits) == 4_500
    assert max(waits) <= 3600, "lost installs"
    minutes = [sum(1 for at in admitted if start <= at - began < start + 60) / 60 for start in range(0, 3600, 60)]
    assert max(minutes) <= 1.3 * PACE, "by chance: the mean is below"
    assert sum(minutes[1:9]) / 8 <= 1.05 * PACE


def test_an_app_that_renews_is_never_asked_to_wait() -> None:
    """In the same second in which hundreds of installs are, and it is no demand for enrolments."""
    stack = PacedStack(PACE)
    paced = sum(stack.ask()["statusCode"] == 429 for _ in range(200))
    renewing = [stack.ask(RENEWS)["statusCode"] for _ in range(200)]
    assert paced > 150
    assert renewing == [201] * 200
    stack.now += WINDOW + SETTLED + 1
    stack.count()
    assert stack.row.accounts is not None
    assert stack.row.accounts.queues[APP].newcomers <= 200 / WINDOW


@pytest.mark.parametrize("purpose", ["", "Renewal", "enrolment", "renewal, renewal", "renewal\x00"])
def test_any_other_purpose_is_an_enrolment(purpose: str) -> None:
    stack = PacedStack(PACE)
    answers = [stack.ask({"Bonafide-Challenge-For": purpose})["statusCode"] for _ in range(100)]
    assert answers.count(429) > 50


def test_the_body_cannot_say_it() -> None:
    """Clients send what is documented, and no member more."""
    stack = PacedStack(PACE)

    answer = stack.handlers[0](rest_event("POST", "/v1/challenges", {"app": APP, "renews": True}), None)
    assert (answer["statusCode"], problem_of(answer)) == (400, "malformed-request")


def test_a_refusal_is_a_quota_with_a_time_of_its_own() -> None:
    stack = PacedStack(PACE)
    refusals = [answer for _ in range(300) if (answer := stack.ask())["statusCode"] == 429]
    assert {problem_of(answer) for answer in refusals} == {"quota"}
    assert json.loads(refusals[0]["body"])["retry"] == "later"
    times = {answer["headers"]["Retry-After"] for answer in refusals}
    assert len(times) > 10
    assert all(time.isdigit() and 5 <= int(time) <= 30 for time in times)


def test_issuing_reads_nothing_by_request() -> None:
    """However many ask, and by whatever names."""
    stack = PacedStack(PACE)
    for number in range(500):
        stack.ask(app=f"invented-{number}")
    assert stack.row.reads <= 1


def test_invented_names_share_one_share() -> None:
    stack = PacedStack(1_000.0)
    answers = [stack.ask(app=f"invented-{number}")["statusCode"] for number in range(5_000)]
    assert answers.count(201) <= 1_000.0 / 10 * 2 * stack.processes


def test_old_accounts_are_not_gone_by() -> None:
    stack = PacedStack(PACE)
    _release(stack, 600, 40)
    accounts = stack.row.accounts
    assert accounts is not None
    stack.now = (accounts.window + 1) * WINDOW + OLDEST + 1
    pacing = Pacing(lambda _now: accounts, PACE, lambda: 0.9999, steady=lambda: 0.0)
    assert pacing.comes_back_after(APP, stack.now) is None


def test_a_table_that_cannot_be_read_paces_by_shares_and_answers() -> None:
    pacing = Pacing(lambda _now: None, 100.0, lambda: 0.5, steady=lambda: 0.0)
    answers = [pacing.comes_back_after(APP, 0.0) for _ in range(100)]
    assert answers.count(None) == 100.0 / 10 * 2


def _counted(window: int, asked: int, refused: int, app: str = APP) -> TallyRow:
    cells = {Cell("issued", "", ()): asked - refused, Cell("refused", "enrolment-paced", ()): refused}
    return TallyRow(app, "challenge", 2, window * WINDOW, cells=cells, processes=3)


def test_of_two_that_learn_at_once_one_writes() -> None:
    row = MemoryRow()
    tallies = TalliesInMemory(_counted(100, 500, 0), _counted(101, 500, 0))
    both = [Learning(tallies, row, PACE), Learning(tallies, row, PACE)]
    for learning in both:
        learning.learn([APP], 101 * WINDOW + SETTLED)
    assert row.accounts is not None
    assert (row.accounts.window, row.accounts.revision) == (100, "1")


def test_windows_that_no_delivery_ended_are_caught_up() -> None:
    row = MemoryRow()
    tallies = TalliesInMemory(*(_counted(window, 500, 300) for window in range(100, 110)))
    learning = Learning(tallies, row, PACE)
    learning.learn([APP], 101 * WINDOW + SETTLED)
    learning.learn([APP], 110 * WINDOW + SETTLED)
    assert row.accounts is not None
    assert row.accounts.window == 109
    assert row.accounts.queues[APP].waiting > 1_000


def test_a_window_is_learnt_once_and_not_before_it_is_counted() -> None:
    row = MemoryRow()
    learning = Learning(TalliesInMemory(_counted(100, 500, 0)), row, PACE)
    learning.learn([APP], 101 * WINDOW + SETTLED)
    first = row.accounts
    for moment in range(WINDOW):
        learning.learn([APP], 101 * WINDOW + SETTLED + moment)
    assert row.accounts == first


def test_after_a_long_silence_all_begins_anew() -> None:
    row = MemoryRow()
    learning = Learning(TalliesInMemory(_counted(100, 5_000, 4_000), _counted(900, 50, 0)), row, PACE)
    learning.learn([APP], 101 * WINDOW + SETTLED)
    learning.learn([APP], 901 * WINDOW + SETTLED)
    assert row.accounts is not None
    assert row.accounts.window == 900
    assert row.accounts.queues[APP].waiting == 0


def test_app_whose_lines_other_deliveries_bring_is_learnt() -> None:
    """Strangers ask by invented names, which are no app's: a delivery that is due may hold nothing else."""
    row, tallies = MemoryRow(), TalliesInMemory(_counted(100, 60, 55, "other"))
    Learning(tallies, row, PACE, lambda _now: (APP, "other")).learn([UNKNOWN_APP], 101 * WINDOW + SETTLED)
    assert row.accounts is not None
    assert row.accounts.queues.keys() == {"other"}
    assert Pacing(lambda _now: row.accounts, PACE)._of("other", 101 * WINDOW + SETTLED)[0] != unknown(PACE)


def test_of_thousands_of_apps_each_is_looked_for_in_turn() -> None:
    """A few at a time: what a window costs does not grow with the apps."""
    apps = [f"app-{n}" for n in range(5 * LOOKED_FOR)]
    windows = range(100, 112)
    tallies = TalliesInMemory(*(_counted(window, 60, 55, apps[-1]) for window in windows))
    row, asked = MemoryRow(), list[str]()
    read = tallies.rows

    def counting(app: str, *more: object, **named: object) -> object:
        asked.append(app)
        return read(app, *more, **named)  # type: ignore[arg-type]

    tallies.rows = counting  # type: ignore[assignment,method-assign]
    learning = Learning(tallies, row, PACE, lambda _now: apps)
    for window in windows:
        before = len(asked)
        learning.learn([], (window + 1) * WINDOW + SETTLED)
        assert len(asked) - before <= LOOKED_FOR + 1
    assert set(asked) == set(apps)
    assert row.accounts is not None
    assert row.accounts.queues.keys() == {apps[-1]}


def test_row_of_a_far_future_is_begun_anew() -> None:
    """Damage, or the clock of one process: for all the others no window would ever be over."""
    row = MemoryRow(Accounts(10**9, {}, "1"))
    Learning(TalliesInMemory(_counted(100, 500, 0)), row, PACE).learn([APP], 101 * WINDOW + SETTLED)
    assert row.accounts is not None
    assert (row.accounts.window, set(row.accounts.queues)) == (100, {APP})


def test_a_clock_that_runs_ahead_breaks_nothing() -> None:
    """One process counts a minute ahead of the others."""
    row = MemoryRow()
    tallies = TalliesInMemory(_counted(100, 500, 0))
    Learning(tallies, row, PACE).learn([APP], 107 * WINDOW + SETTLED)
    ahead = row.accounts
    Learning(tallies, row, PACE).learn([APP], 102 * WINDOW + SETTLED)
    assert row.accounts == ahead
    assert isinstance(ahead, Accounts)


def test_what_cannot_be_read_is_for_the_caller_to_log() -> None:
    class Broken(MemoryRow):
        def find_accounts(self) -> Accounts | None:
            raise Unavailable("dynamodb:GetItem tallies")

    with pytest.raises(Unavailable):
        Learning(TalliesInMemory(), Broken(), PACE).learn([APP], 1_000.0)
