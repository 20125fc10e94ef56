"""The breaker: each kind of fault strikes what it is for, and what it touched is written down."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from devkit.chaos.breaker import Breaker
from devkit.chaos.calls import Call
from devkit.chaos.histories import History, Struck
from devkit.chaos.schedule import Fault, Kind
from devkit.chaos.site import Site
from devkit.chaos.wire import Plan


@dataclass
class MadeWire:
    """A wire with calls on it."""

    calls: list[Call] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)

    def in_flight(self) -> list[Call]:
        """Those."""
        return self.calls


@dataclass
class MadeCard:
    """A worker's card."""

    name: str
    pid: int
    begun: int = 1
    shifted: int = 0
    offsets: list[float] = field(default_factory=list)
    looks: int = 0
    lost: int = 0
    """Writes that fail after the first look."""

    @property
    def unwritten(self) -> int:
        """None at the first look."""
        self.looks += 1
        return self.lost if self.looks > 1 else 0

    @property
    def offset(self) -> float:
        """The last one."""
        return self.offsets[-1] if self.offsets else 0.0

    @offset.setter
    def offset(self, seconds: float) -> None:
        self.offsets.append(seconds)
        self.shifted += bool(seconds)


class MadeStack:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: self.done.append(" ".join([name, *map(str, given)]))


@dataclass
class MadeSite:
    """A site without a stack."""

    folder: Path
    cards: list[MadeCard] = field(default_factory=list)
    name: str = "here"
    stack: MadeStack = field(default_factory=MadeStack)
    wires: dict[str, MadeWire] = field(
        default_factory=lambda: {name: MadeWire() for name in ("aws", "verifier", "guarded")}
    )

    def workers(self, function: str = "") -> list[MadeCard]:
        """The cards."""
        return [card for card in self.cards if function in ("", card.name)]

    def card_of(self, pid: int) -> MadeCard | None:
        """One of them."""
        return next((card for card in self.cards if card.pid == pid), None)

    def log_of(self, function: str) -> Path:
        """Its log."""
        path = self.folder / f"{function}.log"
        path.touch()
        return path


def made(tmp_path: Path) -> tuple[Breaker, MadeSite, History]:
    """A breaker with such a site."""
    history = History()
    breaker, site = Breaker(history), MadeSite(tmp_path)
    breaker.add(cast("Site", site))
    return breaker, site, history


def call(number: int = 1, wire: str = "aws", **known: Any) -> Call:
    """A renewal's transaction."""
    named: dict[str, Any] = {"name": "x", "service": "dynamodb", "operation": "TransactWriteItems"}
    return Call(number=number, wire=wire, **(named | {"function": "RenewTokenFunction", "pid": 1} | known))


@contextmanager
def striking(breaker: Breaker, kind: Kind, **changes: Any) -> Iterator[list[Struck]]:
    """While a fault of this kind stands; afterwards what it did."""
    fault = Fault(number=1, at=0.0, kind=kind, **({"seconds": 20.0} | changes))
    struck: list[Struck] = []
    thread = threading.Thread(target=breaker.run, args=([fault], time.monotonic(), threading.Event()))
    thread.start()
    ends = time.monotonic() + 10
    while not breaker._armed and time.monotonic() < ends:
        time.sleep(0.005)
    yield struck
    thread.join(30)
    struck += breaker._history.struck


STANDS = {"seconds": 1.0}

MEETS: dict[str, tuple[Kind, dict[str, Any], dict[str, Any], Plan]] = {
    "throttle": (Kind.THROTTLE, {"target": "dynamodb"}, {}, Plan(throttled=True)),
    "late before": (Kind.LATENCY, {"amount": 1.5, "early": True}, {}, Plan(wait_before=1.5)),
    "late after": (Kind.LATENCY, {"amount": 1.5}, {}, Plan(wait_after=1.5)),
    "torn": (Kind.TORN_CALL, {}, {}, Plan(torn=True)),
    "half": (Kind.TORN_CALL, {"half": True}, {}, Plan(torn=True, half=True)),
    "an app's": (Kind.TORN_ANSWER, {}, {"wire": "verifier", "name": "POST /v1/tokens"}, Plan(torn=True)),
    "vendor": (Kind.VENDOR, STANDS, {"wire": "vendors"}, Plan(refused=True)),
    "bundle": (Kind.BUNDLE, STANDS, {"wire": "bundle"}, Plan(refused=True)),
}


@pytest.mark.parametrize("name", MEETS)
def test_a_fault_meets_its_call(tmp_path: Path, name: str) -> None:
    """It breaks as its kind says, and the call is written down."""
    kind, of_fault, of_call, plan = MEETS[name]
    breaker, _, _ = made(tmp_path)
    with striking(breaker, kind, **of_fault) as struck:
        assert breaker.begins(call(7, **of_call)) == plan
    (one,) = struck
    assert one.kind == kind.value
    assert len(one.touched) == 1
    assert one.touched[0].startswith("call 7 ")
    assert breaker.begins(call(8, **of_call)) == Plan()


PASSES: dict[str, tuple[Kind, dict[str, Any], dict[str, Any]]] = {
    "another service": (Kind.THROTTLE, {"target": "kms"}, {}),
    "the test bed's own call": (Kind.THROTTLE, {"target": "dynamodb"}, {"pid": 0}),
    "a read": (Kind.TORN_CALL, {}, {"operation": "GetItem"}),
    "another function's": (Kind.TORN_CALL, {"target": "AdministerFunction"}, {}),
    "another wire's": (Kind.LATENCY, {}, {"wire": "guarded"}),
    "a challenge": (Kind.TORN_ANSWER, {}, {"wire": "verifier", "name": "POST /v1/challenges"}),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_fault_lets_other_calls_pass(tmp_path: Path, name: str) -> None:
    """And does not count then."""
    kind, of_fault, of_call = PASSES[name]
    breaker, _, _ = made(tmp_path)
    with striking(breaker, kind, **({"seconds": 0.1} | of_fault)) as struck:
        assert breaker.begins(call(**of_call)) == Plan()
    assert [one.touched for one in struck] == [()]


def test_so_many_calls_and_no_more(tmp_path: Path) -> None:
    """Two of three."""
    breaker, _, _ = made(tmp_path)
    with striking(breaker, Kind.THROTTLE, target="dynamodb", calls=2) as struck:
        plans = [breaker.begins(call(number)).throttled for number in range(3)]
    assert plans == [True, True, False]
    assert len(struck[0].touched) == 2


@pytest.mark.parametrize("early", [True, False])
def test_a_worker_is_killed_before_or_after(tmp_path: Path, early: bool) -> None:
    """A process of ours; its call is not carried out, or is, and is a commit all the same."""
    breaker, site, history = made(tmp_path)
    site.wires["aws"].tables["s-Nonces"] = "nonces"
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        site.cards.append(MadeCard("RenewTokenFunction", victim.pid))
        nonce = {"Put": {"TableName": "s-Nonces", "Item": {"nonce": {"S": "n"}}}}
        one = call(pid=victim.pid, members={"TransactItems": [nonce], "ClientRequestToken": "t"})
        with striking(breaker, Kind.KILL_WORKER, early=early) as struck:
            plan = breaker.begins(one)
            assert plan == (Plan(refused=True) if early else Plan(torn=True, kill=True))
            if not early:
                assert victim.poll() is None
                breaker.carried_out(one, plan, 200)
            assert victim.wait(20) < 0
        assert len(struck[0].touched) == 1
        assert [commit.name for commit in history.commits] == ([] if early else ["n"])
    finally:
        victim.kill()
        victim.wait()


def test_no_process_is_killed_that_is_no_worker(tmp_path: Path) -> None:
    """A number from a header is not enough."""
    breaker, _, _ = made(tmp_path)
    with striking(breaker, Kind.KILL_WORKER, early=True):
        assert breaker.begins(call(pid=os.getpid())).refused


def test_what_was_not_answered_is_not_sure(tmp_path: Path) -> None:
    """AWS went away in the middle; a refusal of AWS is no commit."""
    breaker, site, history = made(tmp_path)
    site.wires["aws"].tables["s-Nonces"] = "nonces"
    nonce = {"Put": {"TableName": "s-Nonces", "Item": {"nonce": {"S": "n"}}}}
    for number, status in ((1, 0), (2, 400)):
        breaker.carried_out(call(number, members={"TransactItems": [nonce]}), Plan(), status)
    assert [(commit.name, commit.sure) for commit in history.commits] == [("n", False)]


def strike(breaker: Breaker, kind: Kind, **changes: Any) -> Struck:
    """A fault that needs no wire, from beginning to end."""
    breaker.run(
        [Fault(number=1, at=0.0, kind=kind, **({"seconds": 0.1} | changes))], time.monotonic(), threading.Event()
    )
    return breaker._history.struck[-1]


def test_the_gateway_is_killed_with_requests_in_its_hands(tmp_path: Path) -> None:
    """And started again."""
    breaker, site, _ = made(tmp_path)
    site.wires["verifier"].calls.append(call(wire="verifier"))
    assert len(strike(breaker, Kind.KILL_GATEWAY).touched) == 1
    assert site.stack.done == ["kill_gateway", "start_gateway"]


@pytest.mark.parametrize(
    ("early", "done"), [(True, ["freeze_aws True", "freeze_aws False"]), (False, ["end_aws", "start_aws"])]
)
def test_aws_stands_still_or_ends(tmp_path: Path, early: bool, done: list[str]) -> None:
    """Calls of functions are touched, the test bed's own are not."""
    breaker, site, _ = made(tmp_path)
    site.wires["aws"].calls += [call(1), call(2, pid=0)]
    assert len(strike(breaker, Kind.STOP_AWS, early=early).touched) == 1
    assert site.stack.done == done


def test_clocks_jump_and_jump_back(tmp_path: Path) -> None:
    """Those of one function; it counts where a call looked at the clock."""
    breaker, site, _ = made(tmp_path)
    site.cards += [MadeCard("RenewTokenFunction", 1), MadeCard("AdministerFunction", 2)]
    struck = strike(breaker, Kind.CLOCK, target="RenewTokenFunction", amount=-90.0)
    assert [card.offsets for card in site.cards] == [[-90.0, 0.0], []]
    assert struck.touched == ("1 looks at the clock in calls of RenewTokenFunction.1, -90 s",)


def test_a_disk_fills_for_the_busiest(tmp_path: Path) -> None:
    """It counts where a write failed; a worker that is gone is left out."""
    breaker, site, _ = made(tmp_path)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        site.cards.append(MadeCard("RenewTokenFunction", sleeper.pid, begun=9, lost=3))
        site.cards.append(MadeCard("AdministerFunction", 2**22 + 1, begun=8, lost=3))
        struck = strike(breaker, Kind.DISK)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert struck.touched == (f"3 writes of RenewTokenFunction.{sleeper.pid}",)


def test_what_cannot_be_tried_says_so(tmp_path: Path) -> None:
    """No fault, no count, and the reason."""
    breaker, site, _ = made(tmp_path)
    site.cards.append(MadeCard("RenewTokenFunction", os.getpid()))

    site.folder = tmp_path / "gone"
    struck = strike(breaker, Kind.DISK)
    assert struck.touched == ()
    assert struck.skipped.startswith("FileNotFoundError")
