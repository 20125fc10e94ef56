"""A worker's card: it shows a worker at work, also one that was killed, moves its clock, and counts what it lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bonafide.operator.layout import Layout
from devkit.gateway.layer_path import RUNTIME_PACKAGES
from devkit.gateway.worker_card import WorkerCard, cards
from devkit.gateway.workers import Function, Worker, WorkerKind, WorkerLost

HANDLER = """
import os
import sys
from time import sleep, time


def handler(event, context):
    if event.get("sleep"):
        sleep(event["sleep"])
    written = True
    try:
        print("x" * event.get("write", 0))
        sys.stdout.flush()
    except OSError:
        written = False
    left = context.get_remaining_time_in_millis()
    return {"now": time(), "written": written, "left": left, "app": os.environ["AWS_SDK_UA_APP_ID"]}
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A plain worker with a card in ``cards``."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "made.py").write_text(HANDLER)
    packages = Layout.of_this_project().packages / RUNTIME_PACKAGES
    kind = WorkerKind(Path(sys.executable), packages, tmp_path / "logs", cards=str(tmp_path / "cards"))
    environment = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "Made"}
    started = kind.start(Function("Made", "made.handler", tmp_path, (tmp_path,), environment, timeout=20.0))
    yield started
    started.stop()


def card_in(folder: Path) -> WorkerCard:
    """The only card."""
    (card,) = cards(folder / "cards")
    return card


def asked(worker: Worker, **event: object) -> dict[str, Any]:
    """The handler's answer."""
    answer: dict[str, Any] = json.loads(worker.invoke(json.dumps(event).encode()))
    return answer


def test_a_card_counts_calls_and_names_its_worker(worker: Worker, tmp_path: Path) -> None:
    """The call that warms it up among them; what the AWS SDK sends has its name."""
    answer = asked(worker)
    card = card_in(tmp_path)
    assert (card.name, card.begun, card.at_work) == ("Made", 2, False)
    assert answer["app"] == f"Made.{card.pid}"


def test_a_clock_jumps_and_jumps_back(worker: Worker, tmp_path: Path) -> None:
    """Also for ``from time import time``; the deadline, which Lambda keeps, does not jump."""
    card = card_in(tmp_path)
    card.offset = -86_400.0
    answer = asked(worker)
    assert answer["now"] < time.time() - 80_000
    assert 0 < answer["left"] <= 20_000
    seen = card.shifted
    assert seen >= 1
    card.offset = 0.0
    assert asked(worker)["now"] > time.time() - 60
    assert card.shifted == seen


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of other processes are Linux's")
def test_a_full_disk_is_met_and_counted(worker: Worker, tmp_path: Path) -> None:
    """Half a text may arrive. The worker goes on, and writes again when there is room."""
    card = card_in(tmp_path)
    size = (tmp_path / "logs" / "Made.log").stat().st_size
    resource.prlimit(card.pid, resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
    assert asked(worker, write=100)["written"] is False
    assert card.unwritten >= 1
    assert (tmp_path / "logs" / "Made.log").stat().st_size == size + 10
    resource.prlimit(card.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert asked(worker, write=100)["written"] is True


def test_a_killed_worker_died_at_work(worker: Worker, tmp_path: Path) -> None:
    """What it wrote into shared memory stays."""
    card = card_in(tmp_path)
    lost: list[WorkerLost] = []

    def call() -> None:
        try:
            asked(worker, sleep=15)
        except WorkerLost as error:
            lost.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    deadline = time.monotonic() + 10
    while not card.at_work and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(card.pid, signal.SIGKILL)
    caller.join(20)
    assert lost
    assert card_in(tmp_path).at_work
