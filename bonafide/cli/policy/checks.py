"""All that is said about a draft before it is published: the linter's messages, and what was proved of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import Draft, properties_beside, read_draft
from bonafide.prover.solver import SolverMissing, require_solver

if TYPE_CHECKING:
    from attestation.appraisal.lint.formulas import CanHold
    from attestation.appraisal.lint.lint import LintMessage

    from bonafide.prover.proving import Proof

NoProofs = Annotated[
    bool,
    typer.Option("--no-proofs", help="Do not ask the solver: neither the draft's properties.cedar nor its rules."),
]

_LINE: Final = re.compile(r"Line (\d+): ")


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


@dataclass(frozen=True, slots=True)
class Checked:
    """What is to be put right in a draft, and every property with its answer. ``note`` says what was not done."""

    messages: tuple[FileMessage, ...]
    proofs: tuple[Proof, ...] = ()
    file: str = ""
    note: str = ""

    @property
    def errors(self) -> int:
        """How many messages keep the draft from being published."""
        return sum(entry.message.severity == "error" for entry in self.messages)

    def lines(self) -> Iterator[str]:
        """Each message and each proved property, as an editor reads them."""
        for entry in self.messages:
            yield str(entry)
        for proof in self.proofs:
            if proof.answer == "proved":
                yield f"{self.file}:{proof.of.line}: proved[{proof.of.kind}] {proof.of.name}: {proof.because}"


def lint_draft(draft: Draft, *, now: float, can_hold: CanHold | None = None) -> list[FileMessage]:
    """All messages about the documents of a draft. ``now`` is Unix seconds; ``can_hold`` replaces the linter's search
    for rules without effect."""
    found: list[FileMessage] = []
    if draft.appraisal is not None:
        from attestation.appraisal.lint.formulas import satisfiable
        from attestation.appraisal.lint.lint import (
            lint_appraisal,  # loads Cedar: only commands that need it wait for it
        )

        messages = lint_appraisal(draft.appraisal, now=now, can_hold=can_hold or satisfiable)
        found += _of(draft.names["appraisal"], messages)
    if draft.client is not None:
        from service.policies.client_policy_lint import lint_client

        found += _of(draft.names["client"], lint_client(draft.client, now=now))
    return found


def check_draft(draft: Draft, path: Path, *, now: float, proofs: bool) -> Checked:
    """Lint a draft that was read from ``path``, by the solver where ``proofs`` are wanted, and prove the properties
    that stand beside it. Raises :class:`~bonafide.prover.solver.SolverMissing` where there are some and no solver."""
    if draft.appraisal is None or not proofs:
        return Checked(tuple(lint_draft(draft, now=now)))
    file = properties_beside(path)
    try:
        require_solver()
    except SolverMissing as missing:
        if file.exists():
            raise
        return Checked(tuple(lint_draft(draft, now=now)), note=str(missing))
    from bonafide.prover.reach import Reach, idle_permits

    messages = lint_draft(draft, now=now, can_hold=Reach())
    name = draft.names["appraisal"]
    if any(entry.message.severity == "error" for entry in messages if entry.file == name):
        note = f"The properties of {file} wait until the policy has no error." if file.exists() else ""
        return Checked(tuple(messages), note=note)
    messages += _of(name, idle_permits(draft.appraisal, now=now))
    if not file.exists():
        return Checked(tuple(messages))
    try:
        answers = tuple(_proofs(draft.appraisal, file, now))
    except OperatorError as error:
        messages.append(_invalid(file, str(error)))
        return Checked(tuple(messages))
    messages += [FileMessage(str(file), message) for message in _unproved(answers, path)]
    return Checked(tuple(messages), answers, str(file))


def _proofs(policy: str, file: Path, now: float) -> Iterator[Proof]:
    from bonafide.prover.properties import read_properties
    from bonafide.prover.proving import Prover

    properties = read_properties(read_draft(file).appraisal or "")
    prover = Prover(policy, now=now)
    yield from (prover.prove(wanted) for wanted in properties)


def _unproved(proofs: Iterable[Proof], path: Path) -> Iterator[LintMessage]:
    from attestation.appraisal.lint.message import LintMessage

    for proof in proofs:
        if proof.answer != "proved":
            hint = f"`bonafide policy prove {path}` prints such facts" if proof.witness is not None else ""
            yield LintMessage(
                proof.of.line, "error", f"property-{proof.answer}", proof.of.name, f"{proof.of.kind}: {proof.because}",
                hint,
            )  # fmt: skip


def _invalid(file: Path, sentence: str) -> FileMessage:
    from attestation.appraisal.lint.message import LintMessage

    line = _LINE.match(sentence)
    text = _LINE.sub("", sentence).removesuffix(".")
    return FileMessage(str(file), LintMessage(int(line[1]) if line else 1, "error", "property-invalid", "", text, ""))


def _of(file: str, messages: Iterable[LintMessage]) -> list[FileMessage]:
    return [FileMessage(file, message) for message in messages]
