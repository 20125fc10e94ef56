"""``python -m tests.simulation.page``: the tables and pictures of docs/simulator.md, as the model plays them today.

    python -m tests.simulation.page [SCENARIO …]

Every scenario by cohorts, at 10⁵ to 10⁸ phones: at default limits, at raised ones, and raised with what paces phones.
Half an hour of a quarter of a processor. Scenarios that are named are played again; the others' tables stay.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from devkit.simulation.drawing import picture
from devkit.simulation.models import model
from devkit.simulation.report import dollars_by_part, summary
from devkit.simulation.run import Model, simulate
from devkit.simulation.scenarios import SCENARIOS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "simulator.md"
ASSETS: Final = ROOT / "docs" / "assets" / "simulator"
MARK: Final = "<!-- from here on: python -m tests.simulation.page -->\n"
PHONES: Final = (100_000, 1_000_000, 10_000_000, 100_000_000)
GRACE: Final = 240
MEMORY: Final = 2
"""AppMemorySeconds of a stack for a hundred million: as long as busy processes go by the rows of an app."""
PACE_OF_A_PHONE: Final = 4e-6
"""Enrolments a second that are admitted, for each phone: 400 for a hundred million."""
KEPT: Final = ROOT / ".local" / "simulator-runs.json"


WHOLE: Final = ("ordinary-day", "app-release", "now-publication")
"""Scenarios that are played in every way at every size; of the others, raised limits at the largest alone."""


def models(name: str, phones: int) -> dict[str, Model]:
    """What each row of a table stands for: a small stack stays with the defaults, larger ones ask for more."""
    template, large = ROOT / "template.yaml", phones > PHONES[0]
    played = {"default": model(template)}
    if name not in WHOLE and phones != PHONES[-1]:
        return played
    if large:
        played["raised"] = model(template, raised=True)
    limits = "raised, paced" if large else "default, paced"
    pace = max(0.5, PACE_OF_A_PHONE * phones)
    memory = MEMORY if phones == PHONES[-1] else 0
    played[limits] = model(template, raised=large, grace=GRACE, pace=pace, remembered=memory)
    return played


def play(name: str, kept: dict[str, Any]) -> None:
    """All runs of a scenario, into ``kept``, and its pictures."""
    kept[name] = []
    for phones in PHONES:
        for limits, played in models(name, phones).items():
            began = time.monotonic()
            run = simulate(name, SCENARIOS[name], phones, played, as_cohorts=True)
            found = summary(run, played.services)
            kept[name].append({"limits": limits} | {each: found[each] for each in _COLUMNS if each in found})
            if phones == PHONES[-1] and limits != "default":
                end = limits.replace(", ", "-")
                title = f"{name}, {phones:,} phones, limits {limits}"
                (ASSETS / f"{name}-{end}.svg").write_text(picture(run, title), "utf-8")
            if name == "ordinary-day" and phones == 10_000_000 and limits == "raised":
                kept["dollars"] = dollars_by_part(run, played.services)  # ten million: nothing is turned away
            print(f"{name}, {phones:,}, {limits}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


_COLUMNS: Final = (
    "phones",
    "breaks_first",
    "throttled",
    "attempts",
    "failed_calls",
    "token_seconds",
    "first_token_seconds",
    "hot_reads_a_second",
    "concurrency",
    "storm",
    "lost_installs",
    "installs",
    "dollars_a_day",
    "seconds_to_refusal",
    "requests_a_second",
    "calls_renewed_for",
)


def tables(kept: dict[str, Any]) -> str:
    """The page below its mark."""
    lines = ["", "## What was played", ""]
    for name, scenario in SCENARIOS.items():
        if name not in kept:
            continue
        rows = kept[name]
        installs = any(row["installs"] for row in rows)
        refusals = any("seconds_to_refusal" in row for row in rows)
        heads = [
            "phones",
            "limits",
            "breaks first",
            "turned away",
            "attempts",
            "calls failed",
            "token, s: p50, p99, max",
        ]
        heads += ["renewals/s", "at once", "hot row, reads/s", "$ a day"]
        heads += ["lost installs", "first token, s: p50, p99, max"] if installs else []
        heads += ["refusal, s: p50, p99, max"] if refusals else []
        lines += [f"### {name}", "", f"{scenario.about} {scenario.assumes}".rstrip(), ""]
        lines += [f"| {' | '.join(heads)} |", f"|{'|'.join(['---:', '---', '---', *['---:'] * (len(heads) - 3)])}|"]
        for row in rows:
            cells = [
                f"{row['phones']:,}",
                row["limits"],
                row["breaks_first"],
                f"{row['throttled']:.2%}",
                f"{row['attempts']:.2f}",
                f"{row['failed_calls']:.2%}",
                _three(row["token_seconds"]),
                f"{row['requests_a_second']['renewals']['most']:,.0f}",
                f"{row['concurrency']:,.0f}",
                f"{row['hot_reads_a_second']:,.0f}",
                f"{sum(row['dollars_a_day'].values()):,.0f}",
            ]
            cells += [f"{row['lost_installs']:,.0f} of {row['installs']:,.0f}"] if installs else []
            cells += [_three(row["first_token_seconds"])] if installs else []
            cells += [_three(row["seconds_to_refusal"])] if refusals else []
            lines.append(f"| {' | '.join(cells)} |")
        ends = {"raised": "raised limits", "raised-paced": "raised limits, paced"}
        lines += [""] + [
            f"![{name} at a hundred million phones: {when}](assets/simulator/{name}-{end}.svg)"
            for end, when in ends.items()
        ]
        lines += [""]
    if "dollars" in kept:
        lines += _dollars(kept["dollars"])
    return "\n".join(lines)


def _three(of: dict[str, float]) -> str:
    return ", ".join(f"{of[each]:,.2f}" if of[each] < 10 else f"{of[each]:,.0f}" for each in ("p50", "p99", "max"))


def _dollars(by_route: dict[str, dict[str, float]]) -> list[str]:
    """Dollars of an ordinary day of a million phones."""
    by_route = {route: {part: each / 10 for part, each in costs.items()} for route, costs in by_route.items()}
    parts = list(next(iter(by_route.values())))
    lines = ["## Dollars of a million phones, an ordinary day", ""]
    lines += [f"| | {' | '.join(parts)} | $ |", f"|---|{'---:|' * (len(parts) + 1)}"]
    for route, costs in by_route.items():
        cells = [f"{costs[part]:,.2f}" for part in parts]
        lines.append(f"| {route} | {' | '.join(cells)} | **{sum(costs.values()):,.2f}** |")
    sums = {part: sum(costs[part] for costs in by_route.values()) for part in parts}
    lines.append(f"| all | {' | '.join(f'{each:,.2f}' for each in sums.values())} | **{sum(sums.values()):,.2f}** |")
    return [*lines, ""]


def main() -> None:
    """Play, and write."""
    named = sys.argv[1:] or list(SCENARIOS)
    ASSETS.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}
    for name in named:
        play(name, kept)
        KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
    PAGE.write_text(PAGE.read_text("utf-8").partition(MARK)[0] + MARK + tables(kept), "utf-8")


if __name__ == "__main__":
    main()
