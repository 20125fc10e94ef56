"""From a support code to the decisions that gave it: in the logs of local stacks, or in CloudWatch Logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonafide.operator.errors import OperatorError, WrongUsage

MOST: Final = 50
"""Most decisions that are told of one code: a verifier's stays the same all day for one key and reason."""

_CODE: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}\Z")
_ALIKE: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})
_LONGEST_LINE: Final = 262_144


@dataclass(frozen=True, slots=True)
class Told:
    """One decision as it was logged. ``at`` is Unix seconds, ``None`` where it was not noted; ``where`` is the log."""

    at: float | None
    where: str
    line: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A member as text; empty where it is absent."""
        value = self.line.get(name)
        return "" if value is None or isinstance(value, dict | list) else str(value)

    @property
    def rules(self) -> tuple[str, ...]:
        """The policy's findings, those that were only observed marked so."""
        findings = self.line.get("findings")
        return tuple(str(rule) for rule in findings) if isinstance(findings, list) else ()

    def to_record(self) -> dict[str, object]:
        """For ``--json``."""
        return {"at": self.at, "log": self.where, "decision": dict(self.line)}


def read_code(text: str) -> str:
    """A support code as a person passes it on: in any case, with I, L and O for the digits that they look like, and
    with spaces or dashes. Raises :class:`WrongUsage`."""
    code = text.upper().translate(_ALIKE)
    if not _CODE.match(code):
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
        for text in _lines(file, code):
            line = _decision(text, code)
            if line is not None:
                key = json.dumps(line, sort_keys=True)
                found.setdefault(key, Told(_moment(line, moments.get(str(line.get("request_id")))), file.name, line))
    return _newest(found.values())


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
                line = _decision(event.get("message", ""), code)
                if line is not None:
                    found.append(Told(_moment(line, event.get("timestamp", 0) / 1000), group, line))
        except logs.exceptions.ResourceNotFoundException as error:
            raise OperatorError(f"There is no log group {group}.") from error
    return _newest(found)


def _newest(found: Iterable[Told]) -> list[Told]:
    return sorted(found, key=lambda told: told.at or 0.0, reverse=True)[:MOST]


def _lines(file: Path, code: str) -> Iterator[str]:
    with file.open(encoding="utf-8", errors="replace") as stream:
        for text in stream:
            if code in text and len(text) <= _LONGEST_LINE:
                yield text


def _decision(text: str, code: str) -> Mapping[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or line.get("support_code") != code or "message" not in line:
        return None
    return line


def _moment(line: Mapping[str, Any], otherwise: float | None) -> float | None:
    at = line.get("at")
    return float(at) if isinstance(at, int | float) and 0 < at < 1 << 40 else otherwise


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
