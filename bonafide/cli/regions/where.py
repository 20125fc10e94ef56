"""Where a change holds, as commands print it: a row for each region."""

from __future__ import annotations

from typing import Any

from bonafide.cli.terminal import err, table
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.regions.holding import Holding, Sought, regions_of, watched


def where_it_holds(deployment: Deployment, sought: Sought, *, since: float) -> tuple[Holding, ...]:
    """Watch the regions of a stack until a change holds everywhere, or for a hundred seconds; none for a stack of one
    region. ``since`` is ``time.monotonic()`` when the change began. The change stands, whatever is seen of it."""
    try:
        regions = regions_of(deployment, sought.app)
        if not regions:
            return ()
        with err().status(f"Waiting until it holds in {', '.join(regions)}"):
            return watched(regions, sought, since=since)
    except OperatorError as error:
        err().print(f"The change is made; where it holds cannot be seen: {error}")
        return ()


def print_where(found: tuple[Holding, ...]) -> None:
    """A table, unless the stack has one region."""
    if not found:
        return
    table(
        ("region", "policy version", "trust bundle", "holds"),
        (
            (
                one.region,
                "" if one.policy_version is None else str(one.policy_version),
                str(one.bundle_version or "not read"),
                "not seen" if one.seconds is None else f"after {one.seconds:.1f} s",
            )
            for one in found
        ),
    )
    for one in found:
        if one.seconds is None:
            why = f": {one.note}" if one.note else ""
            err().print(f"In {one.region} it was not seen to hold{why}. `bonafide region list` shows the regions.")


def where_record(found: tuple[Holding, ...]) -> dict[str, Any]:
    """What it adds to an answer in JSON: nothing for a stack of one region."""
    return {"regions": [one.to_record() for one in found]} if found else {}
