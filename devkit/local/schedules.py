"""Schedules of a template, as seconds."""

from __future__ import annotations

from typing import Final

_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}


def rate_seconds(schedule: str) -> float:
    """Seconds of `rate(1 hour)` and its like; cron expressions are not in use."""
    count, unit = schedule.removeprefix("rate(").removesuffix(")").split()
    return float(count) * _UNITS[unit.removesuffix("s")]
