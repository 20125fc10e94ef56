"""Schedules of a template's functions, kept while the local stack runs."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from bonafide.operator.layout import LocalStackError
from devkit.local.custom_resource import invoke
from devkit.local.template import Template

_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}


def start_schedules(template: Template, lambda_url: str, stopping: threading.Event) -> None:
    """Invoke each function as its schedules say, from now on until ``stopping`` is set."""
    for logical_id, resource in template.resources("AWS::Serverless::Function").items():
        for event in resource["Properties"].get("Events", {}).values():
            if (
                event["Type"] == "Schedule"
                and template.resolve(event["Properties"].get("State", "ENABLED")) == "ENABLED"
            ):
                every = rate_seconds(event["Properties"]["Schedule"])
                payload = json.loads(event["Properties"]["Input"])
                arguments = (lambda_url, stopping, logical_id, every, payload)
                threading.Thread(target=_run, args=arguments, daemon=True).start()


def _run(lambda_url: str, stopping: threading.Event, function: str, every: float, payload: Mapping[str, Any]) -> None:
    while not stopping.wait(every):
        try:
            invoke(lambda_url, function, payload)
        except LocalStackError as error:
            print(error, file=sys.stderr)


def rate_seconds(schedule: str) -> float:
    """Seconds of `rate(1 hour)` and its like; cron expressions are not in use."""
    count, unit = schedule.removeprefix("rate(").removesuffix(")").split()
    return float(count) * _UNITS[unit.removesuffix("s")]
