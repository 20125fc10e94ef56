"""``bonafide policy lint``: find the errors of a draft before it is published."""

from __future__ import annotations

import time

import typer

from bonafide.cli.policy.checks import Checked, NoProofs, check_draft
from bonafide.cli.policy.policy import DraftPath
from bonafide.cli.policy.prove import record_of
from bonafide.cli.terminal import EXIT_FAILED, AsJson, err, out, print_json
from bonafide.policies.drafts import read_draft


def lint(path: DraftPath, no_proofs: NoProofs = False, as_json: AsJson = False) -> None:
    """Check a draft without publishing it, and prove the properties that stand beside it. Exit code 1 when anything is
    an error, or a property is not proved."""
    checked = check_draft(read_draft(path), path, now=time.time(), proofs=not no_proofs)
    if as_json:
        messages = [entry.to_record() for entry in checked.messages]
        proofs = [record_of(proof) for proof in checked.proofs]
        print_json({"errors": checked.errors, "messages": messages, "proofs": proofs})
    else:
        for line in checked.lines():
            out().print(line)
        out().print(_summary(checked))
    if checked.note:
        err().print(checked.note)
    if checked.errors:
        raise typer.Exit(EXIT_FAILED)


def _summary(checked: Checked) -> str:
    errors, warnings = checked.errors, len(checked.messages) - checked.errors
    proved = sum(proof.answer == "proved" for proof in checked.proofs)
    counts = [_count(errors, "error"), _count(warnings, "warning")]
    found = f"{' and '.join(count for count in counts if count)}." if errors or warnings else "No problems found."
    return f"{found} {proved} of {len(checked.proofs)} properties proved." if checked.proofs else found


def _count(number: int, noun: str) -> str:
    return "" if not number else f"{number} {noun}{'' if number == 1 else 's'}"
