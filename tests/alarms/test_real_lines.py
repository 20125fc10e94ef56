"""The product writes every metric that an alarm looks at, under that alarm's dimensions."""

from __future__ import annotations

import pytest

from tests.alarms.real_lines import PRODUCERS, STACK, real_value

UNITS = {
    **dict.fromkeys(
        ("EndorsementsAge", "ReceiptsOverdue", "SigningKeyOverdue", "GateBundleAge", "TallyDelay"), "Seconds"
    ),
    **dict.fromkeys(("EnrolOwnTime", "RenewOwnTime"), "Milliseconds"),
}


@pytest.mark.parametrize("name", sorted(PRODUCERS))
def test_metric_is_written_when_it_happens(name: str) -> None:
    """By the code that ships, at the log level that keeps least."""
    value = real_value(name)
    assert value.namespace == "Bonafide"
    assert value.dimensions == {("stack", STACK), ("service", "bonafide")}
    assert value.unit == UNITS.get(name, "Count")
    assert not value.synthetic
