"""``bonafide migration``: where another product's tokens and ours disagree, before routes are cut over."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from bonafide.cli.terminal import AsJson, command_group, out, print_json, table
from bonafide.migration.report import COMPARISONS, Group, report_of
from bonafide.operator.errors import OperatorError

commands = command_group("Moving over from another product: its tokens beside ours.")


@commands.command(no_args_is_help=True)
def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backend's log, one JSON a line; - is a pipe.")],
    as_json: AsJson = False,
) -> None:
    """Count by platform and build where the two agree, and why they do not."""
    found = report_of(_lines(file))
    if as_json:
        counted = _sorted(found.groups)
        groups = [{**group._asdict(), **{name: counts[name] for name in COMPARISONS}} for group, counts in counted]
        why = [{"comparison": c, "ours": o, "theirs": t, "times": n} for (c, o, t), n in found.why.most_common()]
        print_json({"groups": groups, "why": why, "read": found.read, "damaged": found.damaged})
        return
    if not found.read:
        raise OperatorError("No line compares two products: is SIDE_BY_SIDE set, and the logger `bonafide` at INFO?")
    rows = (
        (group.app or "—", group.platform or "—", group.build or "—", *(str(counts[name]) for name in COMPARISONS))
        for group, counts in _sorted(found.groups)
    )
    table(("app", "platform", "build", *COMPARISONS), rows)
    if found.why:
        table(("where", "ours", "theirs", "times"), [(*why, str(times)) for why, times in found.why.most_common(20)])
    if found.damaged:
        out().print(f"{found.damaged} lines could not be read.")


def _sorted(groups: Mapping[Group, Counter[str]]) -> list[tuple[Group, Counter[str]]]:
    return sorted(groups.items(), key=lambda item: (-item[1].total(), item[0]))


def _lines(file: Path) -> Iterator[str]:
    if str(file) == "-":
        yield from sys.stdin
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        yield from lines
