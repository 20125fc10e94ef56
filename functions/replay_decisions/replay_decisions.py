"""A step of the replay in AWS: judges a batch of recorded decisions under a draft, or merges what the batches counted.

Invoked by the state machine alone. It reads decisions and writes tallies, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from attestation.appraisal.cedar.engine import CedarPolicy
from attestation.appraisal.replay.replay import Replay
from attestation.appraisal.replay.tally import Tally
from service.aws import s3
from service.settings import ReplayDecisionsSettings, read_settings
from service.telemetry.decision_archive import DecisionArchive


def replay_batch(event: Mapping[str, Any], *, archive: DecisionArchive) -> Mapping[str, object]:
    """Replay the objects of a batch (``Items``) of a run, or, told to ``reduce`` a run, merge its batches.

    A batch that is repeated writes the same tally under the same name, so that nothing counts twice.
    """
    if "reduce" in event:
        run = str(event["reduce"])
        whole = Tally(int(archive.order(run)["sample"]))
        for part in archive.parts(run):
            whole.merge(part)
        return {"result": archive.put_result(run, whole)}
    run, items = str(event["BatchInput"]["run"]), event["Items"]
    order = archive.order(run)
    replay = Replay(
        CedarPolicy.compile(order["draft"]),
        now=order["now"],
        app=order["app"],
        since=order["since"],
        until=order["until"],
        sample=order["sample"],
    )
    for item in items:
        for line in archive.lines(item["Key"]):
            replay.read(line)
    return {"part": archive.put_part(run, items[0]["Key"], replay.take_tally())}


@cache
def wire() -> DecisionArchive:
    """The bucket, from the environment; made once."""
    return DecisionArchive(s3(), read_settings(ReplayDecisionsSettings, os.environ).decision_bucket)


def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, object]:
    """Lambda's entry. An error fails the batch, which the state machine repeats."""
    return replay_batch(event, archive=wire())
