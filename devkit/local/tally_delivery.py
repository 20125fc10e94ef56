"""The local stack's subscriptions: hands tally lines in the functions' logs to `count_decisions`, and decisions for
detectors.

On AWS, CloudWatch Logs finds them by a filter and Lambda delivers them, again if the function fails. This follows the
logs and does the same, in the same envelope. AWS promises no time for it; here it is a quarter of a second, and as much
more as the environment variable `BONAFIDE_TALLY_DELAY` says.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonafide.operator.layout import LocalStackError
from bonafide.operator.local_account import ACCOUNT_ID
from devkit.local.log_follower import LogFollower

DELAY: Final = "BONAFIDE_TALLY_DELAY"
"""Environment variable: seconds after which a line is delivered."""
ATTEMPTS: Final = 3
"""How often a delivery is tried, as often as Lambda does."""

_EVERY: Final = 0.2  # seconds
_AGAIN: Final = 1.0  # seconds until the second attempt, twice as many until the third; Lambda waits for minutes
_TOGETHER: Final = 200  # lines of one delivery
_STOP: Final = 5.0

SHOWN: Final = frozenset({"AppraiseEvidenceFunction", "RenewTokenFunction", "ReportSignalFunction"})
"""Functions whose decisions detectors see: their groups' filter lets those through, too."""

Invoke = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def delay_of(environment: Mapping[str, str] = os.environ) -> float:
    """The seconds that :data:`DELAY` names, 0 without it. Raises :class:`LocalStackError`."""
    text = environment.get(DELAY) or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3_600:
        raise LocalStackError(f"{DELAY} must be a number of seconds from 0 to 3600, not {text!r}.")
    return seconds


@dataclass(slots=True)
class _Delivery:
    due: float
    event: Mapping[str, Any]
    attempts: int = 0


class TallyDelivery:
    """Deliveries from the logs of some folders. Start it once, stop it once.

    `invoke` runs the function, and raises :class:`LocalStackError` where it cannot. What it failed to count three times
    is appended to the file `uncounted`, in place of the queue that a deployed stack has.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        invoke: Invoke,
        *,
        uncounted: Path,
        delay: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._followers = [LogFollower(folder) for folder in folders]
        self._invoke = invoke
        self._uncounted = uncounted
        self._delay = delay
        self._clock = clock
        self._waiting: list[_Delivery] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Follow the logs from their beginning on, beside everything else."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not delivered yet is lost with the stack's tables."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP)

    def follow(self) -> None:
        """Take up what was logged since the last time, and deliver what is due."""
        now = self._clock()
        for follower in self._followers:
            for log, lines in follower.new_lines():
                wanted = ("tally", "decision") if log.stem in SHOWN else ("tally",)
                found = [text for line in lines if (text := _subscribed(line, wanted)) is not None]
                for place in range(0, len(found), _TOGETHER):
                    event = _event(log.stem, found[place : place + _TOGETHER])
                    self._waiting.append(_Delivery(now + self._delay, event))
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            if delivery.due > self._clock() or self._stopping.is_set():
                self._waiting.append(delivery)
            elif not self._delivered(delivery.event):
                self._again(delivery)

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY):
            self.follow()

    def _delivered(self, event: Mapping[str, Any]) -> bool:
        try:
            return "errorType" not in self._invoke(event)
        except LocalStackError:
            return False

    def _again(self, delivery: _Delivery) -> None:
        delivery.attempts += 1
        delivery.due = self._clock() + _AGAIN * delivery.attempts
        if delivery.attempts < ATTEMPTS:
            self._waiting.append(delivery)
        elif not self._stopping.is_set():
            try:
                with self._uncounted.open("a", encoding="ascii") as file:
                    file.write(json.dumps(delivery.event) + "\n")
            except OSError:
                pass  # a full disk must not stop the stack


def _subscribed(line: bytes, wanted: Sequence[str]) -> str | None:
    """A line that a subscription's filter lets through: `{ $.message = "tally" }` and its like."""
    if not any(f'"{message}"'.encode() in line for message in wanted):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_wanted = isinstance(record, dict) and record.get("message") in wanted
    return line.decode("utf-8", "replace").rstrip("\r\n") if is_wanted else None


def _event(group: str, lines: Sequence[str]) -> Mapping[str, Any]:
    """As CloudWatch Logs invokes a function."""
    now = time.time_ns()
    envelope = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT_ID,
        "logGroup": group,
        "logStream": "local",
        "subscriptionFilters": ["tallies"],
        "logEvents": [
            {"id": f"{now + number:056d}", "timestamp": now // 1_000_000, "message": line}
            for number, line in enumerate(lines)
        ],
    }
    data = gzip.compress(json.dumps(envelope).encode("ascii"), compresslevel=1)
    return {"awslogs": {"data": base64.b64encode(data).decode("ascii")}}
