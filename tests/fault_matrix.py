"""The fault matrix: each function × each fault × each call that it makes to AWS or a vendor.

``python -m tests.fault_matrix`` runs all of it and prints a table; ``--sample N`` a part by seed, ``--case NAME`` one
function's. The calls are those of a good run, recorded, so a call that is added tomorrow is a row tomorrow.

A row holds when the function answers within its deadline, well or with a refusal that says when to come back; and when
the very same request, sent again to a cold process after the fault is over, leaves behind exactly what one success
leaves. :data:`EXCEPTIONS` are the rows where that does not hold, each with its reason.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.edge.retry_after import LATEST, SOONEST

from devkit.local.aws import running_ministack
from tests.service_stack.fault_cases import CASES, Case, deadline_of
from tests.service_stack.fault_proxy import Call, Fault
from tests.service_stack.matrix_stack import LambdaContext, MatrixStack, matrix_stack


@dataclass(frozen=True, slots=True)
class Row:
    """A function's call that breaks, once or at every attempt."""

    case: Case
    call: Call
    fault: Fault
    once: bool

    def __str__(self) -> str:
        return f"{self.case.name} | {self.call} | {self.fault}{', once' if self.once else ''}"


@dataclass(frozen=True, slots=True)
class Result:
    """How a row went: the answer's status, seconds, what the same request got afterwards, and what is wrong."""

    row: Row
    status: str
    seconds: float
    again: str
    wrong: str = ""


_BY_DESIGN: Final = "by design: the challenge is spent, the key goes on, the app asks for a challenge (docs/api.md)"
_CLAIMED: Final = "by design: what Google may have been asked is asked with a new challenge (ADR 16, 36)"
_BLOCKED: Final = "by design: the key is blocked, which is what the report asked for; it hears 403"

EXCEPTIONS: Final[dict[str, str]] = {
    "renewal | dynamodb TransactWriteItems NoncesTable+AttestedKeysTable | lost answer": _BY_DESIGN,
    "renewal | dynamodb TransactWriteItems NoncesTable+AttestedKeysTable | done, then 500": _BY_DESIGN,
    "signal that blocks | dynamodb TransactWriteItems": _BLOCKED,
    "enrolment with Play | dynamodb PutItem PlayRequestsTable": _CLAIMED,
    "enrolment with Play | dynamodb UpdateItem PlayRequestsTable": _CLAIMED,
    "enrolment with Play | google POST": _CLAIMED,
}
"""Beginnings of rows (as printed) that do not hold, and why."""

_REPEATED: Final = 3


def excused(row: Row) -> str:
    """Why a row is not expected to hold; empty where it is."""
    return next((why for start, why in EXCEPTIONS.items() if str(row).startswith(start)), "")


def rows_of(stack: MatrixStack, case: Case) -> list[Row]:
    """Every row of a function: its calls are those of a good run by a cold process, but for what is done once only, as
    the first keys of a stack are made; no later run would make that call."""
    stack.call(case.function, case.event(stack))
    event = case.event(stack)
    stack.proxy.begin()
    answer = stack.call(case.function, event)
    calls = list(dict.fromkeys(stack.proxy.calls))
    assert case.good(answer), (case.name, answer)
    return [Row(case, call, fault, once) for call in calls for fault in Fault for once in (True, False)]


def run(stack: MatrixStack, row: Row) -> Result:
    """One row: a fresh request, the fault, and the same request again."""
    case = row.case
    stack.proxy.begin()
    event = case.event(stack)
    before = stack.count(*case.left)
    stack.proxy.begin((row.call, row.fault), once=row.once)
    handler = stack.cold(case.function)
    began = time.monotonic()
    answer = _answer(handler, event, case)
    seconds = time.monotonic() - began
    broken = stack.proxy.broken
    stack.proxy.begin()
    wrong = [] if broken else ["the fault never happened"]
    if seconds > deadline_of(case):
        wrong.append("too late")
    wrong += _faults_of(answer, case)
    good = _is_good(answer, case)
    status = _status(answer, case)
    again = "-"
    if not good:
        stack.proxy.begin()
        for _ in range(_REPEATED):
            repeated = event if case.repeated is None else case.repeated(stack)
            later = _answer(stack.cold(case.function), repeated, case)
            again, good = _status(later, case), _is_good(later, case)
            if again != "503":  # a slow machine, whose deadline was too near once more
                break
        if not good:
            wrong.append("the same request again is refused")
    left = tuple(now - then for now, then in zip(stack.count(*case.left), before, strict=True))
    # An operator who repeats a change has asked for it twice, and the audit says so.
    told = {case.entries} if again == "-" else {case.entries, 2 * case.entries}
    if good and any(
        number not in (told if name == "audit" else {1}) for name, number in zip(case.left, left, strict=True)
    ):
        wrong.append(f"left behind {dict(zip(case.left, left, strict=True))}")
    _let_google_recover(stack)
    return Result(row, status, seconds, again, "; ".join(wrong))


def _answer(handler: Any, event: Any, case: Case) -> Any:
    try:
        return handler(event, LambdaContext(time.monotonic() + case.seconds))
    except Exception as error:  # what Lambda would see
        return error


def _is_good(answer: Any, case: Case) -> bool:
    return not isinstance(answer, Exception) and case.good(answer)


def _status(answer: Any, case: Case) -> str:
    if isinstance(answer, Exception):
        return type(answer).__name__
    if case.http:
        return str(answer["statusCode"])
    if "policyDocument" in answer:
        context = answer["context"]
        return "Allow" if case.good(answer) else f"Deny {context.get('error', '')}"
    return str(answer.get("outcome", "done"))


def _faults_of(answer: Any, case: Case) -> list[str]:
    """What is wrong with an answer while something is broken."""
    if _is_good(answer, case):
        return []
    if isinstance(answer, Exception):
        # Lambda repeats an asynchronous invocation, and tells an operator's: but only for trouble that we know.
        return [] if not case.http and type(answer).__name__ == "Unavailable" else [f"raised {type(answer).__name__}"]
    if not case.http:
        right = answer["context"].get("error") == "temporarily_unavailable"
        return [] if right else [f"refused as {answer['context'].get('error')}"]
    if answer["statusCode"] not in (429, 503):
        return [f"status {answer['statusCode']}"]
    wrong = []
    seconds = answer["headers"].get("Retry-After", "")
    if not seconds.isdigit() or not SOONEST <= int(seconds) <= LATEST:
        wrong.append("no Retry-After")
    if "token" in json.loads(answer["body"]):
        wrong.append("minted")
    return wrong


def _let_google_recover(stack: MatrixStack) -> None:
    """Close the breaker, so that rows do not depend on each other."""
    from tests.service_stack.memory_stack import PACKAGE

    stack.world.play_requests.answered(PACKAGE, time.time())


def covering(rows: Sequence[Row], seed: int) -> list[Row]:
    """A row of each function, by seed, with the faults in turn; where a call hangs, it does so once. And one row where
    every attempt hangs until the function gives up."""
    chance = random.Random(seed)
    functions = dict.fromkeys(row.case for row in rows)
    chosen = []
    for case, fault in zip(functions, itertools.cycle(Fault), strict=False):
        fitting = [row for row in rows if row.case is case and row.fault is fault]
        chosen.append(chance.choice([row for row in fitting if row.once or fault is not Fault.HUNG]))
    return [*chosen, chance.choice([row for row in rows if row.fault is Fault.HUNG and not row.once])]


def sampled(rows: Sequence[Row], number: int, seed: int) -> list[Row]:
    """``number`` rows by seed; of those that hang, which take seconds each, one in eight of them at most."""
    chance = random.Random(seed)
    slow = [row for row in rows if row.fault is Fault.HUNG]
    quick = [row for row in rows if row.fault is not Fault.HUNG]
    hanging = chance.sample(slow, min(len(slow), max(1, number // 8)))
    return hanging + chance.sample(quick, min(len(quick), number - len(hanging)))


def printed(results: Iterable[Result]) -> bool:
    """Print the table; whether every row holds or is excused."""
    fine = True
    number = 0
    for result in results:
        number += 1
        why = excused(result.row)
        verdict = "ok" if not result.wrong else f"excused: {why}" if why else f"WRONG: {result.wrong}"
        fine = fine and (not result.wrong or bool(why))
        print(f"{result.row} | {result.status} | {result.seconds:.1f} s | {result.again} | {verdict}", flush=True)
    print(f"{number} rows, {'all hold' if fine else 'NOT all hold'}; {len(EXCEPTIONS)} exceptions are listed")
    return fine


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", help="only this function's rows; may repeat")
    parser.add_argument("--sample", type=int, default=0, help="so many rows instead of all")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="leave out calls that hang, which take seconds each")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_ministack() as url, matrix_stack(url, Path(folder)) as stack:
        cases = [case for case in CASES if not given.case or case.name in given.case]
        rows = [row for case in cases for row in rows_of(stack, case)]
        if given.quick:
            rows = [row for row in rows if row.fault is not Fault.HUNG]
        chosen = sampled(rows, given.sample, given.seed) if given.sample else rows
        print("function | call | fault | status | time | the same again | verdict")
        return 0 if printed(run(stack, row) for row in chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
