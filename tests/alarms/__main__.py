"""`python -m tests.alarms`: the table of alarms, judged by what each is for, a quiet day and a first deployment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

sys.path[:0] = sorted(map(str, (Path(__file__).parents[2] / "functions").iterdir()))  # as pytest has them

from tests.alarms.evaluator import Alarm, Metrics  # noqa: E402
from tests.alarms.scenes import DAY, DEPLOYED, HOUR, MINUTE, Scene, first_deploy, idle, scenes  # noqa: E402
from tests.alarms.templates import alarms, created_after  # noqa: E402

PRICE: Final = 0.10
"""US dollars a month for each metric that an alarm looks at (us-east-1, list price of November 2026, from memory)."""


def main() -> int:
    """Print the table; the exit code says whether each alarm does what it should."""
    quiet, deployed = Metrics.of(idle(DAY)), Metrics.of(first_deploy())
    found, known, wrong, total = alarms(), scenes(), 0, 0
    print(f"{'alarm':<32} {'looks at':<34} {'rings':<12} {'for less':<9} {'idle day':<9} {'first deployment':<16}")
    for name in sorted(found.keys() | known.keys()):
        if name not in found or name not in known:
            print(f"{name:<32} {'MISSING ' + ('alarm' if name not in found else 'scene')}")
            wrong += 1
            continue
        alarm, scene = found[name], known[name]
        begin = DEPLOYED + MINUTE if created_after().get(name) else 0
        result = (
            _after(alarm, scene),
            _said(any(_rings(alarm, scene, flow) for flow in scene.quiet)),
            _said(bool(alarm.run(quiet, 2 * HOUR, DAY))),
            _said(bool(alarm.run(deployed, begin, 6 * HOUR))),
        )
        wrong += result[0] == "NEVER" or "RINGS" in result
        total += len(alarm.watched)
        print(f"{name:<32} {_watched(alarm):<34} {result[0]:<12} {result[1]:<9} {result[2]:<9} {result[3]:<16}")
    print(f"{len(found)} alarms over {total} metrics, ${total * PRICE:.2f} a month; {wrong} not as they should be")
    return 1 if wrong else 0


def _rings(alarm: Alarm, scene: Scene, flow: object) -> bool:
    assert isinstance(flow, list)
    return bool(alarm.run(Metrics.of(flow), scene.begin, scene.until))


def _after(alarm: Alarm, scene: Scene) -> str:
    rang = [alarm.run(Metrics.of(flow), scene.begin, scene.until) for flow in scene.rings]
    return f"in {len(rang)} of {len(rang)}" if all(rang) else "NEVER"


def _said(rings: bool) -> str:
    return "RINGS" if rings else "quiet"


def _watched(alarm: Alarm) -> str:
    names = {
        f"{one['Metric']['Namespace'].removeprefix('AWS/')} {one['Metric']['MetricName']}" for one in alarm.watched
    }
    first = sorted(names)[0]
    return f"{first[:25]}{f' + {len(alarm.watched) - 1}' if len(alarm.watched) > 1 else ''}"


if __name__ == "__main__":
    sys.exit(main())
