"""Tally lines in the local stack's logs reach the function that counts them, as a subscription brings them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from service.tallies.delivery import messages_of

from bonafide.operator.layout import LocalStackError
from devkit.local.tally_delivery import ATTEMPTS, DELAY, SHOWN, TallyDelivery, delay_of

TALLY = json.dumps({"level": "INFO", "message": "tally", "v": 1})


class Function:
    """A function that fails as often as it is told, and a clock."""

    def __init__(self) -> None:
        self.asked: list[list[object]] = []
        self.failures: list[object] = []
        self.now = 100.0

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(list(messages_of(event)))
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        return {"errorType": failure} if failure else {"Lines": 1}


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    folders = tmp_path / "logs", tmp_path / "example" / "logs"
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def delivery_of(function: Function, logs: tuple[Path, Path], delay: float = 0.0) -> TallyDelivery:
    uncounted = logs[0].parent / "uncounted.jsonl"
    return TallyDelivery(logs, function.invoke, uncounted=uncounted, delay=delay, clock=lambda: function.now)


def log(folder: Path, *lines: str, name: str = "AuthorizeRequestFunction") -> Path:
    path = folder / f"{name}.log"
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
    return path


def test_tally_lines_of_every_folder_are_delivered_once_and_nothing_else(
    function: Function, logs: tuple[Path, Path]
) -> None:
    delivery = delivery_of(function, logs)
    log(logs[0], TALLY, '{"message":"decision","why":"tally"}', 'no JSON "tally"', '["tally"]', TALLY)
    log(logs[1], TALLY)
    delivery.follow()
    delivery.follow()
    assert function.asked == [[TALLY, TALLY], [TALLY]]
    log(logs[1], TALLY)
    delivery.follow()
    assert len(function.asked) == 3


def test_decisions_that_detectors_see_are_delivered_as_well(function: Function, logs: tuple[Path, Path]) -> None:
    """Of enrolments, renewals and signals; those of the gate are none of theirs, nor is a line that quotes one."""
    decision = '{"level":"INFO","message":"decision","action":"renew"}'
    quoting = '{"message":"signing keys rotated","why":"decision"}'
    delivery = delivery_of(function, logs)
    for name in SHOWN:
        log(logs[0], decision, quoting, TALLY, name=name)
    log(logs[0], decision, name="AuthorizeRequestFunction")
    delivery.follow()
    assert function.asked == [[decision, TALLY]] * len(SHOWN)


def test_log_that_began_anew_is_read_from_its_beginning(function: Function, logs: tuple[Path, Path]) -> None:
    """Also one that is longer already than the old one was, and one that is gone."""
    delivery = delivery_of(function, logs)
    path = log(logs[0], TALLY)
    delivery.follow()
    path.rename(path.with_suffix(".old"))
    delivery.follow()
    log(logs[0], TALLY, TALLY, TALLY)
    delivery.follow()
    assert [len(lines) for lines in function.asked] == [1, 3]


def test_delay_is_kept(function: Function, logs: tuple[Path, Path]) -> None:
    delivery = delivery_of(function, logs, delay=5.0)
    log(logs[0], TALLY)
    for function.now in (100.0, 104.9):
        delivery.follow()
    assert function.asked == []
    function.now = 105.0
    delivery.follow()
    assert function.asked == [[TALLY]]


def later(function: Function, delivery: TallyDelivery, times: int) -> None:
    for _ in range(times):
        delivery.follow()
        function.now += 10.0


@pytest.mark.parametrize("failure", ["Unavailable", LocalStackError("no answer")])
def test_delivery_that_failed_is_made_again_as_often_as_lambda_does(
    function: Function, logs: tuple[Path, Path], failure: object
) -> None:
    delivery = delivery_of(function, logs)
    function.failures = [failure, failure]
    log(logs[0], TALLY)
    later(function, delivery, 5)
    assert function.asked == [[TALLY]] * 3
    assert not (logs[0].parent / "uncounted.jsonl").exists()
    function.failures = [failure] * 10
    log(logs[0], TALLY)
    later(function, delivery, 10)
    assert len(function.asked) == 3 + ATTEMPTS
    (kept,) = (logs[0].parent / "uncounted.jsonl").read_text("ascii").splitlines()
    assert messages_of(json.loads(kept)) == [TALLY]


def test_failed_delivery_is_not_made_again_at_once(function: Function, logs: tuple[Path, Path]) -> None:
    delivery = delivery_of(function, logs)
    function.failures = ["Unavailable"]
    log(logs[0], TALLY)
    for _ in range(3):
        delivery.follow()
    assert function.asked == [[TALLY]]


def test_stop_ends_what_is_under_way(function: Function, logs: tuple[Path, Path]) -> None:
    delivery = delivery_of(function, logs)
    log(logs[0], TALLY)
    delivery.start()
    delivery.stop()
    before = len(function.asked)
    log(logs[0], TALLY)
    delivery.follow()
    assert len(function.asked) == before


def test_delay_is_read_from_the_environment() -> None:
    assert delay_of({}) == 0
    assert delay_of({DELAY: ""}) == 0
    assert delay_of({DELAY: "2.5"}) == 2.5
    for text in ("soon", "-1", "nan", "inf", "4000"):
        with pytest.raises(LocalStackError, match=DELAY):
            delay_of({DELAY: text})
