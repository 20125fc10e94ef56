"""``bonafide ledger``: verify what a stack published, and have the root endorse a ledger's key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bonafide.cli.outcome import Reason, Yes, confirm
from bonafide.cli.project import project_layout
from bonafide.cli.tables import printable
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, command_group, err, out, print_json
from bonafide.ledger.sources import BucketSource, FolderSource, Source, source_of
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment, find_deployment, require_stack_of_region
from bonafide.operator.errors import OperatorError

if TYPE_CHECKING:
    from bonafide_tokens.jose import EcPublicKey
    from service.ledger.endorsement import Endorsement

    from bonafide.ledger.audit import Fault, Log
    from bonafide.ledger.stack import HeldBundle

commands = command_group("Verify what a stack published, by its ledger.")

Place = Annotated[str, typer.Argument(metavar="LEDGER", help="s3://bucket, https://address or a folder.")]


@commands.command(no_args_is_help=True)
def verify(
    ledger: Place,
    since: Annotated[
        Path | None, typer.Option("--since", metavar="FILE", help="A checkpoint of this ledger that was kept before.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", metavar="FILE", help="A trust bundle that a gate holds.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep the checkpoint here, for the next --since.")
    ] = None,
    root_key: Annotated[
        str | None,
        typer.Option("--root-key", metavar="KEY", help="The root key that you know; the stack is then not asked."),
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Verify a ledger: its signatures, every hash, that nothing is missing, and that it grew from what it was.

    Without --root-key its policies, builds and newest trust bundle are compared with what the stack has. Exit code 1
    when anything is hidden, rewritten or damaged; the checkpoint is not kept then.
    """
    from bonafide.ledger.audit import LedgerFalse, read_log

    require_stack_of_region(stack, region)
    deployment = None if root_key and not stack else find_deployment(stack, region, project_layout())
    roots = _roots(root_key or (deployment.root_public_key if deployment else ""))
    source = source_of(ledger, lambda: _s3(deployment, region))
    endorsement = _endorsement(source, roots)
    held = [_held(bundle, roots)] if bundle else []
    log: Log | None = None
    faults: list[Fault] = []
    try:
        log = read_log(source, endorsement.key)
        faults = list(_faults(log, endorsement, since, held, deployment, roots))
    except LedgerFalse as false:
        faults = [false.fault]
    _report(log, faults, as_json)
    if faults:
        raise typer.Exit(EXIT_FAILED)
    if save is not None and log is not None:
        try:
            save.write_text(log.note, "utf-8")
        except OSError as error:
            raise OperatorError(f"{save} cannot be written: {error}.") from None


def _faults(
    log: Log,
    endorsement: Endorsement,
    since: Path | None,
    held: list[HeldBundle],
    deployment: Deployment | None,
    roots: tuple[EcPublicKey, ...],
) -> Iterator[Fault]:
    from bonafide.ledger.audit import (
        Fault,
        build_faults,
        bundle_faults,
        checkpoint_of,
        consistency_faults,
        order_faults,
        policy_faults,
        served_faults,
    )
    from bonafide.ledger.stack import StackShows, read_bundle, served_bundle, shown_builds
    from bonafide.operator.known_builds import Builds

    yield from order_faults(log)
    if since is not None:
        old = checkpoint_of(_text(since), endorsement.key, f"The checkpoint in {since}")
        yield from consistency_faults(log, old)
    for one in held:
        yield from bundle_faults(log, one.issuer, one.version, one.jws)
    if deployment is None:
        return
    if deployment.issuer != endorsement.issuer:
        yield Fault("issuer", f"This is the ledger of {endorsement.issuer}, and not of {deployment.issuer}.")
        return
    now = time.time()
    policies = StackShows(AdminApi(deployment)).policies()
    yield from policy_faults(log, policies, now=now)
    builds = Builds(deployment.aws("dynamodb"), deployment.tables["builds"])
    apps = sorted(policies.keys() | log.apps())
    yield from build_faults(log, shown_builds(builds, apps), now=now)
    served = read_bundle(served_bundle(deployment.verifier_url), roots)
    yield from served_faults(log, served.issuer, served.version, served.jws, served.issued_at, now=now)


@commands.command(no_args_is_help=True)
def endorse(
    ledger: Place,
    reason: Reason,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Have the root endorse the key of a ledger, and write the endorsement beside it."""
    from service.ledger.endorsement import ENDORSEMENT
    from service.ledger.log import KEY

    deployment = find_deployment(stack, region, project_layout())
    source = source_of(ledger, lambda: _s3(deployment, region))
    if not isinstance(source, BucketSource | FolderSource):
        raise OperatorError("An endorsement is written into the bucket of the ledger, or a folder.")
    found = source.get(KEY)
    if found is None:
        raise OperatorError("The ledger has no key yet: its function has not run, or nothing was published.")
    key = _key(found)
    confirm(f"Have the root of {deployment.issuer} endorse {key}?", yes=yes)
    answer = AdminApi(deployment).call("POST", "/admin/ledger-keys", {"key": key, "why": reason})
    text = str(answer["endorsement"])
    source.put(ENDORSEMENT, f"{text}\n")
    if as_json:
        print_json(answer)
    else:
        out().print(f"The root of {deployment.issuer} endorsed {key}; written to {ledger}.")


def _key(found: bytes) -> str:
    """The key beside the log. Who writes there must not choose what an operator is asked."""
    from service.ledger.notes import NoteRejected, read_key

    text = found.decode("utf-8", "replace").strip()
    try:
        return str(read_key(text))
    except NoteRejected as error:
        raise OperatorError(f"The ledger has no key that can be read, but {printable(text[:200])!r}.") from error


def _roots(text: str) -> tuple[EcPublicKey, ...]:
    from bonafide_tokens.errors import TokenError
    from bonafide_tokens.trust_bundle import root_public_keys

    try:
        return root_public_keys(text)
    except TokenError as error:
        raise OperatorError("This is no root key: the output RootPublicKey of a stack is one.") from error


def _endorsement(source: Source, roots: tuple[EcPublicKey, ...]) -> Endorsement:
    from service.ledger.endorsement import ENDORSEMENT, read_endorsement
    from service.ledger.notes import NoteRejected

    found = source.get(ENDORSEMENT)
    if found is None:
        raise OperatorError("The root has not endorsed the key of this ledger: `bonafide ledger endorse` has it do so.")
    try:
        return read_endorsement(found.decode("utf-8", "replace"), roots)
    except NoteRejected as error:
        sentence = str(error)
        raise OperatorError(f"{sentence[0].upper()}{sentence[1:]}.") from error


def _held(file: Path, roots: tuple[EcPublicKey, ...]) -> HeldBundle:
    from bonafide.ledger.stack import read_bundle

    return read_bundle(_text(file), roots)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{file} cannot be read: {error}.") from None


def _s3(deployment: Deployment | None, region: str | None) -> object:
    if deployment is not None:
        return deployment.aws("s3")
    import boto3

    return boto3.client("s3", region_name=region)


def _report(log: Log | None, faults: list[Fault], as_json: bool) -> None:
    said = [fault._asdict() for fault in faults]
    if as_json:
        head = None if log is None else {"origin": log.checkpoint.origin, "size": log.checkpoint.size}
        print_json({"verified": not faults, "checkpoint": head, "faults": said})
        return
    for fault in faults:
        out().print(f"{fault.code}: {fault.text}")
    if log is None or faults:
        err().print("This ledger is not to be trusted.")
        return
    kinds = [entry.subject.kind for entry in log.entries]
    counts = ", ".join(f"{kinds.count(kind)} {name}" for kind, name in _NAMES.items() if kind in kinds)
    out().print(f"{log.checkpoint.origin}: {log.checkpoint.size} entries ({counts}), all verified.")


_NAMES: Final = {"policy": "versions of policies", "bundle": "trust bundles", "build": "states of builds"}
