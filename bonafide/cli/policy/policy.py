"""``bonafide policy``: write appraisal and client policies, and find their errors before they are published."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bonafide.cli.terminal import EXIT_FAILED, AsJson, command_group, out, print_json, table
from bonafide.policies.drafts import Draft, read_draft
from bonafide.policies.starters import copy_starter, starters

if TYPE_CHECKING:
    from attestation.appraisal.lint.lint import LintMessage

commands = command_group("Write, check, publish and replay policies.")

DraftPath = Annotated[
    Path,
    typer.Argument(metavar="DRAFT", help="A folder with appraisal.cedar and/or client.json, or one such file."),
]


@dataclass(frozen=True, slots=True)
class FileMessage:
    """One message of a linter, and the file that it is about."""

    file: str
    message: LintMessage

    def to_record(self) -> dict[str, object]:
        return {"file": self.file, **self.message._asdict()}

    def __str__(self) -> str:
        place, rule = f"{self.file}:{self.message.line}", f"{self.message.rule}: " if self.message.rule else ""
        text = f"{place}: {self.message.severity}[{self.message.code}] {rule}{self.message.text}"
        return f"{text}\n    hint: {self.message.hint}" if self.message.hint else text


def lint_draft(draft: Draft, *, now: float) -> list[FileMessage]:
    """All messages about the documents of a draft. ``now`` is Unix seconds."""
    found: list[FileMessage] = []
    if draft.appraisal is not None:
        from attestation.appraisal.lint.lint import (
            lint_appraisal,  # loads Cedar: only commands that need it wait for it
        )

        found += _of(draft.names["appraisal"], lint_appraisal(draft.appraisal, now=now))
    if draft.client is not None:
        from service.policies.client_policy_lint import lint_client

        found += _of(draft.names["client"], lint_client(draft.client, now=now))
    return found


@commands.command(no_args_is_help=True)
def lint(path: DraftPath, as_json: AsJson = False) -> None:
    """Check a draft without publishing it. Exit code 1 when anything in it is an error."""
    found = lint_draft(read_draft(path), now=time.time())
    errors = sum(entry.message.severity == "error" for entry in found)
    if as_json:
        print_json({"errors": errors, "messages": [entry.to_record() for entry in found]})
    else:
        for entry in found:
            out().print(str(entry))
        out().print(_summary(errors, len(found) - errors))
    if errors:
        raise typer.Exit(EXIT_FAILED)


@commands.command("init")
def init(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The starter policy; without it, a list.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where to write it; default: a folder of its name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a draft with a copy of a starter policy. Without NAME: list the starter policies."""
    if name is None:
        known = starters()
        if as_json:
            print_json(known)
        else:
            table(("starter", "for"), known.items())
        return
    written = [str(path) for path in copy_starter(name, Path(name) if to is None else to)]
    if as_json:
        print_json({"written": written})
    else:
        out().print(f"Written: {', '.join(written)}")


def _of(file: str, messages: Iterable[LintMessage]) -> list[FileMessage]:
    return [FileMessage(file, message) for message in messages]


def _summary(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "No problems found."
    counts = [_count(errors, "error"), _count(warnings, "warning")]
    return f"{' and '.join(count for count in counts if count)}."


def _count(number: int, noun: str) -> str:
    return "" if not number else f"{number} {noun}{'' if number == 1 else 's'}"
