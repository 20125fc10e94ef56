"""A replay in AWS: the deployed state machine judges the bucket's objects side by side; this waits for the result."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from attestation.appraisal.replay.tally import Tally
from service.telemetry.decision_archive import DecisionArchive

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.replay.decisions import Part
from bonafide.replay.replaying import ReplayOrder

_EVERY: Final = 2.0  # seconds
_RUNNING: Final = ("RUNNING", "PENDING_REDRIVE")


def replay_in_aws(
    deployment: Deployment,
    order: ReplayOrder,
    parts: list[Part],
    *,
    say: Callable[[str], None] = lambda _line: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Tally:
    """Start the state machine over ``parts`` and wait for its tally. Raises :class:`OperatorError`."""
    if not deployment.replay_machine:
        raise OperatorError(
            f"Stack {deployment.stack_name} has no state machine for replays: deploy it with EnableDecisionReplay=true."
        )
    if not parts:
        return Tally(order.sample)
    archive = DecisionArchive(deployment.aws("s3"), deployment.decision_bucket)
    run = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(order.now))}-{uuid.uuid4().hex[:8]}"
    objects = archive.begin(run, asdict(order), [{"Key": part.name, "Size": part.size} for part in parts])
    machine: Any = deployment.aws("stepfunctions")
    started = machine.start_execution(
        stateMachineArn=deployment.replay_machine,
        name=run,
        input=json.dumps({"bucket": deployment.decision_bucket, "objects": objects, "run": run}),
    )["executionArn"]
    say(f"Started {started}")
    while (status := machine.describe_execution(executionArn=started))["status"] in _RUNNING:
        sleep(_EVERY)
    if status["status"] != "SUCCEEDED":
        raise OperatorError(
            f"The replay {run} ended as {status['status']}: {status.get('cause', 'see Step Functions')}"
        )
    return archive.result(run)
