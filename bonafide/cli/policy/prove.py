"""``bonafide policy prove``: what a draft does for all facts there can be, and not only for those of the last days."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bonafide.cli.policy.policy import DraftPath
from bonafide.cli.terminal import EXIT_FAILED, AsJson, out, print_json, table
from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import Draft, properties_beside, read_draft
from bonafide.prover.solver import require_solver

if TYPE_CHECKING:
    from attestation.appraisal.facts import Facts

    from bonafide.prover.proving import Proof, Prover

PropertiesPath = Annotated[
    Path | None,
    typer.Option("--properties", metavar="FILE", help="What is to hold; default: the draft's properties.cedar."),
]


def prove(
    path: DraftPath,
    properties: PropertiesPath = None,
    equal: Annotated[
        Path | None, typer.Option("--equal", metavar="OTHER", help="Same tier and findings as this draft.")
    ] = None,
    no_stricter: Annotated[
        Path | None, typer.Option("--no-stricter-than", metavar="OTHER", help="No tier worse than by this draft.")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=0.1, max=600, help="For one property, at most.")
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Prove properties of an appraisal policy for all facts that the schema allows, or show facts that refute one.

    Exit code 1 unless all are proved.
    """
    draft, now = read_draft(path), time.time()
    text = _appraisal(draft, path)
    file = properties or properties_beside(path)
    if properties is None and not file.exists() and equal is None and no_stricter is None:
        raise OperatorError(f"Nothing to prove: there is no {file}, and neither --equal nor --no-stricter-than.")
    require_solver()
    proofs = list(_proofs(text, file if properties or file.exists() else None, equal, no_stricter, now, seconds))
    if as_json:
        print_json({"proved": all(_good(proof) for proof in proofs), "proofs": [record_of(proof) for proof in proofs]})
    else:
        _print(proofs)
    if not all(_good(proof) for proof in proofs):
        raise typer.Exit(EXIT_FAILED)


def _proofs(
    text: str, file: Path | None, equal: Path | None, no_stricter: Path | None, now: float, seconds: float
) -> Iterator[Proof]:
    from bonafide.prover.properties import EQUAL, NO_STRICTER, read_properties  # loads Cedar and the solver

    prover = _prover(text, now, seconds)
    if file is not None:
        for wanted in read_properties(_text(file)):
            yield prover.prove(wanted)
    for kind, other in ((EQUAL, equal), (NO_STRICTER, no_stricter)):
        if other is not None:
            yield prover.compare(kind, _appraisal(read_draft(other), other))


def _prover(text: str, now: float, seconds: float) -> Prover:
    from attestation.appraisal.cedar.rules import PolicyInvalid

    from bonafide.prover.proving import Prover

    try:
        return Prover(text, now=now, patience=seconds)
    except PolicyInvalid as error:
        raise OperatorError(f"{error} `bonafide policy lint` says more.") from error


def _appraisal(draft: Draft, path: Path) -> str:
    if draft.appraisal is None:
        raise OperatorError(f"{path} has no appraisal policy: an appraisal.cedar, or a file that ends in .cedar.")
    return draft.appraisal


def _text(file: Path) -> str:
    return _appraisal(read_draft(file), file)


def _good(proof: Proof) -> bool:
    return proof.answer == "proved"


def record_of(proof: Proof) -> dict[str, object]:
    """JSON-ready. ``facts`` are those that refute the property, as decision records have them."""
    witness = proof.witness
    record: dict[str, object] = {
        "property": proof.of.name,
        "kind": proof.of.kind,
        "of": proof.of.of,
        "line": proof.of.line,
        "answer": proof.answer.value,
        "because": proof.because,
        "seconds": round(proof.seconds, 2),
    }
    if witness is not None:
        record |= {"facts": witness.facts.to_record(), "tier": witness.tier}
        if witness.other is not None:
            record |= {"other_facts": witness.other.to_record(), "other_tier": witness.other_tier}
    return record


def _print(proofs: list[Proof]) -> None:
    table(
        ("property", "answer", "because", "seconds"),
        [(proof.of.name, proof.answer.value, proof.because, f"{proof.seconds:.1f}") for proof in proofs],
    )
    for proof in proofs:
        if proof.answer == "refuted" and proof.witness is not None:
            out().print(f"{proof.of.name}: refuted by these facts, judged by the engine itself:")
            for name, value in _read(proof.witness.facts):
                out().print(f"    {name} = {value}")


def _read(facts: Facts) -> Iterator[tuple[str, object]]:
    """Members of facts, but for what is empty or zero: that says little."""
    for owner, members in (("principal", facts.claims), ("context", facts.context)):
        yield from _leaves(owner, members)


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif value is False or value not in ("", [], 0):
        yield path, value
