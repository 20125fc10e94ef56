"""Taking a new identity from an artefact: only when a person has seen what is new, or a script names it."""

from __future__ import annotations

import sys
from collections.abc import Collection

import typer

from bonafide.artefacts.artefact import Artefact
from bonafide.artefacts.registration import what_is_new, with_artefact
from bonafide.cli.terminal import err
from bonafide.operator.errors import OperatorError
from bonafide.operator.registration import Registration, digest_text


def with_seen_artefact(
    registration: Registration, artefact: Artefact, *, ask: bool, accepted: Collection[str]
) -> Registration:
    """``registration`` with the artefact. What is new must all be ``accepted``; else, with ``ask``, a person is shown
    the list and asked. Raises :class:`OperatorError`."""
    new = what_is_new(registration, artefact)
    named = {form for value in accepted for form in (value, digest_text(value))}
    unseen = [value for value in new if value not in named]
    if unseen and (accepted or ask):
        _confirm(registration.app, artefact, unseen, ask=ask)
    return with_artefact(registration, artefact, new_identity=bool(accepted or ask))


def has_person() -> bool:
    """Whether there is a terminal to answer from."""
    return sys.stdin.isatty()


def _confirm(app: str, artefact: Artefact, unseen: Collection[str], *, ask: bool) -> None:
    if not ask or not has_person():
        options = " ".join(f"--accept-identity {value}" for value in unseen)
        raise OperatorError(
            f"{artefact.name} {artefact.build} has identities that are not registered for {app}, and there is no "
            f"terminal to confirm them. If all of them are yours, add {options}"
        )
    # Not folded: these are for comparing with the store's console.
    err().print(f"{artefact.name} {artefact.build} has identities that are not registered for {app}:", soft_wrap=True)
    for value in unseen:
        roles = ", ".join(signer.role for signer in artefact.signers if signer.digest == value)
        err().print(f"  {value}  {roles}".rstrip(), soft_wrap=True, markup=False)
    if not typer.confirm("Are all of them yours? A holder of one of these keys can impersonate the app.", err=True):
        raise OperatorError("Nothing was registered.")
