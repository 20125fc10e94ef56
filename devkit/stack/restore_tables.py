"""`make restore`: tables of a deployed stack as they were at a moment, as new tables that the stack can use.

Point-in-time recovery makes a table of a new name, and brings neither time to live nor point-in-time recovery along:
both are given to it here, as the template says. What comes next is the operator's: to name the tables in samconfig.toml
and deploy (docs/runbooks/restore.md).

    python -m devkit.stack.restore_tables STAGE [--to 2026-11-27T09:30:00Z] TABLE ...
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from bonafide.operator.layout import Layout, LocalStackError
from devkit.local.template import read_template
from devkit.stack.deploy_stage import CONFIG, stage_called

_LONGEST_NAME: Final = 255
_PATIENCE: Final = {"Delay": 10, "MaxAttempts": 720}  # two hours: a restore takes minutes for little, more for much


def restore(
    dynamodb: Any,
    template: Mapping[str, Any],
    outputs: Mapping[str, str],
    tables: Sequence[str],
    *,
    to: datetime | None,
    now: datetime,
) -> Iterator[tuple[str, str]]:
    """Restore ``tables`` (logical ids), one after another; each parameter of the template and the new table's name.

    ``to`` is the moment to go back to, ``None`` the latest that can be restored. Raises :class:`LocalStackError` when a
    table is none of the template's, or AWS refuses.
    """
    known = [name for name, one in template["Resources"].items() if one["Type"] == "AWS::DynamoDB::Table"]
    for name in tables:
        if name not in known or f"{name}Name" not in outputs:
            raise LocalStackError(f"There is no table {name}. There are: {', '.join(known)}.")
    moment: dict[str, Any] = {"UseLatestRestorableTime": True} if to is None else {"RestoreDateTime": to}
    for name in tables:
        source = outputs[f"{name}Name"]
        suffix = f"-{now:%Y%m%d%H%M%S}"
        target = source[: _LONGEST_NAME - len(suffix)] + suffix
        try:
            dynamodb.restore_table_to_point_in_time(SourceTableName=source, TargetTableName=target, **moment)
            dynamodb.get_waiter("table_exists").wait(TableName=target, WaiterConfig=_PATIENCE)
            _settle(dynamodb, target, template["Resources"][name]["Properties"])
        except (BotoCoreError, ClientError, WaiterError) as error:
            raise LocalStackError(f"{name} ({source}) could not be restored: {error}") from error
        yield f"Existing{name}", target


def _settle(dynamodb: Any, table: str, properties: Mapping[str, Any]) -> None:
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery is not None:
        dynamodb.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=recovery)
    life = properties.get("TimeToLiveSpecification")
    if life is not None:
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=life)


def stack_outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    """The outputs of a stack. Raises :class:`LocalStackError`."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise LocalStackError(f"The outputs of {stack} could not be read: {error}") from error
    return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("say the time zone, as in 2026-11-27T09:30:00Z")
    return moment


def main(arguments: Sequence[str] | None = None) -> int:
    """Restore, and say what to write into samconfig.toml; the exit code."""
    parser = argparse.ArgumentParser(description="Restore tables of a deployed stage to a moment, as new tables.")
    parser.add_argument("stage")
    parser.add_argument("table", nargs="+", help="logical ids, as in AttestedKeysTable")
    parser.add_argument("--to", type=_moment, help="the moment, with its time zone; without, the latest")
    given = parser.parse_args(arguments)
    layout = Layout.of_this_project()
    try:
        stage = stage_called(layout.root / CONFIG, given.stage)
        clients = {name: boto3.client(name, region_name=stage.region) for name in ("cloudformation", "dynamodb")}
        outputs = stack_outputs(clients["cloudformation"], stage.stack_name)
        template = read_template(layout.template)
        print(f"Write into [{stage.name}.deploy.parameters] of {CONFIG}, and deploy:", flush=True)
        for name, table in restore(
            clients["dynamodb"], template, outputs, given.table, to=given.to, now=datetime.now(UTC)
        ):
            print(f"  {name}={table}", flush=True)
    except LocalStackError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
