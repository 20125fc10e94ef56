"""From a support code to the decisions that gave it: in the logs of local stacks, in CloudWatch Logs, or by the Admin
API of a deployed stack, which reads its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from service.support.decision_of_code import Told, decision_of, newest, plain_code

from bonafide.operator.admin_api import AdminCalls, AdminProblem, segment
from bonafide.operator.errors import OperatorError, WrongUsage


def read_code(text: str) -> str:
    """A support code as a person passes it on (:func:`~service.support.decision_of_code.plain_code`). Raises
    :class:`WrongUsage`."""
    code = plain_code(text)
    if code is None:
        raise WrongUsage(f"{text[:40]!r} is no support code: eight letters and digits, as in 7K2M9QXA.")
    return code


def local_lines(code: str, logs: Sequence[Path], decisions: Path) -> list[Told]:
    """What local stacks logged under a code, the newest first: in their logs, and for earlier runs in the recorded
    decisions."""
    folders = [folder for folder in logs if folder.is_dir()]
    moments = _moments(folders)
    found: dict[str, Told] = {}
    files = [*sorted(file for folder in folders for file in folder.glob("*.log")), *sorted(decisions.glob("*.jsonl"))]
    for file in files:
        for text in _lines(file):
            told = decision_of(text, code, where=file.name, otherwise=None)
            if told is not None:
                at = moments.get(told.text("request_id")) if told.at is None else told.at
                found.setdefault(json.dumps(told.line, sort_keys=True), Told(at, told.where, told.line))
    return newest(found.values())


def deployed_lines(code: str, logs: Any, groups: Iterable[str], *, since: float) -> list[Told]:
    """The same in CloudWatch Logs, through a boto3 ``logs`` client. Raises :class:`OperatorError` for a group that is
    not there."""
    found: list[Told] = []
    for group in groups:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since * 1000), filterPattern=f'{{ $.support_code = "{code}" }}'
        )
        try:
            for event in (event for page in pages for event in page.get("events", ())):
                moment = event.get("timestamp", 0) / 1000
                told = decision_of(event.get("message", ""), code, where=group, otherwise=moment)
                if told is not None:
                    found.append(told)
        except logs.exceptions.ResourceNotFoundException as error:
            raise OperatorError(f"There is no log group {group}.") from error
    return newest(found)


def told_by_stack(code: str, admin: AdminCalls, *, since: float) -> Mapping[str, Any] | None:
    """What the stack itself says under a code; ``None`` where it is of an older release, which cannot be asked. Raises
    :class:`OperatorError`."""
    try:
        return admin.call("GET", f"/admin/support/{segment(code)}?since={int(since)}")
    except AdminProblem as problem:
        if problem.slug in ("", "no-such-route"):
            return None
        raise


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as stream:
        yield from stream


def _moments(folders: Iterable[Path]) -> dict[str, float]:
    """When a request came, by its id: the gateway's own log knows what an authorizer's line does not say."""
    moments: dict[str, float] = {}
    for folder in folders:
        file = folder / "access.log"
        for text in file.open(encoding="utf-8", errors="replace") if file.exists() else ():
            try:
                seen = json.loads(text)
                moments[str(seen["request_id"])] = float(seen["time"]) / 1000
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
    return moments
