"""`make console-drill`: the console in Chromium on a real local stack, measured; and pictures of it for its page.

python -m tests.browser.drill [--repetitions 20] [--runs 5] [--genuine 97] [--pictures docs/assets]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from devkit.fleet.drills import traffic
from devkit.fleet.drills.small_traffic import SmallTraffic
from tests.browser.chromium import launched, missing
from tests.browser.conftest import opened
from tests.browser.live import Hostile, Keyboard, Live, Mouse, live, measure
from tests.browser.story import ToldByHand, tell

BOUND: Final = 5.0
"""Seconds within which the refused line moves where tallies are delivered at once."""
DELAYS: Final = (0.0, 2.0, 5.0)
VIEWS: Final = ("now", "causes", "funnel", "map", "timeline", "keys", "policies")
_PAUSE: Final = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill; 0 where everything went as it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--genuine", type=int, default=97)
    parser.add_argument("--delays", type=float, nargs="*", default=DELAYS, help="seconds that tallies are held back")
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args(arguments)
    if why := missing():
        print(why, file=sys.stderr)
        return 1
    traffic._PAUSE = _PAUSE  # type: ignore[misc]  # devices that leave a small machine time for the browser
    with launched() as browser, tempfile.TemporaryDirectory() as folder:
        if options.pictures is not None:
            with live(Path(folder) / "pictures") as one:
                take_pictures(one, browser, options.pictures)
            return 0
        good = _lines(browser, Path(folder), options.repetitions, options.delays)
        return 0 if _stories(browser, Path(folder), options.runs, options.genuine) and good else 1


def _lines(browser: Any, folder: Path, repetitions: int, delays: Sequence[float]) -> bool:
    good = True
    print("Seconds from the first hostile request until the refused line moves on the page:")
    for delay in delays:
        sys.stdout.flush()
        with live(folder / f"delay-{delay:g}", delay=delay) as one:
            seconds = measure(one, browser, repetitions)
        own = [one - delay for one in seconds]
        listed = " ".join(f"{value:.1f}" for value in seconds)
        print(f"  delivered after {delay:g} s: {listed}; worst {max(seconds):.1f}, own time {max(own):.1f} at most")
        good = good and max(own) <= BOUND
    return good


def _stories(browser: Any, folder: Path, runs: int, genuine: int) -> bool:
    good = True
    for number in range(1, runs + 1):
        hand = Keyboard() if number == runs else Mouse()
        with live(folder / f"story-{number}") as one:
            told = tell(one, browser, hand, genuine=genuine)
        _print(number, told)
        good = good and told.as_expected
    return good


def _print(number: int, told: ToldByHand) -> None:
    steps = ", ".join(f"{event} {seconds:.1f} s" for event, seconds in told.seconds.items())
    harmed = sum(effect is None or not effect.unharmed for effect in (told.published, told.rolled_back))
    verdict = "as it must" if told.as_expected else "WRONG"
    print(f"Story {number} by {told.hand}: {steps}")
    print(f"  {told.newly_refused} keys in the replay, held {told.held:.1f} s after the confirmation (by the page),")
    print(f"  genuine devices harmed beyond one renewal: {'0' if not harmed else 'some'}; {verdict}")


def take_pictures(one: Live, browser: Any, folder: Path) -> None:
    """A picture of each page in light and dark, while devices go on and some hostile ones try."""
    folder.mkdir(parents=True, exist_ok=True)
    hostile = Hostile(one.scene, "demo")
    with SmallTraffic(one.scene, pause=0.1) as small:
        for scheme in ("light", "dark"):
            window = {"color_scheme": scheme, "viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1}
            with opened(browser, one.console, "/now?app=demo&since=5m", **window) as (page, seen):
                page.wait_for_timeout(30_000 if small.turns < 100 else 2_000)
                for view in VIEWS:
                    more = "&by=why,platform,model" if view == "causes" else ""
                    with hostile.trying():
                        page.goto(f"{one.console.origin.url}/{view}?app=demo&since=5m{more}")
                        page.wait_for_timeout(6_000)
                    page.screenshot(path=folder / f"console-{view}-{scheme}.png")
                assert seen.errors == []


if __name__ == "__main__":
    sys.exit(main())
