"""``bonafide policy replay``: what a draft would have done to the decisions of the last days, before it does it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bonafide.cli.keys.device_key import duration
from bonafide.cli.policy.checks import lint_draft
from bonafide.cli.policy.policy import DraftPath
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, err, out, print_json, table
from bonafide.cli.terminal import moment as shown
from bonafide.operator.deployment import Deployment, deployed_stack, require_stack_of_region
from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import read_draft
from bonafide.replay.decisions import Part, bucket_of, bucket_of_stack, parts_of_bucket, parts_of_path

if TYPE_CHECKING:
    from attestation.appraisal.replay.tally import Releases, Tally

    from bonafide.replay.replaying import Replayed, ReplayOrder
    from bonafide.replay.report import Limit

MAX_SAMPLE: Final = 1000

_NAMED: Final = ("key", "decisions", "rules", "app", "device", "support code")

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)\s*%?\Z")
_DIMENSIONS: Final = ("rule", "earlier-rule", "platform", "build", "model", "os", "country", "app")


def replay(
    path: DraftPath,
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="From when on: a span as in 30m, 24h or 7d, or a UTC date.")
    ] = "7d",
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Until when; default: now.")] = None,
    app: Annotated[str | None, typer.Option("--app", metavar="APP", help="One app only.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="SOURCE", help="A file, a folder or s3://bucket/prefix; default: the stack's."),
    ] = None,
    fail_over: Annotated[
        str | None,
        typer.Option("--fail-over", metavar="SHARE", help="Exit 1 when more, as in 1%, would newly be refused."),
    ] = None,
    fail_over_by: Annotated[
        str, typer.Option("--fail-over-by", metavar="UNIT", help="Share of accepted keys, or of decisions.")
    ] = "keys",
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", min=1, max=64, help="Default: one for each processor.")
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=0, max=MAX_SAMPLE, help="Keys to name for each change.")
    ] = 10,
    in_aws: Annotated[
        bool, typer.Option("--map", help="Let the deployed stack do it, for buckets too large for this machine.")
    ] = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Judge recorded decisions again under DRAFT and show who would newly be refused or let in.

    Nothing is changed. Exit 0: replayed; 1: more than --fail-over would be refused, nothing to measure that by was
    found, or the draft has errors.
    """
    now = time.time()
    limit = read_limit(fail_over, fail_over_by)
    text = _linted(path, now)
    from bonafide.replay.replaying import ReplayOrder  # loads Cedar

    order = ReplayOrder(
        draft=text,
        now=now,
        app=app,
        since=read_moment(since, now),
        until=now if until is None else read_moment(until, now),
        sample=sample,
    )
    if in_aws and (stack is None or source is not None):
        raise OperatorError("--map works on a deployed stack's own bucket: name the stack with --stack, and no --from.")
    found = _find(source, stack, region, order)
    begin = time.monotonic()
    replayed = _replay_in_aws(order, found) if in_aws else _replay(order, found, processes)
    _report(order, found, replayed, limit, time.monotonic() - begin, as_json)


def read_moment(text: str, now: float) -> float:
    """Unix seconds of ``7d`` (that long before ``now``), ``2026-11-24`` or ``2026-11-24T10:00:00Z``. Raises
    :class:`typer.BadParameter`."""
    if re.match(r"[0-9]{4}-", text):
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no UTC date, as in 2026-11-24 or 2026-11-24T10:00:00Z.") from None
    return now - duration(text)


def read_limit(text: str | None, unit: str) -> Limit | None:
    """What ``--fail-over`` and ``--fail-over-by`` say. Raises :class:`typer.BadParameter`."""
    if unit not in ("keys", "decisions"):
        raise typer.BadParameter(f"{unit!r} is neither keys nor decisions.", param_hint="--fail-over-by")
    if text is None:
        return None
    match = _PERCENT.match(text.strip())
    if match is None or float(match[1]) > 100:
        raise typer.BadParameter(f"{text!r} is no share, as in 1% or 0.5%.", param_hint="--fail-over")
    from bonafide.replay.report import Limit

    return Limit(float(match[1]) / 100, unit == "keys")


def _linted(path: Path, now: float) -> str:
    draft = read_draft(path)
    if draft.appraisal is None:
        raise OperatorError(f"{path} has no appraisal policy: only that one is replayed.")
    messages = lint_draft(draft, now=now)
    for message in messages:
        err().print(str(message))
    if any(message.message.severity == "error" for message in messages):
        raise OperatorError("The draft has errors, so nothing was replayed.")
    return draft.appraisal


@dataclass(frozen=True, slots=True)
class _Found:
    where: str
    parts: list[Part]
    region: str | None = None
    deployment: Deployment | None = None


def _find(source: str | None, stack: str | None, region: str | None, order: ReplayOrder) -> _Found:
    bucket = None if source is None else bucket_of(source)
    if bucket is None:
        require_stack_of_region(stack, region)
    deployment = None
    if bucket is None and stack is not None:
        if source is not None:
            raise OperatorError("Name a folder with --from or a stack with --stack, not both.")
        deployment = deployed_stack(stack, region)
        bucket = bucket_of_stack(deployment)
    if bucket is not None:
        import boto3

        parts = parts_of_bucket(boto3.client("s3", region_name=region), bucket, since=order.since, until=order.until)
        return _Found(f"s3://{bucket.name}/{bucket.prefix}", parts, region, deployment)
    folder = project_layout().decisions if source is None else Path(source)
    if source is None and not folder.is_dir():
        raise OperatorError(
            "No decisions are recorded here yet: start the local stack with `bonafide local up`, or name a source with "
            "--from or --stack."
        )
    return _Found(str(folder), parts_of_path(folder, since=order.since, until=order.until))


def _replay(order: ReplayOrder, found: _Found, processes: int | None) -> Replayed:
    from bonafide.replay.replaying import processes_for, replay

    with _bar(sum(part.size for part in found.parts)) as advance:
        return replay(order, found.parts, processes=processes_for(processes), region=found.region, progress=advance)


def _replay_in_aws(order: ReplayOrder, found: _Found) -> Replayed:
    from bonafide.replay.map import replay_in_aws
    from bonafide.replay.replaying import Replayed

    if found.deployment is None:
        raise OperatorError("--map needs a deployed stack: name it with --stack.")
    tally = replay_in_aws(found.deployment, order, found.parts, say=lambda line: err().print(line))
    return Replayed(tally, processes=0)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("Replaying"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("", total=total or None)
        yield lambda done: bar.update(task, completed=done)


def _report(
    order: ReplayOrder, found: _Found, replayed: Replayed, limit: Limit | None, seconds: float, as_json: bool
) -> None:
    from bonafide.replay.report import summary

    tally = replayed.tally
    failed = limit is not None and (limit.exceeded(tally) or not limit.measured(tally))
    if as_json:
        facts = {"source": found.where, "since": order.since, "until": order.until, "app": order.app}
        run = {"seconds": round(seconds, 3), "processes": replayed.processes, "peak_bytes": replayed.peak_bytes}
        print_json({**facts, **run, **summary(tally, limit)})
    else:
        print_tables(order, found.where, replayed, seconds)
        if limit is not None:
            _print_limit(replayed, limit)
    if failed:
        raise typer.Exit(EXIT_FAILED)


def print_tables(order: ReplayOrder, where: str, replayed: Replayed, seconds: float) -> None:
    """The result for people: what changes, by what, for whom, and what nearly changes."""
    from bonafide.replay import report

    tally = replayed.tally
    span = f"{shown(order.since)} to {shown(order.until)}"
    say = out()
    say.print(
        f"Replayed {tally.replayed.decisions:,} decisions of {report.keys(tally.replayed)} keys"
        f"{_and_requests(tally.releases)}, {span}, from {where}, in {seconds:.1f} s ({_effort(replayed)}).",
    )
    if tally.not_replayable:
        reasons = sorted(tally.not_replayable.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:6])
        say.print(
            f"{sum(tally.not_replayable.values()):,} more were refused before any policy judged them: {listed}.",
        )
    if tally.unlisted:
        say.print(
            f"{tally.unlisted:,} of these refusals came in floods and are known from samples: numbers of decisions are "
            "estimates there, and there may be more keys."
        )
    if tally.damaged:
        say.print(f"{tally.damaged:,} lines are damaged and count nowhere.")
    if not tally.read - sum(tally.not_replayable.values()):
        say.print("There is nothing to compare.")
        return
    if tally.replayed.decisions:
        _print_verdicts(tally)
    if tally.releases.replayed.decisions:
        _print_releases(tally.releases)


def _print_releases(releases: Releases) -> None:
    from bonafide.replay import report

    columns = ("", "requests", "of released", "keys", "of their keys")
    table(columns, report.release_overview(releases), title="Requests for secrets under the draft")
    for dimension, title in (("secret", "Secrets"), ("rule", "Rules about secrets")):
        rows, more = report.release_rows(releases, dimension)
        if rows:
            table(("", *report.RELEASE_COLUMNS), rows, title=title)
        if more:
            out().print(f"… and {more} more; --json has all.")
    drawn = list(report.drawn(releases.sample))
    if drawn:
        table(_NAMED, drawn, title="Some of the keys newly withheld a secret")


def _print_verdicts(tally: Tally) -> None:
    from attestation.appraisal.replay.tally import Change

    from bonafide.replay import report

    say = out()
    columns = ("", "decisions", "of accepted", "keys", "of accepted keys")
    table(columns, report.overview(tally), title="Under the draft")
    for dimension in _DIMENSIONS:
        rows, more = report.rows(tally, dimension)
        if rows:
            title = report.DIMENSION_TITLES[dimension]
            table(("", *report.COLUMNS), rows, title=title)
            if more:
                say.print(f"… and {more} more; --json has all.")
    nearest = list(report.misses(tally))
    if nearest:
        head = ("still accepted, though", "rules", "decisions", "keys", "for example")
        table(head, nearest, title="Nearest misses")
    for change in (Change.NEWLY_REFUSED, Change.NEWLY_LET_IN):
        drawn = list(report.sampled(tally, change))
        if drawn:
            table(_NAMED, drawn, title=f"Some of the keys {report.TITLES[change]}")


def _and_requests(releases: Releases) -> str:
    many = releases.replayed.decisions
    return f" and {many:,} request{'' if many == 1 else 's'} for secrets" if many else ""


def _effort(replayed: Replayed) -> str:
    if not replayed.processes:
        return "in AWS"
    many = "1 process" if replayed.processes == 1 else f"{replayed.processes} processes"
    return f"{many}, at most {replayed.peak_bytes >> 20} MiB each"


def _print_limit(replayed: Replayed, limit: Limit) -> None:
    from attestation.appraisal.replay.tally import Change

    from bonafide.replay.report import keys, percent

    tally = replayed.tally
    if not limit.measured(tally):
        out().print("No accepted decision was found, so there is no share: check --app, --since and the source.")
        return
    share = percent(tally.share(Change.NEWLY_REFUSED, of_keys=limit.of_keys))
    hit, base = tally.changes[Change.NEWLY_REFUSED], tally.accepted_before
    of = f"{keys(hit)} of {keys(base)} accepted keys" if limit.of_keys else f"{hit.decisions:,} of {base.decisions:,}"
    verdict = "more than" if tally.share(Change.NEWLY_REFUSED, of_keys=limit.of_keys) > limit.share else "within"
    unit = "" if limit.of_keys else " accepted decisions"
    out().print(f"{of}{unit} ({share}) would newly be refused: {verdict} {percent(limit.share)}.")
    if tally.releases.released_before.decisions:
        withheld = tally.releases.share(of_keys=limit.of_keys)
        verdict = "more than" if withheld > limit.share else "within"
        unit = "keys" if limit.of_keys else "requests"
        out().print(
            f"{percent(withheld)} of {unit} would be withheld a secret that they got: {verdict} {percent(limit.share)}."
        )
