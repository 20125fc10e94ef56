"""What commands that take effect at once share where they refuse the rest over a grace: options, files of keys, and the
question whether predicates name all that a policy newly refuses."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.pacing.new_pacing import MAX_KEYS, Pacing, packed_keys, prefixes_of
from bonafide_tokens.pacing.paced import BOUNDS, MAX_SECONDS, MEMBERS, Predicate

from bonafide.cli.outcome import confirm
from bonafide.cli.terminal import err
from bonafide.operator.errors import OperatorError
from bonafide.policies.publishing import AppPolicies
from bonafide.prover.solver import require_solver

if TYPE_CHECKING:
    from bonafide.prover.named_tokens import NamedTokens
    from bonafide.prover.proving import Proof

AtOnce = Annotated[
    list[str] | None,
    typer.Option(
        "--at-once",
        metavar="PREDICATE",
        help="With --now: which tokens are refused at once, as in 'platform=android, app_build_below=120'; the others "
        "over --grace. Several: tokens that any of them names. "
        "Members: platform, tier, app_build (values separated by |), app_build_below, policy_version_below, "
        "issued_before.",
    ),
]
KeysFile = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help="With --now: key_ids, one a line, whose tokens are refused at once."),
]
Grace = Annotated[
    int | None,
    typer.Option(
        "--grace",
        metavar="SECONDS",
        min=1,
        max=MAX_SECONDS,
        help="Over how long tokens that neither --at-once nor --keys names are refused, each key in its turn.",
    ),
]


def asked_pacing(*, now: bool, at_once: Sequence[str] | None, keys: Path | None, grace: int | None) -> Pacing | None:
    """What the options say; ``None`` for all at once. Raises :class:`~bonafide.operator.errors.OperatorError`."""
    if not at_once and keys is None and grace is None:
        return None
    if not now:
        raise OperatorError("--at-once, --keys and --grace need --now: at the next renewal nothing is refused at once.")
    if not at_once and keys is None:
        raise OperatorError(
            "--grace needs --at-once or --keys: say what is refused at once, or leave it out to refuse all."
        )
    if grace is None:
        raise OperatorError("Say with --grace over how many seconds the other tokens are refused.")
    named = frozenset[int]() if keys is None else keys_in(keys)
    try:
        return Pacing(grace, tuple(map(predicate_of, at_once or ())), named).checked()
    except ValueError as error:
        raise OperatorError(f"This cannot be paced: {error}.") from None


def predicate_of(text: str) -> Predicate:
    """A predicate as an operator writes it. Raises :class:`~bonafide.operator.errors.OperatorError`."""
    found: Predicate = {}
    for part in text.split(","):
        name, equals, said = (piece.strip() for piece in part.partition("="))
        if name not in MEMBERS or not equals or name in found:
            raise OperatorError(
                f"{part.strip()!r} is no part of a predicate: once each, {', '.join(MEMBERS)}, as in "
                "'platform=android|harmony, app_build_below=120'."
            )
        if name not in BOUNDS:
            found[name] = [one.strip() for one in said.split("|")]
            if "" in found[name]:
                raise OperatorError(f"{name} needs a value, or several separated by |.")
        elif said.isascii() and said.isdigit() and len(said) <= 15:
            found[name] = int(said)
        else:
            raise OperatorError(f"{name} needs a whole number, not {said!r}.")
    return found


def keys_in(path: Path) -> frozenset[int]:
    """The keys of a file: one key_id a line; empty lines and what follows # are nothing. Raises
    :class:`~bonafide.operator.errors.OperatorError`."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path} cannot be read: {error}.") from None
    named: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        if key_id := line.partition("#")[0].strip():
            try:
                prefixes_of([key_id])
            except ValueError:
                raise OperatorError(f"{path}:{number}: {key_id[:60]!r} is no key_id (43 characters).") from None
            named[key_id] += 1
    if not named:
        raise OperatorError(f"{path} names no key.")
    if len(named) > MAX_KEYS:
        raise OperatorError(
            f"{path} names {len(named):,} keys, and a publication takes {MAX_KEYS:,}: say more with --at-once, or "
            "refuse all tokens at once."
        )
    twice = sum(count > 1 for count in named.values())
    if twice:
        err().print(f"{path}: {twice} of {len(named)} keys stand there more than once.")
    return prefixes_of(named)


def members_of(pacing: Pacing | None) -> dict[str, object]:
    """What the Admin API is told."""
    if pacing is None:
        return {}
    keys = b64url_encode(packed_keys(pacing.keys))
    return {"pacing": {"seconds": pacing.seconds, "at_once": list(pacing.at_once), "keys": keys}}


def confirm_named(
    policies: AppPolicies,
    status: Mapping[str, Any],
    draft: str | None,
    pacing: Pacing | None,
    *,
    yes: bool,
    proofs: bool = True,
) -> None:
    """Show whether the predicates name all that ``draft`` newly refuses, and ask where that is not proved. ``draft`` is
    ``None`` where the appraisal policy stays. Raises :class:`~bonafide.operator.errors.OperatorError`."""
    if pacing is None or draft is None:
        return
    question = f"Let tokens that nothing names count for up to {pacing.seconds} s?"
    if not proofs:
        err().print("Whether --at-once names all that is newly refused was not asked.")
        confirm(question, yes=yes)
        return
    require_solver()
    from bonafide.prover.named_tokens import NamedTokens

    canary = status["canary"]
    versions = [status["stable"], *([] if canary is None else [canary["version"]])]
    unproved = False
    for version in versions:
        active = policies.documents(version).appraisal
        if active == draft:
            continue
        prover = NamedTokens(draft, active=active, version=version, now=time.time())
        proof = prover.names_all(pacing.at_once)
        for line in _said(proof, prover, pacing):
            err().print(line)
        unproved = unproved or proof.answer != "proved"
        if pacing.at_once and prover.leaves_none(pacing.at_once):
            err().print("--at-once names every token: all are refused at once, and --grace has no effect.")
    if unproved:
        confirm(question, yes=yes)


def _said(proof: Proof, prover: NamedTokens, pacing: Pacing) -> Iterator[str]:
    yield f"{proof.of.name}: {proof.answer}. {proof.because}"
    if proof.witness is None:
        return
    token = prover.token_of(proof.witness.facts, proof.witness.other_tier)
    build = token.app_build or "none"
    yield f"    its token: platform={token.platform}, tier={token.tier}, app_build={build}"
    yield f"    its facts: {json.dumps(proof.witness.facts.to_record(), sort_keys=True)}"
    if pacing.keys:
        yield f"    The {len(pacing.keys):,} keys of --keys are refused at once whatever their facts are."


def paced_sentence(paced: Mapping[str, Any]) -> str:
    """What a publication refuses at once, of a record of the Admin API."""
    named = [
        ", ".join(f"{name}={'|'.join(said) if isinstance(said, list) else said}" for name, said in predicate.items())
        for predicate in paced["at_once"]
    ]
    if paced["keys"]:
        named.append(f"{paced['keys']:,} named key{'' if paced['keys'] == 1 else 's'}")
    return " or ".join(named)
