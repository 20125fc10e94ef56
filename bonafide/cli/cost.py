"""``bonafide cost``: what requests cost, by measured amounts and list prices."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bonafide.cli.terminal import AsJson, out, print_json, table
from bonafide.cost.costing import PARTS, Prices, measured_paths, measured_rows, per_million, stored_per_million
from bonafide.cost.detection_costs import CEILING, HEADS, detection_dollars, detection_rows, measured_detection
from bonafide.cost.view_costs import console_sentence, counting_per_million, measured_lines, page, view_rows


def cost(
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="Prices of your region, in the form of prices.json.")
    ] = None,
    counting: Annotated[
        bool, typer.Option("--counting", help="Show what counting decisions for the threat view costs instead.")
    ] = False,
    detection: Annotated[bool, typer.Option("--detection", help="Show what detectors cost instead.")] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Show what rows of the tables take instead.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print all tables as docs/costs.md has them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a million requests cost, per path: measured amounts, times AWS's list prices."""
    found = Prices.read(prices)
    if as_json:
        print_json(
            {
                "region": found.region,
                "as_of": found.as_of,
                "source": found.source,
                "assumed": dict(found.assumed),
                "paths": {
                    name: {"per_million": per_million(amounts, found), "amounts": asdict(amounts)}
                    for name, amounts in measured_paths().items()
                },
                "rows": measured_rows(),
                "detection": {
                    name: {"per_million": detection_dollars(amounts, found), "amounts": asdict(amounts)}
                    for name, amounts in measured_detection().items()
                },
                "counting": {
                    name: {"per_million": counting_per_million(line, found), "amounts": asdict(line)}
                    for name, line in measured_lines().items()
                },
            }
        )
    elif markdown:
        typer.echo(page(found), nl=False)
    elif counting:
        heads = ("counting a million", "lines", "log bytes", "writes", "reads", "logs", "lambda", "dynamodb", "$")
        table(heads, [tuple(cell.strip("*") for cell in row) for row in view_rows(found)])
        out().print(console_sentence(found))
    elif detection:
        table(HEADS, [tuple(cell.strip("*") for cell in row) for row in detection_rows(found)])
        out().print(f"At most {CEILING:.2f} dollars a million, says a test.")
    elif rows:
        sizes = measured_rows().items()
        table(
            ("row", "bytes", "$ a month for a million"),
            [(kind, f"{size:,}", f"{stored_per_million(size, found):.2f}") for kind, size in sizes],
        )
    else:
        costs = {name: per_million(amounts, found) for name, amounts in measured_paths().items()}
        table(
            ("a million of", *PARTS, "$"),
            [
                (name, *(f"{each[part]:.2f}" for part in PARTS), f"{sum(each.values()):.2f}")
                for name, each in costs.items()
            ],
        )
        out().print(f"List prices of {found.region} as of {found.as_of}, without free tiers.")
