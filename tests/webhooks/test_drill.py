"""Webhooks through an hour of silence, lost answers, copies and a wrong clock; `make webhook-drill` does more."""

from __future__ import annotations

import pytest

from tests.webhooks.drill import drill
from tests.webhooks.judges import ROOM, by_the_specification, npms_standardwebhooks


def test_every_event_arrives_once_whatever_happens() -> None:
    """Receiver down for an hour, answers lost, duplicate deliveries, clock off: checked by the specification."""
    for shown in drill(by_the_specification, events=36, seed=11):
        assert shown.holds, shown


def test_npms_library_takes_what_we_sign() -> None:
    """Another implementation than ours, run by Node."""
    if not (ROOM / "node_modules/standardwebhooks").is_dir():
        pytest.skip("NOT CHECKED BY npm's standardwebhooks: `make webhook-drill` gets it")
    with npms_standardwebhooks() as judge:
        for shown in drill(judge, events=36, seed=12):
            assert shown.holds, shown
