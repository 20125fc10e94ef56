"""What the page and the command say of costs is what requests take today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from service.items.item_size import write_units
from typer.testing import CliRunner

from bonafide.cli.main import cli
from bonafide.cost.costing import Amounts, Prices, measured_paths, measured_rows, per_million, stored_per_million
from bonafide.cost.detection_costs import CEILING, DetectionAmounts, detection_dollars, detection_per_million
from bonafide.cost.view_costs import CountedLine, consoles_per_day, counting_per_million, measured_lines, page
from tests.costs.__main__ import MARK, PAGE
from tests.costs.detection import of_decisions
from tests.costs.measuring import measure
from tests.costs.view import CASES, measure_view

ROOT = Path(__file__).parents[2]
AGAIN = (
    "challenges",
    "enrolments, iOS",
    "renewals, iOS",
    "renewals, Android",
    "guarded requests (proof-once)",
    "client policies",
    "calls through the proxy",
)
EXACTLY = ("function", "memory_mb", "round_trips", "read_units", "write_units", "gateway_requests", "kms_requests")
NEARLY = ("log_bytes", "archived_bytes", "sent_bytes")
STALE = "`python -m tests.costs` measures and writes anew"


@pytest.mark.ministack
def test_requests_take_what_was_measured(ministack_url: str, tmp_path: Path) -> None:
    """A call more, a longer row or log line, and the page is wrong."""
    today = measure(ministack_url, tmp_path, only=AGAIN, times=1)
    then = json.loads((ROOT / "bonafide/cost/measured.json").read_text("utf-8"))
    for name in AGAIN:
        was, now = then["paths"][name], today["paths"][name]
        assert {member: now[member] for member in EXACTLY} == {member: was[member] for member in EXACTLY}, STALE
        if was["function"] == "authorize_request":
            continue  # its line may have company: of a bundle that was refreshed meanwhile
        assert {member: now[member] for member in NEARLY} == pytest.approx({m: was[m] for m in NEARLY}, rel=0.05), STALE
    assert today["rows"].keys() <= then["rows"].keys(), STALE
    for kind in (
        "attested_keys: iPhone",
        "receipts: Apple's receipt",
        "nonces: spent challenge",
        "policies: head",
    ):
        assert today["rows"][kind] == pytest.approx(then["rows"][kind], rel=0.05), STALE


def test_page_is_what_the_command_prints() -> None:
    """Prices or amounts that change change the page."""
    text, mark, tables = PAGE.read_text("utf-8").partition(MARK)
    assert mark
    assert tables.strip() == page(Prices.read()).strip(), "write `bonafide cost --markdown` below the mark"
    assert "bonafide cost" in text


def test_renewals_are_within_their_budget() -> None:
    """Two round trips, four write units; and every key's row is of one kilobyte."""
    renewals = {name: a for name, a in measured_paths().items() if name.startswith("renewals") and "Play" not in name}
    assert len(renewals) == 3
    assert {(a.round_trips, a.write_units) for a in renewals.values()} == {(2, 4)}
    keys = {kind: size for kind, size in measured_rows().items() if kind.startswith("attested_keys")}
    assert keys
    assert {write_units(size) for size in keys.values()} == {1}


def test_cost_is_amounts_times_prices() -> None:
    """Worked out by hand."""
    amounts = Amounts(
        function="renew_token", memory_mb=1769, processor_ms=5, round_trips=2, read_units=3, write_units=4,
        log_bytes=974, log_lines=1, archived_bytes=0, sent_bytes=0,
    )  # fmt: skip
    dollars = {"rest_request": 3.5e-6, "lambda_request": 2e-7, "lambda_gb_second": 1e-5, "write_unit": 6.25e-7,
               "read_unit": 1.25e-7, "stored_gb_month": 0.25, "logged_gb": 0.5, "archived_gb": 0.03, "sent_gb": 0.09,
               "kms_request": 3e-6, "s3_put": 5e-6}  # fmt: skip
    assumed = {"round_trip_ms": 5, "google_ms": 200, "full_processor_mb": 1769, "platform_log_bytes": 0,
               "access_log_bytes": 0, "log_event_bytes": 26}  # fmt: skip
    costs = per_million(amounts, Prices("here", "2026-11", "a test", dollars, assumed))
    assert costs["gateway"] == pytest.approx(3.5)
    assert costs["lambda"] == pytest.approx(0.2 + 0.015 * 1769 / 1024 * 10)
    assert costs["dynamodb"] == pytest.approx(4 * 0.625 + 3 * 0.125)
    assert costs["logs"] == pytest.approx(1000 * 1e6 / 1024**3 * 0.5)
    assert costs["archive"] == costs["sent"] == costs["kms"] == 0
    assert stored_per_million(924, Prices("", "", "", dollars, assumed)) == pytest.approx(1024e6 / 1024**3 * 0.25)


@pytest.mark.ministack
def test_counting_takes_what_was_measured(ministack_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer line or row, another write, and the page is wrong."""
    name = "refused at the gate, 400 in two seconds and process"
    monkeypatch.setattr("tests.costs.view.CASES", {name: CASES[name]})
    today, then = measure_view(ministack_url)[name], measured_lines()[name]
    for member in ("line_bytes", "function_log_bytes", "read_units", "write_units", "round_trips", "row_bytes"):
        assert today[member] == pytest.approx(getattr(then, member), rel=0.05), (member, STALE)


def test_counting_costs_amounts_times_prices() -> None:
    """Worked out by hand."""
    line = CountedLine(
        decisions=400,
        line_bytes=700,
        function_log_bytes=300,
        read_units=4,
        write_units=3,
        round_trips=4,
        processor_ms=1,
        row_bytes=900,
    )
    prices = Prices.read()
    costs = counting_per_million(line, prices)
    assert line.lines_per_million == 2_500
    assert costs["dynamodb"] == pytest.approx(2_500 * (3 * 0.625e-6 + 4 * 0.125e-6))
    assert costs["logs"] == pytest.approx(2_500 * (1000 + 52 + 750) / 1024**3 * 0.5)
    assert costs["lambda"] == pytest.approx(2_500 * (2e-7 + (1769 / 512 + 20) / 1000 / 2 * 0.0000133334))
    day = consoles_per_day(10, 900, 2, prices)
    assert day["gateway"] == pytest.approx(432_000 * 3.5e-6)
    assert day["dynamodb"] == pytest.approx(432_000 * (2 * (7 + 49.5 / 15) + 2.5) * 0.125e-6)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["cost", *arguments])


def test_command_shows_paths_rows_and_json() -> None:
    """Tables by default, JSON for scripts."""
    assert "renewals, iOS" in run().output
    assert "us-east-1" in run().output
    assert "Apple's receipt" in run("--rows").output
    assert "refused at the gate" in run("--counting").output
    told = json.loads(run("--json").output)
    assert told["paths"].keys() == measured_paths().keys()
    assert told["paths"]["renewals, iOS"]["amounts"]["write_units"] == 4
    assert (told["region"], told["as_of"]) == (Prices.read().region, Prices.read().as_of)


def test_own_prices(tmp_path: Path) -> None:
    """A region that costs twice as much."""
    prices = json.loads((ROOT / "bonafide/cost/prices.json").read_text("utf-8"))
    prices |= {"region": "nowhere-1", "dollars": {name: 2 * price for name, price in prices["dollars"].items()}}
    file = tmp_path / "prices.json"
    file.write_text(json.dumps(prices))
    once, twice = (json.loads(run("--json", *more).output) for more in ((), ("--prices", str(file))))
    for name, path in once["paths"].items():
        assert twice["paths"][name]["per_million"] == pytest.approx({p: 2 * c for p, c in path["per_million"].items()})
    assert "nowhere-1" in run("--prices", str(file)).output


OURS = (ROOT / "bonafide/cost/prices.json").read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"region": "x"}', '{"region":"x","as_of":"","source":"","dollars":{},"assumed":{}}'),
        *(OURS.replace(": 5,", f": {amount},") for amount in ("NaN", "Infinity", "-1", "true", '"5"')),
        "[" * 200_000,
    ],
    ids=range(11),
)
def test_prices_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    """Half a price list would make half a cost."""
    file = tmp_path / "prices.json"
    file.write_text(text)
    refused = run("--prices", str(file))
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    assert "prices.json" in refused.stderr.replace("\n", "")
    assert "Prices" not in refused.stderr
    assert run("--prices", str(tmp_path / "none.json")).exit_code == 1


def test_detection_costs_less_than_its_ceiling() -> None:
    """Half a dollar for a million decisions, as it was measured, and by the detectors of today: on the first days of a
    few phones, which write most."""
    prices = Prices.read()
    assert detection_per_million(prices) < CEILING
    today = of_decisions(phones=100, warming=1_000, count=1_000)
    del today["largest_row"]
    assert sum(detection_dollars(DetectionAmounts(**today), prices).values()) < CEILING, STALE
