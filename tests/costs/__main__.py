"""``python -m tests.costs``: measure, and write bonafide/cost/measured.json, measured_view.json and
measured_detection.json (with ``--counting`` or ``--detection``, only that) and the tables of docs/costs.md."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.extent import ROOT  # first: it makes the functions importable

from bonafide.cost.costing import Prices  # isort: skip
from bonafide.cost.view_costs import page  # isort: skip
from devkit.local.aws import running_ministack
from tests.costs import detection, view
from tests.costs.measuring import FILE, measure

PAGE = ROOT / "docs" / "costs.md"
MARK = "<!-- from here on: bonafide cost --markdown -->\n"


def main() -> None:
    """Measure and write."""
    with running_ministack() as url, tempfile.TemporaryDirectory() as folder:
        if "--check-detection" in sys.argv:
            detection.check(url)
            return
        only = [name for name in ("--counting", "--detection") if name in sys.argv]
        if not only:
            FILE.write_text(json.dumps(measure(url, Path(folder)), indent=2) + "\n", "utf-8")
        if only != ["--detection"]:
            view.FILE.write_text(json.dumps(view.measure_view(url), indent=2) + "\n", "utf-8")
        if only != ["--counting"]:
            detection.FILE.write_text(json.dumps(detection.measure_detection(url), indent=2) + "\n", "utf-8")
    text = PAGE.read_text("utf-8").partition(MARK)[0]
    PAGE.write_text(text + MARK + "\n" + page(Prices.read()), "utf-8")


if __name__ == "__main__":
    main()
