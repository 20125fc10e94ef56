"""A run as a picture, in SVG: what phones sent, what was turned away, and what their users had of it.

The scale of requests is logarithmic, from one a second on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from devkit.simulation.run import Run

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 300, 64, 44, 30
_CURVES: Final = (
    ("renewals_offered", "renewals", "#06c"),
    ("challenges_offered", "challenges", "#0a7"),
    ("enrolments_offered", "enrolments", "#839"),
    ("policies_offered", "client policies", "#888"),
    ("refused", "turned away", "#c30"),
    ("failed_calls", "calls that failed", "#e90"),
)


def picture(run: Run, title: str) -> str:
    """Requests a second over time, on a logarithmic scale, as SVG."""
    rows = run.rows
    shown = [each for each in _CURVES if any(row.get(each[0], 0.0) >= 0.1 for row in rows)]
    most = max((row.get(name, 0.0) for row in rows for name, _label, _colour in shown), default=1.0)
    decades = max(1, math.ceil(math.log10(max(most, 10.0))))
    span = max((row["seconds"] for row in rows), default=1.0)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="11" role="img" aria-label="{title}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="16" font-size="12">{title}</text>',
    ]
    for decade in range(decades + 1):
        y = _down(10.0**decade, decades)
        lines.append(f'<path d="M{_LEFT} {y:.1f} H{_WIDTH - 120}" stroke="#ddd"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10**decade:,}/s</text>')
    for tick in range(5):
        x = _across(span * tick / 4, span)
        label = f"{span * tick / 4 / 3600:g} h" if span > 10_000 else f"{span * tick / 4 / 60:g} min"
        lines.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{label}</text>')
    for place, (name, label, colour) in enumerate(shown):
        points = _points([(row["seconds"], row.get(name, 0.0)) for row in rows], span, decades)
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = _TOP + 12 + 16 * place
        lines.append(f'<text x="{_WIDTH - 112}" y="{y}" fill="{colour}">{label}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _points(values: Sequence[tuple[float, float]], span: float, decades: int) -> str:
    every = max(1, len(values) // 150)
    means = [
        (values[at][0], sum(value for _x, value in values[at : at + every]) / len(values[at : at + every]))
        for at in range(0, len(values), every)
    ]
    return " ".join(f"{_across(x, span):.0f},{_down(value, decades):.0f}" for x, value in means)


def _across(seconds: float, span: float) -> float:
    return _LEFT + (_WIDTH - 120 - _LEFT) * seconds / span


def _down(value: float, decades: int) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * math.log10(max(value, 1.0)) / decades
