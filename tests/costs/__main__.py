"""``python -m tests.costs``: measure, and write bonafide/cost/measured.json and the tables of docs/costs.md."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.benchmarks.extent import ROOT  # first: it makes the functions importable

from bonafide.cost.costing import Prices, page  # isort: skip
from devkit.local.aws import running_ministack
from tests.costs.measuring import FILE, measure

PAGE = ROOT / "docs" / "costs.md"
MARK = "<!-- from here on: bonafide cost --markdown -->\n"


def main() -> None:
    """Measure and write."""
    with running_ministack() as url, tempfile.TemporaryDirectory() as folder:
        FILE.write_text(json.dumps(measure(url, Path(folder)), indent=2) + "\n", "utf-8")
    text = PAGE.read_text("utf-8").partition(MARK)[0]
    PAGE.write_text(text + MARK + "\n" + page(Prices.read()), "utf-8")


if __name__ == "__main__":
    main()
