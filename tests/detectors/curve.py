"""The ROC curve of keys for hire that rhythm and place alone can tell: scores of all keys, whatever the threshold."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.detection.population.attestation_broker import AttestationBroker
from service.detection.population.packing import key_text

FALSE_SHARES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
_WIDTH, _HEIGHT, _EDGE = 480, 320, 48


@dataclass(slots=True)
class Scored(AttestationBroker):
    """The detector, which names no key and notes the most evidence that there ever was against each."""

    name = "scored"
    scores: dict[str, float] = field(default_factory=dict)

    def is_hired(self, key: bytes, evidence: float) -> bool:
        text = key_text(key)
        self.scores[text] = max(evidence, self.scores.get(text, 0.0))
        return False


def curve(scores: Mapping[str, float], hostile: Sequence[str], genuine: Sequence[str]) -> list[tuple[float, float]]:
    """Share of hostile keys that are found, for each of :data:`FALSE_SHARES` of genuine keys that may be named; a key
    that was never followed scores nothing."""
    against = sorted(scores.get(key, 0.0) for key in genuine)
    bad = sorted(scores.get(key, 0.0) for key in hostile)
    points = []
    for share in FALSE_SHARES:
        threshold = against[max(0, len(against) - 1 - int(share * len(against)))]
        above = len(bad) - bisect_left(bad, threshold + 1e-9)
        points.append((share, above / max(1, len(bad))))
    return points


def area(scores: Mapping[str, float], hostile: Sequence[str], genuine: Sequence[str]) -> float:
    """The chance that a hostile key scores more than a genuine one; equal ones count half."""
    against = sorted(scores.get(key, 0.0) for key in genuine)
    total = 0.0
    for key in hostile:
        score = scores.get(key, 0.0)
        total += (bisect_left(against, score) + bisect_left(against, score + 1e-12)) / 2
    return total / max(1, len(hostile) * len(against))


def drawing(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """The curves as SVG, false keys on a logarithmic scale."""
    left, right = FALSE_SHARES[0], FALSE_SHARES[-1]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="11" role="img" aria-label="Share of keys for hire that are found, by share of genuine keys named">'
    ]
    for share in FALSE_SHARES:
        x = _across(share, left, right)
        lines.append(f'<path d="M{x:.0f} {_EDGE / 2} V{_HEIGHT - _EDGE}" stroke="#ddd"/>')
        lines.append(f'<text x="{x:.0f}" y="{_HEIGHT - _EDGE + 15}" text-anchor="middle">{100 * share:g} %</text>')
    for found in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _down(found)
        lines.append(f'<path d="M{_EDGE} {y:.0f} H{_WIDTH - 10}" stroke="#ddd"/>')
        lines.append(f'<text x="{_EDGE - 6}" y="{y + 4:.0f}" text-anchor="end">{100 * found:.0f} %</text>')
    for (name, points), colour in zip(curves.items(), ("#0b6", "#06c", "#c30", "#839"), strict=False):
        path = " ".join(f"{_across(share, left, right):.0f},{_down(found):.0f}" for share, found in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = _down(points[-1][1]) - 5
        lines.append(f'<text x="{_WIDTH - 12}" y="{y:.0f}" text-anchor="end" fill="{colour}">{name}</text>')
    lines.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">genuine keys named</text></svg>')
    return "\n".join(lines) + "\n"


def _across(share: float, left: float, right: float) -> float:
    return _EDGE + (_WIDTH - _EDGE - 10) * math.log(share / left) / math.log(right / left)


def _down(found: float) -> float:
    return _HEIGHT - _EDGE - (_HEIGHT - 1.5 * _EDGE) * found
